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

    /// Becomes the user for the time being; root can be had back.
    func assume() throws {
        guard initgroups(name, group) == 0, setegid(group) == 0, seteuid(user) == 0 else { throw failure }
    }

    func resume() throws {
        guard seteuid(0) == 0, setegid(0) == 0 else { throw failure }
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
    /// The folder and what is needed in it, belonging to whom the server will be.
    func prepared(for identity: Privileges?) throws -> DataFolder {
        _ = try prepared()
        guard let identity else { return self }
        for folder in [path, queue, mailboxes, temporary] {
            guard chown(folder, identity.user, identity.group) == 0 else {
                throw CommandFailure.wrong("The folder \(folder) cannot be given to the server's user.")
            }
        }
        return self
    }
}
