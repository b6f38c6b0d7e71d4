import struct Foundation.Date
import MailTypes
import Pipeline
import Protocols

/// The trace field that every message gets on top. RFC 5321 §4.4.
enum ReceivedField {
    /// What the field tells.
    struct Facts {
        var id: TransactionID
        var hostname: String
        var session: Session
        var verb: SMTPServerMachine.HelloVerb?
        var envelope: Envelope
        var date: Date
    }

    static func make(_ facts: Facts) -> HeaderField {
        let session = facts.session
        let hello = session.hello.flatMap { $0.isEmpty ? nil : $0 } ?? "unknown"
        var value = "from \(clean(hello)) (\(session.client.literal)) by \(facts.hostname)"
        value += " with \(transport(facts)) id \(facts.id)"
        if let tls = session.tls {
            value += tls.cipher.isEmpty ? " (\(tls.version))" : " (\(tls.version) \(tls.cipher))"
        }
        // More than one recipient would tell each of the others.
        if facts.envelope.recipients.count == 1 { value += " for <\(facts.envelope.recipients[0].address)>" }
        return HeaderField(name: "Received", value: value + "; \(MailDate(facts.date))")
    }

    /// `ESMTPSA` and the like. RFC 3848, RFC 6531 §4.3.
    private static func transport(_ facts: Facts) -> String {
        let session = facts.session
        var name: String
        switch session.language {
        case .lmtp: name = "LMTP"
        case .smtp, .submission, .internal: name = facts.verb == .helo ? "SMTP" : "ESMTP"
        }
        if facts.envelope.parameters.smtpUTF8 { name = session.language == .lmtp ? "UTF8LMTP" : "UTF8SMTP" }
        if name == "SMTP" { return name }
        return name + (session.tls == nil ? "" : "S") + (session.user == nil ? "" : "A")
    }

    /// A name that cannot be mistaken for another part of the field.
    private static func clean(_ name: String) -> String {
        let kept = name.unicodeScalars.map { scalar -> Character in
            switch scalar {
            case "(", ")", ";", "<", ">", "\\", "\"", ",": "_"
            default: scalar.value <= 0x20 || scalar.value == 0x7F ? "_" : Character(scalar)
            }
        }
        return String(kept.prefix(255))
    }
}
