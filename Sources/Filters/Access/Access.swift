public import MailTypes
public import Pipeline

/// Who may connect at all, by address.
///
/// `allow` comes before `deny`, so that one host can be let in out of a network that is shut out.
public struct Access: ConnectStage {
    public static let name: StageName = "access"
    public static let effects: Effects = [.rejects, .accepts]

    public struct Configuration: Decodable, Sendable {
        /// What happens to a client that neither list names.
        public enum Standard: String, Decodable, Sendable, CaseIterable {
            case allow, deny
        }

        /// What being on the allow list is worth.
        public enum Trust: String, Decodable, Sendable, CaseIterable {
            /// Not refused here; the other stages judge as always.
            case `continue`
            /// No stage behind this one is asked whether the client may connect.
            case accept
        }

        /// Networks that are never refused here.
        public var allow: [Network] = []
        /// Networks that are refused.
        public var deny: [Network] = []
        /// What holds for everybody else.
        public var `default` = Standard.allow
        /// What being allowed by the list is worth.
        public var allowed = Trust.continue
        /// The languages of the listeners on which this holds; none named means all.
        public var languages: [Session.Language] = []

        public init() {}
    }

    let policy: Configuration
    private let allowed: NetworkSet
    private let denied: NetworkSet

    public init(_ configuration: Configuration) {
        policy = configuration
        allowed = NetworkSet(configuration.allow)
        denied = NetworkSet(configuration.deny)
    }

    public var currentEffects: Effects { policy.allowed == .accept ? Self.effects : [.rejects] }

    public func connect(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        let session = transaction.session
        guard policy.languages.isEmpty || policy.languages.contains(session.language) else { return .none }
        if allowed.contains(session.client) {
            let verdict: Verdict = policy.allowed == .accept ? .accept : .continue
            return Finding(verdict, decidedBy: ["allow", "allowed"], note: "\(session.client) is allowed")
        }
        if denied.contains(session.client) { return Self.refusal(of: session.client, by: "deny") }
        return policy.default == .deny ? Self.refusal(of: session.client, by: "default") : .none
    }

    private static func refusal(of client: IPAddress, by key: String) -> Finding {
        // 554 is the code that refuses a connection in place of the greeting. RFC 5321 §3.1.
        let reply = Reply(554, .deliveryNotAuthorized, "Access denied")
        return Finding(.reject(reply), decidedBy: [key], note: "\(client) is refused")
    }
}

extension Access.Configuration {
    enum CodingKeys: String, CodingKey {
        case allow, deny, `default`, allowed, languages
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        allow = table.value(.allow, default: allow)
        deny = table.value(.deny, default: deny)
        `default` = table.value(.default, default: `default`)
        allowed = table.value(.allowed, default: allowed)
        languages = table.value(.languages, default: languages)
    }
}
