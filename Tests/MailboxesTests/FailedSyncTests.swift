import Foundation
import MailTypes
import Synchronization
import Testing

@testable import Mailboxes

/// Invariant 3 of the queue holds in mailboxes, too: a failed sync is never repeated.
@Suite struct FailedSyncTests {
    let root = TemporaryFolder()

    /// Calls that are noted, and of which some fail.
    final class Disk: Sendable {
        private let state = Mutex<(log: [String], failing: Set<String>)>(([], []))

        var calls: DiskCalls {
            DiskCalls { [self] call in
                state.withLock { state in
                    state.log.append(call)
                    return state.failing.contains(call) ? EIO : 0
                }
            }
        }

        func fail(_ calls: Set<String>) { state.withLock { $0.failing = calls } }
        /// What was called since it was last asked.
        func takeLog() -> [String] {
            state.withLock { state in
                defer { state.log = [] }
                return state.log
            }
        }
    }

    func delivery(_ number: Int = 0, mayBeThere: Bool = false) -> MailDelivery {
        let name = MaildirName(
            received: Date(timeIntervalSince1970: 1_795_230_000), queueID: "q-\(number)", recipient: "anna@acme.test")
        return MailDelivery(mailbox: "anna@acme.test", name: name, pieces: ["Hello\r\n"], mayBeThere: mayBeThere)
    }

    var maildir: String { "\(root.path)/acme.test/anna/Maildir" }
    var new: [String] { (try? FileManager.default.contentsOfDirectory(atPath: "\(maildir)/new")) ?? [] }

    func inode() throws -> Int? {
        let path = try "\(maildir)/new/\(#require(new.first))"
        return try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
    }

    @Test func `after a failed sync the message is written anew, and synced before it takes its place`() throws {
        let disk = Disk()
        let store = MailStore(root: root.path, options: .init(), calls: disk.calls)
        let batch = store.batch()
        _ = try batch.deliver(delivery())
        let lost = try inode()
        disk.fail(["fsync"])
        #expect(throws: SystemError.self) { try batch.sync() }
        disk.fail([])
        _ = disk.takeLog()
        #expect(try batch.deliver(delivery(mayBeThere: true)) == false)
        let log = disk.takeLog().filter { ["write", "fsync", "renameat"].contains($0) }
        #expect(log == ["write", "fsync", "renameat"])
        #expect(try new.count == 1 && inode() != lost)
        try batch.sync()
    }

    @Test func `while syncs go on failing, what was there stays`() throws {
        let disk = Disk()
        let store = MailStore(root: root.path, options: .init(), calls: disk.calls)
        _ = try store.batch().deliver(delivery())
        let first = try inode()
        disk.fail(["fsync"])
        #expect(throws: SystemError.self) { try store.batch().deliver(delivery(mayBeThere: true)) }
        #expect(try new.count == 1 && inode() == first)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(maildir)/tmp").isEmpty)
    }

    @Test func `mail that another round wrote before a failed sync is in doubt, too`() throws {
        let disk = Disk()
        let store = MailStore(root: root.path, options: .init(), calls: disk.calls)
        let (one, other) = (store.batch(), store.batch())
        _ = try one.deliver(delivery(1))
        _ = try other.deliver(delivery(2))
        disk.fail(["fsync"])
        #expect(throws: SystemError.self) { try one.sync() }
        disk.fail([])
        _ = try one.deliver(delivery(3))
        var mixed = one.takeUnsynced()
        mixed.add(other.takeUnsynced())
        #expect(throws: SystemError.self) { try store.sync(mixed) }
        _ = try other.deliver(delivery(2, mayBeThere: true))
        _ = try other.deliver(delivery(3, mayBeThere: true))
        try other.sync()
        #expect(new.count == 3)
    }

    @Test func `a folder whose making could not be synced is made again`() throws {
        let disk = Disk()
        let store = MailStore(root: root.path, options: .init(), calls: disk.calls)
        disk.fail(["fsync"])
        #expect(throws: SystemError.self) { try store.create("anna@acme.test") }
        #expect(try FileManager.default.contentsOfDirectory(atPath: root.path).isEmpty)
        disk.fail([])
        try store.create("anna@acme.test")
        #expect(FileManager.default.fileExists(atPath: "\(maildir)/new"))
    }
}
