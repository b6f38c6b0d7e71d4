import Foundation
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Giving up root's rights. Only root can be seen to do it.
@Suite struct PrivilegeTests {
    static let isRoot = getuid() == 0

    @Test(.enabled(if: isRoot)) func `no thread of the server stays root`() async throws {
        let folder = try TemporaryFolder()
        let port = try Ports.free(1)[0]
        let settings = """
            hostname = "mx.acme.test"
            data = "data"
            [[listener]]
            protocol = "smtp"
            bind = ["127.0.0.1:\(port)"]
            tls = "none"
            [run]
            user = "nobody"
            """
        try folder.write(settings, to: "sluice.toml")
        try FileManager.default.createDirectory(atPath: "\(folder.path)/filters.d", withIntermediateDirectories: true)
        // The folder itself must let its new user through.
        chmod(folder.path, 0o755)
        let child = try Child(
            Programs.sluice, ["serve", "--config", folder.path + "/sluice.toml"], place: folder.path)
        #expect(await eventually { (try? folder.text("err").contains("msg=serving")) ?? false })
        let users = try Self.users(of: child.pid)
        #expect(users.count > 2)
        let nobody = try #require(getpwnam("nobody")).pointee.pw_uid
        #expect(Set(users) == [Array(repeating: nobody, count: 4)])
        #expect(await child.stop() == 0)
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
        for file in try FileManager.default.subpathsOfDirectory(atPath: data) {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(data)/\(file)")
            #expect(attributes[.ownerAccountID] as? Int == Int(nobody.pw_uid), "\(file)")
        }
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
