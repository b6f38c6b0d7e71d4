import Content
import MailTypes

extension Fact {
    /// The Subject field.
    static let subject: [Fact] = [
        Fact("subject.missing", "there is no Subject field") { $0.header["Subject"] == nil },
        Fact("subject.empty", "the Subject field says nothing") { reader in
            reader.header["Subject"] != nil && reader.subject.utf8.allSatisfy { $0 <= 0x20 }
        },
        Fact("subject.characters", "characters of the subject") { $0.subject.unicodeScalars.count },
        Fact("subject.words", "words of the subject") { $0.subjectWords.words },
        Fact("subject.capitals", "capital letters, in percent of its letters; 0 for less than ten letters") {
            $0.subjectWords.capitalShare
        },
        Fact("subject.shouted_words", "words of four letters and more in capitals") { $0.subjectWords.shoutedWords },
        Fact("subject.exclamation_marks", "exclamation marks") { $0.subjectWords.exclamations },
        Fact("subject.foreign", "octets beyond ASCII, in percent") { $0.subjectWords.foreignShare },
        Fact("subject.lookalike_words", "words of Latin letters and others that look like such") {
            $0.content.subjectCharacters.lookalikeWords
        },
        Fact("subject.mixed_words", "words with letters of scripts that are not written together") {
            $0.content.subjectCharacters.mixedWords
        },
        Fact("subject.odd_letters", "full-width, circled and mathematical letters") {
            $0.content.subjectCharacters.oddLetters
        },
        Fact("subject.invisible", "characters that take no room") { $0.content.subjectCharacters.invisible },
        Fact("subject.bidirectional", "characters that turn the direction of writing") {
            $0.content.subjectCharacters.bidirectionalControls
        },
        Fact("subject.unreadable", "characters that are none") { $0.content.subjectCharacters.unreadable },
        Fact("subject.is_reply", "it begins with `Re:` or its like in other languages") { isReply($0.subject) },
        Fact("subject.encoded_words", "encoded words") { encodedWords($0).count },
        Fact("subject.needlessly_encoded", "encoded words although all of it is ASCII") { reader in
            reader.subjectWords.foreign == 0 && !encodedWords(reader).isEmpty
        },
        Fact(
            "subject.names_recipient", "a recipient's address, or its local part of five letters and more, stands there"
        ) { reader in
            let subject = reader.subject.asciiLowercased
            return reader.recipients.contains { address in
                let local = address.localPart.asciiLowercased
                return local.utf8.count >= 5 && subject.containsOctets(of: local)
                    || subject.containsOctets(of: address.description.asciiLowercased)
            }
        },
        Fact("subject.names_recipient_domain", "a recipient's domain stands there") { reader in
            reader.recipients.contains { reader.subject.containsOctets(of: FactReader.owned($0.domain)) }
        },
    ]

    private static func isReply(_ subject: String) -> Bool {
        let start = subject.asciiLowercased.prefix(5)
        return ["re:", "re[", "aw:", "sv:", "antw:", "rv:", "vs:"].contains { start.hasPrefix($0) }
    }

    private static func encodedWords(_ reader: FactReader) -> [Substring] {
        guard let field = reader.header["Subject"] else { return [] }
        return field.value.prefix(4096).split(separator: " ").filter { $0.hasPrefix("=?") && $0.hasSuffix("?=") }
    }

    /// From, Sender and Reply-To, and whom they are compared with.
    static let people: [Fact] = [
        Fact("from.missing", "there is no From field") { $0.header["From"] == nil },
        Fact("from.authors", "authors that From names, at most 16 of each field") { reader in
            reader.content.people.count { $0.field == "From" }
        },
        Fact("from.no_address", "the From field has no address") { reader in
            reader.header["From"] != nil && !reader.content.people.contains { $0.field == "From" && $0.address != nil }
        },
        Fact("from.has_name", "the author has a name beside the address") {
            $0.person("From")?.name.map { !$0.isEmpty } ?? false
        },
        Fact("from.pretending", "the name is an address of another domain than the real one") { reader in
            reader.content.people.contains { $0.field == "From" && $0.isPretending }
        },
        Fact("from.name_has_address", "the name contains an address") { $0.person("From")?.namedAddress != nil },
        Fact("from.lookalike_words", "words of the name with letters that look like Latin ones") {
            $0.person("From")?.characters.lookalikeWords ?? 0
        },
        Fact("from.odd_letters", "full-width, circled and mathematical letters of the name") {
            $0.person("From")?.characters.oddLetters ?? 0
        },
        Fact("from.invisible", "characters of the name that take no room") {
            $0.person("From")?.characters.invisible ?? 0
        },
        Fact("from.bidirectional", "characters of the name that turn the direction of writing") {
            $0.person("From")?.characters.bidirectionalControls ?? 0
        },
        Fact("from.is_recipient", "the author's address is a recipient's") { reader in
            guard let author = reader.person("From")?.address else { return false }
            return reader.recipients.contains { $0.key == author.key }
        },
        Fact("from.of_recipient_domain", "the author's domain is a recipient's") { reader in
            reader.authorDomain.map { domain in
                reader.recipients.contains { FactReader.owned($0.domain) == domain }
            } ?? false
        },
        Fact(
            "from.name_has_recipient_domain",
            "the name contains a recipient's domain, or its first label of four letters and more, and the address is "
                + "of another"
        ) { reader in
            guard let name = reader.person("From")?.name?.asciiLowercased, let domain = reader.authorDomain else {
                return false
            }
            return reader.recipients.contains { recipient in
                let owned = FactReader.owned(recipient.domain)
                guard owned != domain, let label = owned.split(separator: ".").first else { return false }
                return name.containsOctets(of: owned) || label.utf8.count >= 4 && name.containsOctets(of: label)
            }
        },
        Fact("from.differs_from_envelope", "the author's domain is not that of the envelope's sender") { reader in
            guard let sender = reader.evidence.envelope?.sender, let domain = reader.authorDomain else { return false }
            return FactReader.owned(sender.domain) != domain
        },
        Fact("from.digits", "digits of the author's local part") { reader in
            reader.person("From")?.address?.localPart.utf8.count { $0.isDigit } ?? 0
        },
        Fact("reply_to.differs", "replies go to another domain than the author's") { reader in
            guard let reply = reader.person("Reply-To")?.address, let domain = reader.authorDomain else { return false }
            return FactReader.owned(reply.domain) != domain
        },
        Fact("reply_to.missing", "there is no Reply-To field") { $0.header["Reply-To"] == nil },
        Fact("sender.differs", "the Sender field is of another domain than the author's") { reader in
            guard let sender = reader.person("Sender")?.address, let domain = reader.authorDomain else { return false }
            return FactReader.owned(sender.domain) != domain
        },
    ]
}
