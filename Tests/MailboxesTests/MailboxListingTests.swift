import Foundation
import MailTypes
import Synchronization
import Testing

@testable import Mailboxes

/// Messages that may be there already are found, at a bounded cost.
@Suite struct MailboxListingTests {
    let root = TemporaryFolder()
    var maildir: String { "\(root.path)/acme.test/anna/Maildir" }

    func delivery(_ number: Int, mayBeThere: Bool = false) -> MailDelivery {
        let name = MaildirName(
            received: Date(timeIntervalSince1970: 1_795_230_000), queueID: "q-\(number)", recipient: "anna@acme.test")
        return MailDelivery(mailbox: "anna@acme.test", name: name, pieces: ["Hello\r\n"], mayBeThere: mayBeThere)
    }

    func names(_ part: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "\(maildir)/\(part)")) ?? []).sorted()
    }

    func move(_ number: Int, to part: String) throws {
        let name = try #require(names("new").first { $0.contains("Qq-\(number)R") })
        try FileManager.default.createDirectory(atPath: "\(maildir)/\(part)", withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: "\(maildir)/new/\(name)", toPath: "\(maildir)/\(part)/\(name):2,S")
    }

    func store(_ change: (inout MailStore.Options) -> Void = { _ in }, calls: DiskCalls = DiskCalls()) -> MailStore {
        var options = MailStore.Options()
        change(&options)
        return MailStore(root: root.path, options: options, calls: calls)
    }

    @Test func `what another round delivered and could not sync is found, though the mailbox was listed before`() throws
    {
        let fails = Atomic(false)
        let store = store(calls: DiskCalls { $0 == "fsync" && fails.load(ordering: .relaxed) ? EIO : 0 })
        let (one, other) = (store.batch(), store.batch())
        #expect(try one.deliver(delivery(1, mayBeThere: true)))
        #expect(try other.deliver(delivery(2)))
        fails.store(true, ordering: .relaxed)
        #expect(throws: SystemError.self) { try other.sync() }
        fails.store(false, ordering: .relaxed)
        #expect(try one.deliver(delivery(2, mayBeThere: true)) == false)
        #expect(names("new").count == 2)
    }

    @Test func `what lies behind the message that was wanted first is found`() throws {
        for number in 1...3 { _ = try store().batch().deliver(delivery(number)) }
        try move(2, to: "cur")
        try move(3, to: ".Work/cur")
        let batch = store().batch()
        for number in [1, 2, 3, 2, 1] { #expect(try batch.deliver(delivery(number, mayBeThere: true)) == false) }
        #expect(names("new").count == 1 && names("cur").count == 1 && names(".Work/cur").count == 1)
    }

    @Test func `a mailbox that is too large to remember is searched all the same`() throws {
        for number in 1...9 { _ = try store().batch().deliver(delivery(number)) }
        let batch = store { $0.maxListedNames = 3 }.batch()
        for number in 1...9 { #expect(try batch.deliver(delivery(number, mayBeThere: true)) == false) }
        #expect(try batch.deliver(delivery(10, mayBeThere: true)))
        #expect(names("new").count == 10)
    }

    /// However many folders a mailbox has, what is remembered of it holds none of them open.
    @Test func `what was searched is not held open`() throws {
        for number in 1...2 { _ = try store().batch().deliver(delivery(number)) }
        for number in 0..<50 {
            try FileManager.default.createDirectory(
                atPath: "\(maildir)/.Folder\(number)/cur", withIntermediateDirectories: true)
        }
        let batch = store().batch()
        #expect(try batch.deliver(delivery(3, mayBeThere: true)))
        let base = root.path
        let open = (try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")).compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
        }
        #expect(open.filter { $0.contains((base as NSString).lastPathComponent) }.count <= 5)
        withExtendedLifetime(batch) {}
    }
}
