import MailTypes
import Pipeline

/// A stage that asks another program what it makes of a message, and counts its points.
protocol ForeignScorer: MessageStage where Configuration: ForeignScorerOptions {
    var policy: Configuration { get }
}

/// What such stages have in common.
protocol ForeignScorerOptions: Sendable {
    static var scanner: SpamScanner { get }

    /// Asked one after the other until one answers.
    var servers: [ScannerServer] { get }
    /// How long one server may take.
    var serverTimeout: Interval { get }
    /// A larger message is not sent to it.
    var maxSize: ByteCount { get }
    /// What one of its points is worth here.
    var factor: Double { get }
    /// The most that it may add, and the most that it may take off.
    var mostPoints: Double { get }
    var leastPoints: Double { get }
    /// Its symbols that do not count, since other stages here judge the same; `*` at the end is any end.
    var ignore: [String] { get }
}

extension ForeignScorer {
    /// `complete` adds to the order what only this program wants to know.
    func finding(
        on message: Message, in transaction: Transaction, _ complete: (inout SpamScanQuestion.Order) -> Void
    ) async throws(StageFailure) -> Finding {
        guard message.size <= policy.maxSize.octets else {
            return Finding(decidedBy: ["max_size"], note: "not asked: the message has \(message.size) octets")
        }
        var order = SpamScanQuestion.Order(
            servers: policy.servers.map(\.address), patience: policy.serverTimeout, of: transaction)
        complete(&order)
        let question = SpamScanQuestion(Configuration.scanner, message, order: order)
        let report = try await transaction.services.spamReport(question)
        let symbols = policy.score.symbols(of: report)
        let note = "\(report.server): \(report.score) points"
        return Finding(edits: symbols.map(Edit.score), decidedBy: symbols.isEmpty ? [] : ["factor"], note: note)
    }
}

extension ForeignScorerOptions {
    var score: ForeignScore {
        ForeignScore(
            name: Self.scanner.rawValue.uppercased(), factor: factor, range: leastPoints...mostPoints, ignored: ignore)
    }

    /// What is allowed by its type and cannot be.
    func check<Key: CodingKey>(_ table: KeyedDecodingContainer<Key>) throws {
        func wrong(_ key: String, _ reason: String) -> DecodingError {
            let path = table.codingPath + [Key(stringValue: key)].compactMap(\.self)
            return .dataCorrupted(.init(codingPath: path, debugDescription: reason))
        }
        guard !servers.isEmpty else { throw wrong("servers", "must name a server: there is nobody to ask") }
        guard leastPoints <= 0 else { throw wrong("least_points", "must not be above zero") }
        guard mostPoints >= 0 else { throw wrong("most_points", "must not be below zero") }
        guard factor > 0, factor <= 100 else {
            throw wrong("factor", "\(factor) is out of range: above 0, at most 100")
        }
    }
}
