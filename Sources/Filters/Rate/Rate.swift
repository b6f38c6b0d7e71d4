public import MailTypes
public import Pipeline

/// How much a client, a sender domain, a user or a recipient may within a time.
///
/// An attempt counts whether it is let through or not, so who hammers on stays outside until he
/// rests. A client is a network, since a neighbour of a blocked address is seldom a stranger to it;
/// who has logged in is counted as a user and not by where he comes from.
public struct Rate: ConnectStage, SenderStage, RecipientStage {
    public static let name: StageName = "rate"
    public static let effects: Effects = [.tempfails]

    public struct Configuration: Decodable, Sendable {
        public var clientConnections: RateLimit = "600/1m"
        public var clientMessages: RateLimit = "6000/1h"
        public var clientRecipients: RateLimit = "20000/1h"
        public var senderMessages: RateLimit = .none
        public var senderRecipients: RateLimit = .none
        public var userMessages: RateLimit = "500/1h"
        public var userRecipients: RateLimit = "2000/1h"
        public var recipientMessages: RateLimit = .none
        /// Clients that no limit by client holds for.
        public var exempt: [Network] = ["127.0.0.0/8", "::1"]
        /// How much of an IPv4 address names the client.
        public var ipv4Prefix: BoundedInt<IPv4PrefixBounds> = 24
        /// How much of an IPv6 address names the client.
        public var ipv6Prefix: BoundedInt<IPv6PrefixBounds> = 64

        public init() {}
    }

    let policy: Configuration
    private let exempt: NetworkSet
    private let neighbourhood: Neighbourhood

    public init(_ configuration: Configuration) {
        policy = configuration
        exempt = NetworkSet(configuration.exempt)
        neighbourhood = Neighbourhood(
            ipv4Bits: configuration.ipv4Prefix.value, ipv6Bits: configuration.ipv6Prefix.value)
    }

    public func connect(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        // 421: the connection ends with this reply. RFC 5321 §3.8.
        try await finding(
            on: clientCounter(policy.clientConnections, "client_connections", transaction), 421, transaction)
    }

    public func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        let counters = [
            clientCounter(policy.clientMessages, "client_messages", transaction),
            userCounter(policy.userMessages, "user_messages", transaction),
            senderCounter(policy.senderMessages, "sender_messages", transaction),
        ]
        return try await firstFinding(on: counters, transaction)
    }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        let counters = [
            clientCounter(policy.clientRecipients, "client_recipients", transaction),
            userCounter(policy.userRecipients, "user_recipients", transaction),
            senderCounter(policy.senderRecipients, "sender_recipients", transaction),
            Counter("recipient_messages", of: recipient.address.key, limit: policy.recipientMessages),
        ]
        return try await firstFinding(on: counters, transaction)
    }
}

extension Rate.Configuration {
    enum CodingKeys: String, CodingKey {
        case clientConnections = "client_connections"
        case clientMessages = "client_messages"
        case clientRecipients = "client_recipients"
        case senderMessages = "sender_messages"
        case senderRecipients = "sender_recipients"
        case userMessages = "user_messages"
        case userRecipients = "user_recipients"
        case recipientMessages = "recipient_messages"
        case exempt
        case ipv4Prefix = "ipv4_prefix"
        case ipv6Prefix = "ipv6_prefix"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        clientConnections = table.value(.clientConnections, default: clientConnections)
        clientMessages = table.value(.clientMessages, default: clientMessages)
        clientRecipients = table.value(.clientRecipients, default: clientRecipients)
        senderMessages = table.value(.senderMessages, default: senderMessages)
        senderRecipients = table.value(.senderRecipients, default: senderRecipients)
        userMessages = table.value(.userMessages, default: userMessages)
        userRecipients = table.value(.userRecipients, default: userRecipients)
        recipientMessages = table.value(.recipientMessages, default: recipientMessages)
        exempt = table.value(.exempt, default: exempt)
        ipv4Prefix = table.value(.ipv4Prefix, default: ipv4Prefix)
        ipv6Prefix = table.value(.ipv6Prefix, default: ipv6Prefix)
    }
}

// MARK: - Counting

extension Rate {
    /// One thing that is counted: what, whose, and how much of it is too much.
    struct Counter {
        let option: String
        let owner: String
        let count: Int
        let interval: Interval

        /// `nil` where there is no limit: nothing is asked then.
        init?(_ option: String, of owner: String, limit: RateLimit) {
            guard let count = limit.count else { return nil }
            self.option = option
            self.owner = owner
            self.count = count
            interval = limit.interval
        }
    }

    private func clientCounter(_ limit: RateLimit, _ option: String, _ transaction: Transaction) -> Counter? {
        let session = transaction.session
        guard session.user == nil, session.language != .internal, !exempt.contains(session.client) else {
            return nil
        }
        return Counter(option, of: neighbourhood.key(of: session.client), limit: limit)
    }

    private func userCounter(_ limit: RateLimit, _ option: String, _ transaction: Transaction) -> Counter? {
        transaction.session.user.flatMap { Counter(option, of: $0.mailbox.key, limit: limit) }
    }

    /// Reports have no sender, and no limit by sender.
    private func senderCounter(_ limit: RateLimit, _ option: String, _ transaction: Transaction) -> Counter? {
        transaction.sender.flatMap { Counter(option, of: $0.domain, limit: limit) }
    }

    private func firstFinding(
        on counters: [Counter?], _ transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        for counter in counters {
            let finding = try await finding(on: counter, 451, transaction)
            guard finding == .none else { return finding }
        }
        return .none
    }

    private func finding(
        on counter: Counter?, _ code: Int, _ transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        guard let counter else { return .none }
        let now = try await transaction.services.now()
        let used = try await transaction.services.count(
            .count(
                table: "rate.\(counter.option)", key: counter.owner, amount: 1, window: counter.interval, at: now))
        guard used > counter.count else { return .none }
        let reply = Reply(code, .deliveryNotAuthorized, "Too much mail in too short a time, try again later")
        return Finding(
            .tempfail(reply), decidedBy: [counter.option],
            note: "\(counter.owner): \(used) within \(counter.interval), \(counter.count) allowed")
    }
}
