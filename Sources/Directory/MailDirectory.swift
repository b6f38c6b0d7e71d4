public import MailTypes
public import Pipeline
public import struct Foundation.Date

/// Post offices, domains, mailboxes, aliases and groups, in one SQLite file that several processes may
/// have open at once.
///
/// Blocking calls (`change`, lists) belong on a thread that may wait; ``immediate(_:)``,
/// ``answer(_:)`` and ``authenticate(login:password:)`` never block the thread that calls them.
public final class MailDirectory: Sendable {
    /// What can be set about a directory.
    public struct Options: Sendable {
        /// Divides `anna+news` into mailbox and detail. RFC 5233. Empty: nothing does.
        public var plusSeparator = "+"
        /// This server's name: postmaster@ it is `<Postmaster>`. RFC 5321 §4.5.1.
        public var hostname: String?
        /// A domain in U-labels as A-labels; `nil` where it has none. RFC 5890.
        public var domainToASCII: @Sendable (String) -> String? = { $0.utf8.allSatisfy { $0 < 0x80 } ? $0 : nil }
        /// Answers kept in memory.
        public var cachedAnswers = 100_000
        /// Threads that read the database for questions that the cache cannot answer.
        public var readThreads = 2
        /// Questions that may wait for one of them; further ones fail at once.
        public var waitingReads = 10_000
        /// Threads that compare passwords, each of which keeps a core busy for tens of milliseconds.
        public var passwordThreads = 2
        /// Logins that may wait for one of them; further ones are asked to come back later.
        public var waitingLogins = 256
        /// How long a right password is remembered, as a keyed digest. Zero: not at all.
        public var loginMemory: Interval = "5m"
        /// Right passwords remembered.
        public var rememberedLogins = 10_000
        /// How long a writer waits for another process that writes.
        public var busyTimeout: Interval = "5s"
        /// The clock, for audit log and login memory.
        public var now: @Sendable () -> Date = { Date() }

        public init() {}
    }

    /// Opens or makes the directory in the file `path`, and brings an older one up to date.
    /// Next to it lies `directory.generation`, by which processes tell each other of changes.
    public static func open(
        _ path: String, hasher: any PasswordHashing, options: Options = Options()
    ) throws(DirectoryError) -> MailDirectory {
        throw .unavailable("not built yet")
    }

    private init() {}

    /// Waits for what is under way and closes the files.
    public func close() {}

    // MARK: Questions

    /// The answer, if it is in memory. Cheap enough for an event loop.
    public func immediate(_ question: DirectoryQuestion) -> DirectoryAnswer? { nil }

    /// The answer, from memory or the database.
    public func answer(_ question: DirectoryQuestion) async throws(StageFailure) -> DirectoryAnswer {
        throw StageFailure("not built yet")
    }

    // MARK: Logins

    public enum LoginOutcome: Sendable, Hashable {
        case success(EmailAddress)
        /// Unknown, switched off, or a wrong password: nobody is told which.
        case refused
        /// The database or the waiting line is at its end; try again later. For the log.
        case temporary(String)
    }

    /// Compares a password with the mailbox's. `login` is the mailbox's address.
    public func authenticate(login: String, password: [UInt8]) async -> LoginOutcome { .temporary("not built yet") }

    /// A hash for ``DirectoryChanges/addMailbox(_:passwordHash:fullName:quota:)``; takes its time, so make it before the change.
    public func passwordHash(_ password: [UInt8]) throws(DirectoryError) -> String { throw .unavailable("") }

    /// A random password that can be read out on the telephone.
    public func randomPassword(length: Int = 16) throws(DirectoryError) -> String { throw .unavailable("") }

    // MARK: Changes

    /// Makes changes in one transaction, each with its entry in the audit log; all or none. Blocks.
    public func change<Result>(
        by actor: String, _ body: (borrowing DirectoryChanges) throws -> Result
    ) throws(DirectoryError) -> Result {
        throw .unavailable("not built yet")
    }

    // MARK: Lists

    public func postOffices() throws(DirectoryError) -> [PostOfficeEntry] { [] }
    public func domains(postOffice: String? = nil) throws(DirectoryError) -> [DomainEntry] { [] }
    public func mailboxes(domain: String? = nil) throws(DirectoryError) -> [MailboxEntry] { [] }
    public func aliases(domain: String? = nil) throws(DirectoryError) -> [AliasEntry] { [] }
    public func groups(domain: String? = nil) throws(DirectoryError) -> [GroupEntry] { [] }
    /// Who gets mail for `<Postmaster>`, as set.
    public func postmaster() throws(DirectoryError) -> EmailAddress? { nil }
    /// The newest changes first; of one object if it is named.
    public func audit(object: String? = nil, limit: Int = 100) throws(DirectoryError) -> [AuditEntry] { [] }
}

/// What can be changed within one ``MailDirectory/change(by:_:)``. Names and addresses are text as a person typed them.
public struct DirectoryChanges: ~Copyable {
    public func addPostOffice(_ name: String) throws {}
    public func setPostOffice(_ name: String, enabled: Bool) throws {}
    /// With `force`, its domains and all that they hold go too.
    public func removePostOffice(_ name: String, force: Bool = false) throws {}

    public func addDomain(_ name: String, postOffice: String) throws {}
    public func setDomain(_ name: String, enabled: Bool? = nil, verified: Bool? = nil) throws {}
    /// Who gets postmaster@ the domain; `nil` for the domain means `<Postmaster>`, for the address: nobody in particular.
    public func setPostmaster(_ address: String?, domain: String? = nil) throws {}
    public func removeDomain(_ name: String, force: Bool = false) throws {}

    @discardableResult
    public func addMailbox(
        _ address: String, passwordHash: String?, fullName: String? = nil, quota: Int? = nil
    ) throws -> EmailAddress { "" }
    /// `.some(nil)` clears the value.
    public func setMailbox(
        _ address: String, enabled: Bool? = nil, fullName: String?? = nil, quota: Int?? = nil
    ) throws {}
    public func setPassword(_ address: String, hash: String) throws {}
    /// With `force`, it leaves the aliases and groups that it is in.
    public func removeMailbox(_ address: String, force: Bool = false) throws {}

    public func addAlias(_ address: String, members: [String]) throws {}
    public func setAlias(_ address: String, enabled: Bool? = nil, members: [String]? = nil) throws {}
    public func addAliasMember(_ member: String, to address: String) throws {}
    public func removeAliasMember(_ member: String, from address: String) throws {}
    public func removeAlias(_ address: String, force: Bool = false) throws {}

    public func addGroup(_ address: String, fullName: String? = nil, members: [String] = []) throws {}
    public func setGroup(
        _ address: String, enabled: Bool? = nil, fullName: String?? = nil, members: [String]? = nil
    ) throws {}
    public func addGroupMember(_ member: String, to address: String) throws {}
    public func removeGroupMember(_ member: String, from address: String) throws {}
    public func removeGroup(_ address: String, force: Bool = false) throws {}
}
