import GRDB
import MailTypes

/// Looks for loops and excess among aliases and groups, before a change is committed.
///
/// Where a member leads is decided by ``AddressLookup``, as it is for mail, but switched-off aliases
/// count too: switching one on again must not close a loop.
struct ExpansionCheck {
    let lookup: AddressLookup

    /// How many aliases and groups lie below each address that has been walked.
    private var heights: [String: Int] = [:]
    private var leaves: Set<String> = []

    init(lookup: AddressLookup) { self.lookup = lookup }

    /// Checks all chains that lead through `address`.
    mutating func check(_ address: EmailAddress) throws {
        for start in [address] + (try ancestors(of: address)) {
            heights.removeAll(keepingCapacity: true)
            leaves.removeAll(keepingCapacity: true)
            _ = try height(of: start, path: [])
            guard leaves.count <= DirectoryLimits.expansion else {
                throw DirectoryError.tooMany(
                    name: start.description, count: leaves.count, limit: DirectoryLimits.expansion)
            }
        }
    }

    /// Recursion ends at ``DirectoryLimits/depth``.
    private mutating func height(of address: EmailAddress, path: [EmailAddress]) throws -> Int {
        guard let (name, members) = try expansion(of: address) else {
            leaves.insert(address.key)
            return 0
        }
        let chain = path + [name]
        if let start = path.firstIndex(where: { $0.key == name.key }) {
            throw DirectoryError.loop(chain[start...].map(\.description))
        }
        if let known = heights[name.key], path.count + known <= DirectoryLimits.depth { return known }
        guard chain.count <= DirectoryLimits.depth else { throw DirectoryError.tooDeep(chain.map(\.description)) }
        var deepest = 0
        for member in members { deepest = max(deepest, try height(of: member, path: chain)) }
        heights[name.key] = deepest + 1
        return deepest + 1
    }

    /// The name under which an address expands, and to what; `nil` for a mailbox and for what is elsewhere.
    private func expansion(of address: EmailAddress) throws -> (name: EmailAddress, members: [EmailAddress])? {
        if let row = try lookup.find(address) {
            if row.kind != .mailbox { return (row.address, try lookup.members(of: row.id)) }
            return nil
        }
        guard address.isPostmaster, try lookup.hostedDomain(address.domain) != nil,
            let target = try lookup.postmaster(domain: address.domain)
        else { return nil }
        return (address, [target])
    }

    /// All aliases and groups that `address` is in, however far.
    private func ancestors(of address: EmailAddress) throws -> [EmailAddress] {
        var found: [EmailAddress] = []
        var seen: Set<String> = [address.key]
        var next = [address]
        while let member = next.popLast() {
            for owner in try owners(of: member) where seen.insert(owner.address.key).inserted {
                found.append(owner.address)
                next.append(owner.address)
            }
        }
        return found
    }

    /// The aliases and groups that `address` is in itself, with or without a detail.
    func owners(of address: EmailAddress) throws -> [AddressRow] {
        let key = address.key
        let withDetail = EmailAddress(
            localPart: address.localPart + lookup.options.plusSeparator, domain: address.domain
        ).key.dropLast(address.domain.utf8.count + 1)
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT DISTINCT ownerID, key, localPart, domain FROM member
                WHERE domain = ?1 AND (key = ?2 OR (?3 <> '' AND key >= ?4 AND key < ?4 || ?5))
                """,
            arguments: [address.domain, key, lookup.options.plusSeparator, String(withDetail), "\u{10FFFF}"])
        var owners: [Int64] = []
        for row in rows {
            let member = EmailAddress(localPart: row["localPart"], domain: row["domain"])
            let found = try lookup.find(member)?.address ?? member
            if found.key == key { owners.append(row["ownerID"]) }
        }
        return try owners.compactMap { id in
            try AddressRow.fetchOne(db, sql: AddressRow.select + " WHERE address.id = ?", arguments: [id])
        }
    }

    private var db: Database { lookup.db }
}
