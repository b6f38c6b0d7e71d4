import GRDB
import MailTypes
import Pipeline

/// Looks for loops and excess among aliases, groups and redirections, before a change is committed.
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
            let limit = lookup.options.maxExpansion
            guard leaves.count <= limit else {
                throw DirectoryError.tooMany(name: start.description, count: leaves.count, limit: limit)
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
    private mutating func expansion(of address: EmailAddress) throws -> (name: EmailAddress, members: [EmailAddress])? {
        if let row = try lookup.find(address) {
            let members = try lookup.members(of: row.id)
            guard row.kind == .mailbox else { return (row.address, members) }
            guard !members.isEmpty else { return nil }
            if try lookup.keepsCopy(row.id) { leaves.insert(row.address.key) }
            return (row.address, members)
        }
        guard address.isPostmaster, let domain = try lookup.hostedDomain(address.domain),
            let target = try lookup.postmaster(domain: domain.name)
        else { return nil }
        return (EmailAddress(localPart: address.localPart, domain: domain.name), [target])
    }

    /// All aliases, groups and mailboxes that lead to `address`, however far.
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

    // MARK: Who leads where

    /// The aliases, groups and redirected mailboxes that lead to `address` itself, however it is spelled there: with
    /// a detail, in an alias of its domain, by another address of the group.
    func owners(of address: EmailAddress) throws -> [AddressRow] {
        let row = try lookup.find(address)
        var names = [row?.address ?? address]
        if let row, row.kind == .group { names += try lookup.furtherAddresses(of: row.id) }
        var seen: Set<Int64> = []
        return try names.flatMap { name in try owners(spelling: name) }.filter { seen.insert($0.id).inserted }
    }

    /// Those that name this very address, with or without a detail, in its domain or an alias of that.
    func owners(spelling address: EmailAddress) throws -> [AddressRow] {
        let named = try lookup.exact(address)?.id
        let statement = try db.cachedStatement(
            sql: """
                SELECT domainAlias.name FROM domainAlias JOIN domain ON domain.id = domainAlias.domainID
                WHERE domain.name = ?
                """)
        let domains = try String.fetchAll(statement, arguments: [address.domain]) + [address.domain]
        var owners: [Int64] = []
        for domain in domains {
            let spelling = EmailAddress(localPart: address.localPart, domain: domain)
            for row in try members(like: spelling) {
                let member = try lookup.home(EmailAddress(localPart: row["localPart"], domain: row["domain"]))
                let meant = try lookup.exact(member) ?? lookup.withoutDetail(member).flatMap(lookup.exact)
                if meant.map({ $0.id == named }) ?? (member.key == address.key) { owners.append(row["ownerID"]) }
            }
        }
        return try owners.compactMap(lookup.row)
    }

    /// Members that are spelled so, or so with a detail behind.
    private func members(like address: EmailAddress) throws -> [Row] {
        let same = try db.cachedStatement(
            sql: "SELECT ownerID, localPart, domain FROM member WHERE domain = ? AND key = ?")
        let plain = try Row.fetchAll(same, arguments: [address.domain, address.key])
        guard !lookup.options.plusSeparator.isEmpty else { return plain }
        let beginning = EmailAddress(
            localPart: address.localPart + lookup.options.plusSeparator, domain: address.domain
        ).key.dropLast(address.domain.utf8.count + 1)
        let longer = try db.cachedStatement(
            sql: "SELECT ownerID, localPart, domain FROM member WHERE domain = ?1 AND key >= ?2 AND key < ?2 || ?3")
        return plain
            + (try Row.fetchAll(longer, arguments: [address.domain, String(beginning), "\u{10FFFF}"]))
    }

    private var db: Database { lookup.db }
}
