public import MailTypes

/// Messages that lie in mailboxes and would not survive a power cut yet.
///
/// However many they are, only one file of each file system is held open.
public struct UnsyncedMail: Sendable {
    struct Place {
        /// The first file. Its descriptor also tells of write errors that came after it was opened.
        let file: Descriptor
        let folder: Descriptor
        var count: Int
    }

    private(set) var places: [UInt64: Place] = [:]

    public init() {}

    public var isEmpty: Bool { places.isEmpty }

    mutating func add(_ file: Descriptor, in folder: Descriptor, device: UInt64) {
        places[device, default: Place(file: file, folder: folder, count: 0)].count += 1
    }

    /// Adds what another round has delivered.
    public mutating func add(_ later: UnsyncedMail) {
        places.merge(later.places) { own, other in
            Place(file: own.file, folder: own.folder, count: own.count + other.count)
        }
    }
}

extension MailStore {
    /// Makes mail durable: a lone message by its file and folder, several by one sync of their file system.
    /// Blocking, and on a busy disk for long.
    public func sync(_ mail: UnsyncedMail) throws(SystemError) {
        for place in mail.places.values {
            if place.count == 1 {
                try calls.sync(place.file.number)
                try calls.sync(place.folder.number)
            } else {
                try calls.syncFileSystem(of: place.file.number)
            }
        }
    }
}
