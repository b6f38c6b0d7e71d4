import Configuration
import Foundation
import MailTypes

/// Where everything lies that the server keeps: the folder `data` of `sluice.toml`.
struct DataFolder: Sendable {
    let path: String

    init(_ settings: ServerConfiguration) { path = settings.data }
    init(path: String) { self.path = path }

    var directory: String { path + "/directory.sqlite" }
    var memory: String { path + "/memory.sqlite" }
    var traces: String { path + "/traces.sqlite" }
    var queue: String { path + "/queue" }
    var mailboxes: String { path + "/mailboxes" }
    /// Large messages while they arrive.
    var temporary: String { path + "/tmp" }
    /// Where a running server takes commands.
    var control: String { path + "/control" }

    /// Whether a server seems to run here: its socket goes when it stops, but not when it is killed.
    var hasServer: Bool { FileManager.default.fileExists(atPath: control) }

    /// Makes the folders that are missing, readable by the owner alone.
    func prepared() throws -> DataFolder {
        for folder in [path, queue, mailboxes, temporary] {
            do {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch {
                throw CommandFailure.wrong("The data folder \(folder) cannot be made: \(error.localizedDescription)")
            }
        }
        return self
    }
}
