import MailTypes
import Pipeline
import Testing

@testable import Delivery

@Suite struct MailExchangersTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var answer: DNSAnswer
        var expected: Result<[String], RoutingFailure>
    }

    static func mx(_ records: (Int, String)...) -> DNSAnswer {
        .records(records.map { .exchanger(preference: $0.0, host: $0.1) }, isSecure: false)
    }

    static let cases = [
        Case(
            testDescription: "by preference", answer: mx((20, "b"), (10, "a"), (30, "c")),
            expected: .success(["a", "b", "c"])),
        Case(testDescription: "no MX: the domain itself", answer: .noData, expected: .success(["there.test"])),
        Case(testDescription: "no domain", answer: .noName, expected: .failure(.noDomain("there.test"))),
        Case(testDescription: "null MX, RFC 7505", answer: mx((0, "")), expected: .failure(.nullMX("there.test"))),
        Case(
            testDescription: "null MX beside others is passed over", answer: mx((0, ""), (5, "a")),
            expected: .success(["a"])),
        Case(
            testDescription: "we are the best", answer: mx((1, "own"), (2, "b")),
            expected: .failure(.loop("there.test"))),
        Case(
            testDescription: "we are as good as the best", answer: mx((1, "own"), (1, "b")),
            expected: .failure(.loop("there.test"))),
        Case(
            testDescription: "only better ones than we", answer: mx((1, "a"), (5, "own"), (5, "b"), (9, "c")),
            expected: .success(["a"])),
        Case(testDescription: "a host twice", answer: mx((1, "a"), (2, "a")), expected: .success(["a"])),
        Case(
            testDescription: "records of another kind", answer: .records([.name("x")], isSecure: false),
            expected: .success(["there.test"])),
    ]

    @Test(arguments: cases)
    func `the order of hosts follows from the records`(_ one: Case) {
        let found = Result { () throws(RoutingFailure) in
            try MailExchangers.hosts(for: "there.test", one.answer, isOwn: { $0 == "own" })
        }
        #expect(found == one.expected)
    }

    @Test func `equals are tried in any order`() throws {
        var firsts: Set<String> = []
        for _ in 0..<200 {
            let hosts = try MailExchangers.hosts(
                for: "there.test", Self.mx((1, "a"), (1, "b"), (1, "c"), (2, "d")), isOwn: { _ in false })
            #expect(hosts.last == "d")
            firsts.formUnion(hosts.prefix(1))
        }
        #expect(firsts == ["a", "b", "c"])
    }

    @Test func `a thousand records are not a thousand connections`() throws {
        let answer = DNSAnswer.records((0..<1000).map { .exchanger(preference: $0, host: "h\($0)") }, isSecure: false)
        let hosts = try MailExchangers.hosts(for: "there.test", answer, isOwn: { _ in false })
        #expect(hosts.count == MailExchangers.most && hosts[0] == "h0")
    }

    @Test(arguments: [("[192.0.2.1]", "192.0.2.1"), ("[IPv6:2001:db8::1]", "2001:db8::1"), ("[ipv6:::1]", "::1")])
    func `an address literal is an address`(text: String, address: String) {
        #expect(HostFinder.literal(text)?.description == address)
    }

    @Test(arguments: ["192.0.2.1", "[192.0.2.300]", "[]", "[IPv6:]", "[x"])
    func `anything else is none`(text: String) {
        #expect(HostFinder.literal(text) == nil)
    }

    @Test(
        arguments: [
            "127.0.0.1", "10.1.2.3", "0.0.0.0", "169.254.1.1", "224.0.0.1", "::1", "::", "fe80::1", "fd00::1",
            "ff02::1", "::ffff:127.0.0.1",
        ] as [IPAddress])
    func `special addresses are nobody's exchanger`(address: IPAddress) { #expect(address.isSpecial) }

    @Test(arguments: ["8.8.8.8", "192.0.2.1", "172.32.0.1", "2001:db8::1", "2a00::1"] as [IPAddress])
    func `other addresses are`(address: IPAddress) { #expect(!address.isSpecial) }
}
