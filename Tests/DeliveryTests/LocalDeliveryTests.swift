import Foundation
import MailTypes
import Synchronization
import Testing

@testable import Delivery
@testable import Queue

@Suite struct LocalDeliveryTests {
    let fixture = AgentFixture()

    @Test func `a message lands in the mailbox with the fields of delivery`() async throws {
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))], from: "anna@out.test")
        await fixture.run { #expect(await fixture.settled(id)[0]?.word == "delivered") }
        #expect(
            fixture.mail(of: "bob@here.test") == [
                "Return-Path: <anna@out.test>\r\nDelivered-To: bob@here.test\r\n"
                    + "Subject: Hi\r\nMessage-ID: <1@here.test>\r\n\r\nHello\r\n"
            ])
    }

    @Test func `junk and aliases are told`() async throws {
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))], from: nil) {
            $0.recipients[0].disposition = .junk
            $0.recipients[0].said = EnvelopeRecipient("info@here.test")
        }
        await fixture.run { _ = await fixture.settled(id) }
        let mail = try #require(fixture.mail(of: "bob@here.test", ".Junk/new").first)
        #expect(mail.hasPrefix("Return-Path: <>\r\nDelivered-To: bob@here.test\r\nX-Original-To: info@here.test\r\n"))
    }

    @Test func `a mailbox that several recipients lead to gets one copy, by the name said first`() async throws {
        let said: [EmailAddress] = ["bob+x@here.test", "bob@here.test", "bob+y@here.test", "eve@here.test"]
        let recipients = said.map { address -> (EmailAddress, Route) in
            (address, .mailbox(address == "eve@here.test" ? address : "bob@here.test"))
        }
        let id = fixture.submit(to: recipients) { $0.recipients[2].said.parameters.notify = .success }
        await fixture.run {
            let outcomes = await fixture.settled(id)
            #expect((0..<4).map { outcomes[$0]?.word } == Array(repeating: "delivered", count: 4))
            await fixture.queue.until { $0.count == 2 && $0.values.allSatisfy { !$0.outcomes.isEmpty } }
        }
        let mail = fixture.mail(of: "bob@here.test")
        #expect(mail.count == 1)
        #expect(mail.first?.contains("Delivered-To: bob@here.test\r\nX-Original-To: bob+x@here.test\r\n") == true)
        #expect(fixture.mail(of: "eve@here.test").count == 1)
        // Whoever asked to be told is told of the name that he said.
        let report = try #require(fixture.mail(of: "anna@here.test").first)
        #expect(report.contains("Final-Recipient: rfc822; bob+y@here.test\r\nAction: delivered\r\n"))
    }

    @Test func `what does not fit into a mailbox goes back to its sender`() async throws {
        let small = "Subject: Hi\r\n\r\nHello\r\n"
        let large = "Subject: Hi\r\n\r\n" + String(repeating: "x", count: 3_000) + "\r\n"
        await fixture.run(hooks: { $0.quota = { $0 == "bob@here.test" ? 2_000 : nil } }) {
            for (text, word) in [(large, "failed"), (small, "delivered")] {
                let id = fixture.submit(
                    to: [("bob@here.test", .mailbox("bob@here.test"))], from: "anna@here.test", text)
                #expect(await fixture.settled(id)[0]?.word == word)
            }
            // Nobody else's matter.
            let id = fixture.submit(to: [("eve@here.test", .mailbox("eve@here.test"))], from: "anna@here.test", large)
            #expect(await fixture.settled(id)[0]?.word == "delivered")
            await fixture.queue.until { $0.values.allSatisfy { !$0.outcomes.isEmpty } }
        }
        #expect(fixture.mail(of: "bob@here.test").count == 1)
        let report = try #require(fixture.mail(of: "anna@here.test").first)
        #expect(report.contains("Status: 5.2.2\r\n") && report.contains("Mailbox is full"))
    }

    @Test func `what may lie in a full mailbox already is not refused for its own size`() async throws {
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))])
        fixture.queue.set(id, Work.Recipient(number: 0, attempts: 1, age: "5m", warned: false))
        await fixture.run(hooks: { $0.quota = { _ in 1 } }) {
            #expect(await fixture.settled(id)[0]?.word == "delivered")
        }
    }

    @Test func `a burst is delivered, each message once`() async throws {
        let ids = (0..<500).map { number in
            let address = EmailAddress(localPart: "m\(number % 7)", domain: "here.test")
            return fixture.submit(to: [(address, .mailbox(address))])
        }
        await fixture.run { for id in ids { #expect(await fixture.settled(id)[0]?.word == "delivered") } }
        let count = (0..<7).map { fixture.mail(of: "m\($0)@here.test").count }.reduce(0, +)
        #expect(count == 500)
    }

    @Test func `a message is there before it is synced, and a stop does not wait for others`() async throws {
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))])
        await fixture.run({ $0.localSyncDelay = "1h" }) {
            while fixture.mail(of: "bob@here.test").isEmpty { await Task.yield() }
            #expect(fixture.queue.entries[id]?.outcomes.isEmpty == true)
        }
        #expect(fixture.queue.entries[id]?.outcomes[0]?.word == "delivered")
    }

    @Test func `enough messages are synced at once`() async throws {
        await fixture.run({
            $0.localSyncDelay = "1h"
            $0.localBatch = 10
        }) {
            let ids = (0..<10).map { _ in fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))]) }
            for id in ids { #expect(await fixture.settled(id)[0]?.word == "delivered") }
        }
    }

    /// Wherever the user has put it, and whatever the clock says.
    @Test(arguments: [-7200.0, 0, 7200])
    func `a message that is delivered again after a restart is one message`(clockJump: Double) async throws {
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))])
        await fixture.run { _ = await fixture.settled(id) }
        let maildir = fixture.root + "/here.test/bob/Maildir"
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: maildir + "/new").first)
        try FileManager.default.moveItem(atPath: "\(maildir)/new/\(name)", toPath: "\(maildir)/cur/\(name):2,S")
        let message = try #require(fixture.queue.entries[id]?.message)
        let now = message.received.addingTimeInterval(clockJump)
        let second = AgentFixture(root: fixture.root)
        second.queue.add(
            Submission(
                id: id, sender: message.sender, recipients: message.recipients, content: [message.content],
                received: message.received))
        second.queue.recover(id, due: now)
        await second.run(hooks: { $0.now = { now } }) { #expect(await second.settled(id)[0]?.word == "delivered") }
        #expect(fixture.mail(of: "bob@here.test").isEmpty && fixture.mail(of: "bob@here.test", "cur").count == 1)
    }

    @Test func `a message whose sync failed is written anew, and then delivered`() async throws {
        fixture.fault.withLock { $0 = { $0 == "fsync" || $0 == "syncfs" ? EIO : 0 } }
        try FileManager.default.createDirectory(
            atPath: fixture.root + "/here.test/bob/Maildir", withIntermediateDirectories: true)
        for part in ["cur", "new", "tmp"] {
            try FileManager.default.createDirectory(
                atPath: fixture.root + "/here.test/bob/Maildir/" + part, withIntermediateDirectories: true)
        }
        let writes = Atomic(0)
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))])
        try await fixture.run {
            #expect(await fixture.settled(id)[0]?.reply?.status?.description == "4.3.0")
            #expect(fixture.mail(of: "bob@here.test").count == 1)
            fixture.fault.withLock { fault in
                fault = { call in
                    if call == "write" { writes.add(1, ordering: .relaxed) }
                    return 0
                }
            }
            try await fixture.queue.retry(id, now: Date())
            await fixture.queue.until { $0[id]?.outcomes[0]?.word == "delivered" }
        }
        #expect(writes.load(ordering: .relaxed) == 1)
        #expect(fixture.mail(of: "bob@here.test").count == 1)
    }

    @Test func `a message that was in this mailbox before goes back`() async throws {
        let text = "Delivered-To: Bob@HERE.test\r\nSubject: x\r\n\r\nx\r\n"
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))], text)
        await fixture.run {
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.word == "failed" && outcome?.reply?.status?.description == "5.4.6")
        }
        #expect(fixture.mail(of: "bob@here.test").isEmpty)
    }

    @Test func `what is to be discarded is nowhere`() async throws {
        let id = fixture.submit(to: [("bob@here.test", .discard)])
        await fixture.run { #expect(await fixture.settled(id)[0]?.word == "delivered") }
        #expect(fixture.events.withLock { $0.map(\.outcome) } == [.discarded])
        #expect(!FileManager.default.fileExists(atPath: fixture.root + "/here.test"))
    }

    @Test func `a mailbox that cannot be written to defers`() async throws {
        try FileManager.default.createDirectory(atPath: fixture.root + "/here.test", withIntermediateDirectories: true)
        try "not a folder".write(toFile: fixture.root + "/here.test/bob", atomically: false, encoding: .utf8)
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))])
        await fixture.run {
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.word == "deferred" && outcome?.reply?.isTemporary == true)
        }
    }
}
