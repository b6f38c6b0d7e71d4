public import MailTypes
public import Pipeline

/// Another program that judges and changes mail, asked over the milter protocol. docs/milter.md.
///
/// It hears each step of the session when that comes, and the message as the stages before have left it. What it wants
/// to be different become edits like any stage's; what it may not do it is not offered.
public struct Milter: ConnectStage, HelloStage, SenderStage, RecipientStage, MessageStage {
    public static let name: StageName = "milter"
    public static let effects: Effects = [
        .rejects, .tempfails, .discards, .quarantines, .editsHeader, .editsBody, .changesEnvelope,
    ]

    public struct Configuration: Decodable, Sendable {
        /// Where it listens.
        public var socket: MilterSocket = "inet:127.0.0.1:8891"
        /// What it may change.
        public var may = MilterQuestion.Permission.allCases
        /// Whether it hears each step as it comes, or all of them with the message.
        public var early = true
        /// How long it may be silent while it owes a reply.
        public var replyTimeout: Interval = "20s"
        /// A larger message is not shown to it.
        public var maxSize: ByteCount = "50MB"
        /// The largest body that it may put in place of a message's own.
        public var maxBody: ByteCount = "10MB"
        /// Connections to it at a time.
        public var maxConnections: BoundedInt<ConnectionBounds> = 100

        public init() {}
    }

    /// Milters have a thread or a process for each.
    public enum ConnectionBounds: Bounds { public static let range = 1...10_000 }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public var currentEffects: Effects {
        var effects: Effects = [.rejects, .tempfails, .discards]
        for permission in policy.may {
            switch permission {
            case .header: effects.insert(.editsHeader)
            case .body: effects.insert(.editsBody)
            case .recipients, .sender: effects.insert(.changesEnvelope)
            case .quarantine: effects.insert(.quarantines)
            }
        }
        return effects
    }

    public func connect(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        try await early(.connect, transaction)
    }

    public func hello(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        try await early(.hello(transaction.session.hello ?? ""), transaction)
    }

    public func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        try await early(.sender(transaction.sender), transaction)
    }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        try await early(.recipient(recipient.address), transaction, to: [recipient.said])
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard message.size <= policy.maxSize.octets else {
            return Finding(decidedBy: ["max_size"], note: "not shown: the message has \(message.size) octets")
        }
        let recipients = transaction.recipients.map(\.address)
        var order = order(transaction, to: transaction.recipients.map(\.said))
        order.message = message
        let step = MilterQuestion.Step.message(MessageHandle(message), for: recipients)
        let report = try await transaction.services.milterReport(MilterQuestion(step, order))
        return try MilterFinding(of: report, on: message, for: recipients).finding
    }

    private func early(
        _ step: MilterQuestion.Step, _ transaction: Transaction, to recipients: [EnvelopeRecipient] = []
    ) async throws(StageFailure) -> Finding {
        guard policy.early else { return .none }
        let order = order(transaction, to: transaction.recipients.map(\.said) + recipients)
        let report = try await transaction.services.milterReport(MilterQuestion(step, order))
        return MilterFinding.finding(of: report.verdict)
    }

    private func order(_ transaction: Transaction, to recipients: [EnvelopeRecipient]) -> MilterQuestion.Order {
        let limits = MilterQuestion.Limits(
            permissions: Set(policy.may), replyTimeout: policy.replyTimeout, largestBody: policy.maxBody.octets,
            mostConnections: policy.maxConnections.value)
        var order = MilterQuestion.Order(policy.socket.address, limits, of: transaction, to: recipients)
        order.clientName = transaction.session.clientName
        return order
    }
}

extension Milter.Configuration {
    enum CodingKeys: String, CodingKey {
        case socket, may, early
        case replyTimeout = "reply_timeout"
        case maxSize = "max_size"
        case maxBody = "max_body"
        case maxConnections = "max_connections"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        socket = table.value(.socket, default: socket)
        may = table.value(.may, default: may)
        early = table.value(.early, default: early)
        replyTimeout = table.value(.replyTimeout, default: replyTimeout)
        maxSize = table.value(.maxSize, default: maxSize)
        maxBody = table.value(.maxBody, default: maxBody)
        maxConnections = table.value(.maxConnections, default: maxConnections)
    }
}
