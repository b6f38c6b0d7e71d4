public import MailTypes
public import struct Foundation.Date

/// A question that a stage asked the world, and what the world answered.
public struct Fact: Sendable, Hashable, Codable {
    public var question: Question
    public var answer: Answer

    public init(_ question: Question, _ answer: Answer) {
        self.question = question
        self.answer = answer
    }
}

/// All that can be asked of the world. One case per service, so that a new service cannot be
/// forgotten by recording, replay or storage.
public enum Question: Sendable, Hashable, Codable {
    case time
    case directory(DirectoryQuestion)
    case memory(MemoryQuestion)
    case dns(DNSQuestion)
    /// Which DKIM signatures on this message are valid, of which `most` are looked at?
    case signatures(MessageHandle, most: Int)
    /// What does libspf2 say of this client?
    case senderPolicy(SenderPolicyQuestion)
    /// What does this scanner find in this message?
    case scan(MessageHandle, by: ScanEngine)
    /// Which public suffix does this domain end in?
    case publicSuffix(String)
    /// How is this domain written in DNS?
    case asciiDomain(String)
    /// Which of these names does a list in DNS have?
    case listings(ListingQuestion)
    /// What do lessons say of a message?
    case lessons(LessonQuestion)
    /// Which of these scopes have lessons?
    case lessonScopes([LessonScope])
    /// What does a program beside this one say of this message?
    case spamScan(SpamScanQuestion)
    /// What does a milter say of a step of a session?
    case milter(MilterQuestion)
    /// What does a policy server say of a step of a session?
    case policy(PolicyQuestion)
    /// Would another server take mail for this address?
    case callout(CalloutQuestion)
    /// Does a message of this size fit into this mailbox?
    case mailboxRoom(EmailAddress, size: Int)
}

/// What the world said.
public enum Answer: Sendable, Hashable, Codable {
    case time(Date)
    case directory(DirectoryAnswer)
    case memory(MemoryAnswer)
    case dns(DNSAnswer)
    /// One report for each DKIM-Signature field, from the top; those beyond the limit have one together.
    case signatures([SignatureReport])
    case senderPolicy(SenderPolicyReport)
    case scan(ScanReport)
    /// In lower case and A-labels; `nil` for what is no domain.
    case publicSuffix(String?)
    /// In lower case and A-labels; `nil` for what is no domain.
    case asciiDomain(String?)
    case listings(ListingAnswer)
    case lessons(LessonAnswer)
    case lessonScopes([LessonScope])
    case spamReport(SpamReport)
    case milter(MilterReport)
    /// The action, in the server's words.
    case policy(String)
    case callout(CalloutReport)
    case mailboxRoom(MailboxFill)
    /// No answer: the service failed, or the deadline passed.
    case failure(StageFailure)
}

// MARK: - Directory

public enum DirectoryQuestion: Sendable, Hashable, Codable {
    /// What does this address stand for?
    case address(EmailAddress)
    /// Is this domain hosted here, and how?
    case domain(String)
    /// May this mailbox send as this address?
    case maySend(mailbox: EmailAddress, as: EmailAddress)
    /// Is this mailbox, or its post office, kept from sending?
    case sendStanding(EmailAddress)
    /// Who signs for authors of this domain: itself, or the nearest one above it that has ever had an active key.
    case signing(String)
    /// Through which server does mail of this post office leave; without one of its own, or for `nil`, everybody's?
    case smarthost(postOffice: String?)
    /// Does all mail for this domain go to another server?
    case relayDomain(String)
    /// Does somebody else have a part of this domain, or of the one that it is an alias of?
    case splitDomain(String)
    /// Which thresholds hold in this scope: its own, or the nearest around it.
    case thresholds(PolicyScope)
    /// Which of this scope and those around it have lists?
    case listScopes(PolicyScope)
    /// Which entries of lists are about this message?
    case listed(ListProbe)
    /// Which lists of this scope and those around it have entries that go by a message's author?
    case authorLists(PolicyScope)
    /// Which footers are there for mail from this domain?
    case footers(String)
}

public enum DirectoryAnswer: Sendable, Hashable, Codable {
    case address(AddressMeaning)
    case domain(HostedDomain?)
    case maySend(Bool)
    /// `nil`: there is no such mailbox.
    case sendStanding(SendStanding?)
    case signing(SigningDomain?)
    case smarthost(RelayHost?)
    case relayDomain(RelayDomain?)
    case splitDomain(SplitDomain?)
    case thresholds(SetThresholds?)
    /// The narrowest first.
    case listScopes([PolicyScope])
    /// In the order of their precedence, as far as they are few.
    case listed([ListEntry])
    /// In the order of their precedence.
    case authorLists([SenderList])
    /// The post office's, and everybody's.
    case footers([SetFooter])
}

/// What the directory knows of an address, one step: aliases are not followed.
public enum AddressMeaning: Sendable, Hashable, Codable {
    /// A mailbox; mail is filed under `mailbox`, which may be the spelling without a plus part.
    case mailbox(EmailAddress)
    /// A mailbox whose mail goes to other addresses, and into the mailbox too if it keeps a copy.
    case redirects(EmailAddress, to: [EmailAddress], keepsCopy: Bool)
    /// A mailbox or domain that is switched off.
    case disabled
    /// An alias or a group, with its members; or the same address in the domain that this one's is an alias of.
    case expands(to: [EmailAddress], kind: Expansion)
    /// The domain is hosted here, the address is not.
    case unknown
    /// The domain is split: whoever is not here is at its partner, if anywhere.
    case atPartner(RelayHost)
    /// The domain takes no mail before its owner is proven.
    case unverified
    /// The domain is not hosted here.
    case foreign

    public enum Expansion: String, Sendable, Hashable, Codable {
        case alias, group, domainAlias
    }
}

/// A domain that is hosted here.
public struct HostedDomain: Sendable, Hashable, Codable {
    /// Of an alias, the domain that it stands for.
    public var name: String
    public var postOffice: String
    public var isEnabled: Bool
    /// Who gets mail for addresses that nobody has.
    public var catchAll: EmailAddress?

    public init(name: String, postOffice: String, isEnabled: Bool = true, catchAll: EmailAddress? = nil) {
        self.name = name
        self.postOffice = postOffice
        self.isEnabled = isEnabled
        self.catchAll = catchAll
    }
}

// MARK: - Stage memory

/// What stages remember from one transaction to the next.
public enum MemoryQuestion: Sendable, Hashable, Codable {
    /// Notes that `key` was seen now and tells what was known of it *before*.
    /// What was not seen for `lifetime` is forgotten, and its story begins anew.
    case visit(table: String, key: String, at: Date, lifetime: Interval)
    /// What is known of `key`, changing nothing.
    case peek(table: String, key: String, at: Date)
    /// Adds `amount` to what `key` has used within a sliding window, and tells the sum after it.
    case count(table: String, key: String, amount: Int, window: Interval, at: Date)
}

public enum MemoryAnswer: Sendable, Hashable, Codable {
    /// `nil`: never seen, or forgotten.
    case visit(Visits?)
    case count(Int)
}

/// The story of a remembered key.
public struct Visits: Sendable, Hashable, Codable {
    public var first: Date
    public var last: Date
    public var count: Int

    public init(first: Date, last: Date, count: Int) {
        self.first = first
        self.last = last
        self.count = count
    }
}

// MARK: - DNS

public struct DNSQuestion: Sendable, Hashable, Codable {
    public enum RecordType: UInt16, Sendable, Hashable, Codable {
        case a = 1
        case cname = 5
        case ptr = 12
        case mx = 15
        case txt = 16
        case aaaa = 28
        case tlsa = 52
    }

    /// In A-labels, without the final dot.
    public var name: String
    public var type: RecordType

    public init(_ name: String, _ type: RecordType) {
        self.name = name.asciiLowercased
        self.type = type
    }
}

public enum DNSAnswer: Sendable, Hashable, Codable {
    case records([DNSRecord], isSecure: Bool)
    /// The name exists, but has no record of that type.
    case noData
    /// NXDOMAIN.
    case noName
}

public enum DNSRecord: Sendable, Hashable, Codable {
    case address(IPAddress)
    case exchanger(preference: Int, host: String)
    /// The strings of one TXT record, joined.
    case text([UInt8])
    case name(String)
    case tlsa(usage: UInt8, selector: UInt8, matching: UInt8, data: [UInt8])
}
