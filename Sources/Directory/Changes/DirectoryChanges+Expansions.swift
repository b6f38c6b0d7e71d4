import GRDB
import MailTypes

extension DirectoryChanges {
    // MARK: Aliases

    /// Members may be here or elsewhere; those here must exist.
    public func addAlias(_ address: String, members: [String]) throws {
        try addExpansion(.alias, address, fullName: nil, members: members)
    }

    public func setAlias(_ address: String, enabled: Bool? = nil, members: [String]? = nil) throws {
        try setExpansion(try require(.alias, address)) { row in
            try set(row.id, enabled: enabled, fullName: nil)
            if let members { try replaceMembers(of: row, by: members) }
        }
    }

    public func addAliasMember(_ member: String, to address: String) throws {
        try addMember(member, to: try require(.alias, address))
    }

    public func removeAliasMember(_ member: String, from address: String) throws {
        try removeMember(member, from: try require(.alias, address))
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
        try addMember(member, to: try require(.group, address))
    }

    public func removeGroupMember(_ member: String, from address: String) throws {
        try removeMember(member, from: try require(.group, address))
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

    private func setExpansion(_ row: AddressRow, _ change: (AddressRow) throws -> Void) throws {
        let before = try lists.json(row)
        try change(row)
        let after = try lists.json(try require(row.kind, row.address.description))
        try audit("\(row.kind.rawValue).set", row.address.description, before: before, after: after)
    }

    private func addMember(_ text: String, to row: AddressRow) throws {
        let members = try lookup.members(of: row.id)
        let member = try member(text)
        if members.contains(where: { $0.key == member.key }) {
            throw DirectoryError.alreadyExists(.address, name: "\(member) in \(row.address)")
        }
        try setExpansion(row) { row in try store(members + [member], of: row) }
    }

    private func removeMember(_ text: String, from row: AddressRow) throws {
        let key = try names.address(text).key
        let members = try lookup.members(of: row.id)
        let rest = members.filter { $0.key != key }
        guard rest.count < members.count else {
            let nearest = NearestName.among(members.map(\.description), to: text)
            throw DirectoryError.notFound(.address, name: "\(text.shown) in \(row.address)", nearest: nearest)
        }
        try setExpansion(row) { row in try store(rest, of: row) }
    }

    /// Because what they mean is going away. An alias that is left without members goes with it.
    func removeMembers(of row: AddressRow, thatMean address: EmailAddress) throws {
        let rest = try lookup.members(of: row.id).filter { member in
            let found = try lookup.find(member)?.address ?? member
            return found.key != address.key
        }
        if rest.isEmpty, row.kind == .alias {
            try remove(row, force: true)
        } else {
            try setExpansion(row) { row in try store(rest, of: row) }
        }
    }

    private func replaceMembers(of row: AddressRow, by texts: [String]) throws {
        var seen: Set<String> = []
        let members = try texts.map { text in try member(text) }.filter { seen.insert($0.key).inserted }
        try store(members, of: row)
    }

    private func store(_ members: [EmailAddress], of row: AddressRow) throws {
        if members.isEmpty, row.kind == .alias {
            throw DirectoryError.malformed(
                text: row.address.description, reason: "would be an alias for nobody; remove it instead")
        }
        guard members.count <= DirectoryLimits.members else {
            throw DirectoryError.tooMany(
                name: row.address.description, count: members.count, limit: DirectoryLimits.members)
        }
        try db.execute(sql: "DELETE FROM member WHERE ownerID = ?", arguments: [row.id])
        for (position, member) in members.enumerated() {
            try db.execute(
                sql: "INSERT INTO member (ownerID, key, localPart, domain, position) VALUES (?, ?, ?, ?, ?)",
                arguments: [row.id, member.key, member.localPart, member.domain, position])
        }
        var check = ExpansionCheck(lookup: lookup)
        try check.check(row.address)
    }

    /// An address that mail may be sent on to: anywhere else, or one that exists here.
    func member(_ text: String) throws -> EmailAddress {
        let address = try names.address(text)
        guard try lookup.hostedDomain(address.domain) != nil, !address.isPostmaster,
            try lookup.find(address) == nil
        else { return address }
        let domain = try requireDomain(address.domain)
        throw DirectoryError.notFound(
            .address, name: address.description, nearest: try nearest(to: address, domainID: domain.id))
    }
}
