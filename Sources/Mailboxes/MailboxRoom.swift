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
/// What is delivered here is added at once, under one lock: several deliveries at a time cannot exceed a quota
/// together. What mail clients remove or other programs add is seen when the mailbox is looked at again: after
/// ``goodFor``, and before a message is refused.
public final class MailboxRoom: Sendable {
    private struct Entry {
        var octets: Int
        var measured: ContinuousClock.Instant
    }

    private let store: MailStore
    private let entries = Mutex<[String: Entry]>([:])

    /// How long a measure is good for.
    private static let goodFor: Duration = .seconds(60)
    /// How long a full mailbox is believed to be full: who sends to it again and again costs no more than that.
    private static let fullFor: Duration = .seconds(2)
    /// Mailboxes that are remembered.
    private static let mostEntries = 10_000

    public init(store: MailStore) { self.store = store }

    /// Takes room for a message, if there is enough of it.
    /// - Parameter quota: In octets.
    public func take(_ size: Int, in mailbox: EmailAddress, quota: Int) throws(SystemError) -> Bool {
        let key = mailbox.key
        let known = entries.withLock { entries -> Bool? in
            guard let entry = entries[key] else { return nil }
            let age = ContinuousClock.now - entry.measured
            if age < Self.goodFor, Self.fits(size, entry, quota) {
                entries[key]?.octets += size
                return true
            }
            return age < Self.fullFor ? false : nil
        }
        if let known { return known }
        let began = ContinuousClock.now
        let octets = try store.usage(of: mailbox)
        return entries.withLock { entries in
            if entries.count >= Self.mostEntries { entries.removeAll(keepingCapacity: true) }
            var entry = Entry(octets: octets, measured: began)
            let hasRoom = Self.fits(size, entry, quota)
            if hasRoom { entry.octets += size }
            entries[key] = entry
            return hasRoom
        }
    }

    /// A message for which room was taken has not come into the mailbox.
    public func giveBack(_ size: Int, in mailbox: EmailAddress) {
        entries.withLock { $0[mailbox.key]?.octets -= size }
    }

    private static func fits(_ size: Int, _ entry: Entry, _ quota: Int) -> Bool {
        let (sum, overflow) = entry.octets.addingReportingOverflow(size)
        return !overflow && sum <= quota
    }
}
