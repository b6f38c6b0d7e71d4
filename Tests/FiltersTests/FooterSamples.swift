import Content
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Messages as tests of footers write them, and what they look at.
enum FooterSample {
    static let ascii = Footer(text: "Acme Ltd, registered in Sample Town.\nThis message is confidential.")
    static let umlauts = Footer(
        text: "Gewöhnliche Grüße — Ämter & Söhne, 5 €", html: "<p>Gewöhnliche <b>Grüße</b> — Ämter &amp; Söhne, 5 €</p>"
    )
    static let kanji = Footer(text: "株式会社サンプル 秘密")

    static func engine(
        _ footers: [Footer] = [ascii], at place: FooterPlace = .end, repeats: Bool = false
    ) throws -> FooterEngine {
        FooterEngine(blocks: try footers.map { try FooterBlock($0) }, place: place, repeats: repeats)
    }

    /// A message as it stands in a file, lines ended with LF, octets above 127 as characters of Latin-1.
    static func message(_ text: String) throws -> Message {
        let octets = text.unicodeScalars.flatMap { $0.value < 256 ? [UInt8($0.value)] : Array(String($0).utf8) }
        return try Message(parsing: Bytes(LineEnds.canonical(octets)))
    }

    /// What became of it: the new message, or why it stayed as it is.
    static func edited(_ message: Message, _ engine: FooterEngine) -> Result<Message, FooterObstacle> {
        switch engine.edit(message, MessageContent(of: message)) {
        case .edited(let edit, _): .success(edit.applied(to: message))
        case .untouched(let obstacle): .failure(obstacle)
        }
    }

    /// The texts of a message as its reader sees them, those in another form that are not shown among them.
    static func seen(_ message: Message) -> [String] {
        MessageContent(of: message).texts.filter { $0.nesting == 0 }
            .map { $0.string.replacingOccurrences(of: "\r\n", with: "\n") }
    }

    static func body(_ message: Message) -> String {
        String(String.UnicodeScalarView(message.body.array.map { Unicode.Scalar($0) }))
            .replacingOccurrences(of: "\r\n", with: "\n")
    }

    /// Everything but the texts that a reader sees: names, digests of what is decoded.
    static func rest(_ message: Message) -> [String] {
        MIMEStructure(of: message).parts.map { part in
            let isText = ["text/plain", "text/html"].contains(part.contentType.description)
            let isFree = isText && !part.isAttachment && part.fileName == nil
            let octets = isFree || part.contentType.isMultipart ? [] : part.decoded(from: message.body)
            return "\(part.depth) \(part.contentType) \(part.fileName ?? "-") \(octets.hashValue) \(octets.count)"
        }
    }

    /// A body in a charset, as the writer's program would have encoded it.
    static func encoded(_ octets: [UInt8], _ encoding: String) -> String {
        let written: [UInt8]
        switch encoding {
        case "base64": written = Base64.encode(octets, lineLength: 76)
        case "quoted-printable": written = QuotedPrintable.encode(octets)
        default: written = octets
        }
        return String(String.UnicodeScalarView(written.map { Unicode.Scalar($0) }))
    }
}
