import Foundation
import GRDB
public import MailTypes

/// An address that mailboxes may send as beside their own, shared by as many as there are.
public struct SenderEntry: Sendable, Hashable, Codable {
    public var address: EmailAddress
    /// In the order of their addresses.
    public var mailboxes: [EmailAddress]
    /// Whether it is in a domain of this server's.
    public var isHosted: Bool
}

extension MailDirectory {
    /// The granted sender addresses; those of one mailbox, if it is named. Blocks.
    public func senders(of mailbox: String? = nil) throws(DirectoryError) -> [SenderEntry] {
        let mailbox = try mailbox.map { text throws(DirectoryError) in
            try Names(domainToASCII: options.domainToASCII).address(text)
        }
        return try read { lists in try lists.senders(of: mailbox) }
    }
}

extension DirectoryLists {
    func senders(of mailbox: EmailAddress?) throws -> [SenderEntry] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT sender.localPart, sender.domain, address.localPart AS ownerLocalPart, owner.name AS ownerDomain,
                    hosted.id IS NOT NULL AS isHosted
                FROM sender JOIN address ON address.id = sender.addressID JOIN domain AS owner
                    ON owner.id = address.domainID
                    LEFT JOIN domain AS hosted ON hosted.name = sender.domain
                WHERE ?1 IS NULL OR address.key = ?1
                ORDER BY sender.domain, sender.key, owner.name, address.key
                """,
            arguments: [mailbox?.key])
        var entries: [SenderEntry] = []
        for row in rows {
            let owner = EmailAddress(localPart: row["ownerLocalPart"], domain: row["ownerDomain"])
            let address = EmailAddress(localPart: row["localPart"], domain: row["domain"])
            if entries.last?.address.key == address.key {
                entries[entries.count - 1].mailboxes.append(owner)
            } else {
                entries.append(SenderEntry(address: address, mailboxes: [owner], isHosted: row["isHosted"]))
            }
        }
        return entries
    }
}

extension AddressLookup {
    /// Whether an address was granted to that mailbox, itself or, where its domain is hosted here, without its detail.
    func isGranted(_ address: EmailAddress, to mailbox: EmailAddress) throws -> Bool {
        let address = normalized(address)
        guard let owner = try find(normalized(mailbox)) else { return false }
        var keys = [address.key]
        if let plain = withoutDetail(address), try hostedDomain(address.domain) != nil { keys.append(plain.key) }
        return try keys.contains { key in
            try Row.fetchOne(
                db, sql: "SELECT 1 FROM sender WHERE addressID = ? AND key = ?", arguments: [owner.id, key]) != nil
        }
    }
}
