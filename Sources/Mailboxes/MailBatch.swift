public import MailTypes
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A round of deliveries into mailboxes that share one sync at the end.
///
/// 1. ``deliver(_:)`` writes a file in `tmp` and renames it into `new`: readers see it whole at once.
/// 2. Nothing counts as delivered before it has been synced, here or with others by ``MailStore/sync(_:)``; until
///    then a power cut may take it.
/// 3. A message that may have been delivered before is looked for first, and found again by its name
///    wherever the user has put it. What is found is replaced in its place, even if it looks whole: what is read
///    may lie in memory only, dropped by the disk with a sync that failed, and no later sync would say so.
///
/// Used by one thread at a time.
public final class MailBatch {
    private let store: MailStore
    private var folders: [FolderKey: OpenFolder] = [:]
    private var unsynced = UnsyncedMail()
    /// What lay in mailboxes that were looked into.
    private var listings: [EmailAddress: MailboxListing] = [:]
    /// The weight of ``listings``.
    private var listed = 0

    private struct FolderKey: Hashable {
        var mailbox: EmailAddress
        var folder: MailFolder
    }

    /// Up to which size a message is gathered in memory and written in one call.
    private static let gatheredSize = 128 * 1024
    /// How many folders are held open.
    private static let maxOpenFolders = 128

    init(_ store: MailStore) { self.store = store }

    /// Whether a mailbox has its folder: delivery makes it where it is missing. A folder that cannot be looked into is
    /// there; delivery will tell what is wrong with it.
    public func hasMailbox(_ mailbox: EmailAddress) -> Bool {
        let open = folders[FolderKey(mailbox: mailbox, folder: .inbox)]
        // One that was removed is still open, and has no link.
        if let open, let status = try? store.calls.status(of: open.itself.number), status.st_nlink > 0 { return true }
        return store.hasMailbox(mailbox)
    }

    /// Puts a message into a mailbox; durable only after ``sync()``.
    /// - Returns: whether it is new there; `false`: it took the place of what an earlier attempt had left.
    @discardableResult
    public func deliver(_ delivery: MailDelivery) throws(SystemError) -> Bool {
        if delivery.mayBeThere, try find(delivery) != nil { return try replace(delivery) }
        do {
            try add(delivery)
        } catch {
            guard error.code == ENOENT else { throw error }
            // The mailbox was removed while its folders were held open: once more, from the root.
            folders[FolderKey(mailbox: delivery.mailbox, folder: delivery.folder)] = nil
            try add(delivery)
        }
        return true
    }

    /// Makes everything durable that was delivered since the last call.
    public func sync() throws(SystemError) { try store.sync(takeUnsynced()) }

    /// What was delivered since the last call, for a sync that it shares with other rounds.
    public func takeUnsynced() -> UnsyncedMail {
        defer { unsynced = UnsyncedMail() }
        return unsynced
    }

    // MARK: Writing

    private func open(_ folder: MailFolder, of mailbox: EmailAddress) throws(SystemError) -> OpenFolder {
        let key = FolderKey(mailbox: mailbox, folder: folder)
        if let open = folders[key] { return open }
        let open = try store.openFolder(folder, of: mailbox)
        if folders.count >= Self.maxOpenFolders { folders.removeAll(keepingCapacity: true) }
        folders[key] = open
        return open
    }

    private func add(_ delivery: MailDelivery) throws(SystemError) {
        let folder = try open(delivery.folder, of: delivery.mailbox)
        let new = try write(delivery, in: folder)
        try rename(new, in: folder, to: folder.new, as: new.name)
    }

    /// Puts a message where an earlier attempt has left it. The new file is synced first, so that a disk that fails
    /// leaves what was there.
    private func replace(_ delivery: MailDelivery) throws(SystemError) -> Bool {
        let folder = try open(delivery.folder, of: delivery.mailbox)
        let new = try write(delivery, in: folder)
        do {
            try store.calls.sync(new.file.number)
            // Once more: in the meantime a mail client may have moved it, or removed it.
            if let there = try find(delivery) {
                try rename(new, in: folder, to: there.directory, as: there.name)
                return false
            }
        } catch {
            try? store.calls.remove(new.name, in: folder.tmp.number)
            throw error
        }
        try rename(new, in: folder, to: folder.new, as: new.name)
        return true
    }

    /// A message in `tmp`.
    private struct NewFile {
        var name: String
        var file: Descriptor
        /// ``MailStore/failedSyncs`` before it was written.
        var failedSyncs: Int
    }

    private func write(_ delivery: MailDelivery, in folder: OpenFolder) throws(SystemError) -> NewFile {
        let calls = store.calls
        let failedSyncs = store.failedSyncs.load(ordering: .acquiring)
        let name = delivery.name.fileName(size: delivery.size)
        let flags = O_RDWR | O_CREAT | O_EXCL
        let file: Descriptor
        do { file = try calls.open(name, in: folder.tmp.number, flags, mode: MailStore.fileMode) } catch {
            guard error.code == EEXIST else { throw error }
            // What a crash has left of an earlier attempt. If it is a link that somebody planted, only the link goes.
            try calls.remove(name, in: folder.tmp.number)
            file = try calls.open(name, in: folder.tmp.number, flags, mode: MailStore.fileMode)
        }
        do { try write(delivery, to: file) } catch {
            try? calls.remove(name, in: folder.tmp.number)
            throw error
        }
        return NewFile(name: name, file: file, failedSyncs: failedSyncs)
    }

    private func rename(
        _ new: NewFile, in folder: OpenFolder, to directory: Descriptor, as name: String
    ) throws(SystemError) {
        do { try store.calls.rename(new.name, in: folder.tmp.number, to: name, in: directory.number) } catch {
            try? store.calls.remove(new.name, in: folder.tmp.number)
            throw error
        }
        unsynced.add(
            UnsyncedMail.Place(file: new.file, folder: directory, failedSyncs: new.failedSyncs), device: folder.device)
    }

    private func write(_ delivery: MailDelivery, to file: Descriptor) throws(SystemError) {
        guard delivery.size <= Self.gatheredSize else {
            for piece in delivery.pieces {
                try piece.withUnsafeBytes { (octets) throws(SystemError) in try store.calls.write(octets, to: file) }
            }
            return
        }
        var whole: [UInt8] = []
        whole.reserveCapacity(delivery.size)
        for piece in delivery.pieces { piece.withUnsafeBytes { whole.append(contentsOf: $0) } }
        try Bytes(whole).withUnsafeBytes { (octets) throws(SystemError) in try store.calls.write(octets, to: file) }
    }

    // MARK: Looking for what is there

    /// Where an earlier attempt, or the user after it, has put a message.
    private func find(_ delivery: MailDelivery) throws(SystemError) -> (directory: Descriptor, name: String)? {
        let inbox = try open(.inbox, of: delivery.mailbox).itself
        let unique = delivery.name.unique
        for isFresh in [false, true] {
            if isFresh { try list(delivery.mailbox, inbox, until: unique) }
            guard let listing = listings[delivery.mailbox] else { continue }
            do {
                if let there = try listing.find(unique, of: inbox, store.calls) {
                    _ = try store.calls.open(there.name, in: there.directory.number, O_RDONLY)
                    return there
                }
                let isCurrent = listing.failedSyncs == store.failedSyncs.load(ordering: .acquiring)
                if listing.isWhole, isCurrent { return nil }
            } catch {
                // A mail client has moved it since we looked.
                guard error.code == ENOENT else { throw error }
            }
        }
        return nil
    }

    private func list(_ mailbox: EmailAddress, _ inbox: Descriptor, until wanted: String) throws(SystemError) {
        listed -= listings.removeValue(forKey: mailbox)?.weight ?? 0
        let listing = try MailboxListing(of: inbox, until: wanted, in: store)
        if listed + listing.weight > store.options.maxListedNames {
            listings = [:]
            listed = 0
        }
        listings[mailbox] = listing
        listed += listing.weight
    }
}

/// A message on its way into a mailbox.
public struct MailDelivery: Sendable {
    public var mailbox: EmailAddress
    public var folder: MailFolder
    public var name: MaildirName
    /// The whole message, the fields of delivery included.
    public var pieces: [Bytes]
    /// Whether an earlier attempt may have succeeded without having been recorded.
    public var mayBeThere: Bool

    public init(
        mailbox: EmailAddress, folder: MailFolder = .inbox, name: MaildirName, pieces: [Bytes],
        mayBeThere: Bool = false
    ) {
        self.mailbox = mailbox
        self.folder = folder
        self.name = name
        self.pieces = pieces
        self.mayBeThere = mayBeThere
    }

    /// In octets.
    public var size: Int { pieces.reduce(0) { $0 + $1.count } }
}
