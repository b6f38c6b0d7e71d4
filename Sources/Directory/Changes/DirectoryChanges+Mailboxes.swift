import Foundation
import GRDB
public import MailTypes

extension DirectoryChanges {
    /// Adds a mailbox; without a password hash nobody can log in to it.
    /// `quota` is in octets. Returns the address as it is stored.
    @discardableResult
    public func addMailbox(
        _ address: String, passwordHash: String?, fullName: String? = nil, quota: Int? = nil
    ) throws -> EmailAddress {
        let address = try names.mailbox(address)
        let id = try insert(.mailbox, address, fullName: fullName)
        try db.execute(
            sql: "INSERT INTO mailbox (addressID, passwordHash, quota) VALUES (?, ?, ?)",
            arguments: [id, passwordHash, try checked(quota: quota)])
        try audit("mailbox.add", address.description, before: nothing, after: try lists.mailbox(id))
        return address
    }

    /// What is `nil` stays as it is; `.some(nil)` clears the full name or the quota.
    public func setMailbox(
        _ address: String, enabled: Bool? = nil, fullName: String?? = nil, quota: Int?? = nil
    ) throws {
        let row = try require(.mailbox, address)
        let before = try lists.mailbox(row.id)
        try set(row.id, enabled: enabled, fullName: fullName)
        if let quota {
            try db.execute(
                sql: "UPDATE mailbox SET quota = ? WHERE addressID = ?",
                arguments: [try checked(quota: quota), row.id])
        }
        try audit("mailbox.set", row.address.description, before: before, after: try lists.mailbox(row.id))
    }

    /// The log says that the password was changed, and nothing of it.
    public func setPassword(_ address: String, hash: String) throws {
        let row = try require(.mailbox, address)
        try db.execute(
            sql: "UPDATE mailbox SET passwordHash = ? WHERE addressID = ?", arguments: [hash, row.id])
        try audit("mailbox.password", row.address.description, before: nothing, after: nothing)
    }

    /// Its mail stays where it is. With `force`, it leaves the aliases and groups that it is in.
    public func removeMailbox(_ address: String, force: Bool = false) throws {
        try remove(try require(.mailbox, address), force: force)
    }

    private func checked(quota: Int?) throws -> Int? {
        if let quota, quota < 0 {
            throw DirectoryError.malformed(text: String(quota), reason: "cannot be a quota: it is below zero")
        }
        return quota
    }

    // MARK: What all kinds of addresses have in common

    func insert(
        _ kind: AddressRow.Kind, _ address: EmailAddress, fullName: String? = nil, groupID: Int64? = nil
    ) throws -> Int64 {
        let domain = try requireDomain(address.domain)
        if let other = try lookup.exact(address) {
            throw DirectoryError.alreadyExists(other.kind.errorKind, name: other.address.description)
        }
        let insertion = try db.cachedStatement(
            sql: """
                INSERT INTO address (key, localPart, domainID, kind, groupID, fullName, created)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """)
        try insertion.execute(arguments: [
            address.key, address.localPart, domain.id, kind, groupID, try checked(fullName: fullName),
            now.timeIntervalSinceReferenceDate,
        ])
        return db.lastInsertedRowID
    }

    func set(_ id: Int64, enabled: Bool?, fullName: String??) throws {
        if let enabled {
            try db.execute(sql: "UPDATE address SET isEnabled = ? WHERE id = ?", arguments: [enabled, id])
        }
        if let fullName {
            try db.execute(
                sql: "UPDATE address SET fullName = ? WHERE id = ?", arguments: [try checked(fullName: fullName), id])
        }
    }

    private func checked(fullName: String?) throws -> String? {
        try fullName.map { name in try names.title(name, of: "a full name") }
    }

    /// Removes a mailbox, an alias or a group. What it is still used by refuses, or with `force` lets go of it.
    func remove(_ row: AddressRow, force: Bool) throws {
        let owners = try ExpansionCheck(lookup: lookup).owners(of: row.address).filter { $0.id != row.id }
        let lookup = lookup
        let isMeant = { (address: EmailAddress) in try lookup.find(address)?.id == row.id }
        try release(row.address.description, owners, isMeant, force: force)
        let before = try lists.json(row)
        try db.execute(sql: "DELETE FROM address WHERE id = ?", arguments: [row.id])
        try audit("\(row.kind.rawValue).remove", row.address.description, before: before, after: nothing)
    }

    /// Takes all that `isMeant` knows out of the members of `owners`, and out of the settings that name an address;
    /// or refuses.
    func release(
        _ name: String, _ owners: [AddressRow], _ isMeant: (EmailAddress) throws -> Bool, force: Bool
    ) throws {
        let posts = try posts(of: isMeant)
        guard force || owners.isEmpty && posts.isEmpty else {
            throw DirectoryError.inUse(
                name: name, by: owners.map(\.address.description) + posts.map(\.description))
        }
        for post in posts {
            switch post {
            case .postmaster(let domain): try setPostmaster(nil, domain: domain)
            case .catchAll(let domain): try setCatchAll(nil, domain: domain)
            }
        }
        for owner in owners { try removeMembers(of: owner, where: isMeant) }
    }

    /// A setting that names an address.
    private enum Post: CustomStringConvertible {
        /// Of a domain, or of the server.
        case postmaster(domain: String?)
        case catchAll(domain: String)

        var description: String {
            switch self {
            case .postmaster(let domain): "postmaster of \(domain ?? "the server")"
            case .catchAll(let domain): "the catch-all of \(domain)"
            }
        }
    }

    private func posts(of isMeant: (EmailAddress) throws -> Bool) throws -> [Post] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT name, postmaster AS address, 0 AS isCatchAll FROM domain WHERE postmaster IS NOT NULL
                UNION ALL SELECT NULL, value, 0 FROM setting WHERE name = 'postmaster'
                UNION ALL SELECT name, catchAll, 1 FROM domain WHERE catchAll IS NOT NULL
                """)
        return try rows.compactMap { row -> Post? in
            guard let address = try? AddressParser.mailbox(row["address"]), try isMeant(address) else { return nil }
            let domain: String? = row["name"]
            if row["isCatchAll"], let domain { return .catchAll(domain: domain) }
            return .postmaster(domain: domain)
        }
    }
}
