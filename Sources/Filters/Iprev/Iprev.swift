import MailTypes
public import Pipeline

/// Whether the client's address has a name in DNS that leads back to it. RFC 8601 §2.7.3, §3.
///
/// Asked once per connection. What it finds stands in the Authentication-Results field and in the conditions
/// `iprev.pass`, `iprev.fail`, `iprev.permerror` (no name at all) and `iprev.temperror`.
public struct Iprev: ConnectStage {
    public static let name: StageName = "iprev"
    public static let effects: Effects = [.rejects, .tempfails, .scores, .authenticates]
    public static let methods: Set = ["iprev"]

    public struct Configuration: Decodable, Sendable {
        /// What a result costs.
        public typealias Action = ResultAction

        /// The address has names, and none of them leads back.
        public var fail = Action.score
        /// The address has no name.
        public var permerror = Action.score
        /// DNS did not answer.
        public var temperror = Action.ignore
        /// The points of each result whose action is `score`.
        public var failPoints = 1.0
        public var permerrorPoints = 1.0
        public var temperrorPoints = 0.5
        /// The points of a pass, below zero to speak for the message.
        public var passPoints = 0.0
        /// Names of one address that are looked up.
        public var maxNames: BoundedInt<NameBounds> = 5

        public init() {}
    }

    public enum NameBounds: Bounds { public static let range = 1...50 }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func connect(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        let client = transaction.session.client
        do throws(StageFailure) {
            let names = try await Self.names(of: client, transaction.services)
            guard !names.isEmpty else { return policy.finding(.permerror, "no name", client) }
            let name = try await Self.name(
                leadingTo: client, of: names.prefix(policy.maxNames.value), transaction.services)
            guard let name else { return policy.finding(.fail, "\(names[0]) does not lead back", client) }
            return policy.finding(.pass, name, client)
        } catch {
            return policy.finding(.temperror, error.reason, client)
        }
    }

    private static func names(of client: IPAddress, _ services: Services) async throws(StageFailure) -> [String] {
        guard case .records(let records, _) = try await services.dns(client.reverseName, .ptr) else { return [] }
        return records.compactMap { if case .name(let name) = $0 { name.withoutFinalDot } else { nil } }
    }

    /// The first that leads back. One without an answer spoils nothing if another leads back.
    private static func name(
        leadingTo client: IPAddress, of names: ArraySlice<String>, _ services: Services
    ) async throws(StageFailure) -> String? {
        var failure: StageFailure?
        for name in names {
            do throws(StageFailure) {
                if case .records(let records, _) = try await services.dns(name, client.addressType),
                    records.contains(.address(client))
                {
                    return name
                }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return nil
    }
}

// The whole policy, apart from DNS.
extension Iprev.Configuration {
    func finding(_ result: AuthenticationResults.Result, _ detail: String, _ client: IPAddress) -> Finding {
        let entry = AuthenticationResults.Entry(
            method: "iprev", result: result, reason: result == .pass ? nil : detail,
            properties: [.init("policy.iprev", client.description)])
        return Finding(edits: [.authentication(entry)], note: "\(client) \(result.rawValue): \(detail)")
            .with(consequence(of: result), as: "IPREV_\(result.rawValue.uppercased())") { code in
                Reply(code, .reverseNameFailed, "Your address \(client) has no name that leads back to it")
            }
    }

    private func consequence(of result: AuthenticationResults.Result) -> Consequence? {
        switch result {
        case .fail: Consequence("fail", fail, failPoints)
        case .permerror: Consequence("permerror", permerror, permerrorPoints)
        case .temperror: Consequence("temperror", temperror, temperrorPoints)
        case .pass: Consequence("pass", .score, passPoints)
        case .none, .softfail, .neutral, .policy: nil
        }
    }
}

extension Iprev.Configuration {
    enum CodingKeys: String, CodingKey {
        case fail, permerror, temperror
        case failPoints = "fail_points"
        case permerrorPoints = "permerror_points"
        case temperrorPoints = "temperror_points"
        case passPoints = "pass_points"
        case maxNames = "max_names"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        fail = table.value(.fail, default: fail)
        permerror = table.value(.permerror, default: permerror)
        temperror = table.value(.temperror, default: temperror)
        failPoints = table.value(.failPoints, default: failPoints)
        permerrorPoints = table.value(.permerrorPoints, default: permerrorPoints)
        temperrorPoints = table.value(.temperrorPoints, default: temperrorPoints)
        passPoints = table.value(.passPoints, default: passPoints)
        maxNames = table.value(.maxNames, default: maxNames)
    }
}
