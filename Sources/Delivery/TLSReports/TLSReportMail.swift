public import MailTypes
public import struct Foundation.Date

/// The mail that brings a report on TLS to its reader. RFC 8460 §5.3.
///
///     multipart/report; report-type=tlsrpt
///       text/plain               what a person reads
///       application/tlsrpt+gzip  the report
public struct TLSReportMail: Sendable {
    /// The domain that the report is about, who reports, and of which time.
    let domain: String
    let cover: TLSReport.Cover
    let reportID: String
    /// This server's name.
    let submitter: String
    /// Letters and digits that no other mail of this server has.
    let token: String

    public init(about report: TLSReport, _ cover: TLSReport.Cover, submitter: String, token: String) {
        domain = report.domain
        self.cover = cover
        reportID = report.id(cover)
        self.submitter = submitter
        self.token = token
    }

    /// What the report is called: `submitter!domain!begin!end!token.json.gz`. RFC 8460 §5.1.
    public var fileName: String { "\(submitter)!\(domain)!\(begin)!\(end)!\(token).json.gz" }

    /// The media type of a compressed report. RFC 8460 §6.4.
    public static let mediaType = "application/tlsrpt+gzip"

    private var begin: Int { Int(cover.begin.timeIntervalSince1970) }
    private var end: Int { Int(cover.end.timeIntervalSince1970) }

    /// - Parameter report: The report, compressed by gzip.
    public func message(_ report: [UInt8], from: EmailAddress, to: EmailAddress, date: Date) -> Message {
        let boundary = "=_\(token)"
        let fields = [
            HeaderField(name: "From", value: "<\(from)>"),
            HeaderField(name: "To", value: "<\(to)>"),
            HeaderField(
                name: "Subject",
                value: "Report Domain: \(domain) Submitter: \(submitter) Report-ID: <\(reportID)@\(submitter)>"),
            HeaderField(name: "TLS-Report-Domain", value: domain),
            HeaderField(name: "TLS-Report-Submitter", value: submitter),
            // What is wrong with the domain's TLS must not keep its owner from being told. RFC 8460 §3, RFC 8689 §4.3.
            HeaderField(name: "TLS-Required", value: "No"),
            HeaderField(name: "Date", value: MailDate(date).description),
            HeaderField(name: "Message-ID", value: "<\(token).tlsrpt@\(submitter)>"),
            // RFC 3834 §5: nobody's program is to answer this.
            HeaderField(name: "Auto-Submitted", value: "auto-generated"),
            HeaderField(name: "MIME-Version", value: "1.0"),
            HeaderField(
                name: "Content-Type", value: "multipart/report; report-type=\"tlsrpt\"; boundary=\"\(boundary)\""),
        ]
        var body = Array("--\(boundary)\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\(text)".utf8)
        body += Array("\r\n--\(boundary)\r\nContent-Type: \(Self.mediaType)\r\n".utf8)
        body += Array("Content-Transfer-Encoding: base64\r\n".utf8)
        body += Array("Content-Disposition: attachment;\r\n filename=\"\(fileName)\"\r\n\r\n".utf8)
        body += Base64.encode(report, lineLength: Self.lineLength)
        body += Array("\r\n--\(boundary)--\r\n".utf8)
        return Message(header: Header(fields: fields), body: Bytes(body))
    }

    /// RFC 2045 §6.8.
    private static let lineLength = 76

    private var text: String {
        """
        What \(submitter) has seen of TLS with the mail exchangers of \(domain),\r
        from \(MailDate(cover.begin))\r
        to   \(MailDate(cover.end)):\r
        a report (RFC 8460), which the record at _smtp._tls.\(domain) asks for.\r

        """
    }
}
