public import MailTypes
public import struct Foundation.Date

extension MailDirectory {
    /// What can be set about a directory.
    public struct Options: Sendable {
        /// Divides `anna+news` into mailbox and detail: one ASCII character. RFC 5233. Empty: nothing does.
        public var plusSeparator = "+"
        /// This server's name: postmaster@ it is `<Postmaster>`. RFC 5321 §4.5.1.
        public var hostname: String?
        /// A domain in U-labels as A-labels; `nil` where it has none. RFC 5890.
        public var domainToASCII: @Sendable (String) -> String? = { $0.utf8.allSatisfy { $0 < 0x80 } ? $0 : nil }
        /// Domains, their aliases and relay domains take no mail before they are verified.
        public var requiresVerification = false
        /// Members of one alias or group.
        public var maxMembers = 100_000
        /// Addresses that one address stands for in the end.
        public var maxExpansion = 100_000
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
        /// How long a change by a process that died right after its commit may go unseen.
        public var watchInterval: Interval = "1s"
        /// The clock, for audit log and login memory.
        public var now: @Sendable () -> Date = { Date() }

        public init() {}
    }
}
