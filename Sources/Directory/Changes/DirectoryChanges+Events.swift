import GRDB
public import MailTypes

/// Programs that are run on what has come to lie in mailboxes.
extension DirectoryChanges {
    /// Sets the program of a mailbox by its name in the folder of programs; `nil`: none is run any more. Answers
    /// whether that is new.
    @discardableResult
    public func setDeliveryEvent(_ program: String?, of address: String) throws -> Bool {
        let row = try require(.mailbox, address)
        let before = try String.fetchOne(
            db, sql: "SELECT program FROM deliveryEvent WHERE addressID = ?", arguments: [row.id])
        guard before != program else { return false }
        try db.execute(sql: "DELETE FROM deliveryEvent WHERE addressID = ?", arguments: [row.id])
        if let program {
            try db.execute(
                sql: "INSERT INTO deliveryEvent (addressID, program) VALUES (?, ?)",
                arguments: [row.id, try names.title(program, of: "a program")])
        }
        try audit(
            "mailbox.event", row.address.description, before: before.map { ["program": $0] },
            after: program.map { ["program": $0] })
        return true
    }
}

/// The program of a mailbox.
public struct DeliveryEventEntry: Sendable, Hashable, Codable {
    public var mailbox: EmailAddress
    /// Its name in the folder of programs.
    public var program: String

    public init(mailbox: EmailAddress, program: String) {
        self.mailbox = mailbox
        self.program = program
    }
}

/// All of these block.
extension MailDirectory {
    /// The program that is run on each message that has come to lie in a mailbox.
    public func deliveryEvent(of mailbox: EmailAddress) throws(DirectoryError) -> String? {
        try read { lists in
            try String.fetchOne(
                lists.db,
                sql: """
                    SELECT program FROM deliveryEvent JOIN address ON address.id = deliveryEvent.addressID
                    WHERE address.key = ?
                    """, arguments: [mailbox.key])
        }
    }

    /// Those of all mailboxes.
    public func deliveryEvents() throws(DirectoryError) -> [DeliveryEventEntry] {
        try read { lists in
            try Row.fetchAll(
                lists.db,
                sql: """
                    SELECT program, address.localPart, domain.name AS domain
                    FROM deliveryEvent JOIN address ON address.id = deliveryEvent.addressID
                    JOIN domain ON domain.id = address.domainID ORDER BY domain.name, address.key
                    """
            ).map { row in
                DeliveryEventEntry(
                    mailbox: EmailAddress(localPart: row["localPart"], domain: row["domain"]), program: row["program"])
            }
        }
    }

    /// Whether a mailbox has a program. From memory, as ``mayAnswer(_:)``.
    public func hasDeliveryEvent(_ mailbox: EmailAddress) -> Bool { withEvents.contains(mailbox.key, in: self) }
}
