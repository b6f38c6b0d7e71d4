import Foundation
import Synchronization
import Testing

/// Thresholds and lists on the running server, as an operator uses them.
@Suite struct PolicyCommandTests {
    /// Every fault of a header costs 4 points, so that a test can write a score into a message.
    static let setup: LiveServer.Setup = {
        var setup = LiveServer.Setup()
        setup.filters["30-header.toml"] = "stage = \"header\"\n[header]\npoints = 4.0\n"
        setup.filters["14-rate.toml"] = ""
        setup.filters["40-greylist.toml"] = ""
        return setup
    }()

    /// A message with that many faults, from none to four.
    static func message(_ subject: String, faults: Int, from: String = "a@out.test") -> String {
        let fields = [
            "From: \(from)", faults > 3 ? "Subject : \(subject)" : "Subject: \(subject)",
            faults > 0 ? nil : "Date: Sat, 21 Nov 2026 03:00:00 +0000",
            faults > 1 ? nil : "Message-ID: <\(subject)@out.test>", faults > 2 ? "Subject: again" : nil,
        ]
        return fields.compactMap(\.self).joined(separator: "\r\n") + "\r\n\r\nbody\r\n"
    }

    @Test func `who sets thresholds at the same time takes none from another`() async throws {
        try await LiveServer.run(Self.setup) { server in
            try await withThrowingTaskGroup(of: Int32.self) { group in
                for words in [["--defer", "3.5"], ["--junk", "6.5"], ["--reject", "14"]] {
                    group.addTask { try await server.sluice(["thresholds", "set", "acme.test"] + words).code }
                }
                for try await code in group { #expect(code == 0) }
            }
            let shown = try await server.sluice("thresholds", "show", "acme.test", "--json")
            for value in ["3.5", "6.5", "14"] { #expect(shown.output.contains(value), "\(shown)") }
        }
    }

    // MARK: While mail flows

    /// What happened to one message, and when.
    struct Sent: Sendable {
        var subject: String
        var began: ContinuousClock.Instant
        var ended: ContinuousClock.Instant
        var reply: String
    }

    @Test func `thresholds change from one message to the next, nothing is lost, and the audit log says who`()
        async throws
    {
        try await LiveServer.run(Self.setup) { server in
            let record = FlowRecord()
            try await withThrowingTaskGroup(of: Void.self) { group in
                // A hundred messages a second, as far as the machine lets it.
                for sender in 0..<4 {
                    group.addTask { try await Self.flow(server, sender, record) }
                }
                group.addTask {
                    _ = await eventually { record.sent.count >= 120 }
                    let began = ContinuousClock.now
                    let set = try await server.sluice("thresholds", "set", "acme.test", "--defer", "9", "--junk", "10")
                    record.changed(from: began, to: .now)
                    #expect(set.code == 0 && set.output.hasPrefix("Set acme.test: defer=9 junk=10 reject=15 (audit "))
                }
                try await group.waitForAll()
            }
            let all = record.sent
            #expect(all.count == 4 * Self.messagesPerSender)
            #expect(
                all.allSatisfy { $0.reply.hasPrefix("250 ") },
                "\(all.first { !$0.reply.hasPrefix("250") }?.reply ?? "")")
            #expect(try await server.queueIsEmpty())
            let inbox = Self.subjects(server.mail(of: "anna@acme.test"))
            let junk = Self.subjects(server.mail(of: "anna@acme.test", folder: ".Junk"))
            #expect(inbox.count + junk.count == all.count, "nothing is lost, nothing comes twice")
            #expect(Set(inbox).union(junk) == Set(all.map(\.subject)))
            let (began, ended) = try #require(record.change)
            let before = all.filter { $0.ended < began }
            let after = all.filter { $0.began > ended }
            #expect(before.count >= 100 && after.count >= 50, "\(before.count) before, \(after.count) after")
            #expect(Set(junk).isSuperset(of: before.map(\.subject)))
            #expect(Set(inbox).isSuperset(of: after.map(\.subject)))
            let audit = try await server.sluice("audit", "--object", "acme.test", "--json")
            #expect(audit.output.contains("\"thresholds.set\"") && audit.output.contains("\"cli:"))
        }
    }

    static let messagesPerSender = 100

    /// What several senders and an operator have done.
    private final class FlowRecord: Sendable {
        private struct State {
            var sent: [Sent] = []
            var change: (ContinuousClock.Instant, ContinuousClock.Instant)?
        }

        private let state = Mutex(State())

        var sent: [Sent] { state.withLock { $0.sent } }
        var change: (ContinuousClock.Instant, ContinuousClock.Instant)? { state.withLock { $0.change } }
        func add(_ one: Sent) { state.withLock { $0.sent.append(one) } }
        func changed(from began: ContinuousClock.Instant, to ended: ContinuousClock.Instant) {
            state.withLock { $0.change = (began, ended) }
        }
    }

    private static func flow(_ server: LiveServer, _ sender: Int, _ record: FlowRecord) async throws {
        let wire = try await server.smtp()
        try await wire.greet()
        for number in 0..<messagesPerSender {
            let subject = "m\(sender)-\(number)"
            let began = ContinuousClock.now
            let reply = try await wire.deliver(message(subject, faults: 2))
            let one = Sent(subject: subject, began: began, ended: .now, reply: reply)
            record.add(one)
            try await Task.sleep(until: began + .milliseconds(40), clock: .continuous)
        }
        try await wire.expect("QUIT", "221")
    }

    static func subjects(_ messages: [[UInt8]]) -> [String] {
        messages.compactMap { octets in
            String(decoding: octets, as: UTF8.self).split(separator: "\r\n").first { $0.hasPrefix("Subject: ") }
                .map { String($0.dropFirst(9)) }
        }
    }

    // MARK: Each their own

    @Test func `two recipients with different thresholds get each their own`() async throws {
        try await LiveServer.run(Self.setup) { server in
            let set = try await server.sluice(
                "thresholds", "set", "bert@acme.test", "--defer", "1", "--junk", "2", "--reject", "3")
            #expect(set.code == 0, "\(set)")
            // SMTP has one reply: the second comes with a message of its own.
            let wire = try await server.smtp()
            try await wire.greet()
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<anna@acme.test>", "250")
            try await wire.expect("RCPT TO:<bert@acme.test>", "451 4.5.3")
            try await wire.expect("RSET", "250")
            #expect(try await wire.deliver(Self.message("split", faults: 2)).hasPrefix("250"))
            let refused = try await wire.deliver(Self.message("split", faults: 2), to: ["bert@acme.test"])
            #expect(refused.hasPrefix("550 5.7.1 This message looks like spam"))
            // LMTP has one each.
            let local = try await server.lmtp()
            try await local.greet("LHLO")
            let last = try await local.deliver(
                Self.message("lmtp", faults: 2), to: ["anna@acme.test", "bert@acme.test"], replies: 2)
            #expect(last.hasPrefix("550 5.7.1"))
            let junk = server.mail(of: "anna@acme.test", folder: ".Junk")
            #expect(await eventually { server.mail(of: "anna@acme.test", folder: ".Junk").count == 2 }, "\(junk.count)")
            #expect(server.mail(of: "bert@acme.test").isEmpty)
            let text = String(
                decoding: try #require(server.mail(of: "anna@acme.test", folder: ".Junk").first), as: UTF8.self)
            #expect(text.contains("X-Spam: Yes\r\n") && text.contains("X-Spam-Score: 8.0\r\n"))
            #expect(text.contains("HEADER_DATE=4 ("), "\(text)")
        }
    }

    @Test func `with PRDR two recipients hear each their own`() async throws {
        try await LiveServer.run(Self.setup) { server in
            _ = try await server.sluice(
                "thresholds", "set", "bert@acme.test", "--defer", "1", "--junk", "2", "--reject", "3")
            let wire = try await server.smtp()
            #expect(try await wire.greet().contains("PRDR"))
            try await wire.expect("MAIL FROM:<a@out.test> PRDR", "250")
            try await wire.expect("RCPT TO:<anna@acme.test>", "250")
            try await wire.expect("RCPT TO:<bert@acme.test>", "250")
            try await wire.expect("DATA", "354")
            try await wire.send(Self.message("prdr", faults: 2) + ".\r\n")
            let replies = [
                try await wire.reply(), try await wire.reply(), try await wire.reply(), try await wire.reply(),
            ]
            #expect(replies.map { $0.prefix(3) } == ["353", "250", "550", "250"], "\(replies)")
            #expect(await eventually { server.mail(of: "anna@acme.test", folder: ".Junk").count == 1 })
            #expect(server.mail(of: "bert@acme.test").isEmpty)
        }
    }

    // MARK: Preview

    /// Messages by their faults: 0 to 16 points.
    static let batch = [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4]

    @Test func `what a preview shows is what the change brings`() async throws {
        try await LiveServer.run(Self.setup) { server in
            let first = try await Self.send("first", server)
            #expect(first == ["deliver": 3, "defer": 2, "junk": 5, "reject": 1])
            let words = ["--defer", "7", "--junk", "9", "--reject", "12"]
            func preview() async throws -> Preview {
                let ran = try await server.sluice(["thresholds", "preview", "acme.test", "--json"] + words)
                return try JSONDecoder().decode(Preview.self, from: Data(ran.output.utf8))
            }
            // Traces are written behind.
            #expect(try await eventually { try await preview().messages == Self.batch.count })
            let shown = try await preview()
            #expect(shown.now == first)
            #expect(shown.then == ["deliver": 5, "defer": 3, "junk": 0, "reject": 3])
            let moves = shown.moves.map { "\($0.before) > \($0.after): \($0.messages)" }
            #expect(moves == ["defer > deliver: 2", "junk > defer: 3", "junk > reject: 2"])
            #expect(shown.examples.count == 7)
            #expect(shown.examples.first?.score == 8 || shown.examples.first?.score == 12)
            #expect(
                shown.examples.allSatisfy { !$0.id.isEmpty && $0.from == "a@out.test" && $0.subject.hasPrefix("first") }
            )
            // Nothing is applied before it is.
            #expect(try await server.sluice("thresholds", "show", "--json").output == "[\n\n]\n")
            #expect(try await server.sluice(["thresholds", "set", "acme.test"] + words).code == 0)
            #expect(try await Self.send("second", server) == shown.then)
            let text = try await server.sluice(["thresholds", "preview", "acme.test", "--reset"])
            #expect(text.code == 0 && text.output.contains("would go elsewhere"), "\(text)")
            #expect(try await server.sluice("thresholds", "reset", "acme.test").code == 0)
            #expect(try await server.sluice("thresholds", "reset", "acme.test").code == 1, "there is nothing left")
        }
    }

    struct Preview: Decodable {
        struct Count: Decodable { var before: String, after: String, messages: Int }
        struct Move: Decodable { var id: String, from: String, subject: String, score: Double }
        var messages: Int
        var now: [String: Int]
        var then: [String: Int]
        var moves: [Count]
        var examples: [Move]
    }

    /// Sends the batch, and counts what becomes of it.
    private static func send(_ name: String, _ server: LiveServer) async throws -> [String: Int] {
        let wire = try await server.smtp()
        try await wire.greet()
        var counts = ["deliver": 0, "defer": 0, "junk": 0, "reject": 0]
        var taken: Set<String> = []
        for (number, faults) in batch.enumerated() {
            let subject = "\(name)-\(number)"
            let reply = try await wire.deliver(message(subject, faults: faults))
            switch reply.prefix(3) {
            case "451": counts["defer", default: 0] += 1
            case "550": counts["reject", default: 0] += 1
            default: taken.insert(subject)
            }
        }
        func count(_ folder: String) -> Int {
            subjects(server.mail(of: "anna@acme.test", folder: folder)).count(where: taken.contains)
        }
        #expect(await eventually { count("") + count(".Junk") == taken.count })
        counts["deliver"] = count("")
        counts["junk"] = count(".Junk")
        return counts
    }

    // MARK: Lists

    @Test func `lists hold for the next message, and tell when they last changed an outcome`() async throws {
        try await LiveServer.run(Self.setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            func deliver(_ faults: Int, to: String = "anna@acme.test") async throws -> Substring {
                try await wire.expect("RSET", "250")
                try await wire.expect("MAIL FROM:<a@out.test>", "250")
                let answer = try await wire.say("RCPT TO:<\(to)>").prefix(9)
                guard answer.hasPrefix("250") else { return answer }
                try await wire.expect("DATA", "354")
                try await wire.send(Self.message("x\(faults)", faults: faults) + ".\r\n")
                return try await wire.reply().prefix(9)
            }
            #expect(try await deliver(4) == "550 5.7.1")
            let allow = try await server.sluice(
                "lists", "allow", "out.test", "--for", "anna@acme.test", "--reason", "a friend")
            #expect(
                allow.code == 0 && allow.errors.contains("anybody can send mail in the name of out.test"), "\(allow)")
            #expect(try await deliver(4) == "250 2.0.0")
            #expect(try await deliver(4, to: "bert@acme.test") == "550 5.7.1", "it is anna's word")
            #expect(try await server.sluice("lists", "block", "127.0.0.1", "--for", "acme.test").code == 0)
            #expect(try await deliver(0) == "250 2.0.0", "a mailbox's own word comes before its domain's")
            #expect(try await deliver(0, to: "bert@acme.test") == "550 5.7.1")
            #expect(try await server.sluice("lists", "block", "out.test", "--global").code == 0)
            #expect(try await deliver(0) == "550 5.7.1", "everybody's comes first")
            let tested = try await server.sluice("lists", "test", "anna@acme.test", "--from", "a@out.test")
            #expect(
                tested.code == 0 && tested.output.contains("block out.test (header-from) of global holds"), "\(tested)")
            #expect(try await server.sluice("lists", "test", "anna@acme.test", "--from", "a@far.test").code == 1)
            struct Entry: Decodable { var sender: String, list: String, scope: String, used: Int, lastUsed: String? }
            func entries() async throws -> [Entry] {
                let shown = try await server.sluice("lists", "show", "--json")
                return try JSONDecoder().decode([Entry].self, from: Data(shown.output.utf8))
            }
            // Memory is written behind.
            let counts = try await eventually {
                try await entries().map(\.used) == [1, 1, 1]
            }
            let last = try await entries()
            #expect(counts, "\(last)")
            #expect(last.allSatisfy { $0.lastUsed != nil })
            #expect(try await server.sluice("lists", "remove", "OUT.test", "--global").code == 0)
            #expect(try await deliver(0) == "250 2.0.0")
            let audit = try await server.sluice("audit")
            for verb in ["list.allow", "list.block", "list.remove"] { #expect(audit.output.contains(verb)) }
        }
    }

    /// What is refused, and in which words.
    @Test func `what makes no sense is refused`() async throws {
        let place = try await Place()
        let cases: [([String], Int32, String)] = [
            (["thresholds", "set", "acme.test", "--junk", "3"], 1, "--junk must be above defer (4)"),
            (["thresholds", "set", "acme.test", "--reject", "6"], 1, "--reject must be above junk (6)"),
            (["thresholds", "set", "acme.test", "--reject", "1000"], 1, "must be from 0.01 to 999"),
            (["thresholds", "set", "acme.test", "--defer", "nan"], 1, "must be from 0.01 to 999"),
            (["thresholds", "set", "acme.test"], 1, "Say at least one of"),
            (["thresholds", "set", "--junk", "5"], 2, "or say --global"),
            (["thresholds", "set", "acme.test", "--global", "--junk", "5"], 2, "or say --global"),
            (["thresholds", "set", "far.test", "--junk", "5"], 1, "not hosted here"),
            (
                ["lists", "allow", "x.test", "--for", "acme.test", "--match", "either", "--needs", "dmarc"], 1,
                "one sender"
            ),
            (["lists", "block", "192.0.2.1/24", "--global"], 1, "is not a network"),
            (["lists", "block", "x.test"], 2, "--for"),
            (["lists", "remove", "x.test", "--global"], 1, "There is no entry"),
            (["thresholds", "set", "acme.test", "--reject", "off"], 0, "reject=off"),
            (["thresholds", "set", "--global", "--junk", "5.5"], 0, "Set global: defer=4 junk=5.5 reject=15"),
        ]
        for (words, code, text) in cases {
            let ran = try await Programs.run(
                Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"])
            #expect(ran.code == code && (ran.output + ran.errors).contains(text), "\(words): \(ran)")
        }
        let shown = try await Programs.run(
            Programs.sluice, ["thresholds", "show", "acme.test", "--config", place.folder.path + "/sluice.toml"])
        #expect(shown.output.contains("domain  4      6     off"), "\(shown)")
        #expect(shown.output.contains("global  4      5.5   15"), "\(shown)")
    }
}
