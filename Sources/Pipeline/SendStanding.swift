public import MailTypes
public import struct Foundation.Date

/// Who can be kept from sending.
public enum SendParty: Sendable, Hashable, Codable, CustomStringConvertible {
    case mailbox(EmailAddress)
    /// All its mailboxes.
    case postOffice(String)

    public var description: String {
        switch self {
        case .mailbox(let address): address.description
        case .postOffice(let name): "post office \(name)"
        }
    }
}

/// That somebody may not send, until a person lifts it.
public struct SendBlock: Sendable, Hashable, Codable {
    public var party: SendParty
    /// `520 recipients within 1h, 500 allowed`.
    public var reason: String
    public var since: Date

    public init(_ party: SendParty, reason: String, since: Date) {
        self.party = party
        self.reason = reason
        self.since = since
    }
}

/// What the directory knows of a mailbox that sends.
public struct SendStanding: Sendable, Hashable, Codable {
    /// As it is stored.
    public var mailbox: EmailAddress
    public var postOffice: String
    /// What keeps it from sending: a block of its own, or of its post office.
    public var block: SendBlock?
    /// How often a block of the mailbox, and of the post office, was lifted: what was sent before counts no more.
    public var pardons: Int
    public var postOfficePardons: Int

    public init(
        mailbox: EmailAddress, postOffice: String, block: SendBlock? = nil, pardons: Int = 0, postOfficePardons: Int = 0
    ) {
        self.mailbox = mailbox
        self.postOffice = postOffice
        self.block = block
        self.pardons = pardons
        self.postOfficePardons = postOfficePardons
    }
}

/// That somebody is to be kept from sending from now on.
public struct SendBlockOrder: Sendable, Hashable, Codable {
    public var party: SendParty
    public var reason: String

    public init(_ party: SendParty, reason: String) {
        self.party = party
        self.reason = reason
    }
}

extension Trace {
    /// Whom stages have asked to keep from sending, each with the stage that has.
    public var blockOrders: [(stage: StageName, order: SendBlockOrder)] {
        steps.filter(\.isApplied).flatMap { step in
            (step.finding?.edits ?? []).compactMap { edit in
                if case .block(let order) = edit { (step.stage, order) } else { nil }
            }
        }
    }
}
