import MailTypes

extension Reply {
    /// Whether a refusal of RCPT says that there is no such address, and not that this client is unwelcome.
    /// RFC 3463 §3.2; without an enhanced code by RFC 5321 §4.2.3.
    var isAboutAddress: Bool {
        guard isPermanent else { return false }
        guard let condition else { return [550, 551, 553].contains(code) }
        return [.badDestinationMailbox, .badDestinationSyntax, .destinationMoved, .mailboxDisabled, .other]
            .contains(condition)
    }
}
