import Foundation
import MailTypes
import Testing

@Suite struct AuthenticationResultsTests {
    static let values: [(AuthenticationResults, String)] = [
        (results(), "mx.example.org; none"),
        (
            results(.init(method: "spf", result: .pass, properties: [.init("smtp.mailfrom", "a@b.example")])),
            "mx.example.org; spf=pass smtp.mailfrom=a@b.example"
        ),
        (
            results(
                .init(
                    method: "dkim", result: .fail, reason: "bad \"hash\"",
                    properties: [.init("header.d", "b.example")]),
                .init(method: "dmarc", result: .none)),
            #"mx.example.org; dkim=fail reason="bad \"hash\"" header.d=b.example; dmarc=none"#
        ),
        (
            results(.init(method: "auth", result: .pass, properties: [.init("smtp.auth", "a b;c=d (e)")])),
            #"mx.example.org; auth=pass smtp.auth="a b;c=d (e)""#
        ),
    ]

    static func results(_ entries: AuthenticationResults.Entry...) -> AuthenticationResults {
        var results = AuthenticationResults()
        results.entries = entries
        return results
    }

    @Test(arguments: values)
    func `what is written is read back`(results: AuthenticationResults, value: String) {
        #expect(results.value(authservID: "mx.example.org") == value)
        let parsed = ParsedAuthenticationResults(parsing: Array(value.utf8)[...])
        #expect(parsed.authservID == "mx.example.org")
        #expect(parsed.results == results)
        #expect(!parsed.isDamaged)
    }

    @Test func `strangers' words cannot add a result`() {
        let evil = Self.results(
            .init(method: "spf", result: .fail, properties: [.init("smtp.helo", "x\r\n; dkim=pass\u{0} header.d=bank")])
        )
        let parsed = ParsedAuthenticationResults(parsing: Array(evil.value(authservID: "mx").utf8)[...])
        #expect(parsed.results.entries.map(\.method) == ["spf"])
    }

    @Test(arguments: [
        "mx.example.org; none", "MX.Example.ORG;spf=pass", "(x)mx.example.org(y) 1;none", "\"mx.example.org\"; none",
        "\r\n mx.example.org\r\n ;\r\n none", "mx.example.org", "mx.example.org.; none",
        "(a(b)c) \"mx.\\example.org\" 1 ; x",
        "i=1; mx.example.org; none", "; mx.example.org; spf=pass",
        "other.example; dkim=pass;mx.example.org; dmarc=pass",
    ])
    func `our own name is found in any spelling`(value: String) {
        #expect(ParsedAuthenticationResults(parsing: Array(value.utf8)[...]).claims(host: "mx.example.org"))
    }

    @Test(arguments: [
        "mx.example.com; none", "xmx.example.org; none", "(mx.example.org) other; none", "spf=pass x.y=mx.example.org",
        "",
        "other; spf=pass reason=\"; mx.example.org;\"",
    ])
    func `other names are not ours`(value: String) {
        #expect(!ParsedAuthenticationResults(parsing: Array(value.utf8)[...]).claims(host: "mx.example.org"))
    }

    @Test func `an example of RFC 8601 is read`() {
        let value = """
            example.com;\r\n      auth=pass (cram-md5) smtp.auth=sender@example.net;\r
                  spf=fail smtp . mailfrom=example.net\r\n; dkim/1 = pass\r
                  (good signature) header.d="mail-router.example.net"
            """
        let parsed = ParsedAuthenticationResults(parsing: Array(value.utf8)[...])
        #expect(
            parsed.results.entries == [
                .init(method: "auth", result: .pass, properties: [.init("smtp.auth", "sender@example.net")]),
                .init(method: "spf", result: .fail, properties: [.init("smtp.mailfrom", "example.net")]),
                .init(method: "dkim", result: .pass, properties: [.init("header.d", "mail-router.example.net")]),
            ])
    }

    private struct Row: Decodable {
        var header: String
        var value: String
    }

    @Test(.enabled(if: Suites.has("auth-results"), "the auth-results suite is not here"))
    func `real values are read as far as they can be`() throws {
        let text = try String(contentsOfFile: Suites.path("auth-results/real-values.jsonl"), encoding: .utf8)
        var agreed = 0
        var compared = 0
        for line in text.split(separator: "\n") {
            let data = Data(line.utf8)
            let row = try JSONDecoder().decode(Row.self, from: data)
            let parsed = ParsedAuthenticationResults(parsing: Array(row.value.utf8)[...])
            let json = try JSONSerialization.jsonObject(with: data) as? [String: Any]
            guard let oracle = json?["authres"] as? [String: Any], let wanted = oracle["results"] as? [[String]] else {
                continue
            }
            compared += 1
            let found = parsed.results.entries.map { [$0.method, $0.result.rawValue] }
            let known = wanted.filter { AuthenticationResults.Result(rawValue: $0[1]) != nil }
            let id = (oracle["authserv_id"] as? String)?.lowercased()
            if found == known, parsed.authservID == id { agreed += 1 }
        }
        #expect(compared > 100)
        #expect(agreed == compared)
    }
}
