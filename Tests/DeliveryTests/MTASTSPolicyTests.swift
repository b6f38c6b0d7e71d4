import Testing

@testable import Delivery

/// What domains publish, read. RFC 8461 §3.
@Suite struct MTASTSPolicyTests {
    static func policy(_ text: String) throws(MTASTSPolicy.Malformed) -> MTASTSPolicy {
        try MTASTSPolicy(Array(text.utf8), id: "1")
    }

    @Test func `a policy is read whatever ends its lines`() throws {
        for end in ["\n", "\r\n"] {
            let lines = [
                "version: STSv1", "mode: enforce", "mx: MX1.example.org", "mx:*.example.net ", "max_age: 604800",
            ]
            let policy = try Self.policy(lines.joined(separator: end) + end)
            #expect(policy.mode == .enforce)
            #expect(policy.maxAge == 604_800)
            #expect(policy.exchangers == ["mx1.example.org", "*.example.net"])
        }
        let odd = try Self.policy("version:STSv1\nmode: none\nmax_age: 9999999999\n")
        #expect(odd.maxAge == MTASTSPolicy.longestAge)
        // RFC 8461 §3.2: unknown keys are passed over, the first of a repeated one counts.
        let twice = try Self.policy("version: STSv1\nfuture: x\nmode: testing\nmode: none\nmx: a.test\nmax_age: 1\n")
        #expect(twice.mode == .testing)
        #expect(twice.lines == ["version: STSv1", "mode: testing", "mx: a.test", "max_age: 1"])
    }

    @Test(arguments: [
        ("", "no version: STSv1"), ("version: STSv2\nmode: none\nmax_age: 1", "no version: STSv1"),
        ("version: STSv1\nmode: strict\nmax_age: 1", "no known mode"),
        ("version: STSv1\nmode: enforce\nmax_age: 1", "no mx"),
        ("version: STSv1\nmode: none\nmax_age: -1", "no max_age"),
        ("version: STSv1\nmode: none\nmax_age: 99999999999", "no max_age"),
        ("version: STSv1\nmode: none", "no max_age"),
        ("<html>", "a line without a colon"),
        ("version: STSv1\nmode: none\nmax_age: 1\nx: \u{0}", "a line that is not ASCII"),
        ("version: STSv1\nmode: none\nmax_age: 1\nx: \u{E9}", "a line that is not ASCII"),
        (String(repeating: "mx: a.test\n", count: 501), "too many mx"),
    ])
    func `what is no policy is said to be none`(text: String, reason: String) {
        #expect(throws: MTASTSPolicy.Malformed(reason: reason)) { try Self.policy(text) }
    }

    @Test(arguments: [
        ("mx.example.org", true), ("MX.Example.ORG", true), ("mail.example.net", true), ("example.net", false),
        ("a.b.example.net", false), ("mx.example.org.evil.test", false), ("xmx.example.org", false),
        ("evilexample.net", false), ("", false), (".example.net", true),
    ])
    func `an asterisk stands for one label`(host: String, isAllowed: Bool) throws {
        let exchangers = "mx: mx.example.org\nmx: *.example.net\n"
        let policy = try Self.policy("version: STSv1\nmode: enforce\n\(exchangers)max_age: 1\n")
        #expect(policy.allows(host) == isAllowed)
    }

    static let records: [([String], String?)] = [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"), (["v=STSv1;id=a"], "a"),
        (["other", "v=STSv1; id=a1;"], "a1"), (["v=STSv1 ; id = a ; x=y"], "a"),
        (["v=STSv1; id=a", "v=STSv1; id=b"], nil), (["v=STSv1; id=a-b;"], nil), (["v=STSv1; id=;"], nil),
        (["v=STSv1; id=123456789012345678901234567890123"], nil), (["v=STSv11; id=a"], nil), (["v=STSv1"], nil),
        (["id=a; v=STSv1;"], nil), ([], nil),
    ]

    @Test(arguments: records)
    func `a record names one policy`(texts: [String], id: String?) {
        #expect(MTASTSRecord.id(in: texts.map { Array($0.utf8) }) == id)
    }
}
