import Adapters
import Foundation
import MailTypes
import NIOPosix
import Pipeline
import SluiceTesting
import Synchronization
import Testing

@testable import Delivery

/// MTA-STS against a name server and a web server on loopback. RFC 8461.
@Suite(.serialized) struct MTASTSTests {
    static func setting(
        _ page: String = PolicyServer.usual, certificate: ExchangerCertificate = .right, trusted: Bool = true,
        timeout: Interval = "20s", _ change: (inout FakeServer.Script) -> Void = { _ in }
    ) async throws -> Holder {
        let world = try await SignedWorld.start(change)
        let web = try await PolicyServer.start(page, certificate: certificate)
        for domain in ["plain.test", "signed.test"] {
            world.names.set("_mta-sts.\(domain)", [.text("v=STSv1; id=1;")])
            world.names.set("mta-sts.\(domain)", [.a("127.0.0.1")])
        }
        return Holder(world, web, trusted: trusted, timeout: timeout)
    }

    /// What outlives a closure is in a class.
    final class Holder: Sendable {
        let world: SignedWorld
        let web: PolicyServer
        let desk: MTASTSDesk
        let clock = Mutex(Date())
        let kept = Mutex<[String: MTASTSDesk.Kept]>([:])

        init(_ world: SignedWorld, _ web: PolicyServer, trusted: Bool, timeout: Interval, kept: [MTASTSDesk.Kept] = [])
        {
            self.world = world
            self.web = web
            var options = MTASTSFetcher.Options()
            options.port = web.port
            options.client.timeout = timeout
            options.client.refusesPrivateAddresses = false
            options.client.addressFamilies = .onlyIPv4
            let resolver = world.resolver
            let resolve: @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer = {
                question async throws(StageFailure) in try await resolver.answer(question)
            }
            let fetcher = MTASTSFetcher(
                options, certificates: LibcryptoCertificates(trustRoots: trusted ? world.roots : "/dev/null"),
                group: MultiThreadedEventLoopGroup.singleton, resolve: resolve)
            let box = Box()
            desk = MTASTSDesk(
                kept: kept, now: { box.holder?.clock.withLock { $0 } ?? Date() },
                keeper: { domain, one in box.holder?.kept.withLock { $0[domain] = one } }, resolve: resolve,
                fetch: { domain async throws(MTASTSFetcher.Failure) in try await fetcher.policy(of: domain) })
            box.holder = self
        }

        private final class Box: Sendable {
            private let held = Mutex<Weak>(Weak())
            private struct Weak { weak var holder: Holder? }
            var holder: Holder? {
                get { held.withLock { $0.holder } }
                set { held.withLock { $0.holder = newValue } }
            }
        }

        func deliver(
            to domain: String = "plain.test", trusted: Bool = true, policy: TLSPolicyTable = TLSPolicyTable()
        ) async -> DeliveryEvent? {
            let finding = await desk.finding(for: domain)
            return await world.deliver(to: domain, policy: policy, trusted: trusted, sts: finding)
        }

        func later(_ seconds: Double) { clock.withLock { $0 += seconds } }
    }

    static func page(_ mode: String, mx: String = "mx.plain.test", maxAge: Int = 86_400) -> String {
        "version: STSv1\nmode: \(mode)\nmx: \(mx)\nmx: mx.signed.test\nmax_age: \(maxAge)\n"
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var mode = "enforce"
        var mx = "mx.plain.test"
        var shown = ExchangerCertificate.right
        var isTrusted = true
        var isOffered = true
        var word: String
        var testDescription: String {
            "\(mode) \(mx) \(shown)\(isTrusted ? " trusted" : "")\(isOffered ? "" : " in clear"): \(word)"
        }
    }

    static let cases = [
        Case(word: "relayed"),
        Case(shown: .otherName, word: "deferred"),
        Case(shown: .expired, word: "deferred"),
        Case(isTrusted: false, word: "deferred"),
        Case(isOffered: false, word: "deferred"),
        Case(mx: "*.plain.test", word: "relayed"),
        Case(mx: "mx.elsewhere.test", word: "deferred"),
        Case(mode: "testing", shown: .otherName, word: "relayed"),
        Case(mode: "testing", isOffered: false, word: "relayed"),
        Case(mode: "testing", mx: "mx.elsewhere.test", word: "relayed"),
        Case(mode: "none", shown: .expired, word: "relayed"),
    ]

    @Test(arguments: cases)
    func `a policy that is in force is kept, one that is tested is not`(_ one: Case) async throws {
        let setting = try await Self.setting(Self.page(one.mode, mx: one.mx)) {
            $0.certificate = one.shown
            if !one.isOffered { $0["EHLO"] = ["250 fake.test"] }
        }
        let event = await setting.deliver(trusted: one.isTrusted)
        #expect(event?.outcome.rawValue == one.word)
        #expect(setting.world.server.messages.count == (one.word == "relayed" ? 1 : 0))
        #expect(event?.host?.policy?.contains("MTA-STS") == (one.mode != "none"))
        let question = setting.web.questions.first ?? ""
        // RFC 9110 §7.2: with the port, where it is not the usual one.
        let place = "mta-sts.plain.test:\(setting.web.port)"
        #expect(question.hasPrefix("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: \(place)\r\n"))
    }

    @Test func `what a tested policy would have refused is noted`() async throws {
        let setting = try await Self.setting(Self.page("testing")) { $0.certificate = .otherName }
        let event = await setting.deliver()
        #expect(event?.outcome == .relayed)
        #expect(event?.host?.certificate == "the certificate is not for mx.plain.test")
    }

    /// RFC 8461 §2.
    @Test func `DANE outweighs a policy`() async throws {
        let right = try await Self.setting(Self.page("enforce"))
        right.world.names.set(right.world.owner(), [try .tlsa(3, 1, 1, .right)])
        #expect(await right.deliver(to: "signed.test", trusted: false)?.outcome == .relayed)
        let wrong = try await Self.setting(Self.page("enforce"))
        wrong.world.names.set(wrong.world.owner(), [try .tlsa(3, 0, 1, .otherName)])
        #expect(await wrong.deliver(to: "signed.test")?.outcome == .deferred)
    }

    /// Whoever forges an unsigned MX record can name an exchanger of his own, with TLSA records that are right.
    @Test func `DANE of an exchanger in an unsigned MX record needs a policy that names it`() async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)])
        let forged = await world.deliver(
            to: "half.test", trusted: true, sts: try Self.policy("enforce", "mx.half.test"))
        #expect(forged?.outcome == .deferred)
        #expect(forged?.reply?.text.contains("is not an exchanger of half.test by its MTA-STS policy") == true)
        #expect(world.server.log.withLock { $0.connections } == 0)
        // One that is tested asks for nothing, and one that names it is content with DANE.
        for (mode, mx) in [("testing", "mx.half.test"), ("enforce", "mx.signed.test")] {
            let event = await world.deliver(to: "half.test", sts: try Self.policy(mode, mx))
            #expect(event?.outcome == .relayed)
            #expect(event?.host?.policy?.contains("DANE") == true)
        }
    }

    @Test func `what a policy names and DANE proves is good enough for REQUIRETLS`() async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)])
        let event = await world.deliver(
            to: "half.test", sts: try Self.policy("enforce", "mx.signed.test"), requireTLS: true)
        #expect(event?.outcome == .relayed)
        let other = await world.deliver(
            to: "half.test", sts: try Self.policy("testing", "mx.half.test"), requireTLS: true)
        #expect(other?.outcome == .failed)
    }

    @Test func `TLSA records that are of no use switch no policy off`() async throws {
        for (shown, word) in [(ExchangerCertificate.otherName, "deferred"), (.right, "relayed")] {
            let world = try await SignedWorld.start { $0.certificate = shown }
            world.names.set(world.owner(), [try .tlsa(1, 0, 1, .right)])
            let event = await world.deliver(trusted: true, sts: try Self.policy("enforce", "mx.signed.test"))
            #expect(event?.outcome.rawValue == word)
            #expect(event?.host?.policy?.contains("no usable TLSA record") == true)
        }
        // They ask for TLS, also while a policy is tested.
        let clear = try await SignedWorld.start { $0["EHLO"] = ["250 fake.test"] }
        clear.names.set(clear.owner(), [try .tlsa(1, 0, 1, .right)])
        let event = await clear.deliver(trusted: true, sts: try Self.policy("testing", "mx.signed.test"))
        #expect(event?.outcome == .deferred)
        #expect(clear.server.messages.isEmpty)
    }

    @Test func `DANE that the admin requires is not had by a policy`() async throws {
        var policy = TLSPolicyTable()
        policy.add(TLSPolicy(.dane, source: "line"), for: "signed.test")
        for records in [nil, [try SignedZone.Record.tlsa(1, 0, 1, .right)]] {
            let world = try await SignedWorld.start()
            world.names.set(world.owner(), records)
            let event = await world.deliver(
                policy: policy, trusted: true, sts: try Self.policy("enforce", "mx.signed.test"))
            #expect(event?.outcome == .deferred)
            #expect(event?.reply?.text.contains("DANE is required") == true)
            #expect(world.server.messages.isEmpty)
        }
    }

    private static func policy(_ mode: String, _ mx: String) throws -> MTASTSFinding {
        .policy(try MTASTSPolicy(Array("version: STSv1\nmode: \(mode)\nmx: \(mx)\nmax_age: 100\n".utf8), id: "1"))
    }

    @Test(arguments: [
        (PolicyServer.reply(PolicyServer.usual, status: "301 Moved"), "HTTP status 301", "sts-policy-fetch-error"),
        (PolicyServer.reply(PolicyServer.usual, status: "404 Not Found"), "HTTP status 404", "sts-policy-fetch-error"),
        (
            PolicyServer.reply(PolicyServer.usual, type: "text/html"), "the policy is not of type text/plain",
            "sts-policy-fetch-error"
        ),
        (
            PolicyServer.reply(String(repeating: "x: y\r\n", count: 20_000)), "its answer is too long",
            "sts-policy-fetch-error"
        ),
        ("SSH-2.0-x\r\n\r\n", "it does not speak HTTP", "sts-policy-fetch-error"),
        (PolicyServer.reply("version: STSv9\r\n"), "no version: STSv1", "sts-policy-invalid"),
    ])
    func `a page that is no policy is said to be none, and mail goes on`(
        reply: String, reason: String, fault: String
    ) async throws {
        let setting = try await Self.setting()
        setting.web.sayRaw(reply)
        guard case .failure(let found, let text) = await setting.desk.finding(for: "plain.test") else {
            Issue.record("there is a policy")
            return
        }
        #expect(found.result.rawValue == fault)
        #expect(text.hasSuffix(reason))
        #expect(await setting.deliver()?.outcome == .relayed)
        // For a while it is not asked for again.
        #expect(setting.web.questions.count == 1)
        setting.later(MTASTSDesk.failureMemory + 1)
        _ = await setting.desk.finding(for: "plain.test")
        #expect(setting.web.questions.count == 2)
    }

    @Test(arguments: [ExchangerCertificate.otherName, .expired])
    func `a web server that cannot prove itself has no policy`(_ shown: ExchangerCertificate) async throws {
        let setting = try await Self.setting(certificate: shown)
        guard case .failure(.web, _) = await setting.desk.finding(for: "plain.test") else {
            Issue.record("it was believed")
            return
        }
        let untrusted = try await Self.setting(trusted: false)
        guard case .failure(.web, _) = await untrusted.desk.finding(for: "plain.test") else {
            Issue.record("it was believed")
            return
        }
        #expect(setting.web.questions.isEmpty && untrusted.web.questions.isEmpty)
    }

    @Test func `a silent web server costs no more than the time limit`() async throws {
        let setting = try await Self.setting(timeout: "1s")
        setting.web.sayRaw("")
        guard case .failure(.fetch, let reason) = await setting.desk.finding(for: "plain.test") else {
            Issue.record("there is a policy")
            return
        }
        #expect(reason.hasSuffix("no answer in time"))
    }

    /// THREATS: who can suppress an answer of DNS, or the web server, must not be able to switch the policy off.
    @Test func `a policy holds until it runs out, whatever becomes of its record and its web server`() async throws {
        let setting = try await Self.setting(Self.page("enforce", maxAge: 1000))
        guard case .policy(let first) = await setting.desk.finding(for: "plain.test") else {
            Issue.record("there is no policy")
            return
        }
        await setting.web.stop()
        let desk = try setting.again()
        for records in [nil, [.text("v=STSv1; id=2;")]] as [[SignedZone.Record]?] {
            setting.world.names.set("_mta-sts.plain.test", records)
            #expect(await desk.desk.finding(for: "plain.test") == .policy(first))
        }
        setting.world.names.spoil("_mta-sts.plain.test", .failing)
        let blind = try setting.again()
        #expect(await blind.desk.finding(for: "plain.test") == .policy(first))
        blind.later(1001)
        #expect(await blind.desk.finding(for: "plain.test") == .none)
    }

    @Test func `a new id brings a new policy`() async throws {
        let setting = try await Self.setting(Self.page("testing"))
        guard case .policy(let first) = await setting.desk.finding(for: "plain.test") else {
            Issue.record("there is no policy")
            return
        }
        #expect(first.mode == .testing)
        #expect(await setting.desk.finding(for: "plain.test") == .policy(first))
        #expect(setting.web.questions.count == 1, "it is not fetched for each message")
        setting.web.say(Self.page("enforce"))
        setting.world.names.set("_mta-sts.plain.test", [.text("v=STSv1; id=2;")])
        let desk = try setting.again()
        guard case .policy(let second) = await desk.desk.finding(for: "plain.test") else {
            Issue.record("there is no policy")
            return
        }
        #expect(second.mode == .enforce && second.id == "2")
        #expect(setting.kept.withLock { $0["plain.test"]?.policy.id } == "1")
        #expect(desk.kept.withLock { $0["plain.test"]?.policy.id } == "2")
    }
}

extension MTASTSTests.Holder {
    /// The next process: it has what was kept, and DNS is asked anew.
    func again() throws -> MTASTSTests.Holder {
        let known = kept.withLock { Array($0.values) }
        return try MTASTSTests.Holder(
            world.again(), web, trusted: true, timeout: "5s", kept: known)
    }
}
