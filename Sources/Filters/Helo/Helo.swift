import MailTypes
public import Pipeline

/// Whether the name that a client gives itself can be its own. RFC 5321 §4.1.4.
///
/// `pass`: it leads to the client's address; `neutral`: it leads elsewhere or nowhere, for which nobody may be refused;
/// `fail`: it is no name, or is this server's; `temperror`: DNS did not answer. The results are for conditions such as
/// `helo.pass`: RFC 8601 has no such method, so they are not written into headers.
public struct Helo: HelloStage {
    public static let name: StageName = "helo"
    public static let effects: Effects = [.rejects, .scores, .authenticates]
    public static let methods: Set = ["helo"]

    public struct Configuration: Decodable, Sendable {
        /// What a name costs that cannot be the client's.
        public enum Action: String, Decodable, Sendable, CaseIterable {
            case reject, score, ignore
        }

        /// What a name costs that may be the client's all the same. RFC 5321 §4.1.4 forbids to refuse it.
        public enum Doubt: String, Decodable, Sendable, CaseIterable {
            case score, ignore
        }

        /// It is neither a domain nor an address literal.
        public var invalid = Action.score
        /// It is this server's own name or address.
        public var forged = Action.score
        /// It does not lead to the client's address.
        public var mismatch = Doubt.ignore
        /// The points of each whose action is `score`.
        public var invalidPoints = 1.0
        public var forgedPoints = 3.0
        public var mismatchPoints = 0.5
        /// Further names of this server.
        public var ownNames: [String] = []

        public init() {}
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func hello(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        let session = transaction.session
        guard let said = session.hello else { return .none }
        switch HelloName(said) {
        case .invalid: return policy.finding(.invalid, said)
        case .address(session.client): return policy.finding(.proven, said)
        case .address(let address):
            // Behind an address translator a client cannot know its own.
            return policy.finding(address == session.serverAddress ? .forged : .mismatch, said)
        case .domain(let name):
            let own = [transaction.hostname] + policy.ownNames
            if own.contains(where: { $0.asciiLowercased == name }) { return policy.finding(.forged, said) }
            return policy.finding(await Self.lead(name, to: session.client, transaction.services), said)
        }
    }

    private static func lead(_ name: String, to client: IPAddress, _ services: Services) async -> Judgement {
        do throws(StageFailure) {
            guard case .records(let records, _) = try await services.dns(name, client.addressType) else {
                return .mismatch
            }
            return records.contains(.address(client)) ? .proven : .mismatch
        } catch {
            return .unanswered
        }
    }
}

extension Helo {
    /// What a name is.
    enum Judgement: Sendable {
        case proven, mismatch, unanswered, invalid, forged

        var result: AuthenticationResults.Result {
            switch self {
            case .proven: .pass
            case .mismatch: .neutral
            case .unanswered: .temperror
            case .invalid, .forged: .fail
            }
        }
    }
}

// The whole policy, apart from DNS.
extension Helo.Configuration {
    func finding(_ judgement: Helo.Judgement, _ said: String) -> Finding {
        let entry = AuthenticationResults.Entry(
            method: "helo", result: judgement.result, properties: [.init("smtp.helo", said)])
        let finding = Finding(edits: [.authentication(entry)], note: "\(said) \(judgement)")
        switch judgement {
        case .proven, .unanswered: return finding
        case .mismatch: return charged(finding, "mismatch", mismatch == .score ? .score : .ignore, mismatchPoints)
        case .invalid: return charged(finding, "invalid", invalid, invalidPoints)
        case .forged: return charged(finding, "forged", forged, forgedPoints)
        }
    }

    private func charged(_ finding: Finding, _ key: String, _ action: Action, _ points: Double) -> Finding {
        var finding = finding
        finding.decidedBy = [key]
        switch action {
        case .reject:
            finding.verdict = .reject(Reply(550, .deliveryNotAuthorized, "This cannot be the name of your server"))
        case .score where points != 0:
            let symbol = Symbol("HELO_\(key.uppercased())", points: points, description: finding.note ?? "")
            finding.edits.append(.score(symbol))
            finding.decidedBy.append("\(key)_points")
        case .score, .ignore: break
        }
        return finding
    }
}

extension Helo.Configuration {
    enum CodingKeys: String, CodingKey {
        case invalid, forged, mismatch
        case invalidPoints = "invalid_points"
        case forgedPoints = "forged_points"
        case mismatchPoints = "mismatch_points"
        case ownNames = "own_names"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        invalid = table.value(.invalid, default: invalid)
        forged = table.value(.forged, default: forged)
        mismatch = table.value(.mismatch, default: mismatch)
        invalidPoints = table.value(.invalidPoints, default: invalidPoints)
        forgedPoints = table.value(.forgedPoints, default: forgedPoints)
        mismatchPoints = table.value(.mismatchPoints, default: mismatchPoints)
        ownNames = table.value(.ownNames, default: ownNames)
    }
}
