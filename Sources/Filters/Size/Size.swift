public import MailTypes
public import Pipeline

/// How large a message may be. RFC 1870.
///
/// What the client declares is believed when it is too much, and never when it is little: the
/// message is measured when it has come.
public struct Size: SenderStage, RecipientStage, MessageStage {
    public static let name: StageName = "size"
    public static let effects: Effects = [.rejects]

    public struct Configuration: Decodable, Sendable {
        /// The largest message, in octets; a domain may have its own.
        public var max: ByteCount = "50MB"
        /// The largest message for any domain at all, asked at MAIL, when the recipients are not
        /// known yet. It must be raised where a domain's own `max` is above the general one.
        public var ceiling: ByteCount?

        public init() {}
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        guard let ceiling = policy.ceiling else {
            return Self.finding(on: transaction.envelope?.parameters.size, limit: policy.max, key: "max")
        }
        let limit = ceiling.octets > policy.max.octets ? ceiling : policy.max
        return Self.finding(on: transaction.envelope?.parameters.size, limit: limit, key: "ceiling")
    }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        Self.finding(on: transaction.envelope?.parameters.size, limit: policy.max, key: "max")
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        Self.finding(on: message.size, limit: policy.max, key: "max")
    }

    private static func finding(on size: Int?, limit: ByteCount, key: String) -> Finding {
        guard let size, size > limit.octets else { return .none }
        let reply = Reply(552, .messageTooBig, "Message is larger than \(limit.octets) octets")
        return Finding(.reject(reply), decidedBy: [key], note: "\(size) octets, \(limit) allowed")
    }
}

extension Size.Configuration {
    enum CodingKeys: String, CodingKey {
        case max, ceiling
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        max = table.value(.max, default: max)
        ceiling = table.optional(.ceiling)
    }
}
