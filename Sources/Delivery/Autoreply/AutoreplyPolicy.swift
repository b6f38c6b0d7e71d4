public import MailTypes
public import Pipeline
public import struct Foundation.Date

/// Whether a message that has come to a mailbox is answered by itself. Pure. RFC 3834 §2, RFC 5230 §4.5 and §4.6.
///
/// In doubt it is not: a reply that is missing costs little, and one too many may go round, to thousands, or to
/// somebody who never wrote.
public struct AutoreplyPolicy: Sendable {
    public let mailbox: EmailAddress
    public let reply: Autoreply
    /// This server's name: the Authentication-Results under it are ours.
    public let hostname: String

    /// Fields of header To, Cc and their like that are read, and addresses of each.
    private static let longestList = 200
    /// Addresses that the directory is asked about.
    private static let mostCandidates = 50

    public init(mailbox: EmailAddress, reply: Autoreply, hostname: String) {
        self.mailbox = mailbox
        self.reply = reply
        self.hostname = hostname
    }

    // MARK: - What the envelope says

    /// What speaks against a reply before anybody has looked into the message.
    public func refusal(
        from sender: EmailAddress?, said: EmailAddress, disposition: Disposition, received: Date
    ) -> AutoreplyRefusal? {
        guard reply.isDue(at: received) else {
            return AutoreplyRefusal(.outsideWindow, reply.isOn ? window(at: received) : "it is switched off")
        }
        guard let sender else { return AutoreplyRefusal(.nullSender, "the sender is <>") }
        if disposition != .deliver { return AutoreplyRefusal(.junk, "it is \(disposition.rawValue)") }
        if sender.key == mailbox.key { return AutoreplyRefusal(.itself, "the mailbox has written to itself") }
        if isPostmaster(mailbox) || isPostmaster(said) {
            return AutoreplyRefusal(.postmaster, "postmaster's mail is for a person")
        }
        if let role = SenderRole(sender) { return AutoreplyRefusal(.roleSender, "<\(sender)> \(role.reason)") }
        return nil
    }

    private func window(at moment: Date) -> String {
        if let from = reply.from, moment < from { return "it came before \(MailDate(from))" }
        if let until = reply.until { return "it came after \(MailDate(until))" }
        return "it came outside of the window"
    }

    private func isPostmaster(_ address: EmailAddress) -> Bool { address.localPart.asciiLowercased == "postmaster" }

    // MARK: - What the header says

    /// What in the header speaks against a reply.
    public func refusal(by header: Header) -> AutoreplyRefusal? {
        for field in header.fields { if let refusal = refusal(by: field) { return refusal } }
        return forgery(in: header)
    }

    /// What in a header says that no person wrote the message to somebody: a program did, or it went to many.
    public static func mark(in header: Header) -> AutoreplyRefusal? {
        for field in header.fields { if let mark = mark(field) { return mark } }
        return nil
    }

    private func refusal(by field: HeaderField) -> AutoreplyRefusal? {
        guard field.isNamed("From") || field.isNamed("Sender") || field.isNamed("Reply-To") else {
            return Self.mark(field)
        }
        for address in AddressList(field, limit: Self.longestList).addresses {
            if let role = SenderRole(address) {
                return AutoreplyRefusal(.roleSender, "\(field.name) <\(address)> \(role.reason)")
            }
        }
        return nil
    }

    private static func mark(_ field: HeaderField) -> AutoreplyRefusal? {
        let name = field.name.asciiLowercased
        switch name {
        case "auto-submitted":
            // RFC 3834 §5: whatever is not "no", with whatever parameters.
            return word(field) == "no" ? nil : AutoreplyRefusal(.automatic, "automatic mail", field)
        case "precedence", "x-precedence":
            return bulkWords.contains(word(field)) ? AutoreplyRefusal(.bulk, "bulk mail", field) : nil
        case "x-auto-response-suppress":
            let words = Set(field.value.asciiLowercased.split { !$0.isLetter }.map(String.init))
            return words.isDisjoint(with: suppressions)
                ? nil : AutoreplyRefusal(.automatic, "no reply is wanted", field)
        case "content-type":
            return field.value.asciiLowercased.hasPrefix("multipart/report")
                ? AutoreplyRefusal(.automatic, "a report", field) : nil
        default:
            // RFC 2369, RFC 2919, RFC 8058.
            if name.hasPrefix("list-") { return AutoreplyRefusal(.bulk, "bulk mail", field) }
            if bulkFields.contains(name) { return AutoreplyRefusal(.bulk, "bulk mail", field) }
            if automaticFields.contains(name) { return AutoreplyRefusal(.automatic, "automatic mail", field) }
            return nil
        }
    }

    /// The first word of a value, in lower case.
    private static func word(_ field: HeaderField) -> String {
        var bare = field.value.asciiLowercased[...]
        // Comments may stand in front. RFC 3834 §5, RFC 5322 §3.2.2.
        while true {
            bare = bare.drop { $0 == " " || $0 == "\t" }
            guard bare.first == "(" else { break }
            bare = behindComment(bare)
        }
        return String(bare.prefix { $0.isLetter || $0 == "-" })
    }

    /// What comes behind the comment that a text begins with; nothing, if it never ends.
    private static func behindComment(_ text: Substring) -> Substring {
        var (depth, isEscaped) = (0, false)
        for place in text.indices {
            switch text[place] {
            case _ where isEscaped: isEscaped = false
            case "\\": isEscaped = true
            case "(": depth += 1
            case ")":
                depth -= 1
                if depth == 0 { return text[text.index(after: place)...] }
            default: break
            }
        }
        return ""
    }

    private static let bulkWords: Set = ["bulk", "list", "junk", "auto-reply"]
    private static let suppressions: Set = ["all", "oof", "autoreply"]
    private static let bulkFields: Set = [
        "feedback-id", "mailing-list", "x-mailing-list", "x-list", "x-listname", "x-beenthere", "x-campaign",
        "x-campaign-id", "x-campaignid", "x-mailer-recptid", "x-mc-user", "x-csa-complaints", "x-bulkmail",
        "x-mailman-version",
    ]
    private static let automaticFields: Set = [
        "x-autoreply", "x-autorespond", "x-autoresponse", "x-autogenerated", "x-failed-recipients", "x-loop",
        "x-auto-reply", "x-mail-autoreply",
    ]

    /// A reply goes to the reverse-path. Where that is known to be a lie, whoever has that address never wrote.
    private func forgery(in header: Header) -> AutoreplyRefusal? {
        for field in header.fields(named: "Authentication-Results") {
            let parsed = ParsedAuthenticationResults(field)
            guard parsed.claims(host: hostname) else { continue }
            let results = parsed.results
            if results.contains("dmarc", .fail) {
                return AutoreplyRefusal(.forged, "its author may be forged (dmarc=fail)")
            }
            for result in [AuthenticationResults.Result.fail, .softfail]
            where results.contains("spf", result) && !results.contains("dmarc", .pass) {
                return AutoreplyRefusal(.forged, "its sender may be forged (spf=\(result.rawValue))")
            }
        }
        return nil
    }

    // MARK: - Whom it is for

    /// The addresses of the fields that name recipients: one of them must be the mailbox's. RFC 5230 §4.5.
    public static func addressees(in header: Header) -> [EmailAddress] {
        var addresses: [EmailAddress] = []
        var known: Set<String> = []
        for field in header.fields where Self.isRecipients(field) {
            for address in AddressList(field, limit: longestList).addresses where known.insert(address.key).inserted {
                addresses.append(address)
                if addresses.count >= mostCandidates { return addresses }
            }
        }
        return addresses
    }

    private static func isRecipients(_ field: HeaderField) -> Bool {
        let names: [StaticString] = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"]
        return names.contains { field.isNamed($0) }
    }
}

/// An address behind which nobody reads. RFC 3834 §2, RFC 5230 §4.6.
struct SenderRole: Sendable, Hashable {
    let reason: String

    init?(_ address: EmailAddress) {
        let local = address.localPart.asciiLowercased
        // anna+bounces is anna; bounces+123 is nobody.
        let base = String(local.prefix { $0 != "+" && $0 != "=" })
        if Self.names.contains(base) {
            reason = "is nobody who reads"
        } else if local.hasPrefix("owner-") || local.hasSuffix("-owner") || local.hasSuffix("-request")
            || local.hasSuffix("-bounces") || base.hasSuffix("-bounces") || base.hasSuffix("-bounce")
            || local.hasSuffix("-errors")
        {
            reason = "is a list's"
        } else {
            return nil
        }
    }

    private static let names: Set = [
        "mailer-daemon", "mailerdaemon", "mail-daemon", "listserv", "listproc", "majordomo", "mailman", "bounce",
        "bounces", "noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "do_not_reply", "nobody",
        "postmaster", "root", "daemon", "devnull", "null",
    ]
}
