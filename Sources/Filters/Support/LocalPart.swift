import MailTypes

extension EmailAddress {
    /// Whether the local part asks a server to send the mail onwards: the per-cent hack, a bang path,
    /// a quoted `@`, the rest of a source route. RFC 5321 appendix F.2.
    var asksForRouting: Bool {
        localPart.utf8.contains { octet in
            switch octet {
            case UInt8(ascii: "%"), UInt8(ascii: "!"), UInt8(ascii: "@"): true
            default: false
            }
        }
    }

    /// Whether this is `postmaster` of the server itself: without a domain, or with the server's name.
    /// RFC 5321 §4.5.1.
    func isPostmaster(of hostname: String) -> Bool {
        isPostmaster && (domain.isEmpty || domain == hostname.asciiLowercased)
    }

    var isPostmaster: Bool { localPart.utf8.equalsIgnoringCase("postmaster") }
}
