public import MailTypes
public import Pipeline

/// How much a mailbox and its post office may send; who exceeds it is blocked.
///
/// For what a stolen password or a runaway script can do: unlike `rate`, which asks to wait, it shuts the sender out
/// until a person has looked (`sluice blocked`). A message is counted with its first recipient, a recipient with its
/// RCPT; what was refused before this stage is not counted.
public struct SendLimits: SenderStage, RecipientStage {
    public static let name: StageName = "send-limits"
    public static let effects: Effects = [.rejects, .tempfails, .blocks]

    public struct Configuration: Decodable, Sendable {
        /// What follows.
        public enum Consequence: String, Decodable, Sendable, CaseIterable {
            /// The sender is blocked until somebody lifts it.
            case block
            /// He is asked to wait until less counts.
            case `defer`
        }

        public var mailboxMessages: [RateLimit] = ["400/1h", "2000/1d"]
        public var mailboxRecipients: [RateLimit] = ["1500/1h", "5000/1d"]
        public var postOfficeMessages: [RateLimit] = ["4000/1h", "20000/1d"]
        public var postOfficeRecipients: [RateLimit] = ["15000/1h", "50000/1d"]
        public var exceeded = Consequence.block
        /// Mailboxes that no limit of their own holds for; what they send counts for their post office.
        public var exempt: [EmailAddress] = []
        /// Other limits of single mailboxes, by their addresses.
        public var mailboxes: [String: OwnLimits] = [:]
        /// Of single post offices, by their names.
        public var postOffices: [String: OwnLimits] = [:]

        public init() {}
    }

    /// What is said for one mailbox or post office; what is not, is as for all.
    public struct OwnLimits: Decodable, Sendable, Hashable {
        public var messages: [RateLimit]?
        public var recipients: [RateLimit]?

        enum CodingKeys: String, CodingKey {
            case messages, recipients
        }

        public init(messages: [RateLimit]? = nil, recipients: [RateLimit]? = nil) {
            self.messages = messages
            self.recipients = recipients
        }

        public init(from decoder: any Decoder) throws {
            let table = try decoder.container(keyedBy: CodingKeys.self)
            messages = table.optional(.messages)
            recipients = table.optional(.recipients)
        }
    }

    let policy: Configuration
    private let exempt: Set<String>

    public init(_ configuration: Configuration) {
        policy = configuration
        exempt = Set(configuration.exempt.map(\.key))
    }

    public func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        guard let standing = try await standing(in: transaction), let block = standing.block else { return .none }
        return Self.refusal(of: block.party, block.reason, [])
    }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        guard let standing = try await standing(in: transaction) else { return .none }
        // While this transaction was under way.
        if let block = standing.block { return Self.refusal(of: block.party, block.reason, []) }
        let isFirst = transaction.recipients.isEmpty
        for counter in counters(of: standing) where isFirst || !counter.countsMessages {
            let now = try await transaction.services.now()
            let used = try await transaction.services.count(
                .count(
                    table: "\(Self.name).\(counter.option)", key: counter.key, amount: 1,
                    window: counter.interval, at: now))
            guard used > counter.count else { continue }
            return exceeded(counter, used)
        }
        return .none
    }

    private func standing(in transaction: Transaction) async throws(StageFailure) -> SendStanding? {
        guard let user = transaction.session.user?.mailbox else { return nil }
        return try await transaction.services.sendStanding(of: user)
    }

    // MARK: Counting

    /// One thing that is counted: what, whose, within how long, and how much of it is too much.
    private struct Counter {
        let option: String
        let party: SendParty
        let key: String
        let count: Int
        let interval: Interval
        let countsMessages: Bool

        var noun: String { countsMessages ? "messages" : "recipients" }
    }

    /// Whose messages are counted together, and under which key; what was counted before a pardon is under another.
    private struct Account {
        let party: SendParty
        let key: String
        let pardons: Int
    }

    private func counters(of standing: SendStanding) -> [Counter] {
        let mailbox = Account(
            party: .mailbox(standing.mailbox), key: standing.mailbox.key, pardons: standing.pardons)
        let office = Account(
            party: .postOffice(standing.postOffice), key: standing.postOffice.lowercased(),
            pardons: standing.postOfficePardons)
        let own = policy.mailboxes[mailbox.key]
        let officeOwn = policy.postOffices[office.key]
        let ofMailbox = [
            Self.counters("mailbox_messages", own?.messages ?? policy.mailboxMessages, of: mailbox),
            Self.counters("mailbox_recipients", own?.recipients ?? policy.mailboxRecipients, of: mailbox),
        ]
        let ofOffice = [
            Self.counters("post_office_messages", officeOwn?.messages ?? policy.postOfficeMessages, of: office),
            Self.counters("post_office_recipients", officeOwn?.recipients ?? policy.postOfficeRecipients, of: office),
        ]
        return ((exempt.contains(mailbox.key) ? [] : ofMailbox) + ofOffice).flatMap(\.self)
    }

    /// Each limit has a count of its own, since memory keeps one window under one key.
    private static func counters(_ option: String, _ limits: [RateLimit], of account: Account) -> [Counter] {
        limits.compactMap { limit in
            limit.count.map { count in
                Counter(
                    option: option, party: account.party, key: "\(account.key)/\(limit.interval)/\(account.pardons)",
                    count: count, interval: limit.interval, countsMessages: option.hasSuffix("messages"))
            }
        }
    }

    private func exceeded(_ counter: Counter, _ used: Int) -> Finding {
        let reason = "\(used) \(counter.noun) within \(counter.interval), \(counter.count) allowed"
        switch policy.exceeded {
        case .block:
            var finding = Self.refusal(of: counter.party, reason, [counter.option])
            finding.edits = [.block(SendBlockOrder(counter.party, reason: reason))]
            return finding
        case .defer:
            let text = "Too much mail of \(counter.party.shown): over \(counter.count) \(counter.noun) within "
            return Finding(
                .tempfail(Reply(451, .deliveryNotAuthorized, text + "\(counter.interval), try again later")),
                decidedBy: [counter.option], note: "\(counter.party): \(reason)")
        }
    }

    private static func refusal(of party: SendParty, _ reason: String, _ keys: [String]) -> Finding {
        let text = "Sending is blocked for \(party.shown): \(reason); please ask your administrator"
        let safe = String(decoding: text.utf8.map { $0 > 0x1F && $0 < 0x7F ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
        return Finding(
            .reject(Reply(550, .deliveryNotAuthorized, safe)), decidedBy: keys,
            note: "\(party) is blocked: \(reason)")
    }
}

extension SendParty {
    /// What a user is told; the post office's name is the administrators' own.
    fileprivate var shown: String {
        switch self {
        case .mailbox(let address): address.description
        case .postOffice: "your organization"
        }
    }
}

extension SendLimits.Configuration {
    enum CodingKeys: String, CodingKey {
        case mailboxMessages = "mailbox_messages"
        case mailboxRecipients = "mailbox_recipients"
        case postOfficeMessages = "post_office_messages"
        case postOfficeRecipients = "post_office_recipients"
        case exceeded, exempt, mailboxes
        case postOffices = "post_offices"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        mailboxMessages = table.value(.mailboxMessages, default: mailboxMessages)
        mailboxRecipients = table.value(.mailboxRecipients, default: mailboxRecipients)
        postOfficeMessages = table.value(.postOfficeMessages, default: postOfficeMessages)
        postOfficeRecipients = table.value(.postOfficeRecipients, default: postOfficeRecipients)
        exceeded = table.value(.exceeded, default: exceeded)
        exempt = table.value(.exempt, default: exempt)
        mailboxes = Self.own(.mailboxes, in: table)
        postOffices = Self.own(.postOffices, in: table)
    }

    private static func own(
        _ key: CodingKeys, in table: KeyedDecodingContainer<CodingKeys>
    ) -> [String: SendLimits.OwnLimits] {
        guard table.contains(key), let inner = try? table.nestedContainer(keyedBy: AnyKey.self, forKey: key) else {
            return [:]
        }
        var found: [String: SendLimits.OwnLimits] = [:]
        for name in inner.allKeys { found[name.stringValue.lowercased()] = inner.optional(name) }
        return found
    }
}
