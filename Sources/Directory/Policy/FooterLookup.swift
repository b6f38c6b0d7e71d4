import Foundation
import GRDB
import Pipeline

/// Footers, read from the database.
struct FooterLookup {
    let db: Database

    /// Those for mail from a domain: its post office's, and everybody's.
    func footers(for domain: String) throws -> [SetFooter] {
        let rows = try Row.fetchAll(
            db,
            sql: Self.columns + """
                 WHERE footer.postOfficeID IS NULL
                    OR footer.postOfficeID = (SELECT postOfficeID FROM domain WHERE name = ?)
                ORDER BY footer.postOfficeID IS NULL
                """,
            arguments: [domain])
        return rows.map(Self.entry).map { SetFooter($0.footer, of: $0.postOffice, audit: $0.audit) }
    }

    /// That of a post office, or everybody's.
    func footer(of postOfficeID: Int64?) throws -> FooterEntry? {
        try Row.fetchOne(db, sql: Self.columns + " WHERE footer.postOfficeID IS ?", arguments: [postOfficeID])
            .map(Self.entry)
    }

    /// All there are, everybody's first.
    func all() throws -> [FooterEntry] {
        try Row.fetchAll(db, sql: Self.columns + " ORDER BY postOffice.name IS NOT NULL, postOffice.key")
            .map(Self.entry)
    }

    private static let columns = """
        SELECT footer.*, postOffice.name AS postOffice
        FROM footer LEFT JOIN postOffice ON postOffice.id = footer.postOfficeID
        """

    private static func entry(_ row: Row) -> FooterEntry {
        FooterEntry(
            footer: Footer(text: row["text"], html: row["html"]), postOffice: row["postOffice"],
            author: row["author"], changed: Date(timeIntervalSinceReferenceDate: row["changed"]), audit: row["audit"])
    }
}
