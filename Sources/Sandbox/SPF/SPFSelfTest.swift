import MailTypes
import Pipeline

/// A policy in which everything occurs that libspf2 can do, so that it has done all of it once before the sandbox is
/// closed.
enum SPFSelfTest {
    private static let zone: [DNSQuestion: [[UInt8]]] = [
        DNSQuestion("a.example", .txt): [
            text(
                """
                v=spf1 a:b.a.example mx ptr:c.a.example exists:%{ir}.%{v}.a.example include:i.a.example -all \
                exp=e.a.example
                """)
        ],
        DNSQuestion("i.a.example", .txt): [text("v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/32 redirect=r.a.example")],
        DNSQuestion("r.a.example", .txt): [text("v=spf1 a:%{p}.%{d2} ?all")],
        DNSQuestion("e.a.example", .txt): [text("%{i} at %{t} is not of %{O}, says %{h} to %{r}")],
        DNSQuestion("b.a.example", .a): [[192, 0, 2, 1]],
        DNSQuestion("b.a.example", .aaaa): [[0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 12)],
        DNSQuestion("a.example", .mx): [text("b.a.example")],
        DNSQuestion("9.2.0.192.in-addr.arpa", .ptr): [text("b.a.example")],
    ]

    private static func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static let rows: [(client: IPAddress, result: AuthenticationResults.Result)] = [
        ("192.0.2.1", .pass), ("192.0.2.9", .fail), ("2001:db8::", .pass), ("2001:db8:ffff::1", .pass),
        ("2001:db9::1", .fail),
    ]

    static func run(_ library: SPFLibrary) throws(JobFailure) {
        for row in rows {
            let question = SenderPolicyQuestion(
                client: row.client, hello: "mx.a.example", sender: ("joe", "a.example"), receiver: "mx.b.example")
            let report = try judge(SenderPolicyCheck(library, question))
            guard report.result == row.result, (report.explanation != nil) == (row.result == .fail) else {
                throw JobFailure(reason: "libspf2 finds \(report.result.rawValue) for \(row.client) in its self-test")
            }
        }
    }

    private static func judge(_ check: SenderPolicyCheck) throws(JobFailure) -> SenderPolicyReport {
        for _ in 0..<PacketLimits.policyQuestions {
            switch try check.step() {
            case .found(let report): return report
            case .asks(let question): check.answer(zone[question].map(LookUpAnswer.records) ?? .nothing)
            }
        }
        throw JobFailure(reason: "libspf2 finds no end in its self-test")
    }
}
