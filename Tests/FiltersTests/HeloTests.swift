import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct HeloTests {
    static let zone: MemoryZone = {
        var zone = MemoryZone()
        zone.add("mx.out.example", .a, .address("192.0.2.7"))
        zone.add("mx.out.example", .aaaa, .address("2001:db8::7"))
        zone.add("six.example", .aaaa, .address("2001:db8::7"))
        zone.silence("silent.example")
        return zone
    }()

    static func find(
        _ said: String?, client: IPAddress = "192.0.2.7", policy: Helo.Configuration = .init()
    ) async throws -> Finding {
        var session = Session.sample(client: client)
        session.hello = said
        session.serverAddress = "198.51.100.1"
        return try await Helo(policy).hello(.sample(session: session, services: zone))
    }

    static func result(_ finding: Finding) -> AuthenticationResults.Result? {
        for case .authentication(let entry) in finding.edits where entry.method == "helo" { return entry.result }
        return nil
    }

    @Test(
        arguments: [
            ("mx.out.example", .pass), ("MX.out.example.", .pass), ("[192.0.2.7]", .pass),
            ("six.example", .neutral), ("nowhere.example", .neutral), ("[192.0.2.8]", .neutral),
            ("[IPv6:2001:db8::7]", .neutral), ("silent.example", .temperror),
            ("mx.here.example", .fail), ("MX.HERE.example.", .fail), ("other.here.example", .fail),
            ("[198.51.100.1]", .fail),
            ("localhost", .fail), ("192.0.2.7", .fail), ("", .fail), ("[]", .fail), ("[nonsense]", .fail),
            ("[2001:db8::7]", .fail), ("[IPv6:192.0.2.7]", .fail), ("a..example", .fail), ("-a.example", .fail),
            ("a b.example", .fail), ("bücher.example", .fail),
            (String(repeating: "a.", count: 130) + "example", .fail),
        ] as [(String, AuthenticationResults.Result)])
    func `what a client calls itself`(_ said: String, _ result: AuthenticationResults.Result) async throws {
        var policy = Helo.Configuration()
        policy.ownNames = ["Other.here.example"]
        let finding = try await Self.find(said, policy: policy)
        #expect(Self.result(finding) == result)
        #expect(finding.verdict == .continue)
    }

    @Test func `an IPv6 client has an IPv6 literal`() async throws {
        let client: IPAddress = "2001:db8::7"
        #expect(Self.result(try await Self.find("[IPv6:2001:db8::7]", client: client)) == .pass)
        #expect(Self.result(try await Self.find("[ipv6:2001:DB8:0::7]", client: client)) == .pass)
        #expect(Self.result(try await Self.find("six.example", client: client)) == .pass)
    }

    @Test func `who has not said anything is not judged`() async throws {
        #expect(try await Self.find(nil) == .none)
    }

    @Test func `what cannot be may be refused, what only differs not`() async throws {
        func symbols(_ said: String) async throws -> [String] {
            try await Self.find(said).edits.compactMap { if case .score(let symbol) = $0 { symbol.name } else { nil } }
        }
        #expect(try await symbols("localhost") == ["HELO_INVALID"])
        #expect(try await symbols("mx.here.example") == ["HELO_FORGED"])
        #expect(try await symbols("nowhere.example") == [])
        var policy = Helo.Configuration()
        (policy.invalid, policy.forged, policy.mismatch) = (.reject, .reject, .score)
        let reply = Reply(550, .deliveryNotAuthorized, "This cannot be the name of your server")
        for said in ["localhost", "mx.here.example"] {
            #expect(try await Self.find(said, policy: policy).verdict == .reject(reply))
        }
        let differing = try await Self.find("nowhere.example", policy: policy)
        #expect(differing.verdict == .continue && differing.decidedBy == ["mismatch", "mismatch_points"])
    }
}
