import Foundation
import GRDB
public import MailTypes
public import Pipeline

/// What a mailbox answers, with what the answer says of its owner.
public struct AutoreplyEntry: Sendable, Hashable, Codable {
    public var mailbox: EmailAddress
    public var fullName: String?
    public var reply: Autoreply

    init(mailbox: EmailAddress, fullName: String?, reply: Autoreply) {
        self.mailbox = mailbox
        self.fullName = fullName
        self.reply = reply
    }

    fileprivate static let select = """
        SELECT autoreply.*, address.localPart, domain.name AS domain, address.fullName
        FROM autoreply JOIN address ON address.id = autoreply.addressID JOIN domain ON domain.id = address.domainID
        """

    static func find(_ id: Int64, _ db: Database) throws -> Self? {
        try Row.fetchOne(db, sql: select + " WHERE autoreply.addressID = ?", arguments: [id]).map(Self.init)
    }

    fileprivate init(_ row: Row) {
        mailbox = EmailAddress(localPart: row["localPart"], domain: row["domain"])
        fullName = row["fullName"]
        func date(_ column: String) -> Date? {
            (row[column] as Double?).map(Date.init(timeIntervalSinceReferenceDate:))
        }
        reply = Autoreply(
            isOn: row["isOn"], text: row["text"], period: Interval(seconds: row["period"]),
            since: Date(timeIntervalSinceReferenceDate: row["since"]))
        reply.from = date("starts")
        reply.until = date("ends")
        reply.subject = row["subject"]
        reply.html = row["html"]
        reply.answersCatchAll = row["answersCatchAll"]
    }
}

/// What mailboxes answer. All of these block.
extension MailDirectory {
    /// What a mailbox answers, switched on or not; `nil`: nothing was ever set.
    public func autoreply(of mailbox: EmailAddress) throws(DirectoryError) -> AutoreplyEntry? {
        try read { lists in
            try Row.fetchOne(
                lists.db, sql: AutoreplyEntry.select + " WHERE address.key = ?", arguments: [mailbox.key]
            ).map(AutoreplyEntry.init)
        }
    }

    /// All that are set, or those of one domain.
    public func autoreplies(domain: String? = nil) throws(DirectoryError) -> [AutoreplyEntry] {
        let domain = try checked(domain)
        return try read { lists in
            if let domain { _ = try lists.requireDomain(domain) }
            return try Row.fetchAll(
                lists.db,
                sql: AutoreplyEntry.select + " WHERE ?1 IS NULL OR domain.name = ?1 ORDER BY domain.name, address.key",
                arguments: [domain]
            ).map(AutoreplyEntry.init)
        }
    }

    /// Whether a mailbox answers at times. From memory, but for the first call after a change of the directory;
    /// where that cannot be read, what was known before holds.
    public func mayAnswer(_ mailbox: EmailAddress) -> Bool { answering.contains(mailbox.key, in: self) }
}
