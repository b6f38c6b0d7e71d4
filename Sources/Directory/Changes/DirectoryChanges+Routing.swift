import Foundation
import GRDB
import MailTypes
import Pipeline

// Where else mail for an address goes: redirections of mailboxes, further addresses of groups, aliases of domains,
// catch-alls.

extension DirectoryChanges {
    // MARK: Redirections

    /// All mail for a mailbox goes to these addresses from now on, and, with `keepsCopy`, into the mailbox as well.
    /// At most ``DirectoryLimits/redirections``; those here must exist.
    public func redirectMailbox(_ address: String, to targets: [String], keepsCopy: Bool = false) throws {
        let row = try require(.mailbox, address)
        let targets = try members(targets)
        guard !targets.isEmpty else {
            throw DirectoryError.malformed(
                text: row.address.description, reason: "would be redirected to nobody; end the redirection instead")
        }
        guard targets.count <= DirectoryLimits.redirections else {
            throw DirectoryError.tooManyTargets(mailbox: row.address.description, count: targets.count)
        }
        if try targets.contains(where: { target in try lookup.find(target)?.id == row.id }) {
            throw DirectoryError.malformed(
                text: row.address.description,
                reason: "cannot be redirected to itself; what keeps mail there as well is a copy (--keep-copy)")
        }
        try setRedirection(of: row) { row in
            try db.execute(
                sql: "UPDATE mailbox SET keepsCopy = ? WHERE addressID = ?", arguments: [keepsCopy, row.id])
            try store(targets, of: row)
        }
    }

    /// Mail stays in the mailbox again.
    public func endRedirection(_ address: String) throws {
        let row = try require(.mailbox, address)
        guard try !lookup.members(of: row.id).isEmpty else {
            throw DirectoryError.malformed(text: row.address.description, reason: "is not redirected")
        }
        try endRedirection(of: row)
    }

    func endRedirection(of row: AddressRow) throws {
        try setRedirection(of: row) { row in
            try db.execute(sql: "UPDATE mailbox SET keepsCopy = 0 WHERE addressID = ?", arguments: [row.id])
            try db.execute(sql: "DELETE FROM member WHERE ownerID = ?", arguments: [row.id])
        }
    }

    private func setRedirection(of row: AddressRow, _ change: (AddressRow) throws -> Void) throws {
        let before = try lists.mailbox(row.id)
        try change(row)
        try audit("mailbox.redirect", row.address.description, before: before, after: try lists.mailbox(row.id))
    }

    // MARK: Further addresses of groups

    /// Mail for `address` is mail for the group as well.
    public func addGroupAddress(_ address: String, to group: String) throws {
        let row = try require(.group, group)
        let address = try names.address(address)
        try setExpansion(row) { row in _ = try insert(.groupAddress, address, groupID: row.id) }
        // Aliases elsewhere may have led to it before it was ours.
        var check = ExpansionCheck(lookup: lookup)
        try check.check(row.address)
    }

    public func removeGroupAddress(_ address: String, from group: String, force: Bool = false) throws {
        let row = try require(.group, group)
        let address = try names.address(address)
        guard let further = try lookup.exact(address), further.groupID == row.id else {
            let nearest = NearestName.among(
                try lookup.furtherAddresses(of: row.id).map(\.description), to: address.description)
            throw DirectoryError.notFound(
                .groupAddress, name: "\(address) of \(row.address)", nearest: nearest)
        }
        try remove(further, of: row, force: force)
    }

    func remove(_ further: AddressRow, of group: AddressRow, force: Bool) throws {
        let owners = try ExpansionCheck(lookup: lookup).owners(spelling: further.address)
        let lookup = lookup
        let isMeant = { (address: EmailAddress) in
            let home = try lookup.home(address)
            return try (lookup.exact(home) ?? lookup.withoutDetail(home).flatMap(lookup.exact))?.id == further.id
        }
        try release(further.address.description, owners, isMeant, force: force)
        try setExpansion(group) { _ in
            try db.execute(sql: "DELETE FROM address WHERE id = ?", arguments: [further.id])
        }
    }

    // MARK: Aliases of domains

    /// Mail for anybody at `name` is for the same at `domain`.
    public func addDomainAlias(_ name: String, of domain: String) throws {
        let name = try names.domain(name)
        let target = try requireDomain(domain)
        try refuseKnown(name)
        try db.execute(
            sql: "INSERT INTO domainAlias (name, domainID, created) VALUES (?, ?, ?)",
            arguments: [name, target.id, now.timeIntervalSinceReferenceDate])
        // Aliases may have led there while it was another server's.
        let owners = try Int64.fetchAll(
            db, sql: "SELECT DISTINCT ownerID FROM member WHERE domain = ?", arguments: [name])
        for owner in try owners.compactMap(lookup.row) {
            var check = ExpansionCheck(lookup: lookup)
            try check.check(owner.address)
        }
        try audit("domain.alias.add", name, before: nothing, after: try lists.domainAlias(name))
    }

    /// With `force`, members and settings that name addresses in it go too: they would lead to another server.
    public func removeDomainAlias(_ name: String, force: Bool = false) throws {
        let name = try names.domain(name)
        if try lists.domainAlias(name) != nil {
            let owners = try Int64.fetchAll(
                db, sql: "SELECT DISTINCT ownerID FROM member WHERE domain = ? ORDER BY ownerID", arguments: [name]
            ).compactMap(lookup.row)
            let isMeant = { (address: EmailAddress) in address.domain.asciiLowercased == name }
            try release(name, owners, isMeant, force: force)
        }
        try endDomainAlias(name)
    }

    /// Whatever names addresses in it: what it stands for is about to change.
    func endDomainAlias(_ name: String) throws {
        guard let before = try lists.domainAlias(name) else {
            let others = try String.fetchAll(db, sql: "SELECT name FROM domainAlias LIMIT 10000")
            throw DirectoryError.notFound(.domainAlias, name: name, nearest: NearestName.among(others, to: name))
        }
        try db.execute(sql: "DELETE FROM domainAlias WHERE name = ?", arguments: [name])
        try removeToken(of: name)
        try audit("domain.alias.remove", name, before: before, after: nothing)
    }

    /// A name is one thing: a domain or an alias of one.
    func refuseKnown(_ name: String) throws {
        guard let known = try lookup.hostedDomain(name) else { return }
        throw DirectoryError.alreadyExists(known.name == name ? .domain : .domainAlias, name: name)
    }

    // MARK: Catch-alls

    func addCatchAll(_ domain: String, members: [String]) throws {
        let domain = try requireDomain(domain).entry
        guard domain.catchAll == nil else {
            throw DirectoryError.alreadyExists(.catchAll, name: "@\(domain.name)")
        }
        guard let target = members.first, members.count == 1 else {
            throw DirectoryError.malformed(
                text: "@\(domain.name)", reason: "is a catch-all, which has one member; for several make a group")
        }
        try setCatchAll(target, domain: domain.name)
    }

    /// Who gets mail for addresses of `domain` that nobody has. `nil` takes the setting away: such mail is refused.
    public func setCatchAll(_ address: String?, domain: String) throws {
        let target = try address.map { text in try member(text) }
        let (id, before) = try requireDomain(domain)
        try db.execute(
            sql: "UPDATE domain SET catchAll = ? WHERE id = ?", arguments: [target?.description, id])
        try audit("domain.catch-all", before.name, before: before, after: try requireDomain(before.name).entry)
    }
}
