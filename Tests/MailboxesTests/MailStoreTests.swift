import Foundation
import MailTypes
import Synchronization
import Testing

@testable import Mailboxes

@Suite struct MailStoreTests {
    let root = TemporaryFolder()
    var store: MailStore { MailStore(root: root.path) }

    static let anna: EmailAddress = "anna@acme.test"
    static let name = MaildirName(
        received: Date(timeIntervalSince1970: 1_795_230_000), queueID: "abc-0", recipient: "anna@acme.test")

    func delivery(_ text: String = "Subject: x\r\n\r\nHello\r\n", mayBeThere: Bool = false) -> MailDelivery {
        MailDelivery(
            mailbox: Self.anna, name: Self.name, pieces: [Bytes(Array(text.utf8))], mayBeThere: mayBeThere)
    }

    func files(_ folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "\(root.path)/acme.test/anna/Maildir/\(folder)")) ?? [])
            .sorted()
    }

    func content(_ name: String) -> String? {
        FileManager.default.contents(atPath: "\(root.path)/acme.test/anna/Maildir/\(name)")
            .map { String(decoding: $0, as: UTF8.self) }
    }

    func move(_ old: String, to new: String) throws {
        let base = "\(root.path)/acme.test/anna/Maildir/"
        try FileManager.default.moveItem(atPath: base + old, toPath: base + new)
    }

    @Test func `a message lies in new with its size in its name`() throws {
        let batch = store.batch()
        #expect(try batch.deliver(delivery()))
        try batch.sync()
        let name = try #require(files("new").first)
        #expect(name.hasPrefix("1795230000.Qabc-0R") && name.hasSuffix(".sluice,S=21"))
        #expect(content("new/\(name)") == "Subject: x\r\n\r\nHello\r\n")
        #expect(files("tmp").isEmpty && files("cur").isEmpty)
    }

    @Test func `folders and files are the owner's alone`() throws {
        _ = try store.batch().deliver(delivery())
        let manager = FileManager.default
        let maildir = "\(root.path)/acme.test/anna/Maildir"
        for path in ["\(root.path)/acme.test", maildir, "\(maildir)/new", "\(maildir)/cur", "\(maildir)/tmp"] {
            #expect(try manager.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o700)
        }
        let file = try "\(maildir)/new/\(#require(files("new").first))"
        #expect(try manager.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
    }

    @Test func `junk goes into a folder of its own`() throws {
        var junk = delivery()
        junk.folder = .junk
        _ = try store.batch().deliver(junk)
        #expect(files(".Junk/new").count == 1)
        #expect(files(".Junk").contains("maildirfolder"))
        #expect(files("new").isEmpty)
    }

    @Test(arguments: ["new", "cur", ".Junk/cur", ".Work/cur"])
    func `a second delivery finds the first wherever it is`(place: String) throws {
        _ = try store.batch().deliver(delivery())
        let name = try #require(files("new").first)
        let maildir = "\(root.path)/acme.test/anna/Maildir"
        try FileManager.default.createDirectory(atPath: "\(maildir)/\(place)", withIntermediateDirectories: true)
        if place != "new" { try move("new/\(name)", to: "\(place)/\(name):2,S") }
        #expect(try store.batch().deliver(delivery(mayBeThere: true)) == false)
        #expect(files(place).count == 1)
        #expect(place == "new" || files("new").isEmpty)
    }

    @Test func `a message that is moved while it is looked for is found again`() throws {
        _ = try store.batch().deliver(delivery())
        let batch = store.batch()
        #expect(try batch.deliver(delivery(mayBeThere: true)) == false)
        let name = try #require(files("new").first)
        try move("new/\(name)", to: "cur/\(name):2,S")
        #expect(try batch.deliver(delivery(mayBeThere: true)) == false)
        #expect(files("cur").count == 1 && files("new").isEmpty)
    }

    @Test(arguments: ["", "Subject: x\r\n\r\nHel", "Subject: y\r\n\r\nHello\r\n", "Subject: x\r\n\r\nHello\r\n"])
    func `a torn file is replaced in its place`(torn: String) throws {
        _ = try store.batch().deliver(delivery())
        let name = try #require(files("new").first)
        try move("new/\(name)", to: "cur/\(name):2,S")
        try torn.write(
            toFile: "\(root.path)/acme.test/anna/Maildir/cur/\(name):2,S", atomically: false, encoding: .utf8)
        #expect(try store.batch().deliver(delivery(mayBeThere: true)) == false)
        #expect(files("cur") == ["\(name):2,S"])
        #expect(content("cur/\(name):2,S") == "Subject: x\r\n\r\nHello\r\n")
        #expect(files("new").isEmpty)
    }

    @Test(arguments: ["acme.test", "acme.test/anna", "acme.test/anna/Maildir", "acme.test/anna/Maildir/new"])
    func `a planted symbolic link is refused`(link: String) throws {
        let outside = TemporaryFolder()
        let path = "\(root.path)/\(link)"
        let parent = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        if link.hasSuffix("new") {
            try FileManager.default.createDirectory(atPath: "\(parent)/tmp", withIntermediateDirectories: true)
        }
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: outside.path)
        #expect(throws: SystemError.self) { try store.batch().deliver(delivery()) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside.path).isEmpty)
    }

    @Test func `a link in tmp is not written through`() throws {
        try store.create(Self.anna)
        let outside = TemporaryFolder()
        let victim = "\(outside.path)/victim"
        try "precious".write(toFile: victim, atomically: false, encoding: .utf8)
        let tmp = "\(root.path)/acme.test/anna/Maildir/tmp/\(Self.name.fileName(size: 21))"
        try FileManager.default.createSymbolicLink(atPath: tmp, withDestinationPath: victim)
        _ = try store.batch().deliver(delivery())
        #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
        #expect(files("new").count == 1)
    }

    @Test func `two deliveries at once into a new mailbox both succeed`() async throws {
        let store = store
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<16 {
                group.addTask {
                    let name = MaildirName(received: Date(), queueID: "q-\(number)", recipient: "anna@acme.test")
                    let delivery = MailDelivery(mailbox: Self.anna, folder: .junk, name: name, pieces: ["x"])
                    return (try? store.batch().deliver(delivery)) == true
                }
            }
            for await isDelivered in group { #expect(isDelivered) }
        }
        #expect(files(".Junk/new").count == 16)
    }

    @Test func `a mailbox that was removed meanwhile is made anew`() throws {
        let batch = store.batch()
        _ = try batch.deliver(delivery())
        try FileManager.default.removeItem(atPath: "\(root.path)/acme.test")
        _ = try batch.deliver(delivery())
        #expect(files("new").count == 1)
    }

    @Test func `old remains in tmp are removed, young ones stay`() throws {
        try store.create(Self.anna)
        let maildir = "\(root.path)/acme.test/anna/Maildir"
        for name in ["old", "young"] {
            try "x".write(toFile: "\(maildir)/tmp/\(name)", atomically: false, encoding: .utf8)
        }
        var times = [timespec(tv_sec: 1000, tv_nsec: 0), timespec(tv_sec: 1000, tv_nsec: 0)]
        utimensat(AT_FDCWD, "\(maildir)/tmp/old", &times, 0)
        #expect(try store.removeStaleFiles(now: Date()) == 1)
        #expect(files("tmp") == ["young"])
        #expect(try store.removeStaleFiles(now: Date().addingTimeInterval(37 * 3600)) == 1)
    }

    /// Fails the n-th call of delivery and everything after it, as a crash would; then delivers again.
    @Test(arguments: 1...30)
    func `a crash at any call leaves no message or one`(call: Int) throws {
        let count = Atomic(0)
        let calls = DiskCalls { _ in count.add(1, ordering: .relaxed).newValue >= call ? EIO : 0 }
        let broken = MailStore(root: root.path, options: .init(), calls: calls).batch()
        do {
            _ = try broken.deliver(delivery())
            try broken.sync()
        } catch {}
        _ = try store.batch().deliver(delivery(mayBeThere: true))
        #expect(files("new").count == 1)
        #expect(try content("new/\(#require(files("new").first))") == "Subject: x\r\n\r\nHello\r\n")
    }

    @Test(arguments: ["openat", "write", "renameat"])
    func `a full disk leaves nothing behind`(failing: String) throws {
        try store.create(Self.anna)
        let opens = Atomic(0)
        let calls = DiskCalls { call in
            if call == "openat", failing == "openat" {
                // The seventh is the message's own file.
                return opens.add(1, ordering: .relaxed).newValue >= 7 ? ENOSPC : 0
            }
            return call == failing ? ENOSPC : 0
        }
        let batch = MailStore(root: root.path, options: .init(), calls: calls).batch()
        let error = #expect(throws: SystemError.self) { try batch.deliver(delivery()) }
        #expect(error?.isOutOfSpace == true)
        #expect(files("tmp").isEmpty && files("new").isEmpty)
    }

    @Test func `many deliveries share one sync of the file system`() throws {
        let log = Mutex<[String]>([])
        try store.create(Self.anna)
        let calls = DiskCalls { call in
            log.withLock { $0.append(call) }
            return 0
        }
        let batch = MailStore(root: root.path, options: .init(), calls: calls).batch()
        for number in 0..<10 {
            let name = MaildirName(received: Date(), queueID: "q-\(number)", recipient: "anna@acme.test")
            _ = try batch.deliver(MailDelivery(mailbox: Self.anna, name: name, pieces: ["x"]))
        }
        try batch.sync()
        let calls10 = log.withLock { $0 }
        #expect(calls10.filter { $0 == "syncfs" }.count == 1)
        #expect(!calls10.contains("fsync"))
        #expect(calls10.filter { $0 == "write" }.count == 10)
    }
}

/// A folder that is removed when the test is over.
final class TemporaryFolder: Sendable {
    let path: String

    init() {
        path = "\(NSTemporaryDirectory())/sluice-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
