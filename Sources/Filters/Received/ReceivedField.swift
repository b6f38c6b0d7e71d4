import MailTypes
import Pipeline
import struct Foundation.Date

/// The Received field that tells how a message came here. RFC 5321 §4.4.
///
///     Received: from mx.out.test ([192.0.2.7]) by mx.example.org (Sluice) with ESMTPS
///         id 01j9zq0v4r6t2m8k for <anna@example.org>; Sat, 21 Nov 2026 03:00:00 +0000
enum ReceivedField {
    static func value(for transaction: Transaction, at date: Date) -> String {
        let session = transaction.session
        var text = ""
        text.reserveCapacity(256)
        if session.language != .internal {
            let name = session.clientName.flatMap(shown).map { "\($0) " } ?? ""
            text += "from \(session.hello.flatMap(shown) ?? "unknown") (\(name)\(session.client.literal)) "
        }
        text += "by \(transaction.hostname) (Sluice)"
        if let name = protocolName(session, transaction.envelope) { text += " with \(name)" }
        if let tls = session.tls { text += " (\(word(tls.version)) \(word(tls.cipher)))" }
        text += " id \(transaction.id)"
        // Several recipients are none of each other's business. RFC 5321 §7.2.
        if transaction.recipients.count == 1, let only = transaction.recipients.first {
            text += " for <\(only.address)>"
        }
        return "\(text); \(MailDate(date))"
    }

    /// The registered name of how the client spoke. RFC 3848, RFC 6531 §4.3.
    ///
    /// A client that said HELO speaks SMTP, and no word is registered for that in TLS or with a login.
    static func protocolName(_ session: Session, _ envelope: Envelope?) -> String? {
        let isUTF8 = envelope?.parameters.smtpUTF8 ?? false
        let base: String
        switch session.language {
        case .internal, .milter: return nil
        case .lmtp: base = isUTF8 ? "UTF8LMTP" : "LMTP"
        case .smtp, .submission:
            if session.helloVerb == .helo { return "SMTP" }
            base = isUTF8 ? "UTF8SMTP" : "ESMTP"
        }
        return base + (session.tls == nil ? "" : "S") + (session.user == nil ? "" : "A")
    }

    /// A name, if it can stand there: a domain in ASCII or an address literal. One octet above 127 would make every
    /// message a UTF-8 one (RFC 6532), whatever its sender has asked for.
    private static func shown(_ name: String) -> String? {
        guard !name.isEmpty, name.utf8.count <= 255 else { return nil }
        let isSound = name.utf8.allSatisfy { octet in
            octet.isLetter || octet.isDigit || "-._:[]".utf8.contains(octet)
        }
        return isSound ? name : nil
    }

    /// A word that cannot end the comment it stands in.
    private static func word(_ text: String) -> String {
        String(text.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) }.prefix(64))
    }
}
