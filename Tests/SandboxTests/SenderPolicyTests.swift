import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Synchronization
import Testing

@testable import Sandbox

/// libspf2 in a worker. How far its results are right, the suites show.
@Suite(.serialized) struct SenderPolicyTests {
    static let zone: MemoryZone = {
        var zone = MemoryZone()
        zone.add("pass.example", text: "v=spf1 a mx:hosts.example include:fail.example ptr -all")
        zone.add("pass.example", .a, .address("192.0.2.1"))
        zone.add("pass.example", .aaaa, .address("2001:db8::1"))
        zone.add("hosts.example", .mx, .exchanger(preference: 10, host: "mx.hosts.example"))
        zone.add("mx.hosts.example", .a, .address("192.0.2.2"))
        zone.add("3.2.0.192.in-addr.arpa", .ptr, .name("www.pass.example"))
        zone.add("www.pass.example", .a, .address("192.0.2.3"))
        zone.add("fail.example", text: "something else")
        zone.add("fail.example", text: "V=SPF1 -all exp=why.fail.example")
        zone.add("why.fail.example", text: "%{i},%{s},%{h},%{r},%%")
        zone.add("softfail.example", text: "v=spf1 redirect=_spf.softfail.example")
        zone.add("_spf.softfail.example", text: "v=spf1 exists:%{l}.%{d} ~all")
        zone.add("joe._spf.softfail.example", .a, .address("127.0.0.2"))
        zone.add("neutral.example", text: "v=spf1 ?all")
        zone.add("two.example", text: "v=spf1 -all")
        zone.add("two.example", text: "v=spf1 +all")
        zone.add("wrong.example", text: "v=spf1 ip4:nonsense -all")
        zone.add("zero.example", text: "v=spf1\u{0} -all")
        zone.add("none.example", text: "v=spf10 -all")
        zone.add("long.example", text: "v=spf1 " + String(repeating: "ip4:192.0.2.1 ", count: 300) + "-all")
        // CVE-2023-42118: macros up to the end of a buffer, and a text that has no room behind them.
        let full = String(repeating: "%{i}", count: 127) + String(repeating: "A", count: 400)
        zone.add("crowd.example", text: "v=spf1 -all exp=why.crowd.example")
        zone.add("why.crowd.example", text: full)
        zone.add("term.example", text: "v=spf1 a exists:\(full) -all")
        zone.add("itself.example", text: "v=spf1 include:fail.example -all Exp=self.itself.example")
        zone.add("self.itself.example", text: "v=spf1 \(full)")
        // A blank is the beginning of an escape to the library.
        let blanks = [84, 80, 50].map { String(repeating: " -", count: $0) }.joined(separator: "%{d}")
        zone.add("blanks.example", text: "v=spf1 exp=why.blanks.example -all exp-text=why.words.example")
        zone.add("why.blanks.example", text: blanks)
        zone.add("words.example", text: "v=spf1 -all exp=why.words.example")
        zone.add("why.words.example", text: "not for %{d} %%")
        // Who writes the mark himself would have a policy taken for an explanation, and its explanation for a policy.
        zone.add("mark.example", text: "v=spf1 redirect=\u{1}.marked.example")
        zone.add("marked.example", text: "v=spf1 exp=end.example -all")
        let crowd = String(repeating: "{d}" + String(repeating: "%{d}", count: 17) + " ", count: 6)
        let rest = "{d}" + String(repeating: "%{d}", count: 15)
        let tail = String(repeating: " " + String(repeating: "A", count: 440), count: 3)
        zone.add("end.example", text: "v=spf1 " + crowd + rest + tail)
        zone.silence("silent.example")
        zone.add("waits.example", text: "v=spf1 a:silent.example -all")
        for (name, other) in [("wide", "broad"), ("broad", "leaf")] {
            zone.add(
                "\(name).example", text: "v=spf1 " + String(repeating: "include:\(other).example ", count: 10) + "-all")
        }
        zone.add("leaf.example", text: "v=spf1 a:0.many.example -all")
        // Each answers nothing, or asks for ever.
        zone.add("voids.example", text: "v=spf1 a:a.none.example mx:b.none.example exists:c.none.example -all")
        zone.add("many.example", text: "v=spf1 " + (0..<11).map { "a:\($0).many.example " }.joined() + "+all")
        for number in 0..<11 { zone.add("\(number).many.example", .a, .address("198.51.100.1")) }
        for (name, other) in [("ping", "pong"), ("pong", "ping")] {
            zone.add(
                "\(name).example", text: "v=spf1 " + String(repeating: "include:\(other).example ", count: 10) + "-all")
        }
        return zone
    }()

    static func question(
        _ domain: String, _ client: IPAddress = "192.0.2.9", local: String = "ann", lookups: Int = 10, voids: Int = 2
    ) -> SenderPolicyQuestion {
        SenderPolicyQuestion(
            client: client, hello: "mx.out.example", sender: (local, domain), receiver: "mx.here.example",
            maxLookups: lookups, maxVoidLookups: voids)
    }

    static func resolve(_ question: DNSQuestion) async throws(StageFailure) -> DNSAnswer {
        guard case .dns(let answer) = try await zone.answer(.dns(question)) else { throw StageFailure("no answer") }
        return answer
    }

    static func pool(_ options: SandboxOptions = .built, _ witness: Witness = Witness()) -> SandboxPool {
        SandboxPool(options, observer: witness.observer, resolve: resolve)
    }

    @Test(arguments: [SandboxOptions.Isolation.process, .none])
    func `what DNS has said already is not asked again`(_ isolation: SandboxOptions.Isolation) async throws {
        var options = SandboxOptions.built
        options.isolation = isolation
        let said = Mutex<[DNSQuestion: DNSAnswer]>([:])
        let question = Self.question("pass.example", "192.0.2.2")
        let first = SandboxPool(options) { (question) async throws(StageFailure) in
            let answer = try await Self.resolve(question)
            said.withLock { $0[question] = answer }
            return answer
        }
        let report = try await first.senderPolicy(question)
        #expect(report.result == .pass)
        let answers = said.withLock { $0 }
        #expect(answers.count > 2)
        let second = SandboxPool(options, known: { answers[$0] }) { _ throws(StageFailure) in
            throw StageFailure("nobody asks")
        }
        #expect(try await second.senderPolicy(question) == report)
    }

    // MARK: Results

    /// A question, its result, and what its reason begins with or the explanation is.
    static let rows: [(SenderPolicyQuestion, AuthenticationResults.Result, String)] = [
        (question("pass.example", "192.0.2.1"), .pass, "mechanism"),
        (question("pass.example", "192.0.2.2"), .pass, "mechanism"),
        (question("pass.example", "192.0.2.3"), .pass, "mechanism"),
        (question("pass.example", "2001:db8::1"), .pass, "mechanism"),
        (question("pass.example", "2001:db8::2"), .fail, "mechanism"), (question("pass.example"), .fail, "mechanism"),
        (
            question("fail.example", "192.0.2.1"), .fail,
            "192.0.2.1,ann@fail.example,mx.out.example,mx.here.example,%"
        ),
        (question("softfail.example"), .softfail, "mechanism"),
        (question("softfail.example", local: "joe"), .pass, "mechanism"),
        (question("softfail.example", local: "j\u{e9}\u{1} "), .softfail, "mechanism"),
        (question("neutral.example"), .neutral, "mechanism"), (question("two.example"), .permerror, "Multiple"),
        (question("wrong.example"), .permerror, "Invalid IPv4"), (question("zero.example"), .none, ""),
        (question("none.example"), .none, ""), (question("nowhere.example"), .none, ""),
        (question("silent.example"), .temperror, "DNS"), (question("waits.example"), .temperror, "DNS"),
        (question("long.example"), .permerror, "the record of long.example is longer than 4096 octets"),
        (question("crowd.example"), .fail, "mechanism"), (question("itself.example"), .fail, "mechanism"),
        (question("term.example"), .permerror, "the record of term.example has a term that libspf2 must not see"),
        (question("blanks.example"), .fail, "mechanism"),
        (question("mark.example"), .permerror, "the record of mark.example has a term that libspf2 must not see"),
        (question("words.example"), .fail, "not for words.example %"),
        (question("voids.example"), .permerror, "more than 2 lookups without an answer, at c.none.example"),
        (question("voids.example", voids: 3), .fail, "mechanism"), (question("many.example"), .permerror, "Mechanisms"),
        (question("many.example", lookups: 11), .pass, "mechanism"),
        (question("ping.example"), .permerror, "include: or redirect= caused unlimited recursion"),
        (question("wide.example"), .permerror, "more than 120 questions to DNS"),
    ]

    @Test(arguments: SandboxOptions.Isolation.allCases)
    func `R61: libspf2 judges by what our resolver says, isolated or not`(
        _ isolation: SandboxOptions.Isolation
    ) async throws {
        var options = SandboxOptions.built
        options.isolation = isolation
        let witness = Witness()
        let pool = Self.pool(options, witness)
        for (question, result, words) in Self.rows {
            let report = try await pool.senderPolicy(question)
            #expect(report.result == result, "\(question): \(report)")
            let told = report.explanation ?? report.reason ?? ""
            #expect(told.hasPrefix(words), "\(question): \(report)")
        }
        #expect(pool.processes.isEmpty == (isolation == .none))
        #expect(witness.troubles == [])
        // It is counted a moment after it was answered.
        #expect(await eventually { witness.count(.done) == Self.rows.count })
        pool.stop()
    }

    @Test func `a check asks for each thing once, one after the other`() throws {
        let check = SenderPolicyCheck(try SPFLibrary(), Self.question("pass.example", "192.0.2.3"))
        var asked: [DNSQuestion] = []
        while case .asks(let question) = try check.step() {
            asked.append(question)
            check.answer(Self.records[question].map(LookUpAnswer.records) ?? .nothing)
        }
        #expect(
            asked == [
                DNSQuestion("pass.example", .txt), DNSQuestion("pass.example", .a), DNSQuestion("pass.example", .mx),
            ])
    }

    private static let records: [DNSQuestion: [[UInt8]]] = [
        DNSQuestion("pass.example", .txt): [Array("v=spf1 a mx -all".utf8)],
        DNSQuestion("pass.example", .a): [[192, 0, 2, 1], [1, 2, 3], []],
    ]

    @Test func `a worker that dies between two answers costs the check nothing`() async throws {
        var options = SandboxOptions.built
        options.workers = 1
        let gate = Gate()
        let asked = Mutex<[DNSQuestion]>([])
        let pool = SandboxPool(options) { (question) async throws(StageFailure) in
            asked.withLock { $0.append(question) }
            if question.type == .mx { await gate.pass() }
            return try await Self.resolve(question)
        }
        async let waiting = pool.senderPolicy(Self.question("pass.example", "192.0.2.2"))
        #expect(await eventually { gate.count == 1 })
        let first = try #require(pool.processes.first)
        kill(pid_t(first), SIGKILL)
        #expect(await eventually { kill(pid_t(first), 0) != 0 || IsolationTests.isZombie(first) })
        gate.open()
        #expect(try await waiting.result == .pass)
        #expect(Set(asked.withLock { $0 }).count == asked.withLock { $0.count }, "nothing was asked twice")
        pool.stop()
    }

    // MARK: Workers that lie

    /// What a worker says to its first order, which is about a policy.
    @Test(
        arguments: [
            // Signatures instead of a result; a word that is no result; two questions; one that is of no use.
            #"printf '\202\0\0\0\001\001\0' >&3"#, #"printf '\202\0\0\0\001\002\0\006policy\0\0\0\0' >&3"#,
            #"printf '\201\0\0\0\001\002\0\020\0\001a\0\020\0\001b' >&3"#,
            #"printf '\201\0\0\0\001\001\0\064\0\001a' >&3"#,
        ])
    func `a worker that says anything else is killed, and its check fails`(_ script: String) async throws {
        let witness = Witness()
        let pool = Self.pool(.script(IsolationTests.begin + script + "; exec sleep 60"), witness)
        await #expect(throws: StageFailure.self) { try await pool.senderPolicy(Self.question("pass.example")) }
        #expect(witness.ends.map(\.word) == ["corrupt"])
        pool.stop()
    }

    @Test func `a worker that asks without end is killed`() async throws {
        // The same question for ever, whatever it is told.
        let ask = #"while :; do printf '\201\0\0\0\001\001\0\020\0\001a' >&3; head -c 1 <&3 >/dev/null; done"#
        let witness = Witness()
        let pool = Self.pool(.script(IsolationTests.begin + ask), witness)
        await #expect(throws: StageFailure.self) { try await pool.senderPolicy(Self.question("pass.example")) }
        #expect(witness.ends.map(\.word) == ["corrupt"])
        pool.stop()
    }
}
