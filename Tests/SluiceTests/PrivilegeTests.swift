import Foundation
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Giving up root's rights. Only root can be seen to do it.
@Suite struct PrivilegeTests {
    static let isRoot = getuid() == 0

    @Test(.enabled(if: isRoot)) func `no thread of the server stays root`() async throws {
        let folder = try Self.folder()
        let child = try Child(
            Programs.sluice, ["serve", "--config", folder.path + "/sluice.toml"], place: folder.path)
        #expect(await eventually { (try? folder.text("err").contains("msg=serving")) ?? false })
        let users = try Self.users(of: child.pid)
        #expect(users.count > 2)
        let nobody = try #require(getpwnam("nobody")).pointee.pw_uid
        #expect(Set(users) == [Array(repeating: nobody, count: 4)])
        #expect(await child.stop() == 0)
        try Self.expect("\(folder.path)/data", toBelongTo: nobody)
    }

    @Test(.enabled(if: isRoot)) func `a link in the data folder gives nothing of root's away`() async throws {
        let folder = try Self.folder()
        let nobody = try #require(getpwnam("nobody")).pointee
        for name in ["data", "precious"] {
            try FileManager.default.createDirectory(
                atPath: "\(folder.path)/\(name)", withIntermediateDirectories: false)
        }
        #expect(chown("\(folder.path)/data", nobody.pw_uid, nobody.pw_gid) == 0)
        for name in ["queue", "mailboxes", "tmp"] {
            #expect(symlink("\(folder.path)/precious", "\(folder.path)/data/\(name)") == 0)
        }
        // It cannot work there, and must not have been given it.
        let child = try Child(
            Programs.sluice, ["serve", "--config", folder.path + "/sluice.toml"], place: folder.path)
        #expect(await eventually { child.hasEnded })
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder.path)/precious")
        #expect(attributes[.ownerAccountID] as? Int == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/precious").isEmpty)
    }

    @Test(.enabled(if: isRoot)) func `what root makes before the first start is the server's`() async throws {
        let folder = try Self.folder()
        let nobody = try #require(getpwnam("nobody")).pointee.pw_uid
        let ran = try await Programs.run(
            Programs.sluice, ["postoffice", "add", "acme", "--config", "sluice.toml"], folder: folder.path)
        #expect(ran.code == 0, "\(ran)")
        let commands = [
            ["domain", "add", "acme.test", "--postoffice", "acme"], ["dkim", "create", "acme.test", "s1"],
        ]
        for command in commands {
            let ran = try await Programs.run(
                Programs.sluice, command + ["--config", "sluice.toml"], folder: folder.path)
            #expect(ran.code == 0, "\(ran)")
        }
        #expect(FileManager.default.fileExists(atPath: "\(folder.path)/data/keys/dkim/acme.test/s1.pem"))
        try Self.expect("\(folder.path)/data", toBelongTo: nobody)
    }

    @Test(.enabled(if: isRoot)) func `sockets and low ports are had by whom the server becomes`() async throws {
        let folder = try Self.folder()
        let nobody = try #require(getpwnam("nobody")).pointee
        let usual = try folder.text("sluice.toml")
        let run = folder.path + "/run"
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: false)
        #expect(chown(run, nobody.pw_uid, nobody.pw_gid) == 0)
        let socket = "[[listener]]\nprotocol = \"lmtp\"\nbind = [\"unix:\(run)/lmtp.sock\"]\n"
        // Only root may bind it.
        let metrics = "[metrics]\nbind = [\"127.0.0.77:911\"]\n"
        try folder.write(usual + socket + metrics, to: "sluice.toml")
        let child = try Child(
            Programs.sluice, ["serve", "--config", folder.path + "/sluice.toml"], place: folder.path)
        #expect(await eventually { (try? folder.text("err").contains("msg=serving")) ?? false })
        let attributes = try FileManager.default.attributesOfItem(atPath: run + "/lmtp.sock")
        #expect(attributes[.ownerAccountID] as? Int == Int(nobody.pw_uid))
        #expect(attributes[.groupOwnerAccountID] as? Int == Int(nobody.pw_gid))
        // It goes, and comes back.
        for text in [usual, usual + socket] {
            try folder.write(text + metrics, to: "sluice.toml")
            let reload = try await Programs.run(Programs.sluice, ["reload"], folder: folder.path)
            #expect(reload.code == 0, "\(reload)")
            #expect(FileManager.default.fileExists(atPath: run + "/lmtp.sock") == text.contains("lmtp.sock"))
        }
        #expect(await child.stop() == 0)
        #expect(!FileManager.default.fileExists(atPath: run + "/lmtp.sock"))
    }

    /// The configuration of a server that becomes `nobody`, where its new user gets through.
    static func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let port = try Ports.free(1)[0]
        let listener = "[[listener]]\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:\(port)\"]\ntls = \"none\"\n"
        try folder.write(
            "hostname = \"mx.acme.test\"\ndata = \"data\"\n\(listener)[run]\nuser = \"nobody\"\n", to: "sluice.toml")
        try FileManager.default.createDirectory(atPath: "\(folder.path)/filters.d", withIntermediateDirectories: true)
        chmod(folder.path, 0o755)
        return folder
    }

    static func expect(_ folder: String, toBelongTo user: uid_t) throws {
        for file in try FileManager.default.subpathsOfDirectory(atPath: folder) + ["."] {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(file)")
            #expect(attributes[.ownerAccountID] as? Int == Int(user), "\(file)")
        }
    }

    @Test(.enabled(if: isRoot)) func `what root does to the data folder belongs to its owner`() async throws {
        let place = try await Place()
        let data = place.folder.path + "/data"
        let nobody = try #require(getpwnam("nobody")).pointee
        chmod(place.folder.path, 0o755)
        for file in try FileManager.default.subpathsOfDirectory(atPath: data) {
            #expect(chown("\(data)/\(file)", nobody.pw_uid, nobody.pw_gid) == 0)
        }
        #expect(chown(data, nobody.pw_uid, nobody.pw_gid) == 0)
        try place.folder.write("From: a@out.test\n\nbody\n", to: "message.eml")
        // What only root may read is read all the same.
        chmod(place.folder.path + "/message.eml", 0o600)
        for words in [
            ["mailbox", "add", "new@acme.test"], ["try", "message.eml", "--to", "new@acme.test"], ["queue", "list"],
            ["audit"],
        ] {
            let ran = try await Programs.run(
                Programs.sluice, words + ["--config", "sluice.toml"], folder: place.folder.path)
            #expect(ran.code == 0, "\(ran)")
        }
        try Self.expect(data, toBelongTo: nobody.pw_uid)
    }

    /// Real, effective, saved and file system's user of each thread.
    static func users(of process: Int32) throws -> [[uid_t]] {
        let tasks = "/proc/\(process)/task"
        return try FileManager.default.contentsOfDirectory(atPath: tasks).compactMap { task in
            guard let text = try? String(contentsOfFile: "\(tasks)/\(task)/status", encoding: .utf8) else { return nil }
            let line = text.split(separator: "\n").first { $0.hasPrefix("Uid:") }
            return line?.split(separator: "\t").dropFirst().compactMap { uid_t($0) }
        }
    }
}
