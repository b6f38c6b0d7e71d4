public import struct Foundation.Date
public import MailTypes
public import Pipeline

/// Writes the reply to one message. RFC 3834 §3.
///
/// It quotes nothing of a stranger's but the subject: mail in a forged name is no way to send a text to somebody.
public struct AutoreplyMail: Sendable {
    public let mailbox: EmailAddress
    public let fullName: String?
    public let reply: Autoreply
    public let hostname: String

    /// Scalars of a stranger's subject.
    private static let longestSubject = 150
    /// Ids in References, the newest of them. RFC 5322 §3.6.4 wants them all; nobody needs more.
    private static let mostReferences = 20
    /// Octets of an id that is repeated.
    private static let longestID = 250

    public init(mailbox: EmailAddress, fullName: String?, reply: Autoreply, hostname: String) {
        self.mailbox = mailbox
        self.fullName = fullName
        self.reply = reply
        self.hostname = hostname
    }

    /// The reply to a message with this header.
    public func message(
        to sender: EmailAddress, about header: Header, as id: TransactionID, at now: Date
    ) -> Message {
        var fields = [
            HeaderField(name: "From", value: author), HeaderField(name: "To", value: "<\(sender)>"),
            HeaderField(name: "Subject", value: EncodedWord.encode(subject(of: header))),
            HeaderField(name: "Date", value: MailDate(now).description),
            HeaderField(name: "Message-ID", value: "<\(id).reply@\(hostname)>"),
        ]
        let parents = Self.references(header)
        if let parent = parents.last {
            fields.append(HeaderField(name: "In-Reply-To", value: parent))
            fields.append(HeaderField(name: "References", value: parents.joined(separator: " ")))
        }
        fields.append(HeaderField(name: "Auto-Submitted", value: "auto-replied"))
        // What those heed who do not read the field before.
        fields.append(HeaderField(name: "X-Auto-Response-Suppress", value: "All"))
        fields.append(HeaderField(name: "MIME-Version", value: "1.0"))
        let body = content(boundary: "=_\(id)")
        fields += body.fields
        return Message(header: Header(fields: fields), body: Bytes(body.octets))
    }

    private var author: String {
        guard let fullName, !fullName.isEmpty else { return mailbox.description }
        if fullName.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) {
            let quoted = fullName.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            return "\"\(quoted)\" <\(mailbox)>"
        }
        return "\(EncodedWord.encode(fullName)) <\(mailbox)>"
    }

    private func subject(of header: Header) -> String {
        if let subject = reply.subject { return subject }
        let said = EncodedWord.decode(header["Subject"]?.value ?? "").unicodeScalars.filter(Self.isHarmless)
        let cut = String(String.UnicodeScalarView(said.prefix(Self.longestSubject)))
        return cut.isEmpty ? "Automatic reply" : "Auto: \(cut)"
    }

    /// Nothing that ends a line or turns the direction of the words around it.
    private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }

    /// What the message was a reply to, and the message itself last.
    private static func references(_ header: Header) -> [String] {
        guard let field = header["Message-ID"], let parent = MessageID(parsing: field.rawValue),
            isRepeatable(parent)
        else { return [] }
        let earlier = (header["References"] ?? header["In-Reply-To"]).map { MessageID.list(parsing: $0.rawValue) }
        let kept = (earlier ?? []).filter { isRepeatable($0) && $0 != parent }.suffix(mostReferences)
        return kept.map(\.text) + [parent.text]
    }

    private static func isRepeatable(_ id: MessageID) -> Bool {
        id.text.utf8.count <= longestID && id.text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    // MARK: - MIME

    private func content(boundary: String) -> (fields: [HeaderField], octets: [UInt8]) {
        let text = Self.part(reply.text, type: "text/plain")
        guard let html = reply.html else { return text }
        var octets: [UInt8] = []
        for part in [text, Self.part(html, type: "text/html")] {
            octets += "--\(boundary)\r\n".utf8
            for field in part.fields { octets += field.raw }
            octets += [.cr, .lf] + part.octets
        }
        octets += "--\(boundary)--\r\n".utf8
        let field = HeaderField(name: "Content-Type", value: "multipart/alternative; boundary=\"\(boundary)\"")
        return ([field], octets)
    }

    /// Lines of ASCII stand as they are; everything else in base64, which no hop has to change. RFC 2045 §6.
    private static func part(_ text: String, type: String) -> (fields: [HeaderField], octets: [UInt8]) {
        var octets = lines(of: text)
        let isPlain =
            octets.allSatisfy { $0 < 0x80 && ($0 >= 0x20 || $0 == 0x09 || $0 == .cr || $0 == .lf) }
            && octets.split(separator: UInt8.lf).allSatisfy { $0.count <= longestLine }
        if !isPlain { octets = Base64.encode(octets, lineLength: 76) + [.cr, .lf] }
        return (
            [
                HeaderField(name: "Content-Type", value: "\(type); charset=\(isPlain ? "us-ascii" : "utf-8")"),
                HeaderField(name: "Content-Transfer-Encoding", value: isPlain ? "7bit" : "base64"),
            ], octets
        )
    }

    /// A line with its end, short enough that nobody wraps it. RFC 5322 §2.1.1.
    private static let longestLine = 900

    /// The text with CR LF at the end of each line, the last one too.
    private static func lines(of text: String) -> [UInt8] {
        var octets: [UInt8] = []
        var isAfterCR = false
        for octet in text.utf8 {
            if octet == .lf, isAfterCR {
                isAfterCR = false
                continue
            }
            isAfterCR = octet == .cr
            octets += octet == .cr || octet == .lf ? [.cr, .lf] : [octet]
        }
        if !octets.isEmpty, octets.last != .lf { octets += [.cr, .lf] }
        return octets
    }
}
