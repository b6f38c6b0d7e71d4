import Foundation
import MailTypes
import SluiceTesting
import Testing

@testable import Filters
@testable import Pipeline

@Suite struct DMARCReportTests {
    /// The trace of a message on which the stage has found something.
    static func trace(
        from: String, _ found: [String] = [], client: IPAddress = "192.0.2.7", policy: DMARC.Configuration = .init(),
        number: UInt32 = 1
    ) async throws -> Trace {
        let id = TransactionID(milliseconds: 1_795_230_000_000, random: number)
        let session = Session.sample(client: client)
        var transaction = Transaction(
            id: id, hostname: "mx.here.example", session: session, services: Services(DMARCTests.zone))
        transaction.envelope = Envelope(sender: "alice@out.example")
        transaction.recipients = [.local("bob@here.example")]
        transaction.authentication.entries = try found.map(DMARCTests.entry)
        let finding = try await DMARC(policy).message(.sample(["From": from]), in: transaction)
        var step = TraceStep(phase: .message, stage: DMARC.name, file: "36-dmarc.toml")
        step.finding = finding
        var trace = Trace(id: id, started: Date(timeIntervalSince1970: 1_795_230_000), session: session)
        trace.envelope = transaction.envelope
        // The stages before have asked something, too.
        let before = Fact(.time, .time(Date(timeIntervalSince1970: 0)))
        trace.facts = [before] + transaction.services.facts
        step.facts = 1..<trace.facts.count
        trace.authentication = transaction.authentication
        for case .authentication(let entry) in finding.edits { trace.authentication.entries.append(entry) }
        trace.steps = [step]
        return trace
    }

    static func reports(_ traces: [Trace]) async -> DMARCReports {
        var reports = DMARCReports()
        for trace in traces { await reports.add(trace) }
        return reports
    }

    @Test func `messages that are alike are counted together, by the domain with the record`() async throws {
        let aligned = ["spf=pass smtp.mailfrom=a@reject.example", "dkim=fail header.d=reject.example"]
        var traces: [Trace] = []
        for number in 0..<3 as Range<UInt32> {
            traces.append(try await Self.trace(from: "a@mail.reject.example", aligned, number: number))
        }
        traces.append(try await Self.trace(from: "a@reject.example", client: "2001:db8::1"))
        traces.append(try await Self.trace(from: "a@plain.example"))
        traces.append(try await Self.trace(from: "a@two.example"))
        traces.append(try await Self.trace(from: "nobody"))
        let reports = await Self.reports(traces)
        #expect(reports.byDomain.keys.sorted() == ["reject.example"])
        let report = try #require(reports.byDomain["reject.example"])
        #expect(report.messages == 4 && report.rows.map(\.count) == [3, 1])
        let first = try #require(report.rows.first?.row)
        #expect(first.headerFrom == "mail.reject.example" && first.envelopeFrom == "out.example")
        #expect(first.isSPFAligned && !first.isDKIMAligned && first.disposition == .none && first.excuse == nil)
        let second = report.rows[1].row
        #expect(!second.isSPFAligned && second.disposition == .none && second.excuse == "local_policy")
    }

    @Test func `what was done is told, and why it is not what was asked for`() async throws {
        var policy = DMARC.Configuration()
        (policy.reject, policy.quarantine) = (.reject, .junk)
        func row(_ from: String) async throws -> DMARCReport.Row? {
            let trace = try await Self.trace(from: from, policy: policy)
            return await Self.reports([trace]).byDomain.values.first?.rows.first?.row
        }
        #expect(try await row("a@reject.example")?.disposition == .reject)
        #expect(try await row("a@reject.example")?.excuse == nil)
        #expect(try await row("a@quarantine.example")?.disposition == .quarantine)
        #expect(try await row("a@none.example")?.disposition == DMARCRecord.Policy.none)
        let sampled = try await row("a@sampled.example")
        #expect(sampled?.disposition == .quarantine && sampled?.excuse == "sampled_out")
        let sealed = try await Self.trace(from: "a@reject.example", ["arc=pass \(DMARCTests.sealed)"], policy: policy)
        let forwarded = await Self.reports([sealed]).byDomain.values.first?.rows.first?.row
        #expect(forwarded?.disposition == DMARCRecord.Policy.none && forwarded?.excuse == "trusted_forwarder")
    }

    @Test func `a stage in shadow, or one that was not asked, does not count`() async throws {
        var shadow = try await Self.trace(from: "a@reject.example")
        shadow.steps[0].isApplied = false
        var skipped = try await Self.trace(from: "a@reject.example")
        skipped.steps[0].finding = nil
        #expect(await Self.reports([shadow, skipped]).byDomain.isEmpty)
    }

    @Test func `the report is written as the schema wants it`() async throws {
        let found = [
            "spf=softfail smtp.mailfrom=a@out.example", "dkim=pass header.d=x&y.example header.s=sel",
        ]
        let traces = [try await Self.trace(from: "a@reject.example", found, client: "2001:db8::1")]
        let report = try #require(await Self.reports(traces).byDomain["reject.example"])
        let cover = DMARCReport.Cover(
            organization: "<mx> & co", email: "postmaster@mx.here.example", begin: Date(timeIntervalSince1970: 100),
            end: Date(timeIntervalSince1970: 200))
        #expect(
            report.xml(cover) == """
                <?xml version="1.0" encoding="UTF-8"?>
                <feedback>
                  <version>1.0</version>
                  <report_metadata>
                    <org_name>&lt;mx&gt; &amp; co</org_name>
                    <email>postmaster@mx.here.example</email>
                    <report_id>100.200.reject.example</report_id>
                    <date_range>
                      <begin>100</begin>
                      <end>200</end>
                    </date_range>
                  </report_metadata>
                  <policy_published>
                    <domain>reject.example</domain>
                    <adkim>r</adkim>
                    <aspf>r</aspf>
                    <p>reject</p>
                    <sp>reject</sp>
                    <pct>100</pct>
                    <fo>0</fo>
                  </policy_published>
                  <record>
                    <row>
                      <source_ip>2001:db8:0:0:0:0:0:1</source_ip>
                      <count>1</count>
                      <policy_evaluated>
                        <disposition>none</disposition>
                        <dkim>fail</dkim>
                        <spf>fail</spf>
                        <reason>
                          <type>local_policy</type>
                        </reason>
                      </policy_evaluated>
                    </row>
                    <identifiers>
                      <envelope_from>out.example</envelope_from>
                      <header_from>reject.example</header_from>
                    </identifiers>
                    <auth_results>
                      <dkim>
                        <domain>x&amp;y.example</domain>
                        <selector>sel</selector>
                        <result>pass</result>
                      </dkim>
                      <spf>
                        <domain>out.example</domain>
                        <scope>mfrom</scope>
                        <result>softfail</result>
                      </spf>
                    </auth_results>
                  </record>
                </feedback>

                """)
    }
}
