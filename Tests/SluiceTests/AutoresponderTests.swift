import Adapters
import Delivery
import Directory
import Filters
import Foundation
import Logging
import MailTypes
import SluiceTesting
import Synchronization
import Testing

@testable import Pipeline
@testable import Queue
@testable import Sluice

/// Replies with a real queue, directory and ledger, on a clock that is moved by hand.
@Suite struct AutoresponderTests {
    static let now = Date(timeIntervalSince1970: 1_795_262_400)

    final class World: Sendable {
        let folder: TemporaryFolder
        let queue: MailQueue
        let directory: MailDirectory
        let ledger: AutoreplyLedger
        let services = MemoryServices()
        let told = Mutex<[Autoresponder.Outcome]>([])
        private let clock = Mutex(AutoresponderTests.now)
        let mostWaiting: Int

        var now: Date {
            get { clock.withLock { $0 } }
            set { clock.withLock { $0 = newValue } }
        }

        init(_ folder: TemporaryFolder? = nil, mostWaiting: Int = 10) throws {
            let isNew = folder == nil
            let folder = try folder ?? TemporaryFolder()
            self.folder = folder
            self.mostWaiting = mostWaiting
            queue = try MailQueue.open(
                folder.path + "/queue", files: LinuxFileSystem(), options: QueueOptions(), now: Date()
            ).0
            var options = MailDirectory.Options()
            // It says something since then.
            options.now = { AutoresponderTests.now - 86_400 }
            directory = try MailDirectory.open(
                folder.path + "/directory.sqlite", hasher: try ScryptHashing(), options: options)
            ledger = try AutoreplyLedger(folder.path + "/autoreplies.sqlite")
            guard isNew else { return }
            try directory.change(by: "test") { changes in
                try changes.addPostOffice("acme")
                try changes.addDomain("here.test", postOffice: "acme")
                try changes.addDomainAlias("also.test", of: "here.test")
                try changes.addMailbox("anna@here.test", passwordHash: nil, fullName: "Anna Berg")
                try changes.addMailbox("bert@here.test", passwordHash: nil)
                try changes.addAlias("ab@here.test", members: ["anna@here.test"])
                try changes.addAlias("both@here.test", members: ["anna@here.test", "bert@here.test"])
                try changes.addGroup("team@here.test", members: ["anna@here.test"])
                var change = AutoreplyChange()
                change.isOn = true
                change.text = "I am away."
                try changes.setAutoreply("anna@here.test", change)
            }
        }

        var responder: Autoresponder {
            let relay = StageVariant(Relay(Relay.Configuration()))
            let chain = Chain([Link(number: 22, file: "22-relay.toml", base: relay)])
            let house = HouseMail(
                judging: HouseJudging(hostname: "mx.here.test", chain: { chain }, source: services), queue: queue,
                traced: { _, _ in })
            return Autoresponder(
                hostname: "mx.here.test", directory: directory, ledger: ledger, mail: house,
                world: .init(
                    now: { [self] in now },
                    meaning: { [directory] address async throws(StageFailure) in
                        guard case .address(let meaning) = try await directory.answer(.address(address)) else {
                            return .foreign
                        }
                        return meaning
                    }, tell: { [self] _, outcome in told.withLock { $0.append(outcome) } }),
                logger: Logger(label: "autoreply"), mostWaiting: mostWaiting)
        }

        /// A message that has come to anna.
        func copy(
            _ number: UInt32 = 1, from sender: EmailAddress? = "bob@far.test", to field: String = "anna@here.test",
            said: EmailAddress = "anna@here.test", more: String = ""
        ) -> MailboxCopy {
            let id = QueueID(TransactionID(milliseconds: 1_795_219_200_000, random: number))
            let text = "From: bob@far.test\r\nTo: \(field)\r\nSubject: Hi\r\n\(more)\r\nbody\r\n"
            let recipient = QueueRecipient(
                "anna@here.test", said: EnvelopeRecipient(said), route: .mailbox("anna@here.test"))
            let message = QueuedMessage(
                id: id, sender: sender, parameters: MailParameters(), received: now, arrival: "",
                recipients: [recipient], content: Bytes(Array(text.utf8)))
            return MailboxCopy(message: message, mailbox: "anna@here.test", recipient: recipient)
        }

        /// What became of a message.
        func answered(_ copy: MailboxCopy) async -> Autoresponder.Outcome? {
            told.withLock { $0 = [] }
            await responder.follow(copy)
            return told.withLock { $0.first }
        }

        func kind(_ copy: MailboxCopy) async -> String {
            switch await answered(copy) {
            case .sent: "sent"
            case .silent(let refusal): refusal.kind.rawValue
            case nil: "nothing"
            }
        }

        /// The replies in the queue that are on their way, and those that are held.
        var replies: [Bool] { queue.list().map { $0.holdReason == nil } }

        func close() {
            queue.close()
            directory.close()
            ledger.close()
        }
    }

    @Test func `a sender is told once, and again when the period is over`() async throws {
        let world = try World()
        defer { world.close() }
        #expect(world.responder.concerns("Anna@here.test") && !world.responder.concerns("bert@here.test"))
        #expect(await world.kind(world.copy(1)) == "sent")
        #expect(await world.kind(world.copy(2)) == "told-before")
        world.now += 7 * 86_400
        #expect(await world.kind(world.copy(3)) == "sent")
        #expect(await world.kind(world.copy(4, from: "eve@far.test")) == "sent")
        #expect(world.replies == [true, true, true])
        let content = try world.queue.read(world.queue.list()[0].id)
        #expect(content.sender == nil && content.recipients.map(\.address) == ["bob@far.test"])
        #expect(content.recipients.first?.said.parameters.notify == .never)
        let header = try Message(parsing: content.content).header
        #expect(header["From"]?.value == "\"Anna Berg\" <anna@here.test>")
        #expect(header["Auto-Submitted"]?.value == "auto-replied")
    }

    @Test(arguments: [
        ("anna@here.test", "anna@here.test", "sent"), ("ANNA@also.test", "anna@also.test", "sent"),
        ("anna+news@here.test", "anna+news@here.test", "sent"), ("ab@here.test", "ab@here.test", "sent"),
        // Others have got it, too.
        ("both@here.test", "both@here.test", "not-addressed"), ("team@here.test", "team@here.test", "not-addressed"),
        ("both@here.test, ab@also.test", "both@here.test", "sent"),
        ("bert@here.test", "anna@here.test", "not-addressed"),
        ("undisclosed-recipients:;", "anna@here.test", "not-addressed"),
        ("gone@here.test", "gone@here.test", "not-addressed"),
        ("anna@here.test", "gone@also.test", "not-addressed"),
        ("postmaster@here.test", "anna@here.test", "not-addressed"),
    ])
    func `only who is named is asked`(_ field: String, _ said: String, _ kind: String) async throws {
        let world = try World()
        defer { world.close() }
        let copy = world.copy(to: field, said: EmailAddress(stringLiteral: said))
        #expect(await world.kind(copy) == kind)
    }

    @Test func `what came by a catch-all is answered where that was asked for`() async throws {
        let world = try World()
        defer { world.close() }
        try world.directory.change(by: "test") { changes in
            var change = AutoreplyChange()
            change.answersCatchAll = true
            try changes.setAutoreply("anna@here.test", change)
        }
        #expect(await world.kind(world.copy(to: "gone@here.test", said: "gone@here.test")) == "sent")
    }

    @Test(arguments: ["anna@also.test", "ab@here.test", "anna+x@here.test"] as [EmailAddress])
    func `the owner is not told in another name`(_ sender: EmailAddress) async throws {
        let world = try World()
        defer { world.close() }
        #expect(await world.kind(world.copy(from: sender)) == "itself")
    }

    @Test func `what the header forbids is known before anybody is remembered`() async throws {
        let world = try World()
        defer { world.close() }
        #expect(await world.kind(world.copy(1, more: "List-Id: <n.list.test>\r\n")) == "bulk")
        #expect(try world.ledger.records().isEmpty)
        #expect(await world.kind(world.copy(2)) == "sent")
    }

    @Test func `where it is switched off nothing is said`() async throws {
        let world = try World()
        defer { world.close() }
        try world.directory.change(by: "test") { changes in
            var change = AutoreplyChange()
            change.isOn = false
            try changes.setAutoreply("anna@here.test", change)
        }
        #expect(!world.responder.concerns("anna@here.test"))
        #expect(await world.kind(world.copy()) == "nothing")
    }

    // MARK: Crashes

    /// The record of the reply to ``World/copy``, as a process has left it.
    static func left(_ state: AutoreplyRecord.State) -> AutoreplyRecord {
        var record = AutoreplyRecord(
            mailbox: "anna@here.test", sender: "bob@far.test", source: "01nmtbbc000000001-0",
            id: TransactionID(milliseconds: 1_795_262_400_000, random: 9), time: now)
        record.ends = now + 7 * 86_400
        record.state = state
        return record
    }

    @Test(arguments: [AutoreplyRecord.State.begun, .queued])
    func `what a crash has left held leaves once`(_ state: AutoreplyRecord.State) async throws {
        let world = try World()
        defer { world.close() }
        let copy = world.copy()
        var record = Self.left(state)
        record.source = "\(copy.message.id)"
        try world.ledger.write(record)
        var submission = Submission(
            id: QueueID(record.id), sender: nil,
            recipients: [QueueRecipient("bob@far.test", route: .exchanger(domain: "far.test"))],
            content: ["Subject: x\r\n\r\nx\r\n"], received: Self.now)
        submission.holdReason = HouseMail.heldFor
        _ = try await world.queue.commit([submission])
        await world.responder.recover()
        #expect(world.replies == [true])
        #expect(try world.ledger.records().map(\.state) == [.queued])
        // The message is delivered once more, since the queue did not know.
        #expect(await world.kind(copy) == "sent")
        #expect(world.replies == [true], "there is no second one")
    }

    @Test func `what a crash has kept from the queue is sent when the message is delivered again`() async throws {
        let world = try World()
        defer { world.close() }
        let copy = world.copy()
        var record = Self.left(.begun)
        record.source = "\(copy.message.id)"
        try world.ledger.write(record)
        await world.responder.recover()
        #expect(world.replies.isEmpty)
        #expect(await world.kind(copy) == "sent")
        #expect(world.queue.list().map(\.id) == [QueueID(record.id)])
    }

    @Test func `a reply that has left is not sent again for the same message`() async throws {
        let world = try World()
        defer { world.close() }
        let copy = world.copy()
        #expect(await world.kind(copy) == "sent")
        _ = try await world.queue.remove(try #require(world.queue.list().first).id)
        #expect(await world.kind(copy) == "sent", "it was")
        #expect(world.replies.isEmpty)
    }

    @Test func `who cannot be told at once is not waited for`() async throws {
        let world = try World(mostWaiting: 0)
        defer { world.close() }
        // One responder for all, with four places and nobody waiting.
        let responder = world.responder
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<64 {
                let copy = world.copy(UInt32(number), from: EmailAddress(localPart: "u\(number)", domain: "far.test"))
                group.addTask { await responder.follow(copy) }
            }
        }
        let outcomes = world.told.withLock { $0 }
        #expect(outcomes.count == 64)
        let sent = outcomes.filter { if case .sent = $0 { true } else { false } }
        #expect(sent.count == world.replies.count && !sent.isEmpty)
        for outcome in outcomes {
            if case .silent(let refusal) = outcome { #expect(refusal.kind == .limit) }
        }
    }
}
