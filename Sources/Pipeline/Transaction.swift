public import Content
public import MailTypes

/// One mail transaction as a stage sees it: who, for whom, what, and what was found so far.
///
/// A value: it ends with the transaction, and nothing of it can reach the next one.
public struct Transaction: Sendable {
    public let id: TransactionID
    /// This server's name, as it signs its header fields.
    public let hostname: String
    public var session: Session
    /// `nil` before MAIL.
    public var envelope: Envelope?
    /// The recipients that were accepted.
    public var recipients: [Recipient] = []
    /// In the message phase, the message with the edits of the stages before.
    public var message: Message?
    /// What the stages before have found, each with its points.
    public var symbols: [Symbol] = []
    public var authentication = AuthenticationResults()
    /// In the message phase, what this stage named in the recipient phase as holding for these recipients: the
    /// values of their own by which it judges them. See ``Edit/policy(_:)``.
    public var policy: String?
    /// In the recipient phase, whether a stage behind the one that is asked takes recipients whose address nobody has.
    public var claimsFollow = false
    /// In the message phase, why what follows from the score is set aside.
    public var exemption: Exemption?
    /// The options of the stage that is asked which stand in a table of the domain's own.
    public var ownOptions: Set<String> = []
    /// Everything outside is asked through these, and what was answered is kept.
    public var services: Services
    /// What the world keeps open for the client's session; stages pass it on with their questions.
    public var resources = SessionResources()

    public init(id: TransactionID, hostname: String, session: Session, services: Services) {
        self.id = id
        self.hostname = hostname
        self.session = session
        self.services = services
    }

    /// What is kept of the content of ``message``.
    var contentBox = ContentBox()

    /// What a reader sees of `message`, which is the one that the stage was asked about. It is read once for all
    /// stages, as long as none changes what is to be seen.
    public func content(of message: Message) async -> MessageContent { await contentBox.content(of: message) }

    public var sender: EmailAddress? { envelope?.sender }

    /// The sum of all points, in hundredths.
    public var score: Double { symbols.score }
}

/// Somebody the message is for: the address that was said, and what became of it.
public struct Recipient: Sendable, Hashable, Codable {
    /// As said in RCPT, with its parameters.
    public var said: EnvelopeRecipient
    /// Where its copies go; several for an alias or a group. Empty until a stage has resolved it.
    public var destinations: [Destination]
    public var disposition: Disposition = .deliver
    /// The values of its own by which stages will judge its copy, by the stages' files. See ``Edit/policy(_:)``.
    var policies: [String: String] = [:]
    /// The same of stages in shadow: they are asked about each value, and divide nothing.
    var observedPolicies: [String: String] = [:]
    /// Nobody has said it: a stage has added it in the message phase.
    var isAdded = false
    /// What lists can say of its copy before the message has come; `nil`: nothing. It ends with the recipient phase.
    public var standing: ListStanding?
    /// Nobody has the address: what the client is told unless a stage says where its mail goes. It ends with the
    /// recipient phase.
    public var unclaimed: Reply?

    public init(_ said: EnvelopeRecipient, destinations: [Destination] = []) {
        self.said = said
        self.destinations = destinations
    }

    private enum CodingKeys: CodingKey {
        case said, destinations, disposition, policies
    }

    /// What records of older versions lack has its default.
    public init(from decoder: any Decoder) throws {
        let record = try decoder.container(keyedBy: CodingKeys.self)
        said = try record.decode(EnvelopeRecipient.self, forKey: .said)
        destinations = try record.decode([Destination].self, forKey: .destinations)
        disposition = try record.decode(Disposition.self, forKey: .disposition)
        policies = try record.decodeIfPresent([String: String].self, forKey: .policies) ?? [:]
    }

    public var address: EmailAddress { said.address }

    /// What the stage of this file has named as holding for it.
    func policy(of file: String) -> String? { policies[file] ?? observedPolicies[file] }

    /// The domain whose policies hold: that of the final mailbox if there is exactly one, otherwise
    /// the one that was said.
    public var policyDomain: String {
        guard let first = destinations.lazy.compactMap(\.mailbox).first else { return address.domain }
        let isOnlyOne = destinations.allSatisfy { $0.mailbox.map { $0.domain == first.domain } ?? true }
        return isOnlyOne ? first.domain : address.domain
    }
}

/// One final address of a recipient, with its route.
public struct Destination: Sendable, Hashable, Codable {
    public var address: EmailAddress
    public var route: Route
    /// The reverse-path under which its copy leaves; `nil`: the envelope's.
    public var reversePath: EmailAddress?
    /// The mailbox that is redirected here, if one is: its policies hold.
    public var owner: EmailAddress?

    public init(
        address: EmailAddress, route: Route, reversePath: EmailAddress? = nil, owner: EmailAddress? = nil
    ) {
        self.address = address
        self.route = route
        self.reversePath = reversePath
        self.owner = owner
    }

    /// The mailbox whose mail it is.
    public var mailbox: EmailAddress? {
        if case .mailbox(let box) = route { box } else { owner }
    }
}

/// One thing a stage noticed, with its points: above zero speaks for spam, below for ham.
public struct Symbol: Sendable, Hashable, Codable {
    public var name: String
    public var points: Double
    public var description: String

    public init(_ name: String, points: Double, description: String) {
        self.name = name
        self.points = points
        self.description = description
    }
}

/// When in a session a stage is asked.
public enum Phase: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
    case connect, hello, sender, recipient, message

    public static func < (left: Self, right: Self) -> Bool {
        allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!
    }
}
