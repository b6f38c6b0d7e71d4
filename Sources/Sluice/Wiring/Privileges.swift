import Configuration
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The user and group that the server becomes once its sockets are bound.
struct Privileges: Sendable {
    let user: uid_t
    let group: gid_t
    private let name: String

    /// `nil` where the configuration names nobody, or the server is that user already.
    init?(_ settings: ServerConfiguration.Run) throws {
        guard let name = settings.user else { return nil }
        guard let entry = getpwnam(name)?.pointee else {
            throw CommandFailure.wrong("There is no user \(name) on this machine (run.user).")
        }
        var group = entry.pw_gid
        if let groupName = settings.group {
            guard let found = getgrnam(groupName)?.pointee else {
                throw CommandFailure.wrong("There is no group \(groupName) on this machine (run.group).")
            }
            group = found.gr_gid
        }
        if geteuid() == entry.pw_uid, getegid() == group { return nil }
        guard geteuid() == 0 else {
            throw CommandFailure.wrong("Only root can become \(name) (run.user).")
        }
        self.name = name
        self.user = entry.pw_uid
        self.group = group
    }

    /// Becomes the user, with no way back.
    func becomeForGood() throws {
        guard initgroups(name, group) == 0, setgid(group) == 0, setuid(user) == 0 else { throw failure }
        guard setuid(0) != 0 else { throw CommandFailure.wrong("Root's rights could not be given up.") }
    }

    private var failure: CommandFailure {
        .wrong("Becoming the user \(name) failed: \(String(cString: strerror(errno))).")
    }
}

extension DataFolder {
    /// Makes the folder itself where it is missing, and gives it to whom the server will be.
    ///
    /// Root does nothing inside: what lies there is another's, who could lead it elsewhere with a link. That is
    /// made afterwards by ``prepared()``. A folder with something in it stays whose it is.
    func made(for identity: Privileges?) throws -> DataFolder {
        guard let identity else { return self }
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        do { try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true) } catch {
            throw CommandFailure.wrong("The folder \(parent) cannot be made: \(error.localizedDescription)")
        }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw CommandFailure.wrong("The data folder \(path) cannot be made: \(String(cString: strerror(errno))).")
        }
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        // A link, or no folder: nothing to give away. Whether it can be used is seen when it is.
        guard folder >= 0 else { return self }
        defer { close(folder) }
        var status = stat()
        guard fstat(folder, &status) == 0, status.st_uid == 0, isEmpty else { return self }
        guard fchown(folder, identity.user, identity.group) == 0 else {
            throw CommandFailure.wrong("The folder \(path) cannot be given to the server's user.")
        }
        return self
    }

    private var isEmpty: Bool { (try? FileManager.default.contentsOfDirectory(atPath: path).isEmpty) ?? false }
}
