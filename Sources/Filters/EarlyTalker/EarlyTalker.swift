import MailTypes
public import Pipeline

/// Clients that speak before they may: before the greeting, or on the far side of a command whose
/// reply they had to wait for. RFC 5321 §4.3.1, RFC 2920 §3.1.
///
/// Programs that read no replies do it, mail servers do not. Who has logged in is spared: a clumsy
/// mail client is no stranger.
public struct EarlyTalker: ConnectStage, HelloStage, SenderStage {
    public static let name: StageName = "early-talker"
    public static let effects: Effects = [.rejects, .tempfails, .scores]

    public struct Configuration: Decodable, Sendable {
        /// What it costs.
        public enum Action: String, Decodable, Sendable, CaseIterable {
            case reject, tempfail, score, ignore
        }

        /// What speaking before the greeting costs.
        public var early = Action.reject
        /// What pipelining where it is not allowed costs.
        public var pipelining = Action.reject
        /// The points where the action is `score`.
        public var points = 2.0

        public init() {}
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func connect(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        policy.finding(on: transaction.session, scores: false)
    }

    public func hello(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        policy.finding(on: transaction.session, scores: false)
    }

    /// Points are given here only, so that each message gets them once.
    public func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        policy.finding(on: transaction.session, scores: true)
    }
}

extension EarlyTalker.Configuration {
    enum CodingKeys: String, CodingKey {
        case early, pipelining, points
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        early = table.value(.early, default: early)
        pipelining = table.value(.pipelining, default: pipelining)
        points = table.value(.points, default: points)
    }

    /// The whole policy. A refusal of one kind outweighs points for the other.
    func finding(on session: Session, scores: Bool) -> Finding {
        guard session.user == nil, session.language != .internal else { return .none }
        var finding = Finding.none
        for offence in offences(of: session) {
            finding.decidedBy.append(offence.key)
            finding.note = offence.description
            switch offence.action {
            case .reject:
                let reply = Reply(554, .protocolOther, "SMTP protocol synchronization error")
                return Finding(.reject(reply), decidedBy: [offence.key], note: offence.description)
            case .tempfail:
                finding.verdict = .tempfail(Reply(421, .protocolOther, "SMTP protocol synchronization error"))
            case .score where scores:
                let symbol = Symbol(offence.symbol, points: points, description: offence.description)
                finding.edits.append(.score(symbol))
            case .score, .ignore:
                break
            }
        }
        return finding
    }

    private struct Offence {
        let key: String
        let action: Action
        let symbol: String
        let description: String
    }

    private func offences(of session: Session) -> [Offence] {
        var offences: [Offence] = []
        if session.spokeEarly {
            offences.append(
                Offence(
                    key: "early", action: early, symbol: "EARLY_TALKER", description: "spoke before the greeting"))
        }
        if session.pipelinedWrongly {
            offences.append(
                Offence(
                    key: "pipelining", action: pipelining, symbol: "WRONG_PIPELINING",
                    description: "did not wait for a reply where it had to"))
        }
        return offences.filter { $0.action != .ignore }
    }
}
