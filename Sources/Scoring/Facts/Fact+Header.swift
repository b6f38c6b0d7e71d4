import Content
import Foundation
import MailTypes

extension Fact {
    /// The header and its defects.
    static let header: [Fact] =
        [
            Fact("header.fields", "fields of the header") { $0.header.fields.count },
            Fact("header.received", "Received fields") { $0.header.fields(named: "Received").count },
            Fact("header.defects", "kinds of defects of the header") { $0.header.defects.count },
            Fact("header.repeated", "fields that may be there once and are there twice: From, To, Cc, Subject, Date …")
            {
                reader in
                once.count { name in reader.header.fields.count { $0.isNamed(name) } > 1 }
            },
            Fact(
                "header.is_list",
                "it comes from a mailing list or a sender of bulk: List-Id, List-Unsubscribe or Precedence"
            ) { reader in
                reader.header.fields.contains { $0.isNamed("List-Id") || $0.isNamed("List-Unsubscribe") }
                    || ["bulk", "list"].contains(reader.header["Precedence"]?.value.asciiLowercased ?? "")
            },
            Fact("header.is_reply", "it has In-Reply-To or References") { reader in
                reader.header["In-Reply-To"] != nil || reader.header["References"] != nil
            },
            Fact("header.has_recipients", "To or Cc names somebody") { reader in
                reader.header.fields.contains {
                    ($0.isNamed("To") || $0.isNamed("Cc")) && !AddressList($0, limit: 4).addresses.isEmpty
                }
            },
            Fact("header.recipients", "addresses in To and Cc, at most 200 of each field") { reader in
                reader.header.fields.filter { $0.isNamed("To") || $0.isNamed("Cc") }.prefix(4)
                    .reduce(0) { $0 + AddressList($1, limit: 200).addresses.count }
            },
            Fact("date.missing", "there is no Date field") { $0.header["Date"] == nil },
            Fact("date.invalid", "the Date field is no date") { reader in
                reader.header["Date"].map { MailDate(parsing: $0.rawValue) == nil } ?? false
            },
            Fact("date.ahead", "hours by which the Date field is in the future") { max(0, -age($0)) },
            Fact("date.behind", "hours by which the Date field is in the past") { max(0, age($0)) },
            Fact("message_id.missing", "there is no Message-ID field") { $0.header["Message-ID"] == nil },
            Fact("message_id.invalid", "the Message-ID field is none") { reader in
                reader.header["Message-ID"].map { MessageID(parsing: $0.rawValue) == nil } ?? false
            },
            Fact("message_id.of_author", "the domain in Message-ID is the author's") { reader in
                messageIDDomain(reader).map { FactReader.owned($0) == reader.authorDomain } ?? false
            },
            Fact("message_id.of_recipient", "the domain in Message-ID is a recipient's, and not the author's") {
                reader in
                guard let domain = messageIDDomain(reader).map(FactReader.owned), domain != reader.authorDomain else {
                    return false
                }
                return reader.recipients.contains { FactReader.owned($0.domain) == domain }
            },
        ] + defects

    private static let once = [
        "From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "Content-Type", "MIME-Version",
        "Content-Transfer-Encoding",
    ]

    private static let defects: [Fact] = HeaderDefect.all.map { defect, summary in
        Fact("header." + defect.rawValue.underscored, summary) { $0.header.defects.contains(defect) }
    }

    private static func age(_ reader: FactReader) -> Double {
        guard let now = reader.evidence.now, let field = reader.header["Date"],
            let date = MailDate(parsing: field.rawValue)
        else { return 0 }
        return now.timeIntervalSince(date.date) / 3600
    }

    private static func messageIDDomain(_ reader: FactReader) -> String? {
        guard let text = reader.header["Message-ID"].flatMap({ MessageID(parsing: $0.rawValue) })?.text,
            let at = text.lastIndex(of: "@")
        else { return nil }
        return String(text[text.index(after: at)...].dropLast())
    }
}

extension HeaderDefect {
    fileprivate static let all: [(HeaderDefect, String)] = [
        (.leadingContinuation, "the header begins with a continuation line"),
        (.missingEmptyLine, "nothing divides header and body"),
        (.strayControl, "a stray CR, LF or NUL stands in the header"),
        (.blankBeforeColon, "a blank stands before a colon"),
        (.endsInHeader, "the message ends in its header"),
        (.overlongLine, "a line of the header is longer than 998 octets"),
        (.mailboxLine, "the message begins with a `From ` line"),
        (.blankContinuation, "a continuation line has nothing but blanks"),
    ]
}

extension String {
    /// `name-mismatch` as facts spell it: `name_mismatch`.
    var underscored: String {
        String(decoding: utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
    }
}
