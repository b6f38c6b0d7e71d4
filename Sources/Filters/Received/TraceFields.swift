public import MailTypes
public import Pipeline

/// Our Received field, and the guard against loops. RFC 5321 §4.4 and §6.3.
///
/// A message that was here already for the same mailbox, or has passed too many servers, is refused
/// while its sender is still on the line. Delivery writes the name of an address that is forwarded into a
/// Delivered-To field of each copy that leaves, so that a loop over other servers is seen when it comes back the
/// first time.
public struct TraceFields: MessageStage {
    public static let name: StageName = "received"
    public static let effects: Effects = [.rejects, .editsHeader, .endsLoops]

    public struct Configuration: Decodable, Sendable {
        /// How many servers a message may have passed.
        public var maxHops: BoundedInt<HopBounds> = 100
        /// Whether Delivered-To fields are heeded.
        public var deliveredTo = true

        public init() {}
    }

    /// RFC 5321 §6.3 asks for at least a hundred; less is for tests and closed networks.
    public enum HopBounds: Bounds { public static let range = 1...1000 }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let hops = message.header.fields(named: "Received").count
        guard hops <= policy.maxHops.value else {
            return Self.loop("Message has passed too many servers", "max_hops", "\(hops) Received fields")
        }
        if policy.deliveredTo, let address = Self.returned(message, transaction) {
            return Self.loop("Message was here before", "delivered_to", "was delivered to \(address) before")
        }
        // The mail server that has asked writes its own.
        guard transaction.session.language != .milter else { return .none }
        let now = try await transaction.services.now()
        return Finding(edits: [.prependField(name: "Received", value: ReceivedField.value(for: transaction, at: now))])
    }

    /// The recipient for whom this message was here before.
    private static func returned(_ message: Message, _ transaction: Transaction) -> EmailAddress? {
        // A user may send again what lies in his mailbox; a loop has no password.
        guard transaction.session.user == nil, transaction.session.language != .internal else { return nil }
        let delivered = Set(message.header.fields(named: "Delivered-To").map { $0.value.asciiLowercased })
        guard !delivered.isEmpty else { return nil }
        for recipient in transaction.recipients where recipient.isOurs {
            for address in [recipient.address] + recipient.mailboxes
            where delivered.contains(address.key) || delivered.contains(address.description.asciiLowercased) {
                return address
            }
        }
        return nil
    }

    private static func loop(_ text: String, _ key: String, _ note: String) -> Finding {
        Finding(.reject(Reply(554, .routingLoop, text)), decidedBy: [key], note: note)
    }
}

extension Recipient {
    fileprivate var mailboxes: [EmailAddress] {
        destinations.compactMap { if case .mailbox(let mailbox) = $0.route { mailbox } else { nil } }
    }

    /// Whether the address ends or is turned here; of one that is only relayed, Delivered-To fields
    /// are another server's.
    fileprivate var isOurs: Bool {
        !mailboxes.isEmpty || destinations.contains { $0.address.key != address.key }
    }
}

extension TraceFields.Configuration {
    enum CodingKeys: String, CodingKey {
        case maxHops = "max_hops"
        case deliveredTo = "delivered_to"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        maxHops = table.value(.maxHops, default: maxHops)
        deliveredTo = table.value(.deliveredTo, default: deliveredTo)
    }
}
