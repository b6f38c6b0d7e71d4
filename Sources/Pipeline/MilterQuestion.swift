public import MailTypes

/// What does this milter say of this step of a session?
///
/// Recorded are the milter and the step; the rest is only for whoever speaks with it.
public struct MilterQuestion: Sendable {
    public enum Step: Sendable, Hashable, Codable {
        case connect
        case hello(String)
        case sender(EmailAddress?)
        case recipient(EmailAddress)
        case message(MessageHandle, for: [EmailAddress])
    }

    public let milter: String
    public let step: Step
    /// `nil` where the question comes from a record.
    public let order: Order?

    /// Whom to ask, and what has been said in the session up to this step.
    public struct Order: Sendable {
        public var milter: ScannerAddress
        public var limits: Limits
        public var hostname: String
        public var session: Session
        /// The client's name in DNS, if it has one that leads back to it.
        public var clientName: String?
        /// Of the transaction, or, before it, of the connection.
        public var id: String
        public var envelope: Envelope?
        /// Those that were taken; in the recipient phase the one that is asked about is the last.
        public var recipients: [EnvelopeRecipient]
        public var message: Message?
        /// Where the conversation is kept from one step to the next.
        public var resources: SessionResources

        public init(
            _ milter: ScannerAddress, _ limits: Limits, of transaction: Transaction, to recipients: [EnvelopeRecipient]
        ) {
            self.milter = milter
            self.limits = limits
            self.recipients = recipients
            hostname = transaction.hostname
            session = transaction.session
            id = transaction.id.text
            envelope = transaction.envelope
            resources = transaction.resources
        }
    }

    /// What a milter may do and take.
    public struct Limits: Sendable, Hashable {
        public var permissions: Set<Permission>
        /// How long it may be silent while it owes a reply.
        public var replyTimeout: Interval
        /// Octets of a body that it puts in place of a message's own.
        public var largestBody: Int
        /// Connections to it at a time.
        public var mostConnections: Int

        public init(permissions: Set<Permission>, replyTimeout: Interval, largestBody: Int, mostConnections: Int) {
            self.permissions = permissions
            self.replyTimeout = replyTimeout
            self.largestBody = largestBody
            self.mostConnections = mostConnections
        }
    }

    /// What a milter may change.
    public enum Permission: String, Sendable, Hashable, Codable, CaseIterable {
        case header, body, recipients, sender, quarantine
    }

    public init(_ step: Step, _ order: Order) {
        self.init(order.milter.description, step, order)
    }

    private init(_ milter: String, _ step: Step, _ order: Order?) {
        self.milter = milter
        self.step = step
        self.order = order
    }

    /// As it stands in the record.
    var recorded: MilterQuestion {
        guard case .message(let handle, let recipients) = step else { return MilterQuestion(milter, step, nil) }
        return MilterQuestion(milter, .message(handle.recorded, for: recipients), nil)
    }
}

extension MilterQuestion: Hashable {
    public static func == (left: Self, right: Self) -> Bool { left.milter == right.milter && left.step == right.step }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(milter)
        hasher.combine(step)
    }
}

extension MilterQuestion: Codable {
    private enum CodingKeys: String, CodingKey { case milter, step }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            try table.decode(String.self, forKey: .milter), try table.decode(Step.self, forKey: .step), nil)
    }

    public func encode(to encoder: any Encoder) throws {
        var table = encoder.container(keyedBy: CodingKeys.self)
        try table.encode(milter, forKey: .milter)
        try table.encode(step, forKey: .step)
    }
}

/// What a milter said: its verdict, and what is to be different about the message.
public struct MilterReport: Sendable, Hashable, Codable {
    public enum Verdict: Sendable, Hashable, Codable {
        case `continue`
        /// It has no more to say of the session or the message.
        case accept
        case discard
        /// With its own words, if it has any.
        case reject(Reply?)
        case tempfail(Reply?)
    }

    /// In the order in which they are to be made.
    public enum Change: Sendable, Hashable, Codable {
        /// At the end of the header. Values are what stands behind the colon, folded or not.
        case addField(name: String, value: String)
        /// Before the field at this place, from 0 at the top.
        case insertField(at: Int, name: String, value: String)
        /// The field that is the so manieth of its name, from 1; an empty value takes it out.
        case changeField(number: Int, name: String, value: String)
        case replaceBody(Bytes)
        /// Paths as in RCPT and MAIL.
        case addRecipient(String)
        case deleteRecipient(String)
        case changeSender(String, parameters: String?)
        case quarantine(String)
    }

    public var verdict: Verdict
    public var changes: [Change]

    public init(_ verdict: Verdict, changes: [Change] = []) {
        self.verdict = verdict
        self.changes = changes
    }
}

extension Services {
    public func milterReport(_ question: MilterQuestion) async throws(StageFailure) -> MilterReport {
        guard case .milter(let report) = try await ask(.milter(question)) else { throw .mismatch }
        return report
    }
}
