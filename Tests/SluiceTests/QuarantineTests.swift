import Adapters
import Directory
import Filters
import Foundation
import Logging
import MailTypes
import Queue
import SluiceTesting
import Testing

@testable import Pipeline
@testable import Sluice

/// What is held for somebody to look at: how long, who is told, and who lets it go.
@Suite struct QuarantineTests {
    // MARK: Links

    static let key: [UInt8] = Array(0..<32)
    static let now = Date(timeIntervalSince1970: 1_795_250_000)
    static let id = QueueID(TransactionID(milliseconds: 1_795_219_200_000, random: 7), copy: 1)
    static let token = ReleaseToken(message: id, mailbox: "bob@here.example", ends: now.addingTimeInterval(60))

    static func read(_ text: String, key: [UInt8] = key, at date: Date = now) -> Result<
        ReleaseToken, ReleaseToken.Fault
    > {
        do { return .success(try ReleaseToken(text, key, try ScryptHashing(), at: date)) } catch {
            return .failure(error as? ReleaseToken.Fault ?? .malformed)
        }
    }

    @Test func `a link is good for its message and mailbox, until its end, on this server`() throws {
        let text = try Self.token.text(Self.key, try ScryptHashing())
        #expect(Self.read(text) == .success(Self.token))
        #expect(Self.read(text, at: Self.now.addingTimeInterval(59)) == .success(Self.token))
        #expect(Self.read(text, at: Self.now.addingTimeInterval(60)) == .failure(.expired))
        #expect(Self.read(text, key: Array(1...32)) == .failure(.forged))
        #expect(
            text.utf8.allSatisfy { $0.isLetter || $0.isDigit || "-_.".utf8.contains($0) },
            "it stands in a link as it is")
    }

    @Test func `no octet of a link can be changed`() throws {
        let text = try Self.token.text(Self.key, try ScryptHashing())
        let octets = Array(text.utf8)
        for place in octets.indices {
            for other in [UInt8(ascii: "A"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "=")]
            where other != octets[place] {
                var changed = octets
                changed[place] = other
                #expect((try? Self.read(String(decoding: changed, as: UTF8.self)).get()) == nil, "\(place)")
            }
            #expect((try? Self.read(String(decoding: octets[..<place], as: UTF8.self)).get()) == nil)
        }
        #expect((try? Self.read(text + "=").get()) == nil && (try? Self.read(text + ".").get()) == nil)
    }

    @Test(arguments: ["", ".", "a.b", "..", "é.é", String(repeating: "A", count: 5_000) + ".AAAA", "AAAA.\u{0}"])
    func `what nobody has made is no link`(_ text: String) {
        #expect((try? Self.read(text).get()) == nil)
    }

    @Test func `the key is made once, for its owner alone, and a wrong one is not used`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/quarantine.key"
        // As a crash leaves it, with the number of a process that comes again.
        let left = "\(path).\(ProcessInfo.processInfo.processIdentifier)"
        try Data([1]).write(to: URL(filePath: left))
        defer { #expect(FileManager.default.fileExists(atPath: left), "it is nobody else's to remove") }
        let first = try SecretKeyFile.open(path, try ScryptHashing())
        #expect(first.count == SecretKeyFile.size)
        #expect(try SecretKeyFile.open(path, try ScryptHashing()) == first)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2, "and no draft is left")
        try Data([1, 2, 3]).write(to: URL(filePath: path))
        #expect(throws: CommandFailure.self) { try SecretKeyFile.open(path, try ScryptHashing()) }
    }

    // MARK: Keeping

    /// A queue with what is held in it, and who looks after it.
    struct World {
        let folder: TemporaryFolder
        let queue: MailQueue
        let keeper: QuarantineKeeper

        init(link: String? = "https://mx.here.example/release/") throws {
            folder = try TemporaryFolder()
            queue = try MailQueue.open(
                folder.path + "/queue", files: LinuxFileSystem(), options: QueueOptions(), now: Date()
            ).0
            let memory = try StageMemoryStore.open(folder.path + "/memory.sqlite")
            let chain = Chain([
                Link(number: 24, file: "24.toml", base: StageVariant(Recipients(Recipients.Configuration())))
            ])
            let house = HouseMail(
                judging: HouseJudging(hostname: "mx.here.example", chain: { chain }, source: MemoryServices()),
                queue: queue, traced: { _, _ in })
            var options = QuarantineKeeper.Options(hostname: "mx.here.example")
            options.link = link
            keeper = QuarantineKeeper(
                options, queue: queue, mail: house, memory: memory, logger: Logger(label: "quarantine"),
                sources: (
                    summary: { _ in ["from": "Mallory <m@bad.example>", "subject": "Win\r\nhttps://bad.example/ now"] },
                    token: { try $0.text(QuarantineTests.key, try ScryptHashing()) }
                ))
        }

        /// Holds a message for these mailboxes.
        func hold(_ number: UInt32, for mailboxes: [EmailAddress], _ disposition: Disposition = .quarantine)
            async throws
        {
            let id = TransactionID(milliseconds: 1_795_219_200_000, random: number)
            var submission = Submission(
                id: QueueID(id), sender: "m@bad.example",
                recipients: mailboxes.map { QueueRecipient($0, route: .mailbox($0), disposition: disposition) },
                content: ["Subject: x\r\n\r\nbody\r\n"], received: QuarantineTests.now)
            submission.holdReason = "DMARC"
            _ = try await queue.commit([submission])
        }

        /// The mail in the queue that is on its way, as text.
        func sent() throws -> [String] {
            try queue.list().filter { $0.holdReason == nil }.map { listing in
                let octets = try queue.read(listing.id).content.array
                let message = try Message(parsing: Bytes(octets))
                let body = String(decoding: message.body.array, as: UTF8.self).replacing("\r\n", with: "")
                return String(decoding: Data(base64Encoded: body) ?? Data(), as: UTF8.self)
            }
        }
    }

    /// A date at that hour of the day after.
    static func tomorrow(_ hour: Int) -> Date {
        Date(
            timeIntervalSince1970: (now.timeIntervalSince1970 / 86_400).rounded(.down) * 86_400 + Double(24 + hour)
                * 3_600)
    }

    @Test func `what nobody releases goes when its time is over, and nothing else does`() async throws {
        let world = try World(link: nil)
        defer { world.queue.close() }
        try await world.hold(1, for: ["bob@here.example"])
        try await world.hold(2, for: ["bob@here.example"], .deliver)
        await world.keeper.look(at: Self.now.addingTimeInterval(30 * 86_400 - 1))
        #expect(world.queue.list().count == 2)
        await world.keeper.look(at: Self.now.addingTimeInterval(30 * 86_400))
        #expect(world.queue.list().map { $0.recipients[0].recipient.disposition } == [.deliver])
    }

    @Test func `what was released once does not go with its time, though it is held again`() async throws {
        let world = try World(link: nil)
        defer { world.queue.close() }
        try await world.hold(1, for: ["bob@here.example"])
        let id = QueueID(TransactionID(milliseconds: 1_795_219_200_000, random: 1))
        try await world.queue.release(id, now: Self.now)
        try await world.queue.hold(id, reason: "held by an operator")
        #expect(QuarantinedMessage(try world.queue.show(id)) == nil, "the link of a digest works once")
        await world.keeper.look(at: Self.now.addingTimeInterval(31 * 86_400))
        #expect(world.queue.list().map(\.id) == [id])
    }

    @Test func `an owner is told once of each message, once a day, with links that are good`() async throws {
        let world = try World()
        defer { world.queue.close() }
        try await world.hold(1, for: ["bob@here.example"])
        try await world.hold(2, for: ["bob@here.example", "eve@here.example"])
        await world.keeper.look(at: Self.tomorrow(5))
        #expect(try world.sent() == [], "it is too early")
        await world.keeper.look(at: Self.tomorrow(6))
        let sent = try world.sent()
        #expect(sent.count == 1, "eve has no mailbox here that the chain knows")
        let text = try #require(sent.first)
        #expect(text.contains("2 messages for bob@here.example") && text.contains("came for others too"))
        #expect(!text.contains("Win\r\n") && !text.contains("https://bad.example"), "a stranger's words are no links")
        let link = try #require(text.firstMatch(of: /https:\/\/mx\.here\.example\/release\/([A-Za-z0-9_.-]+)/))
        let token = try Self.read(String(link.1), at: Self.tomorrow(7)).get()
        #expect(token.mailbox == "bob@here.example")
        #expect(token.message == QueueID(TransactionID(milliseconds: 1_795_219_200_000, random: 1)))
        await world.keeper.look(at: Self.tomorrow(7))
        #expect(try world.sent().count == 1)
        try await world.hold(3, for: ["bob@here.example"])
        await world.keeper.look(at: Self.tomorrow(8))
        #expect(try world.sent().count == 1, "tomorrow")
        await world.keeper.look(at: Self.tomorrow(30))
        #expect(try world.sent().count == 2)
        #expect(try world.sent().contains { $0.contains("1 message for bob@here.example") })
    }

    // MARK: By hand

    /// Whatever DNS says of the author's domain, it is put aside; and it would be junk.
    static let setup: LiveServer.Setup = {
        var setup = LiveServer.Setup()
        setup.filters["36-dmarc.toml"] =
            "stage = \"dmarc\"\n[dmarc]\nunknown_domain = \"quarantine\"\nno_record = \"quarantine\"\n"
            + "temperror = \"quarantine\"\n"
        setup.filters["30-header.toml"] = "stage = \"header\"\n[header]\npoints = 4.0\n"
        return setup
    }()

    struct Entry: Decodable { var id: String, recipients: [String], subject: String?, reason: String }

    @Test func `what is released comes to the inbox, whatever its score`() async throws {
        try await LiveServer.run(Self.setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            for subject in ["first", "second", "third"] {
                let message = "From: a@out.test\r\nSubject: \(subject)\r\n\r\nbody\r\n"
                #expect(try await wire.deliver(message, to: ["both@acme.test"]).hasPrefix("250"))
            }
            func listed() async throws -> [Entry] {
                let ran = try await server.sluice("quarantine", "list", "--json")
                return try JSONDecoder().decode([Entry].self, from: Data(ran.output.utf8))
            }
            // Subjects come from the traces, which are written behind.
            _ = try await eventually { try await listed().allSatisfy { $0.subject != nil } }
            let held = try await listed()
            #expect(held.count == 6, "each recipient has a copy: \(held)")
            #expect(held.allSatisfy { $0.reason.hasPrefix("DMARC") })
            #expect(server.mail(of: "anna@acme.test").isEmpty && server.mail(of: "bert@acme.test").isEmpty)
            // By hand.
            let first = held.filter { $0.subject == "first" }
            #expect(try await server.sluice("quarantine", "release", first[0].id).code == 0)
            #expect(await eventually { server.everything().count == 1 })
            #expect(server.mail(of: "anna@acme.test", folder: ".Junk").isEmpty)
            #expect(server.mail(of: "bert@acme.test", folder: ".Junk").isEmpty)
            #expect(try await server.sluice("quarantine", "release", first[0].id).code == 1, "it is not there any more")
            // By the link of a digest.
            let hashing = try ScryptHashing()
            let key = try SecretKeyFile.open(server.data + "/keys/quarantine.key", hashing)
            let id = try #require(QueueID(first[1].id))
            func release(_ mailbox: EmailAddress) async throws -> Ran {
                let token = ReleaseToken(message: id, mailbox: mailbox, ends: Date().addingTimeInterval(60))
                return try await server.sluice("quarantine", "release", "--token", try token.text(key, hashing))
            }
            let boxes: [EmailAddress] = ["anna@acme.test", "bert@acme.test"]
            let codes = [try await release(boxes[0]).code, try await release(boxes[1]).code]
            #expect(codes.sorted() == [0, 1], "it is one mailbox's: \(codes)")
            #expect(await eventually { server.everything().count == 2 })
            #expect(try await server.sluice("quarantine", "release", "--token", "AAAA.AAAA").code == 1)
            // With the author on the mailbox's own list.
            let second = held.filter { $0.subject == "second" }
            #expect(try await server.sluice("quarantine", "allow", second[0].id).code == 0)
            let lists = try await server.sluice("lists", "show")
            #expect(lists.output.contains("allow  a@out.test  header-from"), "\(lists)")
            #expect(await eventually { server.everything().count == 3 })
            // And those that nobody wants.
            let third = try await server.sluice("quarantine", "show", held.filter { $0.subject == "third" }[0].id)
            #expect(third.output.contains("HEADER_DATE") && third.output.contains("third"), "\(third)")
            let rest = try await listed().map(\.id)
            #expect(try await server.sluice("quarantine", "learn", "spam", rest[0]).code == 0)
            let lessons = try await server.sluice("learn", "history")
            #expect(lessons.output.contains("@acme.test") && lessons.output.contains("spam"), "\(lessons)")
            #expect(try await server.sluice(["quarantine", "delete"] + rest).code == 0)
            #expect(try await listed().isEmpty)
            #expect(server.everything().count == 3)
            #expect(server.everything().allSatisfy { !$0.contains("X-Spam: Yes") || $0.contains("X-Spam-Score") })
        }
    }

    @Test func `who is allowed is read from the whole message, and all before anything is written`() async throws {
        try await LiveServer.run(Self.setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            // Cut to what a trace keeps of it, it would name another one.
            let padded = "(" + String(repeating: "p", count: 170) + ") ceo@bank.test.evil.example"
            for (subject, from) in [
                ("padded", padded), ("two", "a@out.test, b@out.test"), ("good", "c@out.test"),
            ] {
                let message = "From: \(from)\r\nSubject: \(subject)\r\n\r\nbody\r\n"
                #expect(try await wire.deliver(message, to: ["anna@acme.test"]).hasPrefix("250"), "\(subject)")
            }
            func listed() async throws -> [Entry] {
                let ran = try await server.sluice("quarantine", "list", "--json")
                return try JSONDecoder().decode([Entry].self, from: Data(ran.output.utf8))
            }
            _ = try await eventually { try await listed().allSatisfy { $0.subject != nil } }
            let held = try await listed()
            #expect(held.count == 3, "\(held)")
            func id(_ subject: String) throws -> String { try #require(held.first { $0.subject == subject }).id }
            let both = try await server.sluice("quarantine", "allow", try id("good"), try id("two"))
            #expect(both.code == 1 && both.errors.contains("one author"), "\(both)")
            #expect(try await !server.sluice("lists", "show").output.contains("out.test"), "all or nothing")
            #expect(try await listed().count == 3)
            let allowed = try await server.sluice("quarantine", "allow", try id("padded"))
            #expect(allowed.code == 0 && allowed.errors.contains("anybody can send mail in the name of"), "\(allowed)")
            let lists = try await server.sluice("lists", "show").output
            #expect(lists.contains("allow  ceo@bank.test.evil.example  header-from"), "\(lists)")
            #expect(!lists.contains("ceo@bank.test "), "\(lists)")
        }
    }
}
