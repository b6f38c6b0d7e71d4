/// What a part is: `text/plain; charset=utf-8`. RFC 2045 §5.
public struct ContentType: Sendable, Hashable {
    /// In lower case.
    public let type: String
    /// In lower case.
    public let subtype: String
    public let parameters: MIMEParameters

    public init(_ type: String, _ subtype: String) {
        self.type = type
        self.subtype = subtype
        parameters = MIMEParameters()
    }

    /// Reads the body of a Content-Type field; `nil` if it names no type. RFC 2045 §5.2 says to take
    /// such a part for `text/plain`.
    public init?(parsing value: ArraySlice<UInt8>) {
        var lexer = FieldLexer(value)
        lexer.skipCFWS()
        let type = lexer.run { $0.isMIMEToken }
        lexer.skipCFWS()
        guard !type.isEmpty, lexer.skip("/") else { return nil }
        lexer.skipCFWS()
        let subtype = lexer.run { $0.isMIMEToken }
        guard !subtype.isEmpty else { return nil }
        self.type = String(decoding: type.map(\.asciiLowercased), as: UTF8.self)
        self.subtype = String(decoding: subtype.map(\.asciiLowercased), as: UTF8.self)
        parameters = MIMEParameters(reading: &lexer)
    }

    public static let plainText = ContentType("text", "plain")
    public static let message = ContentType("message", "rfc822")

    public var isMultipart: Bool { type == "multipart" }
    /// Whether the part holds a whole message. RFC 2046 §5.2.1, RFC 6532 §3.7.
    public var isMessage: Bool { type == "message" && (subtype == "rfc822" || subtype == "global") }
    public var charset: String? { parameters["charset"]?.value }
}

extension ContentType: CustomStringConvertible {
    /// Without the parameters.
    public var description: String { "\(type)/\(subtype)" }
}

/// How a part wants to be shown: `attachment; filename="a.pdf"`. RFC 2183.
public struct ContentDisposition: Sendable, Hashable {
    /// `inline`, `attachment`, … in lower case.
    public let kind: String
    public let parameters: MIMEParameters

    /// Reads the body of a Content-Disposition field. A field that begins with its parameters is
    /// read as an attachment.
    public init(parsing value: ArraySlice<UInt8>) {
        var lexer = FieldLexer(value)
        lexer.skipCFWS()
        let kind = lexer.run { $0.isMIMEToken }
        self.kind = kind.isEmpty ? "attachment" : String(decoding: kind.map(\.asciiLowercased), as: UTF8.self)
        parameters = MIMEParameters(reading: &lexer)
    }
}

/// How a part's octets were made fit for transport. RFC 2045 §6.
public enum TransferEncoding: Sendable, Hashable {
    case sevenBit, eightBit, binary, quotedPrintable, base64
    case unknown

    public init(parsing value: ArraySlice<UInt8>) {
        var lexer = FieldLexer(value)
        lexer.skipCFWS()
        let token = lexer.run { $0.isMIMEToken }
        self =
            if token.equalsIgnoringCase("7bit") { .sevenBit } else if token.equalsIgnoringCase("8bit") {
                .eightBit
            } else if token.equalsIgnoringCase("binary") {
                .binary
            } else if token.equalsIgnoringCase("quoted-printable") {
                .quotedPrintable
            } else if token.equalsIgnoringCase("base64") { .base64 } else { .unknown }
    }

    /// Whether the octets are what they are, without decoding.
    public var isIdentity: Bool { self == .sevenBit || self == .eightBit || self == .binary }
}
