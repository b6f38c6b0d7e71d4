import Foundation
import Frontends
import MailTypes
import Pipeline
import Protocols
import Testing

@testable import Frontends

@Suite struct LoginTests {
    private func server(_ limits: LoginThrottle.Limits = quick) async throws -> LiveServer {
        try await LiveServer { setup in
            setup.listener.machine.language = .submission
            setup.listener.machine.authMechanisms = ["PLAIN", "LOGIN"]
            setup.listener.machine.authWithoutTLS = true
            setup.listener.machine.requiresAuth = true
            setup.logins = limits
        }
    }

    private static var quick: LoginThrottle.Limits {
        var limits = LoginThrottle.Limits()
        limits.firstDelay = 0.001
        return limits
    }

    private static func plain(_ name: String, _ password: String, for other: String = "") -> String {
        "AUTH PLAIN " + Data("\(other)\0\(name)\0\(password)".utf8).base64EncodedString()
    }

    @Test func `who has logged in may send`() async throws {
        let server = try await server()
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO client.test")
        #expect(try await client.say("MAIL FROM:<anna@here.test>").hasPrefix("530"))
        #expect(try await client.say(Self.plain("anna@here.test", "secret")).hasPrefix("235"))
        #expect(try await client.deliver(greeted: true).hasPrefix("250"))
        #expect(await server.eventually { server.traces.first?.session.user?.mailbox == "anna@here.test" })
        #expect(!server.log.lines.contains { $0.contains("secret") })
        await server.stop()
    }

    @Test func `wrong passwords, other people's names and a broken directory`() async throws {
        let server = try await server()
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO client.test")
        #expect(try await client.say(Self.plain("anna@here.test", "wrong")).hasPrefix("535 5.7.8"))
        #expect(try await client.say(Self.plain("anna@here.test", "secret", for: "carl@here.test")).hasPrefix("535"))
        #expect(try await client.say(Self.plain("broken", "x")).hasPrefix("454"))
        #expect(try await client.say("AUTH LOGIN").hasPrefix("334"))
        #expect(try await client.say(Data("anna@here.test".utf8).base64EncodedString()).hasPrefix("334"))
        #expect(try await client.say(Data("secret".utf8).base64EncodedString()).hasPrefix("235"))
        await server.stop()
    }

    @Test func `too many failures and nobody is asked any more`() async throws {
        var limits = Self.quick
        limits.failuresPerAddress = 3
        let server = try await server(limits)
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO client.test")
        for _ in 0..<3 { #expect(try await client.say(Self.plain("anna@here.test", "no")).hasPrefix("535")) }
        let before = server.authenticator.count
        #expect(try await client.say(Self.plain("anna@here.test", "secret")).hasPrefix("421"))
        #expect(server.authenticator.count == before)
        _ = try await client.end()
        await server.stop()
    }

    @Test func `failures are slowed and forgotten`() {
        let throttle = LoginThrottle()
        let delays = (0..<7).map { throttle.failed("anna@here.test", from: "192.0.2.1", at: Double($0)) }
        #expect(delays.first == 0.5)
        #expect(delays == delays.sorted())
        #expect(delays.last == 10)
        #expect(throttle.failed("anna@here.test", from: "192.0.2.1", at: 10_000) == 0.5)
    }

    @Test func `nobody is locked out by a stranger`() {
        var limits = LoginThrottle.Limits()
        limits.failuresPerAccount = 5
        let throttle = LoginThrottle(limits)
        throttle.succeeded("anna@here.test", from: "198.51.100.1")
        for place in 0..<5 {
            _ = throttle.failed("Anna@here.test", from: IPAddress("192.0.2.\(place)") ?? "::1", at: 1)
        }
        #expect(throttle.admits("anna@here.test", from: "192.0.2.77", at: 1) == .never, "a new address must wait")
        #expect(throttle.admits("anna@here.test", from: "198.51.100.1", at: 1) == .now, "the known one need not")
        #expect(throttle.admits("carl@here.test", from: "192.0.2.77", at: 1) == .now)
        #expect(throttle.admits("anna@here.test", from: "192.0.2.77", at: 700) == .now)
    }

    @Test func `an IPv6 network is one guesser`() {
        var limits = LoginThrottle.Limits()
        limits.failuresPerAddress = 2
        let throttle = LoginThrottle(limits)
        _ = throttle.failed("a", from: "2001:db8::1", at: 0)
        _ = throttle.failed("b", from: "2001:db8::2", at: 0)
        #expect(throttle.admits("c", from: "2001:db8::3", at: 0) == .never)
        #expect(throttle.admits("c", from: "2001:db8:0:1::3", at: 0) == .now)
    }

    @Test func `an account of one's own buys no guesses at others'`() {
        var limits = LoginThrottle.Limits()
        limits.failuresPerAddress = 20
        let throttle = LoginThrottle(limits)
        for round in 0..<20 {
            #expect(throttle.admits("victim\(round)", from: "192.0.2.1", at: 1) == .now)
            _ = throttle.failed("victim\(round)", from: "192.0.2.1", at: 1)
            guard round < 19 else { continue }
            #expect(throttle.admits("own", from: "192.0.2.1", at: 1) == .now)
            throttle.succeeded("own", from: "192.0.2.1")
        }
        #expect(throttle.admits("victim", from: "192.0.2.1", at: 1) == .never)
        #expect(throttle.admits("own", from: "192.0.2.1", at: 1) == .never)
        #expect(throttle.admits("own", from: "192.0.2.1", at: 602) == .now)
    }

    @Test func `logins under way may all fail, so no more are tried than may fail`() {
        var limits = LoginThrottle.Limits()
        limits.failuresPerAddress = 3
        limits.failuresPerAccount = 4
        let throttle = LoginThrottle(limits)
        for name in ["a", "b", "c"] { #expect(throttle.admits(name, from: "192.0.2.1", at: 0) == .now) }
        #expect(throttle.admits("d", from: "192.0.2.1", at: 0) == .later)
        throttle.succeeded("a", from: "192.0.2.1")
        #expect(throttle.admits("d", from: "192.0.2.1", at: 0) == .now)
        #expect(throttle.admits("e", from: "192.0.2.1", at: 0) == .later)
        throttle.undecided("d", from: "192.0.2.1")
        #expect(throttle.failed("b", from: "192.0.2.1", at: 0) == 0.5)
        #expect(throttle.failed("c", from: "192.0.2.1", at: 0) == 1)
        #expect(throttle.admits("e", from: "192.0.2.1", at: 0) == .now)
        #expect(throttle.failed("e", from: "192.0.2.1", at: 0) == 2)
        #expect(throttle.admits("f", from: "192.0.2.1", at: 0) == .never)
        // The same for one account from many places.
        for place in 1...4 {
            #expect(throttle.admits("anna", from: IPAddress("198.51.100.\(place)") ?? "::1", at: 0) == .now)
        }
        #expect(throttle.admits("anna", from: "198.51.100.9", at: 0) == .later)
    }

    @Test func `a login waits for those under way, and who has hung up is counted`() async throws {
        let slow = SlowAuthenticator()
        let server = try await LiveServer { setup in
            setup.listener.machine.language = .submission
            setup.listener.machine.authMechanisms = ["PLAIN"]
            setup.listener.machine.authWithoutTLS = true
            setup.logins = Self.quick
            setup.logins.failuresPerAddress = 2
            setup.authenticator = slow
        }
        var clients: [TestClient] = []
        for _ in 0..<3 {
            let client = try await server.client()
            _ = try await client.reply()
            _ = try await client.say("EHLO client.test")
            clients.append(client)
        }
        for client in clients[..<2] { try await client.send(Self.plain("anna@here.test", "no") + "\r\n") }
        #expect(await server.eventually { slow.waiting == 2 })
        try await clients[2].send(Self.plain("carl@here.test", "no") + "\r\n")
        try await clients[0].close()
        #expect(slow.waiting == 2, "the third is not tried yet")
        slow.letGo()
        #expect(try await clients[1].reply().hasPrefix("535"))
        #expect(try await clients[2].reply().hasPrefix("421"))
        #expect(slow.count == 2)
        await server.stop()
    }

    @Test func `tables that strangers fill stay small`() {
        var table = BoundedTable<Int, Int>(capacity: 100)
        for number in 0..<100_000 { table[number] = number }
        #expect(table.count <= 100)
        #expect(table[99_999] == 99_999)
        #expect(table[0] == nil)
    }
}
