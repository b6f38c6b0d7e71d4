public import MailTypes
public import struct Foundation.Date

/// A customer: who domains belong to.
public struct PostOfficeEntry: Sendable, Hashable, Codable {
    public var name: String
    public var isEnabled: Bool
    public var created: Date
}

/// A domain whose mail is taken here.
public struct DomainEntry: Sendable, Hashable, Codable {
    /// In lower case and A-labels.
    public var name: String
    public var postOffice: String
    public var isEnabled: Bool
    /// Its owner has been proven.
    public var isVerified: Bool
    /// Who gets postmaster@ this domain, where there is no such address.
    public var postmaster: EmailAddress?
    /// Who gets mail for addresses that nobody has; `nil`: it is refused.
    public var catchAll: EmailAddress?
    public var created: Date
}

/// A mailbox, without its password.
public struct MailboxEntry: Sendable, Hashable, Codable {
    public var address: EmailAddress
    public var isEnabled: Bool
    public var fullName: String?
    /// In octets; `nil`: no limit.
    public var quota: Int?
    /// Where its mail goes instead; `nil`: it stays here.
    public var redirection: RedirectionEntry?
    public var created: Date
}

/// Where all mail for a mailbox goes.
public struct RedirectionEntry: Sendable, Hashable, Codable {
    /// In the order in which they were given.
    public var targets: [EmailAddress]
    /// The mailbox gets it as well.
    public var keepsCopy: Bool
}

/// Another name of a domain: mail for anybody there is for the same in the domain.
public struct DomainAliasEntry: Sendable, Hashable, Codable {
    /// In lower case and A-labels.
    public var name: String
    public var domain: String
    /// Its owner has been proven.
    public var isVerified: Bool
    public var created: Date
}

/// An address that stands for others, here or elsewhere.
public struct AliasEntry: Sendable, Hashable, Codable {
    public var address: EmailAddress
    public var isEnabled: Bool
    /// In the order in which they were given.
    public var members: [EmailAddress]
    public var created: Date
}

/// A named group of people; members may be groups.
public struct GroupEntry: Sendable, Hashable, Codable {
    public var address: EmailAddress
    /// By which it is known as well.
    public var furtherAddresses: [EmailAddress]
    public var isEnabled: Bool
    public var fullName: String?
    public var members: [EmailAddress]
    public var created: Date
}

/// One change of the directory.
public struct AuditEntry: Sendable, Hashable, Codable {
    /// Grows by one with each entry.
    public var number: Int64
    public var time: Date
    /// Who made it: `cli:root`, `portal:anna@acme.test`.
    public var actor: String
    /// `mailbox.add`, `domain.remove`, …
    public var verb: String
    /// The name or address that was changed.
    public var object: String
    /// The object as JSON before and after; `nil` where there was none. Never holds a password or its hash.
    public var before: String?
    public var after: String?
}
