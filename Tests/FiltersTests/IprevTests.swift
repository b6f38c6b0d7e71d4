import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct IprevTests {
    static let zone: MemoryZone = {
        var zone = MemoryZone()
        zone.add("1.2.0.192.in-addr.arpa", .ptr, .name("mx.good.example."))
        zone.add("mx.good.example", .a, .address("192.0.2.1"))
        zone.add("2.2.0.192.in-addr.arpa", .ptr, .name("mx.good.example."))
        zone.add("3.2.0.192.in-addr.arpa", .ptr, .name("gone.example"))
        zone.silence("5.2.0.192.in-addr.arpa")
        zone.add("6.2.0.192.in-addr.arpa", .ptr, .name("silent.example"))
        zone.silence("silent.example")
        zone.add("7.2.0.192.in-addr.arpa", .ptr, .name("silent.example"))
        zone.add("7.2.0.192.in-addr.arpa", .ptr, .name("seven.example"))
        zone.add("seven.example", .a, .address("192.0.2.70"))
        zone.add("seven.example", .a, .address("192.0.2.7"))
        for number in 0..<6 { zone.add("8.2.0.192.in-addr.arpa", .ptr, .name("\(number).many.example")) }
        zone.add("5.many.example", .a, .address("192.0.2.8"))
        let one = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        zone.add(one, .ptr, .name("six.example"))
        zone.add("six.example", .aaaa, .address("2001:db8::1"))
        return zone
    }()

    static func find(_ client: IPAddress, policy: Iprev.Configuration = .init()) async throws -> Finding {
        try await Iprev(policy).connect(.sample(session: .sample(client: client), services: zone))
    }

    static func result(_ finding: Finding) -> AuthenticationResults.Entry? {
        for case .authentication(let entry) in finding.edits { return entry }
        return nil
    }

    @Test(
        arguments: [
            ("192.0.2.1", .pass, "mx.good.example"), ("192.0.2.2", .fail, "does not lead back"),
            ("192.0.2.3", .fail, "gone.example"), ("192.0.2.4", .permerror, "no name"),
            ("192.0.2.5", .temperror, "no answer"), ("192.0.2.6", .temperror, "no answer"),
            ("192.0.2.7", .pass, "seven.example"), ("192.0.2.8", .fail, "0.many.example"),
            ("2001:db8::1", .pass, "six.example"), ("2001:db8::2", .permerror, "no name"),
        ] as [(IPAddress, AuthenticationResults.Result, String)])
    func `an address has a name that leads back, or not`(
        _ client: IPAddress, _ result: AuthenticationResults.Result, _ words: String
    ) async throws {
        let finding = try await Self.find(client)
        let entry = try #require(Self.result(finding))
        #expect(entry.method == "iprev" && entry.result == result)
        #expect(entry.properties == [.init("policy.iprev", client.description)])
        #expect(finding.note?.contains(words) == true, "\(finding.note ?? "")")
        #expect(finding.verdict == .continue)
    }

    @Test func `how many names are looked up can be set`() async throws {
        var policy = Iprev.Configuration()
        policy.maxNames = 6
        #expect(Self.result(try await Self.find("192.0.2.8", policy: policy))?.result == .pass)
    }

    @Test func `each result can cost points, put off or refuse`() async throws {
        #expect(try await Self.find("192.0.2.4").edits.count == 2)
        #expect(try await Self.find("192.0.2.5").edits.count == 1)
        var policy = Iprev.Configuration()
        (policy.fail, policy.permerror, policy.temperror) = (.reject, .reject, .tempfail)
        let text = "has no name that leads back to it"
        for client in ["192.0.2.2", "192.0.2.4"] as [IPAddress] {
            let verdict = try await Self.find(client, policy: policy).verdict
            #expect(verdict == .reject(Reply(550, .reverseNameFailed, "Your address \(client) \(text)")))
        }
        let verdict = try await Self.find("192.0.2.5", policy: policy).verdict
        #expect(verdict == .tempfail(Reply(451, .reverseNameFailed, "Your address 192.0.2.5 \(text)")))
        #expect(try await Self.find("192.0.2.1", policy: policy).verdict == .continue)
    }
}
