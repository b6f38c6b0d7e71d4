import Foundation
import MailTypes
import Pipeline
import Protocols
import Queue
import Synchronization
import Testing

@testable import Delivery

@Suite struct RemoteTLSTests {
    let fixture = AgentFixture()

    struct Case: Sendable, CustomTestStringConvertible {
        var security: RelayHost.Security
        var name = "fake.test"
        var isTrusted = false
        var isImplicit = false
        var word: String
        var isEncrypted = true
        var testDescription: String { "\(security) \(name)\(isTrusted ? " trusted" : "")" }
    }

    static let cases = [
        Case(security: .none, word: "relayed", isEncrypted: false),
        Case(security: .opportunistic, word: "relayed"),
        Case(security: .required, word: "relayed"),
        Case(security: .verified, isTrusted: true, word: "relayed"),
        Case(security: .verified, word: "deferred"),
        Case(security: .verified, name: "other.test", isTrusted: true, word: "deferred"),
        Case(security: .implicit, isTrusted: true, isImplicit: true, word: "relayed"),
        Case(security: .implicit, isImplicit: true, word: "deferred"),
    ]

    @Test(arguments: cases)
    func `TLS is as the route wants it`(_ one: Case) async throws {
        let server = try await FakeServer.start(group: fixture.group) {
            $0["EHLO"] = one.isImplicit ? ["250 fake.test"] : ["250-fake.test\r\n250 STARTTLS", "250 fake.test"]
            $0.isImplicitTLS = one.isImplicit
        }
        fixture.zone.withLock {
            $0[DNSQuestion(one.name, .a)] = .success(.records([.address("127.0.0.1")], isSecure: false))
        }
        try FileManager.default.createDirectory(atPath: fixture.root, withIntermediateDirectories: true)
        let roots = fixture.root + "/roots.pem"
        try TestCertificate.pem.write(toFile: roots, atomically: false, encoding: .utf8)
        let host = RelayHost(name: one.name, port: server.port, security: one.security)
        let id = fixture.submit(to: [("bob@there.test", .host(host))])
        await fixture.run({ if one.isTrusted { $0.trustRoots = roots } }) {
            #expect(await fixture.settled(id)[0]?.word == one.word)
        }
        if one.word == "relayed" {
            #expect(fixture.events.withLock { $0.first?.host?.tls } == one.isEncrypted)
        } else {
            #expect(server.messages.isEmpty)
        }
    }

    @Test func `a relay host's login is made inside TLS`() async throws {
        let server = try await FakeServer.start(group: fixture.group) {
            $0["EHLO"] = ["250-fake.test\r\n250 STARTTLS", "250-fake.test\r\n250 AUTH PLAIN"]
            $0["AUTH"] = ["235 2.7.0 Ok"]
        }
        var host = RelayHost.local(server, .smtp, .required)
        host.credential = "isp"
        let id = fixture.submit(to: [("bob@there.test", .host(host))])
        await fixture.run(hooks: {
            $0.login = { name, host, port throws(StageFailure) in
                let isIts = name == "isp" && host == "127.0.0.1" && port == server.port
                return isIts ? .init(name: "anna", password: "secret") : nil
            }
        }) {
            #expect(await fixture.settled(id)[0]?.word == "relayed")
        }
        #expect(server.log.withLock { $0.commands }.contains("AUTH PLAIN AGFubmEAc2VjcmV0"))
    }

    @Test func `a login that has gone is told as that, and nobody is connected to`() async throws {
        let server = try await FakeServer.start(group: fixture.group)
        var host = RelayHost.local(server, .smtp, .required)
        host.credential = "isp"
        for (failure, words) in [(nil, "is no longer here"), (StageFailure("sealed otherwise"), "cannot be read here")]
        {
            let id = fixture.submit(to: [("bob@there.test", .host(host))])
            await fixture.run(hooks: {
                $0.login = { _, _, _ throws(StageFailure) in
                    if let failure { throw failure }
                    return nil
                }
            }) {
                let outcome = await fixture.settled(id)[0]
                #expect(outcome?.word == "deferred")
                #expect(
                    outcome?.reply.map { "\($0)" } == "451 4.7.0 The login for 127.0.0.1:\(server.port) \(words)")
            }
        }
        #expect(server.log.withLock { $0.connections } == 0)
    }

    /// THREATS R8.
    @Test(arguments: [RelayHost.Security.opportunistic, .required], ["220 Go\r\n250 evil", "220 Go\r\n2"])
    func `what is typed behind the reply to STARTTLS is never believed`(
        security: RelayHost.Security, reply: String
    ) async throws {
        let server = try await FakeServer.start(group: fixture.group) {
            $0["EHLO"] = ["250-fake.test\r\n250 STARTTLS", "250 fake.test"]
            $0["STARTTLS"] = [reply]
        }
        let id = fixture.submit(to: [("bob@there.test", .host(.local(server, .smtp, security)))])
        await fixture.run { #expect(await fixture.settled(id)[0]?.word == "deferred") }
        #expect(server.messages.isEmpty)
        #expect(server.log.withLock { $0.connections } == 1)
    }

    /// TLS waits for the other side's goodbye, so a connection that we have left may look open for long.
    @Test(.timeLimit(.minutes(10)))
    func `a server that never says goodbye in TLS holds nothing up`() async throws {
        let server = try await FakeServer.start(group: fixture.group) {
            $0["EHLO"] = (0..<3).flatMap { _ in ["250-fake.test\r\n250 STARTTLS", "250 fake.test"] }
            $0["MAIL"] = ["421 4.7.0 Slow down"]
            $0.deafAfter = "MAIL"
        }
        let route = Route.host(.local(server, .smtp, .required))
        let ids = (0..<3).map { _ in fixture.submit(to: [("bob@there.test", route)]) }
        await fixture.run({ $0.maxConnectionsPerDestination = 1 }) {
            for id in ids { #expect(await fixture.settled(id)[0]?.word == "deferred") }
        }
        #expect(server.log.withLock { $0.connections } == 3)
    }
}
