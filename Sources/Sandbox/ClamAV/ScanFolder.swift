import Foundation
import Glibc

/// Where scanners unpack: a folder of this process alone, which goes with it.
final class ScanFolder: Sendable {
    private static let prefix = "sluice-scan-"
    let path: String

    init(in parent: String) {
        Self.removeThoseOfTheDead(in: parent)
        path = "\(parent)/\(Self.prefix)\(getpid())-\(UInt32.random(in: .min ... .max))"
        // Whether it is ours is looked at before it is used.
        mkdir(path, 0o700)
    }

    deinit { remove() }

    /// With what scanners have there; they get no other.
    func remove() { Scanner.remove(path) }

    /// Whether that is a folder of this user, which nobody else can enter.
    static func isOurs(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR && status.st_uid == geteuid()
            && status.st_mode & 0o077 == 0
    }

    /// What servers have left that were killed.
    private static func removeThoseOfTheDead(in parent: String) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [] where name.hasPrefix(prefix) {
            let number = name.dropFirst(prefix.count).prefix { $0 != "-" }
            guard let process = pid_t(number), process > 0, kill(process, 0) != 0, errno == ESRCH else { continue }
            let path = "\(parent)/\(name)"
            if isOurs(path) { Scanner.remove(path) }
        }
    }
}
