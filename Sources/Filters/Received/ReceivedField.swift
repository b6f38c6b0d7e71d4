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
        var words: [String] = []
        if session.language != .internal {
            words.append("from \(domain(session.hello)) (\(session.client.literal))")
        }
        words.append("by \(transaction.hostname) (Sluice)")
        if let name = protocolName(session, transaction.envelope) { words.append("with \(name)") }
        if let tls = session.tls { words.append("(\(word(tls.version)) \(word(tls.cipher)))") }
        words.append("id \(transaction.id)")
        // Several recipients are none of each other's business. RFC 5321 §7.2.
        if transaction.recipients.count == 1, let only = transaction.recipients.first {
            words.append("for <\(only.address)>")
        }
        return "\(words.joined(separator: " ")); \(MailDate(date))"
    }

    /// The registered name of how the client spoke. RFC 3848, RFC 6531 §4.3.
    ///
    /// What a client that said HELO cannot do is not asked for: it is as good as ESMTP here.
    static func protocolName(_ session: Session, _ envelope: Envelope?) -> String? {
        let isUTF8 = envelope?.parameters.smtpUTF8 ?? false
        let base: String
        switch session.language {
        case .internal: return nil
        case .lmtp: base = isUTF8 ? "UTF8LMTP" : "LMTP"
        case .smtp, .submission: base = isUTF8 ? "UTF8SMTP" : "ESMTP"
        }
        return base + (session.tls == nil ? "" : "S") + (session.user == nil ? "" : "A")
    }

    /// What the client called itself, if it can stand there: a domain or an address literal.
    private static func domain(_ hello: String?) -> String {
        guard let hello, !hello.isEmpty, hello.utf8.count <= 255 else { return "unknown" }
        let isSound = hello.utf8.allSatisfy { octet in
            octet.isLetter || octet.isDigit || octet >= 0x80 || "-._:[]".utf8.contains(octet)
        }
        return isSound ? hello : "unknown"
    }

    /// A word that cannot end the comment it stands in.
    private static func word(_ text: String) -> String {
        String(text.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) }.prefix(64))
    }
}
