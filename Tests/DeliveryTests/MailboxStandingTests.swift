import Foundation
import MailTypes
import Pipeline
import Synchronization
import Testing

@testable import Delivery
@testable import Queue

/// Between acceptance and delivery a mailbox may go.
@Suite(.timeLimit(.minutes(10))) struct MailboxStandingTests {
    let fixture = AgentFixture()
    static let gone = Reply(550, .badDestinationMailbox, "No such user here")

    /// Bob has no mailbox any more.
    @Sendable static func standing(of mailbox: EmailAddress) -> MailboxStanding {
        mailbox == "bob@here.test" ? .refused(gone) : .present
    }

    func has(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(fixture.root)/\(path)") }

    @Test func `no folder is made for a mailbox that has gone, and its mail goes back`() async throws {
        let id = fixture.submit(to: [
            ("bob@here.test", .mailbox("bob@here.test")), ("eve@here.test", .mailbox("eve@here.test")),
        ])
        await fixture.run(hooks: { $0.standing = { Self.standing(of: $0) } }) {
            let outcomes = await fixture.settled(id)
            #expect(outcomes[0]?.word == "failed" && outcomes[0]?.reply == Self.gone)
            #expect(outcomes[1]?.word == "delivered")
            await fixture.queue.until { $0.count == 2 && $0.values.allSatisfy { !$0.outcomes.isEmpty } }
        }
        #expect(!has("here.test/bob"))
        #expect(fixture.mail(of: "eve@here.test").count == 1)
        #expect(fixture.mail(of: "anna@here.test").first?.contains("Status: 5.1.1") == true)
    }

    /// A removed mailbox leaves its folder behind, which nobody reads.
    @Test(arguments: [
        (Work.Recipient(number: 0, attempts: 1, age: "5m", warned: false), "failed"),
        (Work.Recipient(number: 0, attempts: 0, age: "0s", warned: false, isRecovered: true), "failed"),
        (Work.Recipient(number: 0, attempts: 0, age: "1h", warned: false), "failed"),
        (Work.Recipient(number: 0, attempts: 0, age: "1s", warned: false), "delivered"),
    ])
    func `mail that has waited does not go into the folder of a mailbox that has gone`(
        claimed: Work.Recipient, word: String
    ) async throws {
        for part in ["cur", "new", "tmp"] {
            try FileManager.default.createDirectory(
                atPath: fixture.root + "/here.test/bob/Maildir/" + part, withIntermediateDirectories: true)
        }
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))])
        fixture.queue.set(id, claimed)
        await fixture.run(hooks: { $0.standing = { Self.standing(of: $0) } }) {
            #expect(await fixture.settled(id)[0]?.word == word)
        }
        #expect(fixture.mail(of: "bob@here.test").count == (word == "failed" ? 0 : 1))
    }

    @Test func `while the directory does not answer, mail for a new mailbox waits`() async throws {
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))])
        await fixture.run(hooks: {
            $0.standing = { _ throws(StageFailure) in throw StageFailure("no answer") }
        }) {
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.word == "deferred" && outcome?.reply?.status?.description == "4.4.3")
        }
        #expect(!has("here.test"))
    }

    /// Each question may take its time to fail.
    @Test func `a directory that does not answer is asked once for all that wait`() async throws {
        let (asked, answer) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        let questions = Atomic(0)
        var hooks = DeliveryHooks(resolve: { _ in .noName }, routes: { _ in [] })
        hooks.standing = { _ throws(StageFailure) in
            questions.add(1, ordering: .relaxed)
            asked.continuation.yield()
            for await _ in answer.stream {}
            throw StageFailure("no answer")
        }
        let inquiry = MailboxInquiry(hooks: hooks, flights: Flights())
        let answers = AsyncStream<[LocalWork]>.makeStream()
        func ask(_ number: UInt32) {
            let id = QueueID(TransactionID(milliseconds: 1, random: number))
            let mailbox = EmailAddress(localPart: "m\(number)", domain: "here.test")
            inquiry.ask(LocalWork(Work(id: id, destination: .mailboxes, recipients: [])), about: [mailbox]) {
                answers.continuation.yield($0)
            }
        }
        ask(0)
        for await _ in asked.stream { break }
        for number in UInt32(1)...9 { ask(number) }
        answer.continuation.finish()
        var works: [LocalWork] = []
        for await some in answers.stream {
            works += some
            if works.count == 10 { break }
        }
        #expect(questions.load(ordering: .relaxed) == 2)
        for work in works {
            guard case .refused(let reply) = work.standings.values.first else {
                Issue.record("it is not known")
                continue
            }
            #expect(reply.code == 451)
        }
    }

    @Test func `while mailboxes are asked about, no more is taken than may wait, and the rest is when there is room`()
        async throws
    {
        let (asked, answer) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        func submit(_ numbers: Range<Int>) -> [QueueID] {
            numbers.map { number in
                let address = EmailAddress(localPart: "m\(number)", domain: "here.test")
                return fixture.submit(to: [(address, .mailbox(address))])
            }
        }
        let first = submit(0..<1)
        await fixture.run(
            { $0.maxWaitingLocal = 1 },
            hooks: {
                $0.standing = { _ in
                    asked.continuation.yield()
                    for await _ in answer.stream {}
                    return .present
                }
            }
        ) {
            for await _ in asked.stream { break }
            let more = submit(1..<11)
            await fixture.queue.untilKnown(11)
            #expect(more.allSatisfy { fixture.queue.entries[$0]?.due.count == 1 })
            answer.continuation.finish()
            for id in first + more { #expect(await fixture.settled(id)[0]?.word == "delivered") }
        }
    }

    @Test func `more works than may wait are all asked about and delivered`() async throws {
        let asked = Atomic(0)
        let ids = (0..<100).map { number in
            let address = EmailAddress(localPart: "m\(number)", domain: "here.test")
            return fixture.submit(to: [(address, .mailbox(address))])
        }
        await fixture.run(
            { $0.maxWaitingLocal = 4 },
            hooks: {
                $0.standing = { _ in
                    asked.add(1, ordering: .relaxed)
                    return .present
                }
            }
        ) {
            for id in ids { #expect(await fixture.settled(id)[0]?.word == "delivered") }
        }
        #expect(asked.load(ordering: .relaxed) == 100)
    }
}
