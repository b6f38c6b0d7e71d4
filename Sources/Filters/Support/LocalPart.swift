import MailTypes

extension EmailAddress {
    /// Whether this is `postmaster` of the server itself: without a domain, or with the server's name.
    /// RFC 5321 §4.5.1.
    func isPostmaster(of hostname: String) -> Bool {
        isPostmaster && (domain.isEmpty || domain == hostname.asciiLowercased)
    }

    var isPostmaster: Bool { localPart.utf8.equalsIgnoringCase("postmaster") }
}
