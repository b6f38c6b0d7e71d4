public import MailTypes
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension MailStore {
    /// What the messages of a mailbox take in all its folders, in octets. Blocking: it looks at each name.
    ///
    /// A name tells the size (`,S=2317`), as Maildir++ has it; of one that doesn't, the file is asked.
    public func usage(of mailbox: EmailAddress) throws(SystemError) -> Int {
        let inbox: Descriptor
        do { inbox = try existingFolder(of: mailbox) } catch {
            if error.code == ENOENT { return 0 }
            throw error
        }
        let folders = try calls.names(in: inbox.number, limit: options.maxScannedFolders)
        var octets = 0
        for folder in [nil] + folders.filter({ $0.hasPrefix(".") }) {
            // A folder of somebody else's making may lack one of its parts.
            guard let place = try? folder.map({ try calls.open($0, in: inbox.number, O_RDONLY | O_DIRECTORY) }) ?? inbox
            else { continue }
            for name in ["new", "cur"] {
                guard let part = try? calls.open(name, in: place.number, O_RDONLY | O_DIRECTORY) else { continue }
                try calls.eachName(in: part.number, limit: options.maxScannedNames) { name in
                    octets = octets.addingReportingOverflow(Self.size(of: name, in: part)).partialValue
                    return true
                }
            }
        }
        return octets
    }

    /// `0` for what is no message, or has gone in the meantime.
    private static func size(of name: String, in folder: Descriptor) -> Int {
        if let size = MaildirName.size(of: name) { return size }
        var status = stat()
        guard fstatat(folder.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return 0
        }
        return Int(status.st_size)
    }
}

/// How full mailboxes with a quota are, so that not every delivery looks at every message.
///
/// What is on its way into a mailbox is counted under one lock, so several deliveries at a time cannot exceed a quota
/// together. What mail clients remove or other programs add is seen when the mailbox is looked at again: after
/// ``goodFor``, and before a message is refused.
public final class MailboxRoom: Sendable {
    private struct Entry {
        /// What lay there when it was looked at, and what has come since.
        var octets = 0
        var measured: ContinuousClock.Instant?
        /// Taken by deliveries that have not ended.
        var underWay = 0
        /// All that has ever come.
        var come = 0
    }

    private let store: MailStore
    private let now: @Sendable () -> ContinuousClock.Instant
    private let entries = Mutex<[String: Entry]>([:])

    /// How long a measure is good for.
    static let goodFor: Duration = .seconds(60)
    /// How long a full mailbox is believed to be full: who sends to it again and again costs no more than that.
    static let fullFor: Duration = .seconds(2)
    /// Mailboxes that are remembered.
    private static let mostEntries = 10_000

    /// - Parameter now: The clock.
    public init(store: MailStore, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.store = store
        self.now = now
    }

    /// Takes room for a message, if there is enough of it. What was taken is to be told by ``end(_:in:hasCome:)``.
    /// - Parameter quota: In octets.
    public func take(_ size: Int, in mailbox: EmailAddress, quota: Int) throws(SystemError) -> Bool {
        let key = mailbox.key
        let (known, come) = entries.withLock { entries -> (Bool?, Int) in
            guard let entry = entries[key], let measured = entry.measured else { return (nil, entries[key]?.come ?? 0) }
            let age = now() - measured
            if age < Self.goodFor, Self.fits(size, entry, quota) {
                entries[key]?.underWay += size
                return (true, entry.come)
            }
            return (age < Self.fullFor ? false : nil, entry.come)
        }
        if let known { return known }
        return try measure(mailbox, come) { entry in
            let hasRoom = Self.fits(size, entry, quota)
            if hasRoom { entry.underWay += size }
            return hasRoom
        }
    }

    /// - Parameter come: ``Entry/come`` as it was before.
    private func measure<Result>(
        _ mailbox: EmailAddress, _ come: Int, _ use: (inout Entry) -> Result
    ) throws(SystemError) -> Result {
        let (key, began) = (mailbox.key, now())
        let octets = try store.usage(of: mailbox)
        return entries.withLock { entries in
            if entries.count >= Self.mostEntries { entries = entries.filter { $0.value.underWay > 0 } }
            var entry = entries[key] ?? Entry()
            // What came while the mailbox was looked at may not have been seen; twice is safer than not at all.
            entry.octets = octets + max(0, entry.come - come)
            entry.measured = began
            defer { entries[key] = entry }
            return use(&entry)
        }
    }

    /// What is known of a mailbox without looking at it: what lies there and is on its way.
    /// - Returns: `isFresh`: a delivery of a message of this size would go by it as well. `nil`: nobody has looked.
    public func known(
        of mailbox: EmailAddress, for size: Int, quota: Int
    ) -> (octets: Int, isFresh: Bool)? {
        entries.withLock { entries in
            guard let entry = entries[mailbox.key], let measured = entry.measured else { return nil }
            let age = now() - measured
            let isFresh = age < (Self.fits(size, entry, quota) ? Self.goodFor : Self.fullFor)
            return (entry.octets &+ entry.underWay, isFresh)
        }
    }

    /// Looks at a mailbox, for ``known(of:for:quota:)``. Blocking.
    public func look(at mailbox: EmailAddress) throws(SystemError) {
        let come = entries.withLock { $0[mailbox.key]?.come ?? 0 }
        try measure(mailbox, come) { _ in }
    }

    /// A delivery for which room was taken has ended.
    public func end(_ size: Int, in mailbox: EmailAddress, hasCome: Bool) {
        entries.withLock { entries in
            guard var entry = entries[mailbox.key] else { return }
            entry.underWay -= size
            if hasCome {
                entry.octets += size
                entry.come += size
            }
            entries[mailbox.key] = entry
        }
    }

    private static func fits(_ size: Int, _ entry: Entry, _ quota: Int) -> Bool {
        let (held, isTooMuch) = entry.octets.addingReportingOverflow(entry.underWay)
        let (sum, overflow) = held.addingReportingOverflow(size)
        return !isTooMuch && !overflow && sum <= quota
    }
}
