public import MailTypes

/// What does a policy server say of a step of a session? Postfix's SMTPD_POLICY_README.
///
/// Recorded are the servers and the step; the rest is only for whoever asks them.
public struct PolicyQuestion: Sendable {
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        case connect, helo, mail, rcpt
        case endOfMessage = "end-of-message"
    }

    public let servers: [String]
    public let state: State
    public let sender: EmailAddress?
    /// In the state RCPT, and at the end of a message with one recipient.
    public let recipient: EmailAddress?
    /// `nil` where the question comes from a record.
    public let order: Order?

    public struct Order: Sendable {
        /// Asked one after the other until one answers.
        public var servers: [ScannerAddress]
        /// How long one of them may take.
        public var patience: Interval
        public var session: Session
        public var id: String
        /// Octets: as declared, or at the end of a message as they are.
        public var size: Int?
        /// At the end of a message how many it has.
        public var recipientCount: Int
        /// What the admin wants the server to be told.
        public var context: String

        public init(
            servers: [ScannerAddress], patience: Interval, context: String, recipientCount: Int,
            of transaction: Transaction
        ) {
            self.servers = servers
            self.patience = patience
            self.context = context
            self.recipientCount = recipientCount
            session = transaction.session
            id = transaction.id.text
            size = transaction.envelope?.parameters.size
        }
    }

    public init(_ state: State, sender: EmailAddress?, recipient: EmailAddress?, _ order: Order) {
        self.init(order.servers.map(\.description), state, sender, recipient, order)
    }

    private init(
        _ servers: [String], _ state: State, _ sender: EmailAddress?, _ recipient: EmailAddress?, _ order: Order?
    ) {
        self.servers = servers
        self.state = state
        self.sender = sender
        self.recipient = recipient
        self.order = order
    }

    /// As it stands in the record.
    var recorded: PolicyQuestion { PolicyQuestion(servers, state, sender, recipient, nil) }
}

extension PolicyQuestion: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        left.servers == right.servers && left.state == right.state && left.sender == right.sender
            && left.recipient == right.recipient
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(servers)
        hasher.combine(state)
        hasher.combine(sender)
        hasher.combine(recipient)
    }
}

extension PolicyQuestion: Codable {
    private enum CodingKeys: String, CodingKey { case servers, state, sender, recipient }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            try table.decode([String].self, forKey: .servers), try table.decode(State.self, forKey: .state),
            try table.decodeIfPresent(EmailAddress.self, forKey: .sender),
            try table.decodeIfPresent(EmailAddress.self, forKey: .recipient), nil)
    }

    public func encode(to encoder: any Encoder) throws {
        var table = encoder.container(keyedBy: CodingKeys.self)
        try table.encode(servers, forKey: .servers)
        try table.encode(state, forKey: .state)
        try table.encodeIfPresent(sender, forKey: .sender)
        try table.encodeIfPresent(recipient, forKey: .recipient)
    }
}

extension Services {
    /// The action in the server's words: `DUNNO`, `REJECT go away`.
    public func policyAction(_ question: PolicyQuestion) async throws(StageFailure) -> String {
        guard case .policy(let action) = try await ask(.policy(question)) else { throw .mismatch }
        return action
    }
}
