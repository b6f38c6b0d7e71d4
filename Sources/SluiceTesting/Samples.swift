public import MailTypes
public import Pipeline

extension Session {
    /// A plausible session with a stranger's mail server; a test names only what it is about.
    public static func sample(
        language: Language = .smtp, client: IPAddress = "192.0.2.7", user: EmailAddress? = nil
    ) -> Session {
        var session = Session(language: language, listener: "sample", client: client, clientPort: 40_025)
        session.hello = "mx.out.example"
        session.user = user.map { User(mailbox: $0, mechanism: "PLAIN") }
        return session
    }
}

extension Transaction {
    /// A plausible transaction behind `MAIL FROM`; a test names only what it is about.
    public static func sample(
        session: Session = .sample(), sender: EmailAddress? = "alice@out.example",
        recipients: [Recipient] = [], services: any ServiceSource = MemoryServices()
    ) -> Transaction {
        let id = TransactionID(milliseconds: 1_795_230_000_000, random: 7)
        var transaction = Transaction(
            id: id, hostname: "mx.here.example", session: session, services: Services(services))
        transaction.envelope = Envelope(sender: sender, recipients: recipients.map(\.said))
        transaction.recipients = recipients
        return transaction
    }
}

extension Recipient {
    /// A recipient at a mailbox of this server.
    public static func local(_ address: EmailAddress) -> Recipient {
        Recipient(EnvelopeRecipient(address), destinations: [Destination(address: address, route: .mailbox(address))])
    }

    /// A recipient of whom nothing is known yet.
    public static func said(_ address: EmailAddress) -> Recipient { Recipient(EnvelopeRecipient(address)) }
}

extension Message {
    /// A message that nobody can object to, with other fields in place of or behind its own.
    public static func sample(
        _ changes: KeyValuePairs<String, String?> = [:], body: Bytes = "Hello.\r\n"
    ) -> Message {
        var fields = [
            HeaderField(name: "From", value: "Alice <alice@out.example>"),
            HeaderField(name: "To", value: "Bob <bob@here.example>"),
            HeaderField(name: "Subject", value: "Sample"),
            HeaderField(name: "Date", value: "Sat, 21 Nov 2026 03:00:00 +0000"),
            HeaderField(name: "Message-ID", value: "<1@out.example>"),
        ]
        for (name, _) in changes { fields.removeAll { $0.isNamed(name) } }
        for (name, value) in changes { if let value { fields.append(HeaderField(name: name, value: value)) } }
        return Message(header: Header(fields: fields), body: body)
    }
}
