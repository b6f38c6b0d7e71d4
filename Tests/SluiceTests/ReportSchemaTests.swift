import Foundation
import MailTypes
import Testing

@testable import Filters

/// Aggregate reports against the schema of RFC 7489 appendix C, as others read them.
@Suite struct ReportSchemaTests {
    static let schema = Programs.root + "/Tests/Fixtures/dmarc-report.xsd"

    static func check(_ xml: String) async throws {
        let ran = try await Programs.run("xmllint", ["--noout", "--schema", schema, "-"], input: Array(xml.utf8))
        #expect(ran.code == 0, "\(ran)\n\(xml.prefix(4000))")
        let python = try await Programs.run(
            "python3", ["-c", "import sys, xml.etree.ElementTree as t; t.fromstring(sys.stdin.buffer.read())"],
            input: Array(xml.utf8))
        #expect(python.code == 0, "\(python)")
    }

    static func report(_ record: String = "v=DMARC1; p=reject; sp=none; adkim=s; pct=7") throws -> DMARCReport {
        DMARCReport(domain: "own.example", record: try DMARCRecord(Array(record.utf8)))
    }

    static func cover(_ name: String = "Here") -> DMARCReport.Cover {
        var cover = DMARCReport.Cover(
            organization: name, email: "a@here.example", begin: Date(timeIntervalSince1970: 1_795_219_200),
            end: Date(timeIntervalSince1970: 1_795_305_599))
        cover.contact = name
        return cover
    }

    static func row(
        _ source: IPAddress = "192.0.2.7", from: String = "own.example", envelope: String = "own.example",
        results: [AuthenticationResults.Entry] = []
    ) -> DMARCReport.Row {
        DMARCReport.Row(
            source: source, disposition: .none, isSPFAligned: false, isDKIMAligned: true, excuse: "local_policy",
            headerFrom: from, envelopeFrom: envelope, results: results)
    }

    static let words = ["none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror"]

    @Test func `every result, address and excuse is one that the schema knows`() async throws {
        var report = try Self.report()
        for (number, word) in Self.words.enumerated() {
            let result = try #require(AuthenticationResults.Result(rawValue: word))
            let entries: [AuthenticationResults.Entry] = [
                .init(
                    method: "dkim", result: result,
                    properties: [.init("header.d", "own.example"), .init("header.s", "s")]),
                .init(method: "dkim", result: result, properties: [.init("header.d", "own.example")]),
                .init(method: "dkim", result: result),
                .init(method: "spf", result: result, properties: [.init("smtp.mailfrom", "a@own.example")]),
                .init(method: "spf", result: result, properties: [.init("smtp.helo", "mx.own.example")]),
            ]
            _ = report.add(Self.row(results: entries), isReport: false, mayGrow: true)
            var row = Self.row(number % 2 == 0 ? "2001:db8::1" : "::ffff:192.0.2.1", envelope: "")
            row.disposition = [.none, .quarantine, .reject][number % 3]
            row.excuse = [nil, "sampled_out", "trusted_forwarder", "local_policy"][number % 4]
            row.headerFrom = "x\(number).own.example"
            _ = report.add(row, isReport: false, mayGrow: true)
        }
        _ = report.add(Self.row(from: "late.example"), isReport: false, mayGrow: false)
        #expect(report.rows.count == 16 && report.leftOut == 1)
        try await Self.check(report.xml(Self.cover()))
    }

    @Test func `whatever strangers call themselves stays text`() async throws {
        var report = try Self.report("v=DMARC1; p=none")
        let names = [
            "</header_from><x>", "]]>", "<!--", "<?xml?>", "&amp;&#0;&lol;", "\"'",
            "\u{0}\u{1}\u{8}\u{B}\u{1F}\u{7F}\u{85}",
            "\u{FFFE}\u{FFFF}\u{FFFD}\u{1FFFE}", "\r\n\t", "bücher.example", "😀.example", "\u{202E}evil",
            String(repeating: "<", count: 5000), "<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]>&y;",
        ]
        for name in names {
            let entry = AuthenticationResults.Entry(
                method: "dkim", result: .pass, properties: [.init("header.d", name), .init("header.s", name)])
            let spf = AuthenticationResults.Entry(
                method: "spf", result: .pass, properties: [.init("smtp.mailfrom", "\(name)@\(name)")])
            _ = report.add(Self.row(from: name, envelope: name, results: [entry, spf]), isReport: false, mayGrow: true)
        }
        for name in names { try await Self.check(report.xml(Self.cover(name))) }
        let xml = report.xml(Self.cover())
        #expect(!xml.contains("<x>") && !xml.contains("<!DOCTYPE") && !xml.contains("<!--"))
    }

    @Test func `the schema refuses what is none`() async throws {
        var report = try Self.report()
        _ = report.add(Self.row(), isReport: false, mayGrow: true)
        let xml = report.xml(Self.cover())
        for (sound, wrong) in [
            ("<disposition>none</disposition>", "<disposition>bounce</disposition>"),
            ("<source_ip>192.0.2.7</source_ip>", "<source_ip>mx</source_ip>"), ("<count>1</count>", ""),
            ("<scope>mfrom</scope>", "<scope>from</scope>"), ("<p>reject</p>", "<p>reject</p><p>reject</p>"),
        ] {
            #expect(xml.contains(sound))
            let changed = Array(xml.replacing(sound, with: wrong).utf8)
            let ran = try await Programs.run("xmllint", ["--noout", "--schema", Self.schema, "-"], input: changed)
            #expect(ran.code != 0, "\(wrong)")
        }
    }
}
