public import struct Foundation.Date
import GRDB
public import Pipeline

/// A footer that the directory has, and who set it.
public struct FooterEntry: Sendable, Hashable, Codable {
    public var footer: Footer
    /// `nil` for everybody's.
    public var postOffice: String?
    public var author: String
    public var changed: Date
    /// The entry of the audit log that made it so.
    public var audit: Int64

    /// The post office, or `global`.
    public var scope: String { postOffice ?? "global" }
}

/// Footers. A scope is a post office's name, or `nil` for everybody.
extension DirectoryChanges {
    /// Sets both forms: what is not there is made of the other.
    @discardableResult
    public func setFooter(_ footer: Footer, for postOffice: String?) throws -> FooterEntry {
        let place = try postOffice.map { name in try requirePostOffice(name) }
        let scope = place?.entry.name ?? "global"
        guard !footer.isEmpty else { throw DirectoryError.malformed(text: scope, reason: "needs a text or HTML") }
        for form in [footer.text, footer.html] where (form?.utf8.count ?? 0) > Footer.mostOctets {
            throw DirectoryError.malformed(
                text: scope, reason: "cannot have a footer of more than \(Footer.mostOctets) octets")
        }
        let lookup = FooterLookup(db: db)
        let before = try lookup.footer(of: place?.id)
        try db.execute(sql: "DELETE FROM footer WHERE postOfficeID IS ?", arguments: [place?.id])
        try audit("footer.set", scope, before: before?.footer, after: footer)
        let number = db.lastInsertedRowID
        try db.execute(
            sql: "INSERT INTO footer (postOfficeID, text, html, author, changed, audit) VALUES (?, ?, ?, ?, ?, ?)",
            arguments: [place?.id, footer.text, footer.html, actor, now.timeIntervalSinceReferenceDate, number])
        return FooterEntry(
            footer: footer, postOffice: place?.entry.name, author: actor, changed: now, audit: number)
    }

    /// Takes a footer away; `nil` where there was none.
    @discardableResult
    public func resetFooter(for postOffice: String?) throws -> FooterEntry? {
        let place = try postOffice.map { name in try requirePostOffice(name) }
        guard let before = try FooterLookup(db: db).footer(of: place?.id) else { return nil }
        try db.execute(sql: "DELETE FROM footer WHERE postOfficeID IS ?", arguments: [place?.id])
        let none: Footer? = nil
        try audit("footer.reset", before.scope, before: before.footer, after: none)
        return before
    }
}

extension MailDirectory {
    /// Every footer that is set, everybody's first. Blocks.
    public func footers() throws(DirectoryError) -> [FooterEntry] {
        try read { lists in try FooterLookup(db: lists.db).all() }
    }

    /// That of a post office, which must be there, or everybody's. Blocks.
    public func footer(of postOffice: String?) throws(DirectoryError) -> FooterEntry? {
        try read { lists in
            let id = try postOffice.map { name in try lists.requirePostOffice(name).id }
            return try FooterLookup(db: lists.db).footer(of: id)
        }
    }
}
