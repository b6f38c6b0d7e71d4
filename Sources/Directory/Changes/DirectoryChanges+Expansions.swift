import GRDB
import MailTypes

extension DirectoryChanges {
    // MARK: Aliases

    /// Members may be here or elsewhere; those here must exist. An alias of `@acme.test` is that domain's catch-all.
    public func addAlias(_ address: String, members: [String]) throws {
        if address.hasPrefix("@") { return try addCatchAll(String(address.dropFirst()), members: members) }
        try addExpansion(.alias, address, fullName: nil, members: members)
    }

    public func setAlias(_ address: String, enabled: Bool? = nil, members: [String]? = nil) throws {
        try setExpansion(try require(.alias, address)) { row in
            try set(row.id, enabled: enabled, fullName: nil)
            if let members { try replaceMembers(of: row, by: members) }
        }
    }

    public func addAliasMember(_ member: String, to address: String) throws {
        try addMembers([member], to: try require(.alias, address))
    }

    public func removeAliasMember(_ member: String, from address: String) throws {
        try removeMembers([member], from: try require(.alias, address))
    }

    /// As many as there are: checked once, and one entry in the audit log.
    public func changeAliasMembers(of address: String, add: [String], remove: [String]) throws {
        try changeMembers(of: try require(.alias, address), add: add, remove: remove)
    }

    public func removeAlias(_ address: String, force: Bool = false) throws {
        try remove(try require(.alias, address), force: force)
    }

    // MARK: Groups

    public func addGroup(_ address: String, fullName: String? = nil, members: [String] = []) throws {
        try addExpansion(.group, address, fullName: fullName, members: members)
    }

    public func setGroup(
        _ address: String, enabled: Bool? = nil, fullName: String?? = nil, members: [String]? = nil
    ) throws {
        try setExpansion(try require(.group, address)) { row in
            try set(row.id, enabled: enabled, fullName: fullName)
            if let members { try replaceMembers(of: row, by: members) }
        }
    }

    public func addGroupMember(_ member: String, to address: String) throws {
        try addMembers([member], to: try require(.group, address))
    }

    public func removeGroupMember(_ member: String, from address: String) throws {
        try removeMembers([member], from: try require(.group, address))
    }

    /// As many as there are: checked once, and one entry in the audit log.
    public func changeGroupMembers(of address: String, add: [String], remove: [String]) throws {
        try changeMembers(of: try require(.group, address), add: add, remove: remove)
    }

    public func removeGroup(_ address: String, force: Bool = false) throws {
        try remove(try require(.group, address), force: force)
    }

    // MARK: Both

    private func addExpansion(
        _ kind: AddressRow.Kind, _ text: String, fullName: String?, members: [String]
    ) throws {
        let address = try names.address(text)
        _ = try insert(kind, address, fullName: fullName)
        let row = try require(kind, text)
        try replaceMembers(of: row, by: members)
        try audit("\(kind.rawValue).add", address.description, before: nothing, after: try lists.json(row))
    }

    func setExpansion(_ row: AddressRow, _ change: (AddressRow) throws -> Void) throws {
        let before = try lists.json(row)
        try change(row)
        let after = try lists.json(try require(row.kind, row.address.description))
        try audit("\(row.kind.rawValue).set", row.address.description, before: before, after: after)
    }

    private func changeMembers(of row: AddressRow, add: [String], remove: [String]) throws {
        if !add.isEmpty { try addMembers(add, to: row) }
        if !remove.isEmpty { try removeMembers(remove, from: row) }
    }

    private func addMembers(_ texts: [String], to row: AddressRow) throws {
        var members = try lookup.members(of: row.id)
        var keys = Set(members.map(\.key))
        for text in texts {
            let member = try member(text)
            guard keys.insert(member.key).inserted else {
                throw DirectoryError.alreadyExists(.address, name: "\(member) in \(row.address)")
            }
            members.append(member)
        }
        try setExpansion(row) { row in try store(members, of: row) }
    }

    private func removeMembers(_ texts: [String], from row: AddressRow) throws {
        var members = try lookup.members(of: row.id)
        var gone: Set<String> = []
        let keys = Set(members.map(\.key))
        for text in texts {
            let address = try names.address(text)
            // As it was typed, or in the domain that its own is an alias of.
            guard let key = [address.key, try lookup.home(address).key].first(where: keys.contains) else {
                let nearest = NearestName.among(members.map(\.description), to: text)
                throw DirectoryError.notFound(.address, name: "\(text.shown) in \(row.address)", nearest: nearest)
            }
            gone.insert(key)
        }
        members.removeAll { gone.contains($0.key) }
        try setExpansion(row) { row in try store(members, of: row) }
    }

    /// Because what they mean is going away. An alias that is left without members goes with it; a mailbox is
    /// redirected no more.
    func removeMembers(of row: AddressRow, where isGoing: (EmailAddress) throws -> Bool) throws {
        let rest = try lookup.members(of: row.id).filter { try !isGoing($0) }
        if rest.isEmpty, row.kind == .alias {
            try remove(row, force: true)
        } else if rest.isEmpty, row.kind == .mailbox {
            try endRedirection(of: row)
        } else {
            try setExpansion(row) { row in try store(rest, of: row) }
        }
    }

    private func replaceMembers(of row: AddressRow, by texts: [String]) throws {
        try store(try members(texts), of: row)
    }

    /// Each once, in their order.
    func members(_ texts: [String]) throws -> [EmailAddress] {
        var seen: Set<String> = []
        return try texts.map { text in try member(text) }.filter { seen.insert($0.key).inserted }
    }

    func store(_ members: [EmailAddress], of row: AddressRow) throws {
        if members.isEmpty, row.kind == .alias {
            throw DirectoryError.malformed(
                text: row.address.description, reason: "would be an alias for nobody; remove it instead")
        }
        let limit = lookup.options.maxMembers
        guard members.count <= limit else {
            throw DirectoryError.tooMany(name: row.address.description, count: members.count, limit: limit)
        }
        try db.cachedStatement(sql: "DELETE FROM member WHERE ownerID = ?").execute(arguments: [row.id])
        let insertion = try db.cachedStatement(
            sql: "INSERT INTO member (ownerID, key, localPart, domain, position) VALUES (?, ?, ?, ?, ?)")
        for (position, member) in members.enumerated() {
            try insertion.execute(arguments: [row.id, member.key, member.localPart, member.domain, position])
        }
        var check = ExpansionCheck(lookup: lookup)
        try check.check(row.address)
    }

    /// An address that mail may be sent on to: anywhere else, or one that exists here. In an alias of a domain it is
    /// the address of that domain.
    func member(_ text: String) throws -> EmailAddress {
        let address = try lookup.home(try names.address(text))
        guard try lookup.hostedDomain(address.domain) != nil, !address.isPostmaster,
            try lookup.find(address) == nil,
            // Of a split domain it may be at the partner.
            try SplitLookup(db: db).splitDomain(address.domain) == nil
        else { return address }
        let domain = try requireDomain(address.domain)
        throw DirectoryError.notFound(
            .address, name: address.description, nearest: try nearest(to: address, domainID: domain.id))
    }
}
