import Configuration
import Foundation
import MailTypes

#if canImport(Glibc)
    import Glibc
#endif

/// Where everything lies that the server keeps: the folder `data` of `sluice.toml`.
struct DataFolder: Sendable {
    let path: String
    /// Whom the server becomes.
    private let run: ServerConfiguration.Run

    init(_ settings: ServerConfiguration) {
        path = settings.data
        run = settings.run
    }

    var directory: String { path + "/directory.sqlite" }
    var memory: String { path + "/memory.sqlite" }
    /// What was taught; what follows from it lies in the folder `lessons` beside it.
    var lessons: String { path + "/lessons.sqlite" }
    var traces: String { path + "/traces.sqlite" }
    /// Which aggregate reports were sent.
    var reports: String { path + "/reports.sqlite" }
    /// Which reports on TLS were sent.
    var tlsReports: String { path + "/tls-reports.sqlite" }
    /// How sessions with other servers fared with TLS.
    var tlsSessions: String { path + "/tls-sessions.sqlite" }
    /// Who was told what by mailboxes that answer by themselves.
    var autoreplies: String { path + "/autoreplies.sqlite" }
    /// What other domains publish about TLS with them.
    var outbound: String { path + "/outbound.sqlite" }
    var queue: String { path + "/queue" }
    var mailboxes: String { path + "/mailboxes" }
    /// Private keys that mail is signed with: a folder for each domain, in it `SELECTOR.pem`.
    var signingKeys: String { path + "/keys/dkim" }
    /// The secret that links of digests are signed with.
    var quarantineKey: String { path + "/keys/quarantine.key" }
    /// The secrets that rewritten reverse-paths are signed with, the newest first.
    var reversePathSecrets: String { path + "/keys/srs.secrets" }
    /// The secret that logins at other servers are sealed with.
    var sealKey: String { path + "/keys/seal.key" }
    /// Compiled patterns of rules, for the next process; they are made when they are missing.
    var patterns: String { path + "/patterns" }
    /// Large messages while they arrive.
    var temporary: String { path + "/tmp" }
    /// Where a running server takes commands.
    var control: String { path + "/control" }

    /// Whether a server seems to run here: its socket goes when it stops, but not when it is killed.
    var hasServer: Bool { FileManager.default.fileExists(atPath: control) }

    /// The folder for a command that may make files in it. Root becomes whom the folder belongs to: what root made
    /// there, the server could not open.
    func entered() throws -> DataFolder {
        if geteuid() == 0, !FileManager.default.fileExists(atPath: path) { _ = try made(for: Privileges(run)) }
        var status = stat()
        if geteuid() == 0, stat(path, &status) == 0, status.st_uid != 0 {
            guard initgroups(status), setegid(status.st_gid) == 0, seteuid(status.st_uid) == 0 else {
                throw CommandFailure.wrong(
                    "Root cannot act as the owner of \(path): \(String(cString: strerror(errno))).")
            }
        }
        return try prepared()
    }

    /// The owner's groups, if it has a name; otherwise none but the folder's.
    private func initgroups(_ status: stat) -> Bool {
        if let name = getpwuid(status.st_uid)?.pointee.pw_name { return Glibc.initgroups(name, status.st_gid) == 0 }
        return setgroups(0, nil) == 0
    }

    /// Makes the folders that are missing, and the secret that forwards are signed with, readable by the owner alone.
    func prepared() throws -> DataFolder {
        for folder in [path, queue, mailboxes, temporary, path + "/keys", signingKeys] {
            do {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch {
                throw CommandFailure.wrong("The data folder \(folder) cannot be made: \(error.localizedDescription)")
            }
        }
        do { try ReversePathSecretFile(reversePathSecrets).make() } catch {
            throw CommandFailure.wrong("\(reversePathSecrets) cannot be made: \(error).")
        }
        return self
    }
}
