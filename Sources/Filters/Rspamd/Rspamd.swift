public import MailTypes
public import Pipeline

/// What rspamd says of a message.
///
/// Its points count as points here: each of its symbols is one of ours. What follows from the sum is another stage's.
public struct Rspamd: MessageStage, ForeignScorer {
    public static let name: StageName = "rspamd"
    public static let effects: Effects = [.scores]

    public struct Configuration: Decodable, Sendable, ForeignScorerOptions {
        /// Asked one after the other until one answers.
        public var servers: [ScannerServer] = ["127.0.0.1:11333"]
        /// What it wants to be told by everybody who is not local.
        public var password = ""
        /// How long one server may take.
        public var serverTimeout: Interval = "10s"
        /// A larger message is not sent to it.
        public var maxSize: ByteCount = "20MB"
        /// What one of its points is worth here.
        public var factor = 1.0
        /// The most that it may add, and the most that it may take off.
        public var mostPoints = 15.0
        public var leastPoints = -5.0
        /// Its symbols that do not count, since other stages here judge the same; `*` at the end is any end.
        public var ignore = ["R_SPF_*", "R_DKIM_*", "DMARC_*", "ARC_*", "GREYLIST"]

        public init() {}
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        try await finding(on: message, in: transaction) {
            $0.password = policy.password.isEmpty ? nil : policy.password
        }
    }
}

extension Rspamd.Configuration {
    static let scanner = SpamScanner.rspamd

    enum CodingKeys: String, CodingKey {
        case servers, password, factor, ignore
        case serverTimeout = "server_timeout"
        case maxSize = "max_size"
        case mostPoints = "most_points"
        case leastPoints = "least_points"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        servers = table.value(.servers, default: servers)
        password = table.value(.password, default: password)
        serverTimeout = table.value(.serverTimeout, default: serverTimeout)
        maxSize = table.value(.maxSize, default: maxSize)
        factor = table.value(.factor, default: factor)
        mostPoints = table.value(.mostPoints, default: mostPoints)
        leastPoints = table.value(.leastPoints, default: leastPoints)
        ignore = table.value(.ignore, default: ignore)
        try check(table)
    }
}
