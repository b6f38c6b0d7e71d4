public import MailTypes
public import Pipeline

/// What SpamAssassin says of a message, through its server spamd.
///
/// Its points count as points here: each of its symbols is one of ours. What follows from the sum is another stage's.
public struct Spamassassin: MessageStage {
    public static let name: StageName = "spamassassin"
    public static let effects: Effects = [.scores]

    public struct Configuration: Decodable, Sendable {
        /// Asked one after the other until one answers.
        public var servers: [ScannerServer] = ["127.0.0.1:783"]
        /// In whose name it reads its rules; empty: its own.
        public var user = ""
        /// How long one server may take.
        public var serverTimeout: Interval = "10s"
        /// A larger message is not sent to it.
        public var maxSize: ByteCount = "512KB"
        /// What one of its points is worth here.
        public var factor = 1.2
        /// The most that it may add, and the most that it may take off.
        public var mostPoints = 15.0
        public var leastPoints = -5.0
        /// Its symbols that do not count, since other stages here judge the same; `*` at the end is any end.
        public var ignore = ["SPF_*", "DKIM_*", "DMARC_*", "ARC_*"]

        public init() {}
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard message.size <= policy.maxSize.octets else {
            return Finding(decidedBy: ["max_size"], note: "not asked: the message has \(message.size) octets")
        }
        var order = SpamScanQuestion.Order(
            servers: policy.servers.map(\.address), patience: policy.serverTimeout, of: transaction)
        order.account = policy.user.isEmpty ? nil : policy.user
        let report = try await transaction.services.spamReport(SpamScanQuestion(.spamassassin, message, order: order))
        let symbols = policy.score.symbols(of: report)
        let note = "\(report.server): \(report.score) points"
        return Finding(edits: symbols.map(Edit.score), decidedBy: symbols.isEmpty ? [] : ["factor"], note: note)
    }
}

extension Spamassassin.Configuration {
    var score: ForeignScore {
        ForeignScore(name: "SPAMASSASSIN", factor: factor, range: leastPoints...mostPoints, ignored: ignore)
    }

    enum CodingKeys: String, CodingKey {
        case servers, user, factor, ignore
        case serverTimeout = "server_timeout"
        case maxSize = "max_size"
        case mostPoints = "most_points"
        case leastPoints = "least_points"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        servers = table.value(.servers, default: servers)
        user = table.value(.user, default: user)
        serverTimeout = table.value(.serverTimeout, default: serverTimeout)
        maxSize = table.value(.maxSize, default: maxSize)
        factor = table.value(.factor, default: factor)
        mostPoints = table.value(.mostPoints, default: mostPoints)
        leastPoints = table.value(.leastPoints, default: leastPoints)
        ignore = table.value(.ignore, default: ignore)
        guard !servers.isEmpty else {
            throw DecodingError.dataCorruptedError(
                forKey: .servers, in: table, debugDescription: "must name a server: there is nobody to ask")
        }
        guard leastPoints <= 0, mostPoints >= 0 else {
            throw DecodingError.dataCorruptedError(
                forKey: leastPoints > 0 ? .leastPoints : .mostPoints, in: table,
                debugDescription: leastPoints > 0 ? "must not be above zero" : "must not be below zero")
        }
        guard factor > 0, factor <= 100 else {
            throw DecodingError.dataCorruptedError(
                forKey: .factor, in: table, debugDescription: "\(factor) is out of range: above 0, at most 100")
        }
    }
}
