import Foundation
import MailTypes
import Synchronization
import Testing

@testable import Mailboxes

/// How much lies in a mailbox, and whether more fits.
@Suite struct MailboxRoomTests {
    let root = TemporaryFolder()
    var store: MailStore { MailStore(root: root.path) }

    static let anna: EmailAddress = "anna@acme.test"

    private func deliver(_ octets: Int, _ number: Int, _ folder: MailFolder = .inbox) throws {
        let name = MaildirName(received: Date(), queueID: "q\(number)", recipient: "anna")
        let text = Bytes([UInt8](repeating: 0x78, count: octets))
        _ = try store.batch().deliver(MailDelivery(mailbox: Self.anna, folder: folder, name: name, pieces: [text]))
    }

    private func put(_ octets: Int, _ path: String) throws {
        let file = "\(root.path)/acme.test/anna/Maildir/\(path)"
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(count: octets).write(to: URL(filePath: file))
    }

    @Test func `a mailbox holds what lies in all its folders`() throws {
        #expect(try store.usage(of: Self.anna) == 0)
        try deliver(100, 1)
        try deliver(20, 2, .junk)
        // What others have put there: the name may tell the size, and need not.
        try put(7, "cur/123.M1.host:2,S")
        try put(1, "cur/124.M1.host,S=3000,W=3100:2,S")
        try put(5, ".Sent/new/125.M1.host")
        try put(9, ".Sent/cur/126.M1.host,S=x:2,")
        // Neither is mail.
        try put(1_000, "dovecot.index.log")
        try put(1_000, "tmp/half")
        #expect(try store.usage(of: Self.anna) == 100 + 20 + 7 + 3000 + 5 + 9)
        #expect(try store.usage(of: "nobody@acme.test") == 0)
    }

    @Test func `names tell their sizes`() {
        #expect(MaildirName.size(of: "1.Q2.sluice,S=2317:2,S") == 2317)
        #expect(MaildirName.size(of: "1.x,W=4,S=5") == 5)
        for name in ["1.x", "1.x:2,S=5", "1.x,S=-5", "1.x,S=", "1.x,S=99999999999999999999", "S=5"] {
            #expect(MaildirName.size(of: name) == nil, "\(name)")
        }
    }

    @Test func `what fits is taken, to the last octet`() throws {
        try deliver(100, 1)
        let clock = StandingClock()
        let room = MailboxRoom(store: store, now: { clock.now })
        #expect(try room.take(50, in: Self.anna, quota: 160))
        #expect(try !room.take(11, in: Self.anna, quota: 160))
        #expect(try room.take(10, in: Self.anna, quota: 160))
        #expect(try !room.take(1, in: Self.anna, quota: 160))
        room.end(10, in: Self.anna, hasCome: false)
        room.end(50, in: Self.anna, hasCome: true)
        #expect(try !room.take(11, in: Self.anna, quota: 160))
        #expect(try room.take(10, in: Self.anna, quota: 160))
        #expect(try !room.take(.max, in: Self.anna, quota: .max))
        #expect(try room.take(1_000, in: "bob@acme.test", quota: 1_000))
    }

    @Test func `what others add and remove is seen in time, and before mail is refused`() throws {
        try deliver(100, 1)
        let clock = StandingClock()
        let room = MailboxRoom(store: store, now: { clock.now })
        #expect(try !room.take(1, in: Self.anna, quota: 100))
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(root.path)/acme.test/anna/Maildir/new") {
            try FileManager.default.removeItem(atPath: "\(root.path)/acme.test/anna/Maildir/new/\(name)")
        }
        // Believed for a moment.
        #expect(try !room.take(1, in: Self.anna, quota: 100))
        clock.advance(by: MailboxRoom.fullFor)
        #expect(try room.take(1, in: Self.anna, quota: 100))
        room.end(1, in: Self.anna, hasCome: false)
        try put(100, "cur/1.other")
        #expect(try room.take(1, in: Self.anna, quota: 100))
        room.end(1, in: Self.anna, hasCome: false)
        clock.advance(by: MailboxRoom.goodFor)
        #expect(try !room.take(1, in: Self.anna, quota: 100))
    }

    @Test func `what is known is told without a look, and for how long it is good`() throws {
        try deliver(100, 1)
        let clock = StandingClock()
        let room = MailboxRoom(store: store, now: { clock.now })
        #expect(room.known(of: Self.anna, for: 1, quota: 200) == nil)
        try room.look(at: Self.anna)
        func known(_ size: Int) -> String { room.known(of: Self.anna, for: size, quota: 200).map { "\($0)" } ?? "" }
        #expect(known(100) == "(octets: 100, isFresh: true)" && known(101) == "(octets: 100, isFresh: true)")
        #expect(try room.take(60, in: Self.anna, quota: 200))
        #expect(known(40) == "(octets: 160, isFresh: true)")
        room.end(60, in: Self.anna, hasCome: true)
        #expect(known(40) == "(octets: 160, isFresh: true)")
        // That a mailbox is full is believed for a shorter time.
        clock.advance(by: MailboxRoom.fullFor)
        #expect(known(40) == "(octets: 160, isFresh: true)" && known(41) == "(octets: 160, isFresh: false)")
        clock.advance(by: MailboxRoom.goodFor)
        #expect(known(40) == "(octets: 160, isFresh: false)")
        try room.look(at: Self.anna)
        #expect(known(101) == "(octets: 100, isFresh: true)")
        #expect(throws: Never.self) { try room.look(at: "nobody@acme.test") }
    }

    @Test func `many at once do not exceed it together`() async throws {
        try deliver(100, 1)
        let room = MailboxRoom(store: store)
        let taken = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<200 { group.addTask { (try? room.take(10, in: Self.anna, quota: 600)) == true } }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(taken == 50)
    }
}

/// Stands until it is moved.
private final class StandingClock: Sendable {
    private let time = Mutex(ContinuousClock.now)

    var now: ContinuousClock.Instant { time.withLock { $0 } }
    func advance(by duration: Duration) { time.withLock { $0 += duration } }
}
