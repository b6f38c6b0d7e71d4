import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// To whom aggregate reports go, and in what form.
@Suite struct DMARCRecipientTests {
    // MARK: Addresses

    @Test(
        arguments: [
            ("mailto:dmarc@example.org", "dmarc@example.org", nil),
            ("MailTo:dmarc@Example.ORG!10m", "dmarc@example.org", 10 << 20),
            ("mailto:a@b.example!0", "a@b.example", 0), ("mailto:a@b.example!7", "a@b.example", 7),
            ("mailto:a@b.example!2K", "a@b.example", 2048), ("mailto:a@b.example!1g", "a@b.example", 1 << 30),
            ("mailto:a@b.example!3t", "a@b.example", 3 << 40),
            ("mailto:a@b.example!99999999999999999999999t", "a@b.example", Int.max),
            ("mailto:a%2Bb%21c@b.example", "a+b!c@b.example", nil),
            ("mailto:%61@b.example?subject=x%0D%0ABcc:y", "a@b.example", nil),
            ("mailto:\"a%20b\"@b.example", "\"a b\"@b.example", nil),
            ("mailto:a@under_score.example", "a@under_score.example", nil),
        ] as [(String, String, Int?)])
    func `an address is read, with its size`(_ uri: String, _ address: String, _ size: Int?) throws {
        let read = try DMARCReportAddress(uri)
        #expect(read.address.description == address)
        #expect(read.maxSize == size)
    }

    @Test(
        arguments: [
            "https://example.org/dmarc", "mailto", "mailto:", "mailto:nobody", "mailto:a@b@c", "mailto:a@",
            "mailto:a%0D%0ARCPT TO:<x@y>@b.example", "mailto:a%@b.example", "mailto:a%zz@b.example",
            "mailto:%FF@b.example",
            "mailto:a@[192.0.2.1]", "mailto:a@b.example!", "mailto:a@b.example!10x", "mailto:a@b.example!10kb",
            "mailto:a@b.example!1m!2m", "mailto:a@b..example", "",
        ])
    func `what is no address of mail gets nothing`(_ uri: String) {
        #expect(throws: DMARCReportAddress.Unusable.self) { try DMARCReportAddress(uri) }
    }

    // MARK: Whose they are

    static let zone: MemoryZone = {
        var zone = MemoryZone()
        zone.add("own.example._report._dmarc.takes.example", text: "v=DMARC1")
        zone.add("own.example._report._dmarc.more.example", text: "something else")
        zone.add(
            "own.example._report._dmarc.more.example",
            text: "v=DMARC1; rua=mailto:x@more.example!5k, mailto:y@more.example")
        zone.add("own.example._report._dmarc.away.example", text: "v=DMARC1; rua=mailto:x@victim.example")
        zone.add(
            "own.example._report._dmarc.odd.example",
            text: "v=DMARC1; rua=mailto:x@odd.example; rua=mailto:y@odd.example")
        zone.add("own.example._report._dmarc.case.example", text: "v=dmarc1")
        zone.add("a.co.uk._report._dmarc.b.co.uk", text: "v=DMARC1;")
        zone.silence("own.example._report._dmarc.silent.example")
        return zone
    }()

    static func recipients(
        of domain: String = "own.example", _ rua: String, most: Int = 10
    ) async throws -> DMARCReportRecipients {
        let record = try DMARCRecord(Array("v=DMARC1; p=none; rua=\(rua)".utf8))
        let report = DMARCReport(domain: domain, record: record)
        return await DMARCReportRecipients(of: report, most: most, services: Services(zone))
    }

    @Test(
        arguments: [
            ("own.example", "mailto:a@own.example", ["a@own.example"], []),
            // One organization, above, below and beside.
            ("own.example", "mailto:a@mail.own.example", ["a@mail.own.example"], []),
            (
                "sub.own.example", "mailto:a@own.example,mailto:a@other.own.example",
                ["a@own.example", "a@other.own.example"], []
            ),
            // Others are asked.
            ("own.example", "mailto:a@takes.example!1m", ["a@takes.example"], []),
            ("own.example", "mailto:a@silence.example", [], ["does not say that it wants them"]),
            ("own.example", "mailto:a@case.example", [], ["does not say that it wants them"]),
            ("own.example", "mailto:a@odd.example", [], ["does not say that it wants them"]),
            // Under a public suffix each is somebody else.
            ("a.co.uk", "mailto:a@b.co.uk,mailto:a@c.co.uk", ["a@b.co.uk"], ["c.co.uk does not say"]),
            // They may name other addresses of theirs, and nobody else's.
            ("own.example", "mailto:a@more.example", ["x@more.example", "y@more.example"], []),
            ("own.example", "mailto:a@away.example", [], ["names no address of away.example"]),
            // What is no mail, twice the same, and what is no name.
            (
                "own.example", "https://own.example/,mailto:a@own.example,mailto:A@own.example", ["a@own.example"],
                ["no mailto"]
            ),
            ("a/b.example", "mailto:a@a/b.example", [], ["no name"]),
        ])
    func `a report goes to whom it is for, and to others who want it`(
        _ domain: String, _ rua: String, _ addresses: [String], _ reasons: [String]
    ) async throws {
        let found = try await Self.recipients(of: domain, rua)
        #expect(found.addresses.map(\.address.description) == addresses, "\(found)")
        #expect(found.refusals.count == reasons.count, "\(found)")
        for (refusal, reason) in zip(found.refusals, reasons) {
            #expect(refusal.reason.contains(reason) && !refusal.isTemporary)
        }
    }

    @Test func `the size that another address takes is its own`() async throws {
        let found = try await Self.recipients("mailto:a@more.example!1m")
        #expect(found.addresses.map(\.maxSize) == [5 << 10, nil])
    }

    @Test func `where DNS is silent the answer is open`() async throws {
        let found = try await Self.recipients("mailto:a@silent.example,mailto:a@own.example")
        #expect(found.addresses.map(\.address) == ["a@own.example"])
        #expect(found.refusals.map(\.isTemporary) == [true])
    }

    @Test func `no more get it than may, and no more are looked at than must be`() async throws {
        let many = (0..<5).map { "mailto:a\($0)@own.example" }.joined(separator: ",")
        let found = try await Self.recipients(many, most: 2)
        #expect(found.addresses.map(\.address) == ["a0@own.example", "a1@own.example"])
        #expect(found.refusals.count == 3)
        let world = MemoryServices()
        let strangers = (0..<500).map { "mailto:a@x\($0).test" }.joined(separator: ",")
        let record = try DMARCRecord(Array("v=DMARC1; p=none; rua=\(strangers)".utf8))
        let report = DMARCReport(domain: "own.example", record: record)
        let none = await DMARCReportRecipients(of: report, most: 5, services: Services(world))
        #expect(none.addresses.isEmpty && none.refusals.count == 500)
        #expect(world.asked.count { if case .dns = $0 { true } else { false } } == 20)
    }

    // MARK: The mail

    @Test func `the mail is named as RFC 7489 wants it`() throws {
        let report = DMARCReport(domain: "own.example", record: try DMARCRecord(Array("v=DMARC1; p=none".utf8)))
        let cover = DMARCReport.Cover(
            organization: "Us", email: "us@here.example", begin: Date(timeIntervalSince1970: 1_795_219_200),
            end: Date(timeIntervalSince1970: 1_795_305_599))
        let mail = DMARCReportMail(about: report, cover, submitter: "mx.here.example", token: "0abc")
        let octets = (0..<200).map { UInt8($0) }
        let message = mail.message(
            octets, from: "us@here.example", to: "dmarc@own.example", date: Date(timeIntervalSince1970: 1_795_310_000))
        #expect(
            message.header["Subject"]?.value
                == "Report Domain: own.example Submitter: mx.here.example"
                + " Report-ID: <1795219200.1795305599.own.example@mx.here.example>")
        #expect(message.header["From"]?.value == "<us@here.example>")
        #expect(message.header["Auto-Submitted"]?.value == "auto-generated")
        let whole = message.pieces.flatMap(\.array)
        let parts = try Message(parsing: Bytes(whole)).body.array
        let text = String(decoding: parts, as: UTF8.self)
        #expect(text.contains("filename=\"mx.here.example!own.example!1795219200!1795305599!0abc.xml.gz\"\r\n"))
        #expect(text.contains("Content-Type: application/gzip\r\n"))
        #expect(text.contains(String(decoding: Base64.encode(octets, lineLength: 76), as: UTF8.self)))
        #expect(text.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 998 && $0.utf8.allSatisfy { $0 < 0x80 } })
        #expect(!text.replacing("\r\n", with: "").contains("\n"))
    }

    @Test func `a domain of which only reports came gets none, and a forged one is no report`() async throws {
        let subject = "Report Domain: here.example Submitter: mx.reject.example Report-ID: <1@x>"
        func trace(_ from: String, _ found: [String], subject: String, _ number: UInt32) async throws -> Trace {
            var trace = try await DMARCReportTests.trace(from: from, found, number: number)
            trace.summary["subject"] = subject
            return trace
        }
        let proof = ["spf=pass smtp.mailfrom=a@reject.example"]
        let report = try await trace("a@reject.example", proof, subject: subject, 1)
        let forged = try await trace("a@reject.example", [], subject: subject, 2)
        let other = try await trace("a@reject.example", proof, subject: "Hello", 3)
        func isOfReportsOnly(_ traces: Trace...) async -> Bool? {
            await DMARCReportTests.reports(traces).byDomain["reject.example"]?.isOfReportsOnly
        }
        #expect(await isOfReportsOnly(report) == true)
        #expect(await isOfReportsOnly(forged) == false)
        #expect(await isOfReportsOnly(report, other) == false)
    }
}
