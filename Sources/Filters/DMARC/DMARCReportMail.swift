public import MailTypes
public import struct Foundation.Date

/// The mail that brings an aggregate report to its reader. RFC 7489 §7.2.1.1.
///
///     multipart/mixed
///       text/plain          what a person reads
///       application/gzip    the report
public struct DMARCReportMail: Sendable {
    /// The domain that the report is about, who reports, and of which time.
    let domain: String
    let cover: DMARCReport.Cover
    let reportID: String
    /// This server's name.
    let submitter: String
    /// Letters and digits that no other mail of this server has.
    let token: String

    public init(about report: DMARCReport, _ cover: DMARCReport.Cover, submitter: String, token: String) {
        domain = report.domain
        self.cover = cover
        reportID = report.id(cover)
        self.submitter = submitter
        self.token = token
    }

    /// `receiver!domain!begin!end!token.xml.gz`
    var fileName: String { "\(submitter)!\(domain)!\(begin)!\(end)!\(token).xml.gz" }

    private var begin: Int { Int(cover.begin.timeIntervalSince1970) }
    private var end: Int { Int(cover.end.timeIntervalSince1970) }

    /// - Parameter report: The report, compressed by gzip.
    public func message(_ report: [UInt8], from: EmailAddress, to: EmailAddress, date: Date) -> Message {
        let boundary = "=_\(token)"
        let fields = [
            HeaderField(name: "From", value: "<\(from)>"),
            HeaderField(name: "To", value: "<\(to)>"),
            HeaderField(
                name: "Subject", value: "Report Domain: \(domain) Submitter: \(submitter) Report-ID: <\(messageID)>"),
            HeaderField(name: "Date", value: MailDate(date).description),
            HeaderField(name: "Message-ID", value: "<\(token).dmarc@\(submitter)>"),
            // RFC 3834 §5: nobody's program is to answer this.
            HeaderField(name: "Auto-Submitted", value: "auto-generated"),
            HeaderField(name: "MIME-Version", value: "1.0"),
            HeaderField(name: "Content-Type", value: "multipart/mixed; boundary=\"\(boundary)\""),
        ]
        var body = Array("--\(boundary)\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\(text)".utf8)
        body += Array("\r\n--\(boundary)\r\nContent-Type: application/gzip\r\n".utf8)
        body += Array("Content-Transfer-Encoding: base64\r\n".utf8)
        body += Array("Content-Disposition: attachment;\r\n filename=\"\(fileName)\"\r\n\r\n".utf8)
        body += Base64.encode(report, lineLength: Self.lineLength)
        body += Array("\r\n--\(boundary)--\r\n".utf8)
        return Message(header: Header(fields: fields), body: Bytes(body))
    }

    /// RFC 2045 §6.8.
    private static let lineLength = 76

    private var messageID: String { "\(reportID)@\(submitter)" }

    private var text: String {
        """
        What \(submitter) has seen of mail that names \(domain) in its From field,\r
        from \(MailDate(cover.begin))\r
        to   \(MailDate(cover.end)):\r
        a DMARC aggregate report (RFC 7489), which the domain's DMARC record asks for.\r

        """
    }
}
