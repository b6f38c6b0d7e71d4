import Foundation
import MailTypes
import Pipeline
import Testing

@testable import Delivery

/// What a report says, and the mail that brings it. RFC 8460 §4.4, §5.3.
@Suite struct TLSReportTests {
    static let day = Date(timeIntervalSince1970: 1_795_219_200)
    static let cover = TLSReport.Cover(
        organization: "Company-X", contact: "sts-reporting@company-x.test", begin: day, end: day + 86_399)

    static func failure(
        _ result: TLSFailure.Result, host: String, address: String? = nil, reason: String? = nil
    ) -> TLSFailure {
        var failure = TLSFailure(result, reason: reason)
        failure.host = host
        failure.source = "2001:db8:abcd:12::1"
        failure.address = address.flatMap { IPAddress($0) }
        return failure
    }

    static var report: TLSReport {
        let policy = PublishedPolicy(
            .sts, domain: "company-y.test",
            text: ["version: STSv1", "mode: testing", "mx: *.mail.company-y.test", "max_age: 86400"],
            exchangers: ["*.mail.company-y.test"])
        var tally = TLSTally(domain: "company-y.test", day: day, policy: policy)
        (tally.succeeded, tally.failed) = (5326, 303)
        tally.failures = [
            failure(.expired, host: "mx1.mail.company-y.test"): 100,
            failure(.noStartTLS, host: "mx2.mail.company-y.test", address: "203.0.113.56"): 200,
            failure(.other, host: "mx3.mail.company-y.test", address: "203.0.113.58", reason: "no answer in time"): 3,
        ]
        var plain = TLSTally(
            domain: "company-y.test", day: day, policy: PublishedPolicy(.none, domain: "company-y.test"))
        plain.succeeded = 1
        return TLSReport(domain: "company-y.test", tallies: [plain, tally])
    }

    /// As the example of RFC 8460 appendix B is.
    static let expected = """
        {
          "contact-info" : "sts-reporting@company-x.test",
          "date-range" : {
            "end-datetime" : "2026-11-21T23:59:59Z",
            "start-datetime" : "2026-11-21T00:00:00Z"
          },
          "organization-name" : "Company-X",
          "policies" : [
            {
              "failure-details" : [
                {
                  "failed-session-count" : 200,
                  "receiving-ip" : "203.0.113.56",
                  "receiving-mx-hostname" : "mx2.mail.company-y.test",
                  "result-type" : "starttls-not-supported",
                  "sending-mta-ip" : "2001:db8:abcd:12::1"
                },
                {
                  "failed-session-count" : 100,
                  "receiving-mx-hostname" : "mx1.mail.company-y.test",
                  "result-type" : "certificate-expired",
                  "sending-mta-ip" : "2001:db8:abcd:12::1"
                },
                {
                  "failed-session-count" : 3,
                  "failure-reason-code" : "no answer in time",
                  "receiving-ip" : "203.0.113.58",
                  "receiving-mx-hostname" : "mx3.mail.company-y.test",
                  "result-type" : "validation-failure",
                  "sending-mta-ip" : "2001:db8:abcd:12::1"
                }
              ],
              "policy" : {
                "mx-host" : [
                  "*.mail.company-y.test"
                ],
                "policy-domain" : "company-y.test",
                "policy-string" : [
                  "version: STSv1",
                  "mode: testing",
                  "mx: *.mail.company-y.test",
                  "max_age: 86400"
                ],
                "policy-type" : "sts"
              },
              "summary" : {
                "total-failure-session-count" : 303,
                "total-successful-session-count" : 5326
              }
            },
            {
              "policy" : {
                "policy-domain" : "company-y.test",
                "policy-type" : "no-policy-found"
              },
              "summary" : {
                "total-failure-session-count" : 0,
                "total-successful-session-count" : 1
              }
            }
          ],
          "report-id" : "1795219200.1795305599.company-y.test"
        }
        """

    @Test func `a report has the form of the RFC's example`() throws {
        let text = String(decoding: try Self.report.json(Self.cover), as: UTF8.self)
        #expect(text == Self.expected)
    }

    @Test func `every word of the RFC is known`() {
        // RFC 8460 §4.3.
        let words = """
            starttls-not-supported certificate-host-mismatch certificate-expired certificate-not-trusted \
            validation-failure tlsa-invalid dnssec-invalid dane-required sts-policy-fetch-error sts-policy-invalid \
            sts-webpki-invalid
            """
        #expect(Set(TLSFailure.Result.allCases.map(\.rawValue)) == Set(words.split(separator: " ").map(String.init)))
    }

    @Test func `the mail is named as RFC 8460 wants it`() throws {
        let mail = TLSReportMail(about: Self.report, Self.cover, submitter: "mx.here.test", token: "0abc")
        let octets = (0..<200).map { UInt8($0) }
        let message = mail.message(
            octets, from: "tls@here.test", to: "tls@company-y.test", date: Date(timeIntervalSince1970: 1_795_310_000))
        let wanted = [
            "Subject": "Report Domain: company-y.test Submitter: mx.here.test"
                + " Report-ID: <1795219200.1795305599.company-y.test@mx.here.test>",
            "TLS-Report-Domain": "company-y.test", "TLS-Report-Submitter": "mx.here.test", "TLS-Required": "No",
            "From": "<tls@here.test>", "Auto-Submitted": "auto-generated",
            "Content-Type": "multipart/report; report-type=\"tlsrpt\"; boundary=\"=_0abc\"",
        ]
        for (name, value) in wanted {
            #expect(message.header.fields.first { $0.isNamed(name) }?.value == value)
        }
        let text = String(decoding: message.body.array, as: UTF8.self)
        #expect(text.contains("Content-Type: application/tlsrpt+gzip\r\n"))
        #expect(
            text.contains("filename=\"mx.here.test!company-y.test!1795219200!1795305599!0abc.json.gz\"\r\n"))
        #expect(text.contains(String(decoding: Base64.encode(octets, lineLength: 76), as: UTF8.self)))
        #expect(text.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 998 && $0.utf8.allSatisfy { $0 < 0x80 } })
        #expect(!text.replacing("\r\n", with: "").contains("\n"))
        #expect(HeaderGlance(Bytes(message.pieces.flatMap(\.array))).wantsNoTLS)
    }
}
