import Delivery
import Foundation
import MailTypes
import Queue
import Synchronization
import Testing

/// Who acts on mail in mailboxes: when it lies there for good, once, and before the queue forgets it.
@Suite struct FollowerTests {
    final class Follower: MailboxFollower {
        let copies = Mutex<[MailboxCopy]>([])
        let whom: @Sendable (EmailAddress) -> Bool
        let act: @Sendable (MailboxCopy) async -> Void

        init(
            _ whom: @escaping @Sendable (EmailAddress) -> Bool = { _ in true },
            act: @escaping @Sendable (MailboxCopy) async -> Void = { _ in }
        ) { (self.whom, self.act) = (whom, act) }

        func concerns(_ mailbox: EmailAddress) -> Bool { whom(mailbox) }
        func follow(_ copy: MailboxCopy) async {
            copies.withLock { $0.append(copy) }
            await act(copy)
        }
    }

    @Test func `it is called once for each mailbox, with the recipient that was said first`() async throws {
        let fixture = AgentFixture()
        let follower = Follower { $0.localPart != "carl" }
        await fixture.run(hooks: { $0.follower = follower }) {
            let id = fixture.submit(to: [
                ("info@here.test", .mailbox("anna@here.test")), ("anna@here.test", .mailbox("anna@here.test")),
                ("carl@here.test", .mailbox("carl@here.test")), ("x@here.test", .discard),
            ])
            _ = await fixture.settled(id)
        }
        let copies = follower.copies.withLock { $0 }
        #expect(copies.map(\.mailbox) == ["anna@here.test"])
        #expect(copies.map(\.recipient.address) == ["info@here.test"])
    }

    @Test func `the mail lies in the mailbox, and the queue has not forgotten it`() async throws {
        let fixture = AgentFixture()
        let seen = Mutex<[(files: Int, isQueued: Bool)]>([])
        let follower = Follower { _ in
            true
        } act: { copy in
            let files = fixture.mail(of: "anna@here.test").count
            let isQueued = fixture.queue.entries[copy.message.id]?.outcomes.isEmpty == true
            seen.withLock { $0.append((files, isQueued)) }
        }
        await fixture.run(hooks: { $0.follower = follower }) {
            let id = fixture.submit(to: [("anna@here.test", .mailbox("anna@here.test"))])
            _ = await fixture.settled(id)
        }
        let found = seen.withLock { $0 }
        #expect(found.count == 1 && found.first?.files == 1 && found.first?.isQueued == true)
    }

    @Test func `what the disk has not taken is not acted on`() async throws {
        let fixture = AgentFixture()
        fixture.fault.withLock { $0 = { $0 == "fsync" || $0 == "syncfs" ? EIO : 0 } }
        let follower = Follower()
        await fixture.run(hooks: { $0.follower = follower }) {
            let id = fixture.submit(to: [("anna@here.test", .mailbox("anna@here.test"))])
            #expect(await fixture.settled(id)[0]?.word == "deferred")
        }
        #expect(follower.copies.withLock { $0.isEmpty })
    }
}
