import MailTypes
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The messages of this server's making in all folders of one mailbox, as they lay when it was read.
///
/// Names only, nothing is held open. Reading ends with the part that holds the wanted message; what is not in
/// a listing that ``isWhole`` was not in the mailbox.
struct MailboxListing {
    /// `new` or `cur` of one folder; of the inbox for `nil`.
    private struct Part {
        var folder: String?
        var name: String
    }

    /// A file's name without its ``MaildirName/unique``, which is the key: size and flags, short enough to need no
    /// memory of their own.
    private struct Place {
        var part: Int
        var suffix: String
    }

    private var parts: [Part] = []
    private var places: [String: Place] = [:]
    private(set) var isWhole = false
    /// ``MailStore/failedSyncs`` before the mailbox was read. Only a failed sync leaves a message there that this
    /// process will deliver again.
    let failedSyncs: Int

    /// For the bound on what is remembered.
    var weight: Int { places.count + parts.count }

    /// Reads the mailbox until `wanted` has turned up.
    init(of inbox: Descriptor, until wanted: String, in store: MailStore) throws(SystemError) {
        failedSyncs = store.failedSyncs.load(ordering: .acquiring)
        var isCut = false
        let folders = try store.calls.names(in: inbox.number, limit: store.options.maxScannedFolders)
        for folder in [nil] + folders.filter({ $0.hasPrefix(".") }) {
            for name in ["new", "cur"] {
                let part = Part(folder: folder, name: name)
                // A folder of somebody else's making may lack one of its parts.
                guard let directory = try? Self.open(part, of: inbox, store.calls) else { continue }
                parts.append(part)
                if try !read(directory, until: wanted, in: store) { isCut = true }
                if places[wanted] != nil { return }
            }
        }
        isWhole = !isCut
    }

    /// The folder and the name of a message.
    func find(
        _ unique: String, of inbox: Descriptor, _ calls: DiskCalls
    ) throws(SystemError) -> (directory: Descriptor, name: String)? {
        guard let place = places[unique] else { return nil }
        return (try Self.open(parts[place.part], of: inbox, calls), unique + place.suffix)
    }

    /// Reads the last of ``parts``. Answers whether all of it found room.
    private mutating func read(
        _ directory: Descriptor, until wanted: String, in store: MailStore
    ) throws(SystemError) -> Bool {
        var isCut = false
        try store.calls.eachName(in: directory.number, limit: store.options.maxScannedNames) { name in
            guard let unique = MaildirName.unique(of: name) else { return true }
            let isWanted = unique == wanted
            if isWanted || places.count < store.options.maxListedNames {
                let suffix = String(decoding: name.utf8.dropFirst(unique.utf8.count), as: UTF8.self)
                places[unique] = Place(part: parts.count - 1, suffix: suffix)
            } else {
                isCut = true
            }
            return !(isCut && isWanted)
        }
        return !isCut
    }

    private static func open(
        _ part: Part, of inbox: Descriptor, _ calls: DiskCalls
    ) throws(SystemError) -> Descriptor {
        let flags = O_RDONLY | O_DIRECTORY
        let folder = try part.folder.map { (name) throws(SystemError) in try calls.open(name, in: inbox.number, flags) }
        return try calls.open(part.name, in: (folder ?? inbox).number, flags)
    }
}
