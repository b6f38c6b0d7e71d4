import MailTypes
import Pipeline
import SluiceTesting
import Synchronization
import Testing

@testable import Filters

/// A zone that counts what it is asked.
final class CountedZone: ServiceSource {
    let zone: MemoryZone
    private let names = Mutex<[DNSQuestion]>([])

    init(_ zone: MemoryZone) { self.zone = zone }

    var questions: [DNSQuestion] { names.withLock { $0 } }

    func answer(_ question: Question) async throws(StageFailure) -> Answer {
        if case .dns(let question) = question { names.withLock { $0.append(question) } }
        return try await zone.answer(question)
    }
}

/// Records that are to cost whoever evaluates them time, memory or his wits.
@Suite struct SPFThreatTests {
    static func check(
        _ domain: String, in zone: MemoryZone, localPart: String = "alice"
    ) async -> (outcome: SPFOutcome, questions: [DNSQuestion]) {
        let world = CountedZone(zone)
        let identity = SPFIdentity(
            client: "192.0.2.7", hello: "mx.out.example", localPart: localPart, domain: domain,
            receiver: "mx.here.example")
        var evaluation = SPFEvaluation(identity, services: Services(world))
        return (await evaluation.outcome(), world.questions)
    }

    @Test func `R59: a record that includes itself, or a hundred others, ends at the eleventh lookup`() async {
        var zone = MemoryZone()
        zone.add("loop.example", text: "v=spf1 include:loop.example -all")
        zone.add("ping.example", text: "v=spf1 include:pong.example -all")
        zone.add("pong.example", text: "v=spf1 redirect=ping.example")
        zone.add(
            "many.example", text: "v=spf1 " + (0..<100).map { "include:\($0).many.example " }.joined() + "-all")
        for number in 0..<100 { zone.add("\(number).many.example", text: "v=spf1 ?all") }
        for domain in ["loop.example", "ping.example", "many.example"] {
            let (outcome, questions) = await Self.check(domain, in: zone)
            #expect(outcome.result == .permerror, "\(domain): \(outcome)")
            #expect(questions.count == 11)
        }
    }

    @Test func `R59: names that are never answered are asked for once, and leave it open`() async {
        var zone = MemoryZone()
        zone.add("slow.example", text: "v=spf1 include:silent.example include:b.example -all")
        zone.silence("silent.example")
        let (outcome, questions) = await Self.check("slow.example", in: zone)
        #expect(outcome.result == .temperror)
        #expect(questions.count == 2)
    }

    @Test func `R60: at the third answer with nothing in it, it is over`() async {
        var zone = MemoryZone()
        zone.add("void.example", text: "v=spf1 a:1.void.example a:2.void.example a:3.void.example ip4:192.0.2.7 -all")
        let (outcome, questions) = await Self.check("void.example", in: zone)
        #expect(outcome.result == .permerror)
        #expect(questions.count == 4)
    }

    @Test(arguments: [(10, AuthenticationResults.Result.fail, 12), (11, .permerror, 2), (50, .permerror, 2)])
    func `R60: of mail exchangers ten are looked at, and more are an error`(
        _ count: Int, _ result: AuthenticationResults.Result, _ asked: Int
    ) async {
        var zone = MemoryZone()
        zone.add("mx.example", text: "v=spf1 mx -all")
        for number in 0..<count {
            zone.add("mx.example", .mx, .exchanger(preference: 1, host: "\(number).mx.example"))
            zone.add("\(number).mx.example", .a, .address("198.51.100.1"))
        }
        let (outcome, questions) = await Self.check("mx.example", in: zone)
        #expect(outcome.result == result)
        #expect(questions.count == asked)
    }

    @Test func `R60: of fifty names of an address ten are looked at`() async {
        var zone = MemoryZone()
        zone.add("ptr.example", text: "v=spf1 ptr -all")
        for number in 0..<50 {
            zone.add("7.2.0.192.in-addr.arpa", .ptr, .name("\(number).ptr.example"))
            // Only one beyond the tenth would be a match.
            zone.add("\(number).ptr.example", .a, .address(number < 10 ? "198.51.100.1" : "192.0.2.7"))
        }
        let (outcome, questions) = await Self.check("ptr.example", in: zone)
        #expect(outcome.result == .fail)
        #expect(questions.count == 12)
    }

    /// What a macro asks for, and the end of the name that is then looked up.
    @Test(
        arguments: [
            ("%{l}.x.example", "x.example"), ("%{l}.%{l}.%{l}.x.example", "x.example"),
            ("%{d99r}.x.example", "x.example"),
            ("%{l99999999999999999999r-+_}.x.example", "x.example"), ("%{S}.x.example", "x.example"),
            ("%{ir}.%{v}.%{h}.%{l1r-}.x.example", "x.example"), ("%{p}.x.example", "x.example"),
        ])
    func `R61: macros of any length come to a name that DNS can be asked for`(_ term: String, _ end: String) async {
        for localPart in [
            String(repeating: "a", count: 300), String(repeating: "a.", count: 300),
            String(repeating: "é-", count: 300),
        ] {
            var zone = MemoryZone()
            zone.add("macro.example", text: "v=spf1 exists:\(term) -all")
            let (outcome, questions) = await Self.check("macro.example", in: zone, localPart: localPart)
            #expect(outcome.result == .fail)
            if localPart.hasPrefix("é"), term.lowercased().contains(/%{[ls]/) {
                // RFC 8616 §4: no name in DNS can be of it, and none is asked for.
                #expect(questions.count == 1)
                continue
            }
            #expect(questions.count >= 2)
            let name = questions.last?.name ?? ""
            #expect(name.utf8.count <= 254 && name.hasSuffix(end), "\(name)")
        }
    }

    @Test func `R59: texts of 64 KiB, with a record among them or as one, are an error at the first`() async {
        var zone = MemoryZone()
        zone.add("huge.example", text: "v=spf1 " + String(repeating: "ip4:192.0.2.7 ", count: 4_600) + "-all")
        zone.add("padded.example", text: "v=spf1 include:huge.example -all")
        for _ in 0..<16 { zone.add("padded.example", text: String(repeating: "x", count: 4_000)) }
        for domain in ["huge.example", "padded.example"] {
            let (outcome, questions) = await Self.check(domain, in: zone)
            #expect(outcome.result == .permerror)
            #expect(questions.count == 1)
        }
    }

    @Test func `R61: a record of nothing but macros makes no megabytes`() async {
        let macros = String(repeating: "%{l}.%{s}", count: 800)
        var zone = MemoryZone()
        zone.add("flood.example", text: "v=spf1 exists:\(macros).x.example exists:\(macros) -all exp=why.example")
        zone.add("why.example", text: macros)
        let (outcome, questions) = await Self.check(
            "flood.example", in: zone, localPart: String(repeating: "b.", count: 150))
        #expect(outcome.result == .fail)
        #expect(questions.allSatisfy { $0.name.utf8.count <= 254 })
        #expect((outcome.explanation ?? "").utf8.count < 8192)
    }

    @Test(
        arguments: [
            "exp=%{", "exp=%{z}.example", "exp=silent.example", "exp=two.example", "exp=nothing.example", "exp=",
            "exp=odd.example",
        ])
    func `R61: an explanation that cannot be had, or is none, changes nothing`(_ modifier: String) async {
        var zone = MemoryZone()
        zone.add("bad.example", text: "v=spf1 -all \(modifier)")
        zone.silence("silent.example")
        zone.add("two.example", text: "one")
        zone.add("two.example", text: "two")
        zone.add("odd.example", .txt, .text([0x41, 0x0D, 0x0A, 0xFF]))
        let (outcome, _) = await Self.check("bad.example", in: zone)
        // A modifier that cannot be read spoils the record. RFC 7208 §4.6.
        #expect([.fail, .permerror].contains(outcome.result))
        #expect(outcome.explanation == nil)
    }

    @Test func `a stranger's term is told in part, and cannot be a line of ours`() async throws {
        var zone = MemoryZone()
        zone.add("long.example", text: "v=spf1 " + String(repeating: "x\r\n250-", count: 1_000))
        let (outcome, _) = await Self.check("long.example", in: zone)
        #expect(outcome.result == .permerror)
        #expect((outcome.reason ?? "").utf8.count < 300)
    }
}
