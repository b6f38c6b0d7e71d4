import Adapters
import Foundation
import MailTypes
import NIOPosix
import Pipeline
import SluiceTesting
import Synchronization
import Testing

@testable import Delivery

/// What is counted of sessions with exchangers. RFC 8460 §4.3.
@Suite(.serialized) struct TLSSessionTests {
    /// What the test's own policies, zones and servers are to bring.
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var domain = "plain.test"
        /// The mode of an MTA-STS policy, and its exchanger.
        var sts: (mode: String, mx: String)?
        var fault: MTASTSFinding.PolicyFault?
        var level = TLSPolicy.Level.opportunistic
        var shown = ExchangerCertificate.right
        var isTrusted = true
        var isOffered = true
        var tlsa: ExchangerCertificate?
        var kind: PublishedPolicy.Kind
        var results: [TLSFailure.Result]
        var testDescription: String { name }
    }

    static let enforced = (mode: "enforce", mx: "mx.plain.test")
    static let tested = (mode: "testing", mx: "mx.plain.test")

    static let cases = [
        Case(name: "no policy, TLS", kind: .none, results: []),
        Case(name: "no policy, no TLS", isOffered: false, kind: .none, results: [.noStartTLS]),
        Case(name: "any certificate will do", shown: .expired, kind: .none, results: []),
        Case(name: "MTA-STS, all is well", sts: enforced, kind: .sts, results: []),
        Case(name: "MTA-STS, no TLS", sts: enforced, isOffered: false, kind: .sts, results: [.noStartTLS]),
        Case(
            name: "MTA-STS, another's name", sts: enforced, shown: .otherName, kind: .sts, results: [.otherName]),
        Case(name: "MTA-STS, expired", sts: enforced, shown: .expired, kind: .sts, results: [.expired]),
        Case(name: "MTA-STS, nobody is trusted", sts: enforced, isTrusted: false, kind: .sts, results: [.other]),
        Case(name: "MTA-STS, another host", sts: ("enforce", "mx.other.test"), kind: .sts, results: [.other]),
        Case(name: "tested, another's certificate", sts: tested, shown: .otherName, kind: .sts, results: [.otherName]),
        Case(name: "tested, no TLS", sts: tested, isOffered: false, kind: .sts, results: [.noStartTLS]),
        Case(name: "tested, another host", sts: ("testing", "mx.other.test"), kind: .sts, results: [.other]),
        Case(name: "a policy that cannot be fetched", fault: .fetch, kind: .sts, results: [.policyFetch]),
        Case(name: "a policy that is none", fault: .invalid, kind: .sts, results: [.policyInvalid]),
        Case(
            name: "a web server without certificate, and no TLS", fault: .web, isOffered: false, kind: .sts,
            results: [.policyWeb, .noStartTLS]),
        Case(name: "DANE, all is well", domain: "signed.test", tlsa: .right, kind: .tlsa, results: []),
        Case(
            name: "DANE, another certificate", domain: "signed.test", tlsa: .otherName, kind: .tlsa,
            results: [.untrusted]),
        Case(
            name: "DANE, no TLS", domain: "signed.test", isOffered: false, tlsa: .right, kind: .tlsa,
            results: [.noStartTLS]),
        Case(name: "DANE is wanted, and there is none", level: .dane, kind: .none, results: [.daneRequired]),
    ]

    @Test(arguments: cases)
    func `a session is counted by what its domain publishes`(_ one: Case) async throws {
        let world = try await SignedWorld.start {
            $0.certificate = one.shown
            if !one.isOffered { $0["EHLO"] = ["250 fake.test"] }
        }
        if let tlsa = one.tlsa { world.names.set(world.owner(), [try .tlsa(3, 0, 1, tlsa)]) }
        var sts = MTASTSFinding.none
        if let policy = one.sts {
            let page = MTASTSTests.page(policy.mode, mx: policy.mx)
                .replacing("mx: mx.signed.test\n", with: "")
            sts = .policy(try MTASTSPolicy(Array(page.utf8), id: "1"))
        } else if let fault = one.fault {
            sts = .failure(fault, "why")
        }
        let table = TLSPolicyTable(standard: TLSPolicy(one.level, source: "test"))
        _ = await world.deliver(to: one.domain, policy: table, trusted: one.isTrusted, sts: sts)
        let sessions = world.sessions.withLock { $0 }
        #expect(sessions.count == 1)
        let session = try #require(sessions.first)
        #expect(session.domain == one.domain)
        #expect(session.policy.kind == one.kind)
        #expect(session.policy.domain == (one.kind == .tlsa ? "mx.signed.test" : one.domain))
        #expect(session.failures.map(\.result) == one.results)
        #expect(session.failures.allSatisfy { $0.host?.hasPrefix("mx.") == true })
    }

    @Test func `a failure says who spoke with whom`() async throws {
        let world = try await SignedWorld.start { $0["EHLO"] = ["250 fake.test at your service"] }
        _ = await world.deliver(to: "plain.test")
        let failure = try #require(world.sessions.withLock { $0 }.first?.failures.first)
        #expect(failure.source == "127.0.0.1" && failure.address == "127.0.0.1")
        #expect(failure.host == "mx.plain.test" && failure.hello == "fake.test")
    }

    @Test func `a session that another message goes over counts once`() async throws {
        let world = try await SignedWorld.start()
        await world.run {
            for number in 0..<3 {
                let address = EmailAddress(localPart: "u\(number)", domain: "plain.test")
                let id = world.fixture.submit(to: [(address, .exchanger(domain: "plain.test"))])
                _ = await world.fixture.settled(id)
            }
        }
        #expect(world.server.messages.count == 3)
        #expect(world.server.log.withLock { $0.connections } == 1)
        #expect(world.sessions.withLock { $0 }.map(\.failures) == [[]])
    }

    @Test func `TLS that fails is counted, and not the plain session behind it`() async throws {
        let world = try await SignedWorld.start { $0.breaksTLS = true }
        #expect(await world.deliver(to: "plain.test")?.outcome == .relayed)
        let sessions = world.sessions.withLock { $0 }
        #expect(sessions.map { $0.failures.map(\.result) } == [[.other]])
        #expect(sessions.first?.failures.first?.reason?.isEmpty == false)
    }

    @Test func `who is not reached has shown nothing of its TLS`() async throws {
        let world = try await SignedWorld.start { $0[""] = ["554 No"] }
        _ = await world.deliver(to: "plain.test")
        await world.server.stop()
        _ = await world.deliver(to: "plain.test")
        #expect(world.sessions.withLock { $0 }.isEmpty)
    }

    /// RFC 8460 §3: reports go in spite of all that is wrong with TLS, and are not counted.
    @Test(arguments: ["plain.test", "signed.test"])
    func `a report reaches a domain whose TLS is broken`(domain: String) async throws {
        let world = try await SignedWorld.start {
            $0.certificate = .otherName
            $0["EHLO"] = ["250-fake.test\r\n250 STARTTLS", "250 fake.test"]
        }
        world.names.set(world.owner(), [try .tlsa(3, 0, 1, .right)])
        let policy = try MTASTSPolicy(Array(MTASTSTests.page("enforce", mx: "mx.plain.test").utf8), id: "1")
        let mail = TLSReportMail(about: TLSReportTests.report, TLSReportTests.cover, submitter: "mx.test", token: "0")
        let message = mail.message([1, 2, 3], from: "tls@here.test", to: "u@there.test", date: TLSReportTests.day)
        let text = String(decoding: message.pieces.flatMap(\.array), as: UTF8.self)
        let other = await world.deliver(to: domain, sts: .policy(policy))
        #expect(other?.outcome == .deferred)
        let counted = world.sessions.withLock { $0.count }
        let event = await world.deliver(to: domain, sts: .policy(policy), text)
        #expect(event?.outcome == .relayed)
        #expect(counted == 1 && world.sessions.withLock { $0.count } == 1)
    }

    @Test func `what the admin has switched off is nobody's concern`() async throws {
        let world = try await SignedWorld.start()
        let table = TLSPolicyTable(standard: TLSPolicy(.none, source: "test"))
        #expect(await world.deliver(to: "plain.test", policy: table)?.outcome == .relayed)
        #expect(world.sessions.withLock { $0 }.isEmpty)
    }

    // MARK: What web servers are told

    private static func client(_ world: SignedWorld, trusted: Bool = true) -> HTTPSClient {
        var options = HTTPSClient.Options()
        options.refusesPrivateAddresses = false
        options.addressFamilies = .onlyIPv4
        let resolver = world.resolver
        return HTTPSClient(
            options, certificates: LibcryptoCertificates(trustRoots: trusted ? world.roots : "/dev/null"),
            group: MultiThreadedEventLoopGroup.singleton
        ) { question async throws(StageFailure) in try await resolver.answer(question) }
    }

    @Test func `a report is posted whole, and to nobody who cannot prove himself`() async throws {
        let world = try await SignedWorld.start()
        let web = try await PolicyServer.start()
        world.names.set("mta-sts.plain.test", [.a("127.0.0.1")])
        web.sayRaw("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        let body = String(repeating: "0123456789", count: 20_000)
        let request = HTTPSClient.Request(
            host: "mta-sts.plain.test", port: web.port, path: "/tls?x=1",
            content: (type: TLSReportMail.mediaType, octets: Array(body.utf8)), mostBody: 1000)
        let page = try await Self.client(world).ask(request)
        #expect(page.status == 201)
        let question = try #require(web.questions.first)
        #expect(question.hasPrefix("POST /tls?x=1 HTTP/1.1\r\nHost: mta-sts.plain.test:\(web.port)\r\n"))
        #expect(question.contains("\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Length: 200000\r\n"))
        #expect(question.hasSuffix("\r\n\r\n\(body)"))
        await #expect(throws: HTTPSClient.Failure.self) { try await Self.client(world, trusted: false).ask(request) }
        #expect(web.questions.count == 1)
    }
}
