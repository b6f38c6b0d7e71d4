import Foundation
import GRDB
import MailTypes

// The attempts to deliver, which come after the trace of their transaction.
extension TraceFile {
    /// Octets that a row takes, about.
    static let deliverySize = 300

    static func addDeliveries(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("2: deliveries") { db in
            try db.execute(
                sql: """
                    CREATE TABLE delivery (
                        id TEXT NOT NULL,
                        time REAL NOT NULL,
                        message TEXT NOT NULL,
                        recipient TEXT NOT NULL,
                        outcome TEXT NOT NULL,
                        reply TEXT,
                        host TEXT,
                        seconds REAL NOT NULL
                    ) STRICT;
                    CREATE INDEX deliveryByID ON delivery (id);
                    CREATE INDEX deliveryByTime ON delivery (time);
                    """)
        }
    }

    static func addSecurity(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("4: security of deliveries") { db in
            try db.execute(sql: "ALTER TABLE delivery ADD COLUMN security TEXT")
        }
    }

    static func insert(_ record: DeliveryRecord, _ db: Database) throws {
        var row = try RowStatement(
            db,
            sql: """
                INSERT INTO delivery (id, time, message, recipient, outcome, reply, host, security, seconds)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        row.bind(record.id.text)
        row.bind(record.time.timeIntervalSinceReferenceDate)
        row.bind(record.message)
        row.bind(record.recipient.description)
        row.bind(record.outcome)
        row.bind(record.reply)
        row.bind(record.host)
        row.bind(record.security)
        row.bind(record.seconds)
        try row.run()
    }

    /// In the order in which they were made.
    func deliveries(of id: TransactionID) throws -> [DeliveryRecord] {
        let rows = try pool.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM delivery WHERE id = ? ORDER BY time, rowid", arguments: [id.text])
        }
        return try rows.map { row in
            var record = DeliveryRecord(
                id: id, message: row["message"], time: Date(timeIntervalSinceReferenceDate: row["time"]),
                recipient: try AddressParser.mailbox(row["recipient"]), outcome: row["outcome"],
                seconds: row["seconds"])
            record.reply = row["reply"]
            record.host = row["host"]
            record.security = row["security"]
            return record
        }
    }

    /// Both return how many octets that gave back.
    func removeDeliveries(before limit: Double) throws -> Int {
        try pool.write { db in
            try db.execute(sql: "DELETE FROM delivery WHERE time < ?", arguments: [limit])
            return db.changesCount * Self.deliverySize
        }
    }

    static func removeDeliveries(of id: String, _ db: Database) throws -> Int {
        try db.cachedStatement(sql: "DELETE FROM delivery WHERE id = ?").execute(arguments: [id])
        return db.changesCount * deliverySize
    }
}
