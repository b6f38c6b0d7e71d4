import Content
import MailTypes

extension Tokenizer {
    /// Fields that say how a message came here and what others thought of it, not what it is. Who receives a
    /// message writes them, so they would teach by which way spam came the last time.
    private static let passedOver: Set<String> = [
        "received", "return-path", "delivered-to", "x-original-to", "envelope-to", "delivery-date", "x-envelope-to",
        "authentication-results", "received-spf", "arc-seal", "arc-message-signature", "arc-authentication-results",
        "x-received", "x-authentication-warning", "x-originalarrivaltime", "status", "x-status", "x-keywords", "x-uid",
        "content-length", "lines", "date", "subject", "x-sluice-unchecked", "x-greylist", "x-virus-scanned",
        "x-virus-status", "x-evolution", "x-mozilla-status", "x-mozilla-status2", "x-gmail-labels", "x-gm-thrid",
    ]
    private static let passedOverPrefixes = [
        "x-spam", "x-ms-exchange-organization-", "x-sluice-", "x-rspamd", "x-microsoft-antispam", "x-forefront-",
    ]
    /// Fields whose words are a program's or a sender's habit.
    private static let wordFields: Set<String> = [
        "x-mailer", "user-agent", "organization", "list-id", "precedence", "importance", "x-priority", "sensitivity",
        "content-language", "auto-submitted", "mime-version", "x-msmail-priority", "x-mimeole", "content-type",
        "content-transfer-encoding", "content-disposition",
    ]
    /// Fields whose shape is a program's habit.
    private static let shapeFields: Set<String> = ["message-id", "references", "in-reply-to", "thread-index"]

    /// Whether a field, by its name in lower case, says nothing of what the message is.
    static func isPassedOver(_ name: String) -> Bool {
        passedOver.contains(name) || passedOverPrefixes.contains(where: name.hasPrefix)
    }

    mutating func readHeader(_ header: Header, _ content: MessageContent) {
        for field in header.fields.prefix(limits.maxFields) { read(field) }
        readGrams(header)
        let subject = Array(content.subject.utf8)
        addWords("s:", subject, most: limits.maxHeaderWords, arePaired: true)
        readSubjectForm(header["Subject"], subject)
        readDate(header["Date"])
        readPeople(content.people)
        readRecipients(header)
    }

    private mutating func read(_ field: HeaderField) {
        let name = field.name.prefix(60).lowercased()
        guard !Self.isPassedOver(name) else { return }
        tokens.add("f:", name)
        if Self.wordFields.contains(name) {
            var reader = WordReader(Array(field.value.utf8.prefix(400)), maxOctets: limits.maxWordOctets)
            var count = 0
            while count < limits.maxHeaderWords, let word = reader.next() {
                count += 1
                tokens.add("f:", "\(name) \(String(decoding: word, as: UTF8.self))")
            }
        } else if Self.shapeFields.contains(name) {
            tokens.add("h:", "\(name) \(Self.shape(field.value.utf8, most: 24))")
        }
        if name == "message-id", let at = field.value.utf8.lastIndex(of: UInt8(ascii: "@")) {
            let host = field.value.utf8[at...].dropFirst().prefix { $0 != UInt8(ascii: ">") }
            tokens.add("h:", "message-id at \(String(decoding: host.suffix(60).map(\.asciiLowercased), as: UTF8.self))")
        }
    }

    private mutating func readSubjectForm(_ field: HeaderField?, _ subject: [UInt8]) {
        guard let field else {
            tokens.add("s:", "none")
            return
        }
        let raw = field.value
        if raw.contains("=?") { tokens.add("s:", "encoded") }
        if subject.contains(where: { $0 >= 0x80 }) { tokens.add("s:", "foreign") }
        let letters = subject.filter(\.isLetter)
        if letters.count > 5, letters.allSatisfy({ $0.asciiLowercased != $0 }) { tokens.add("s:", "capitals") }
        if let last = subject.last, !last.isLetter, !last.isDigit {
            tokens.add("s:", "end \(Self.shape([last], most: 1))")
        }
        if subject[...].contains(where: \.isDigit) { tokens.add("s:", "digits") }
        // Blanks in a row, before what tells copies apart.
        if raw.contains("     ") { tokens.add("s:", "blanks") }
        tokens.add("s:", "length \(Self.bucket(subject.count))")
    }

    private mutating func readDate(_ field: HeaderField?) {
        guard let field else { return }
        // Not the time, but how it is written.
        tokens.add("h:", "date \(Self.shape(field.value.utf8, most: 24))")
        if let zone = field.value.utf8.split(separator: UInt8.space).dropFirst(4).first(where: {
            $0.first == UInt8(ascii: "+") || $0.first == UInt8(ascii: "-")
        }) {
            tokens.add("h:", "zone \(String(decoding: zone.prefix(8), as: UTF8.self))")
        }
    }

    // MARK: - People

    private mutating func readPeople(_ people: [MessageContent.Person]) {
        for person in people.prefix(limits.maxPeople) {
            if person.field == "From" {
                if let name = person.name {
                    addWords("n:", Array(name.utf8.prefix(200)), most: 12, arePaired: true)
                } else {
                    tokens.add("n:", "none")
                }
            }
            if person.isPretending { tokens.add("n:", "pretending") }
            guard let address = person.address else { continue }
            tokens.add("d:", "\(person.field) \(address.domain.suffix(80))")
            addHost("d:", String(address.domain.suffix(80)))
            tokens.add("a:", "\(person.field) \(Self.shape(address.localPart.utf8, most: 16))")
            if person.field == "From" { tokens.add("a:", "\(address.key.prefix(120))") }
        }
        let from = people.first { $0.field == "From" }?.address
        if let from, let reply = people.first(where: { $0.field == "Reply-To" })?.address {
            let relation = reply == from ? "same" : reply.domain == from.domain ? "same domain" : "other domain"
            tokens.add("a:", "reply to \(relation)")
        }
    }

    private mutating func readRecipients(_ header: Header) {
        var count = 0
        for field in header.fields(named: "To").prefix(4) + header.fields(named: "Cc").prefix(4) {
            let list = AddressList(field, limit: 32)
            count += list.mailboxes.count
            for mailbox in list.mailboxes.prefix(4) {
                // Not who: to whom mail comes says nothing of it, but much of whose mail was taught.
                tokens.add("a:", mailbox.name == nil ? "to bare" : "to named")
            }
        }
        tokens.add("a:", "recipients \(Self.bucket(count))")
    }
}
