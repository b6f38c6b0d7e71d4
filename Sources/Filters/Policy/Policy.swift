public import MailTypes
public import Pipeline

/// What a policy server says, as Postfix asks one: postgrey, policyd-spf, one's own. Postfix's SMTPD_POLICY_README.
public struct Policy: ConnectStage, HelloStage, SenderStage, RecipientStage, MessageStage {
    public static let name: StageName = "policy"
    public static let effects: Effects = [.rejects, .tempfails, .discards, .quarantines, .editsHeader]

    public struct Configuration: Decodable, Sendable {
        /// Asked one after the other until one answers.
        public var servers: [PolicyServer] = ["inet:127.0.0.1:10023"]
        /// At which steps it is asked.
        public var states = [PolicyQuestion.State.rcpt]
        /// How long one server may take.
        public var serverTimeout: Interval = "10s"
        /// What it is told as `policy_context`.
        public var context = ""

        public init() {}
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func connect(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        try await ask(.connect, transaction)
    }

    public func hello(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        try await ask(.helo, transaction)
    }

    public func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        try await ask(.mail, transaction)
    }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        try await ask(.rcpt, transaction, about: recipient.address)
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let recipients = transaction.recipients
        let only = recipients.count == 1 ? recipients[0].address : nil
        return try await ask(.endOfMessage, transaction, about: only, count: recipients.count, size: message.size)
    }

    private func ask(
        _ state: PolicyQuestion.State, _ transaction: Transaction, about recipient: EmailAddress? = nil,
        count: Int = 0, size: Int? = nil
    ) async throws(StageFailure) -> Finding {
        guard policy.states.contains(state) else { return .none }
        var order = PolicyQuestion.Order(
            servers: policy.servers.map(\.address), patience: policy.serverTimeout, context: policy.context,
            recipientCount: count, of: transaction)
        order.size = size ?? order.size
        let question = PolicyQuestion(state, sender: transaction.sender, recipient: recipient, order)
        return try PolicyAction(try await transaction.services.policyAction(question)).finding
    }
}

/// Where a policy server listens, written as a milter's place is.
public typealias PolicyServer = MilterSocket

extension Policy.Configuration {
    enum CodingKeys: String, CodingKey {
        case servers, states, context
        case serverTimeout = "server_timeout"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        servers = table.value(.servers, default: servers)
        states = table.value(.states, default: states)
        serverTimeout = table.value(.serverTimeout, default: serverTimeout)
        context = table.value(.context, default: context)
        guard !servers.isEmpty else {
            throw DecodingError.dataCorruptedError(
                forKey: .servers, in: table, debugDescription: "must name a server: there is nobody to ask")
        }
        guard !states.isEmpty else {
            throw DecodingError.dataCorruptedError(
                forKey: .states, in: table, debugDescription: "must name a step: it is never asked")
        }
    }
}
