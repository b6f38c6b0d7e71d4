import Foundation
import GRDB
import MailTypes

/// Addresses that mailboxes may send as beside their own.
extension DirectoryChanges {
    /// Grants an address to a mailbox, which may be one of several that have it. The address need not be of a domain
    /// that is hosted here.
    public func addSender(_ address: String, to mailbox: String) throws {
        let address = try names.address(address)
        let row = try require(.mailbox, mailbox)
        guard address.key != row.address.key, lookup.withoutDetail(address)?.key != row.address.key else {
            throw DirectoryError.malformed(
                text: address.description, reason: "is an address of \(row.address)'s own already")
        }
        guard try !isGranted(address, to: row.id) else {
            throw DirectoryError.alreadyExists(.sender, name: "\(address) of \(row.address)")
        }
        let before = try senders(of: row)
        guard before.count < DirectoryLimits.senders else {
            throw DirectoryError.tooMany(
                name: row.address.description, count: before.count + 1, limit: DirectoryLimits.senders)
        }
        try db.execute(
            sql: "INSERT INTO sender (addressID, key, localPart, domain, created) VALUES (?, ?, ?, ?, ?)",
            arguments: [
                row.id, address.key, address.localPart, address.domain, now.timeIntervalSinceReferenceDate,
            ])
        try audit("sender.add", row.address.description, before: before, after: try senders(of: row))
    }

    /// Takes an address away from a mailbox; from all that have it, if none is named.
    public func removeSender(_ address: String, from mailbox: String? = nil) throws {
        let address = try names.address(address)
        let owners: [AddressRow]
        if let mailbox { owners = [try require(.mailbox, mailbox)] } else { owners = try self.owners(of: address) }
        for owner in owners {
            guard try isGranted(address, to: owner.id) else { throw try unknown(address, of: owner.address) }
            try revoke(address, from: owner)
        }
        if owners.isEmpty { throw try unknown(address, of: nil) }
    }

    /// Takes away what was granted in a domain before it has come here, or that stays when it goes: who it belongs to
    /// then has not granted it.
    func removeSenders(in domain: String) throws {
        let rows = try Row.fetchAll(
            db, sql: "SELECT DISTINCT localPart, domain FROM sender WHERE domain = ?", arguments: [domain])
        for row in rows {
            let address = EmailAddress(localPart: row["localPart"], domain: row["domain"])
            for owner in try owners(of: address) { try revoke(address, from: owner) }
        }
    }

    private func revoke(_ address: EmailAddress, from owner: AddressRow) throws {
        let before = try senders(of: owner)
        try db.execute(
            sql: "DELETE FROM sender WHERE addressID = ? AND key = ?", arguments: [owner.id, address.key])
        try audit("sender.remove", owner.address.description, before: before, after: try senders(of: owner))
    }

    private func isGranted(_ address: EmailAddress, to id: Int64) throws -> Bool {
        try Row.fetchOne(
            db, sql: "SELECT 1 FROM sender WHERE addressID = ? AND key = ?", arguments: [id, address.key]) != nil
    }

    /// What the audit log shows of a mailbox.
    private func senders(of row: AddressRow) throws -> [EmailAddress] {
        try lists.senders(of: row.address).map(\.address)
    }

    func owners(of address: EmailAddress) throws -> [AddressRow] {
        try AddressRow.fetchAll(
            db,
            sql: AddressRow.select + """
                 JOIN sender ON sender.addressID = address.id WHERE sender.key = ? ORDER BY address.id
                """,
            arguments: [address.key])
    }

    private func unknown(_ address: EmailAddress, of mailbox: EmailAddress?) throws -> DirectoryError {
        let known = try lists.senders(of: mailbox).map(\.address.description)
        let name = mailbox.map { "\(address) of \($0)" } ?? address.description
        return .notFound(.sender, name: name, nearest: NearestName.among(known, to: address.description))
    }
}
