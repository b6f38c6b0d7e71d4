public import MailTypes
public import Pipeline

/// Under which names users who have logged in may send. RFC 6409 §6.1, §8.
///
/// Their own addresses, with any detail, and those that the directory grants them; one such address may be granted to
/// several users. The envelope is asked about at MAIL, so that nothing is transferred in vain, and the fields that name
/// an author or a sender when the message has come: whatever in them some reader may take for an author. The reply
/// names the address that is not theirs.
public struct Senders: SenderStage, MessageStage {
    public static let name: StageName = "senders"
    public static let effects: Effects = [.rejects, .provesSenders]

    public struct Configuration: Decodable, Sendable {
        /// Whom it holds for.
        public enum Scope: String, Decodable, Sendable, CaseIterable {
            case never
            /// On listeners of submission.
            case submission
            /// Wherever the user has logged in.
            case always
        }

        /// Where the address in MAIL FROM must be one of the user's.
        public var envelope = Scope.always
        /// Where each address in ``fields`` must be one.
        public var header = Scope.always
        /// Names of the fields that are asked about.
        public var fields = ["From", "Sender", "Resent-From", "Resent-Sender"]

        public init() {}
    }

    /// Addresses of one message that are asked about; more of them are nobody's.
    static let mostAddresses = 100

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public var currentEffects: Effects {
        policy.envelope == .never || policy.header == .never ? [.rejects] : Self.effects
    }

    public func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        // The null path belongs to nobody: a mail client's receipts use it. RFC 3798 §3.
        guard let user = user(policy.envelope, transaction.session), let sender = transaction.sender else {
            return .none
        }
        if try await transaction.services.may(user, sendAs: sender) { return .none }
        return Self.refusal("You may not send as \(Self.shown(sender))", "envelope", "\(user) sends as \(sender)")
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard let user = user(policy.header, transaction.session) else { return .none }
        var asked: Set<String> = []
        for field in message.header.fields where policy.fields.contains(where: field.isNamed) {
            guard let authors = Authors.appearing(in: field) else {
                let text = "The \(Self.canonical(field, policy.fields)) field cannot be read"
                return Self.refusal(text, "header", "the \(field.name) field cannot be read")
            }
            for author in authors where asked.insert(author.key).inserted {
                guard asked.count <= Self.mostAddresses else {
                    return Self.refusal("Too many authors", "header", "more than \(Self.mostAddresses) addresses")
                }
                if try await transaction.services.may(user, sendAs: author) { continue }
                let text = "You may not write as \(Self.shown(author)), in the field "
                return Self.refusal(
                    text + Self.canonical(field, policy.fields), "header", "\(user) writes as \(author)")
            }
        }
        return .none
    }

    /// The user whose addresses are asked for, where they are.
    private func user(_ scope: Configuration.Scope, _ session: Session) -> EmailAddress? {
        switch scope {
        case .never: nil
        case .submission: session.language == .submission ? session.user?.mailbox : nil
        case .always: session.user?.mailbox
        }
    }

    private static func refusal(_ text: String, _ key: String, _ note: String) -> Finding {
        Finding(.reject(Reply(550, .deliveryNotAuthorized, text)), decidedBy: [key], note: note)
    }

    /// A reply is ASCII: what an address has beyond that is not shown. RFC 5321 §4.2, RFC 6531 §3.7.4.
    private static func shown(_ address: EmailAddress) -> String {
        let text = address.description
        return text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? text : "that address at \(ascii(address.domain))"
    }

    private static func ascii(_ domain: String) -> String {
        domain.utf8.allSatisfy { $0 < 0x80 } ? domain : "another domain"
    }

    /// The field's name as the file has it: the message's own spelling is a stranger's.
    private static func canonical(_ field: HeaderField, _ names: [String]) -> String {
        names.first(where: field.isNamed) ?? ""
    }
}

extension Senders.Configuration {
    enum CodingKeys: String, CodingKey {
        case envelope, header, fields
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        envelope = table.value(.envelope, default: envelope)
        header = table.value(.header, default: header)
        fields = table.value(.fields, default: fields)
    }
}
