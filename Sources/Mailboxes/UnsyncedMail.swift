public import MailTypes
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Messages that lie in mailboxes and would not survive a power cut yet.
///
/// However many they are, only one file of each file system is held open.
public struct UnsyncedMail: Sendable {
    struct Place {
        /// The first file. Its descriptor also tells of write errors that came after it was opened.
        let file: Descriptor
        let folder: Descriptor
        /// ``MailStore/failedSyncs`` before the oldest of the files was written.
        var failedSyncs: Int
        var count = 1

        mutating func join(_ other: Self) {
            failedSyncs = min(failedSyncs, other.failedSyncs)
            count += other.count
        }
    }

    private(set) var places: [UInt64: Place] = [:]

    public init() {}

    public var isEmpty: Bool { places.isEmpty }

    mutating func add(_ place: Place, device: UInt64) {
        guard var known = places[device] else { return places[device] = place }
        known.join(place)
        places[device] = known
    }

    /// Adds what another round has delivered.
    public mutating func add(_ later: UnsyncedMail) {
        for (device, place) in later.places { add(place, device: device) }
    }
}

extension MailStore {
    /// Makes mail durable: a lone message by its file and folder, several by one sync of their file system.
    /// Blocking, and on a busy disk for long.
    ///
    /// A failed sync is never repeated: the kernel may have dropped what it could not write, and calls the next sync a
    /// success. So it fails all mail that was written before it, also what is synced later; that mail must be
    /// delivered again, with ``MailDelivery/mayBeThere``.
    public func sync(_ mail: UnsyncedMail) throws(SystemError) {
        for place in mail.places.values {
            guard place.failedSyncs == failedSyncs.load(ordering: .acquiring) else {
                throw SystemError(call: "sync", code: EIO)
            }
            do { try sync(place) } catch {
                failedSyncs.add(1, ordering: .acquiringAndReleasing)
                throw error
            }
        }
    }

    private func sync(_ place: UnsyncedMail.Place) throws(SystemError) {
        guard place.count == 1 else { return try calls.syncFileSystem(of: place.file.number) }
        try calls.sync(place.file.number)
        try calls.sync(place.folder.number)
    }
}
