public import MailTypes
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// All mailboxes of this server, as Maildir++ folders below one folder.
///
///     mailboxes/acme.test/anna/Maildir/{tmp,new,cur}
///                                     /.Junk/{tmp,new,cur}
///
/// Files have mode 0600 and folders 0700. A message is stored as it was sent, with CR LF, so that what
/// is read back is what was signed. Symbolic links are never followed below the root, and a maildir
/// that belongs to somebody else is not written to.
public final class MailStore: Sendable {
    public struct Options: Sendable {
        /// Files in `tmp` that nobody has touched for so long are remains of a crash.
        public var staleAfter: Interval = "36h"
        /// The most names read from one folder in search of a message that may be there already.
        public var maxScannedNames = 1_000_000
        /// The most folders of one mailbox that are searched for it.
        public var maxScannedFolders = 1000
        /// The most names that one round remembers of the mailboxes it has searched: 150 octets each, and each thread
        /// has its own. A mailbox with more is searched again for each message that may be there.
        public var maxListedNames = 50_000

        public init() {}
    }

    public let root: String
    let options: Options
    let calls: DiskCalls
    /// How many syncs have failed since the start.
    let failedSyncs = Atomic(0)

    public convenience init(root: String, options: Options = Options()) {
        self.init(root: root, options: options, calls: DiskCalls())
    }

    init(root: String, options: Options, calls: DiskCalls) {
        self.root = root
        self.options = options
        self.calls = calls
    }

    /// The folder of a mailbox, as an absolute path.
    public func path(of mailbox: EmailAddress) -> String { "\(root)/\(MailboxPath(mailbox))" }

    /// Begins a round of deliveries that share one sync.
    public func batch() -> MailBatch { MailBatch(self) }

    /// Makes the folders of a mailbox, so that a mail client finds one before the first message.
    public func create(_ mailbox: EmailAddress) throws(SystemError) {
        _ = try openFolder(.inbox, of: mailbox)
    }

    /// The maildir of a mailbox; `ENOENT` if it has none yet.
    func existingFolder(of mailbox: EmailAddress) throws(SystemError) -> Descriptor {
        var place = try calls.open(root, in: AT_FDCWD, Self.folderFlags)
        for name in Self.names(of: mailbox) { place = try calls.open(name, in: place.number, Self.folderFlags) }
        return place
    }

    func hasMailbox(_ mailbox: EmailAddress) -> Bool {
        do throws(SystemError) {
            _ = try existingFolder(of: mailbox)
            return true
        } catch {
            return error.code != ENOENT
        }
    }

    // MARK: Folders

    /// The folders from the root down to a mailbox.
    private static func names(of mailbox: EmailAddress) -> [String] {
        let path = MailboxPath(mailbox)
        return [path.domain, path.localPart, MailboxPath.maildir]
    }

    static let folderMode: mode_t = 0o700
    static let fileMode: mode_t = 0o600
    private static let folderFlags = O_RDONLY | O_DIRECTORY

    /// Opens the place where messages of a folder are put, making what is missing.
    func openFolder(_ folder: MailFolder, of mailbox: EmailAddress) throws(SystemError) -> OpenFolder {
        var place = try openRoot()
        for name in Self.names(of: mailbox) { place = try open(name, in: place) }
        if let name = folder.directory {
            place = try open(
                name, in: place,
                isNew: { made throws(SystemError) in
                    // The mark by which others know a folder of Maildir++.
                    _ = try self.calls.open("maildirfolder", in: made.number, O_WRONLY | O_CREAT, mode: Self.fileMode)
                })
        }
        let status = try calls.status(of: place.number)
        guard status.st_uid == geteuid() else {
            throw SystemError(call: "owner", path: MailboxPath(mailbox).description, code: EPERM)
        }
        let parts = try openParts(of: place)
        return OpenFolder(itself: place, tmp: parts.tmp, new: parts.new, device: UInt64(status.st_dev))
    }

    func openRoot() throws(SystemError) -> Descriptor {
        do { return try calls.open(root, in: AT_FDCWD, Self.folderFlags) } catch {
            guard error.code == ENOENT else { throw error }
        }
        try calls.makeDirectory(root, in: AT_FDCWD, mode: Self.folderMode)
        return try calls.open(root, in: AT_FDCWD, Self.folderFlags)
    }

    /// Opens a folder, and makes it first if need be. Two may do so at once; both then use the same one.
    private func open(
        _ name: String, in parent: Descriptor, isNew: (Descriptor) throws(SystemError) -> Void = { _ in }
    ) throws(SystemError) -> Descriptor {
        do { return try calls.open(name, in: parent.number, Self.folderFlags) } catch {
            guard error.code == ENOENT else { throw error }
        }
        try calls.makeDirectory(name, in: parent.number, mode: Self.folderMode)
        do { try calls.sync(parent.number) } catch {
            // The next attempt would find it and believe it durable.
            try? calls.removeDirectory(name, in: parent.number)
            throw error
        }
        let made = try calls.open(name, in: parent.number, Self.folderFlags)
        try isNew(made)
        return made
    }

    private func openParts(of folder: Descriptor) throws(SystemError) -> (tmp: Descriptor, new: Descriptor) {
        do {
            return (
                try calls.open("tmp", in: folder.number, Self.folderFlags),
                try calls.open("new", in: folder.number, Self.folderFlags)
            )
        } catch {
            guard error.code == ENOENT else { throw error }
        }
        for name in ["cur", "new", "tmp"] { _ = try open(name, in: folder) }
        return (
            try calls.open("tmp", in: folder.number, Self.folderFlags),
            try calls.open("new", in: folder.number, Self.folderFlags)
        )
    }
}

/// A folder of a mailbox.
public enum MailFolder: Sendable, Hashable {
    case inbox
    /// Where mail goes that is delivered as junk.
    case junk

    /// Its name in Maildir++; the inbox is the maildir itself.
    var directory: String? {
        switch self {
        case .inbox: nil
        case .junk: ".Junk"
        }
    }
}

/// A folder that is open for delivery.
struct OpenFolder {
    let itself: Descriptor
    let tmp: Descriptor
    let new: Descriptor
    let device: UInt64
}
