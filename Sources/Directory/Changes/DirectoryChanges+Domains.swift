import Foundation
import GRDB
import MailTypes

/// Nothing, where the audit log wants a value of some type.
let nothing: PostOfficeEntry? = nil

extension DirectoryChanges {
    // MARK: Post offices

    public func addPostOffice(_ name: String) throws {
        let name = try names.title(name, of: "a post office's name")
        let key = Names.key(name)
        if try Row.fetchOne(db, sql: "SELECT 1 FROM postOffice WHERE key = ?", arguments: [key]) != nil {
            throw DirectoryError.alreadyExists(.postOffice, name: name)
        }
        try db.execute(
            sql: "INSERT INTO postOffice (key, name, created) VALUES (?, ?, ?)",
            arguments: [key, name, now.timeIntervalSinceReferenceDate])
        try audit("postoffice.add", name, before: nothing, after: try requirePostOffice(name).entry)
    }

    /// Switched off, none of its domains takes mail or lets anybody log in.
    public func setPostOffice(_ name: String, enabled: Bool) throws {
        let (id, before) = try requirePostOffice(name)
        try db.execute(sql: "UPDATE postOffice SET isEnabled = ? WHERE id = ?", arguments: [enabled, id])
        try audit("postoffice.set", before.name, before: before, after: try requirePostOffice(name).entry)
    }

    /// With `force`, its domains and all that they hold go too.
    public func removePostOffice(_ name: String, force: Bool = false) throws {
        let (id, before) = try requirePostOffice(name)
        let domains = try String.fetchAll(
            db, sql: "SELECT name FROM domain WHERE postOfficeID = ? ORDER BY name", arguments: [id])
        guard domains.isEmpty || force else {
            throw DirectoryError.notEmpty(
                .postOffice, name: before.name, content: domains.count.counted("domain", "domains"))
        }
        for domain in domains { try removeDomain(domain, force: true) }
        try db.execute(sql: "DELETE FROM postOffice WHERE id = ?", arguments: [id])
        try audit("postoffice.remove", before.name, before: before, after: nothing)
    }

    // MARK: Domains

    public func addDomain(_ name: String, postOffice: String) throws {
        let name = try names.domain(name)
        let postOffice = try requirePostOffice(postOffice)
        try refuseKnown(name)
        try db.execute(
            sql: "INSERT INTO domain (name, postOfficeID, created) VALUES (?, ?, ?)",
            arguments: [name, postOffice.id, now.timeIntervalSinceReferenceDate])
        try removeSenders(in: name)
        try audit("domain.add", name, before: nothing, after: try requireDomain(name).entry)
    }

    /// What is `nil` stays as it is.
    public func setDomain(_ name: String, enabled: Bool? = nil, verified: Bool? = nil) throws {
        let (id, before) = try requireDomain(name)
        try db.execute(
            sql: """
                UPDATE domain SET isEnabled = coalesce(?, isEnabled), isVerified = coalesce(?, isVerified)
                WHERE id = ?
                """,
            arguments: [enabled, verified, id])
        try audit("domain.set", before.name, before: before, after: try requireDomain(name).entry)
    }

    /// Who gets mail for postmaster@ `domain`, where there is no such address; for `<Postmaster>` and all domains
    /// that say nothing if `domain` is `nil`. `nil` for the address takes the setting away.
    public func setPostmaster(_ address: String?, domain: String? = nil) throws {
        let target = try address.map { text in try member(text) }
        guard let domain else { return try setServerPostmaster(target) }
        let (id, before) = try requireDomain(domain)
        try db.execute(
            sql: "UPDATE domain SET postmaster = ? WHERE id = ?", arguments: [target?.description, id])
        if let target { try checkPostmaster(target, of: before.name) }
        try audit("domain.postmaster", before.name, before: before, after: try requireDomain(before.name).entry)
    }

    private func setServerPostmaster(_ target: EmailAddress?) throws {
        let before = try lookup.setPostmaster(domain: nil)
        if let target {
            try db.execute(
                sql: "INSERT OR REPLACE INTO setting (name, value) VALUES ('postmaster', ?)",
                arguments: [target.description])
            for domain in try String.fetchAll(db, sql: "SELECT name FROM domain WHERE postmaster IS NULL") {
                try checkPostmaster(target, of: domain)
            }
        } else {
            try db.execute(sql: "DELETE FROM setting WHERE name = 'postmaster'")
        }
        try audit("postmaster.set", "postmaster", before: before, after: target)
    }

    private func checkPostmaster(_ target: EmailAddress, of domain: String) throws {
        var check = ExpansionCheck(lookup: lookup)
        try check.check(EmailAddress(localPart: "postmaster", domain: domain))
        try check.check(target)
    }

    /// Its selectors go with it; with `force`, its mailboxes, aliases and groups and its other names too. The mail in
    /// the mailboxes' folders stays where it is, and so do private keys.
    public func removeDomain(_ name: String, force: Bool = false) throws {
        let (id, before) = try requireDomain(name)
        let content = try AddressRow.fetchAll(
            db, sql: AddressRow.select + " WHERE address.domainID = ? ORDER BY address.id", arguments: [id])
        guard content.isEmpty || force else {
            throw DirectoryError.notEmpty(
                .domain, name: before.name, content: content.count.counted("address", "addresses"))
        }
        let aliases = try lists.domainAliases(domain: before.name)
        guard aliases.isEmpty || force else {
            throw DirectoryError.notEmpty(
                .domain, name: before.name, content: aliases.count.counted("alias", "aliases"))
        }
        for alias in aliases { try removeDomainAlias(alias.name, force: true) }
        // An earlier one may have taken a later one with it: an alias without members goes.
        for row in content where try lookup.exact(row.address) != nil {
            if let group = try row.groupID.flatMap(lookup.row) {
                try remove(row, of: group, force: true)
            } else {
                try remove(row, force: true)
            }
        }
        try removeSenders(in: before.name)
        try removeSigning(of: id, named: before.name)
        try db.execute(sql: "DELETE FROM domain WHERE id = ?", arguments: [id])
        try removeToken(of: before.name)
        try audit("domain.remove", before.name, before: before, after: nothing)
    }
}

extension Int {
    fileprivate func counted(_ one: String, _ many: String) -> String { "\(self) \(self == 1 ? one : many)" }
}
