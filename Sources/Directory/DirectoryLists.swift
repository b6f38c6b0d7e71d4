import Foundation
import GRDB
import MailTypes

/// The entries as values.
struct DirectoryLists {
    let db: Database

    func postOffices() throws -> [PostOfficeEntry] {
        try Row.fetchAll(db, sql: "SELECT * FROM postOffice ORDER BY key").map(PostOfficeEntry.init)
    }

    /// One that must be there.
    func requirePostOffice(_ name: String) throws -> (id: Int64, entry: PostOfficeEntry) {
        let row = try Row.fetchOne(
            db, sql: "SELECT * FROM postOffice WHERE key = ?", arguments: [Names.key(name)])
        guard let row else {
            let others = try String.fetchCursor(db, sql: "SELECT name FROM postOffice LIMIT 10000")
            throw DirectoryError.notFound(
                .postOffice, name: name.shown, nearest: NearestName.among(try Array(others), to: name))
        }
        return (row["id"], PostOfficeEntry(row))
    }

    /// One that must be there, by its name in the directory's form.
    func requireDomain(_ name: String) throws -> (id: Int64, entry: DomainEntry) {
        let statement = try db.cachedStatement(sql: DomainEntry.select + " WHERE domain.name = ?")
        let row = try Row.fetchOne(statement, arguments: [name])
        guard let row else {
            let others = try String.fetchAll(db, sql: "SELECT name FROM domain LIMIT 10000")
            throw DirectoryError.domainNotHosted(name, nearest: NearestName.among(others, to: name))
        }
        return (row["id"], DomainEntry(row))
    }

    func domains(postOffice: String?) throws -> [DomainEntry] {
        if let postOffice { _ = try requirePostOffice(postOffice) }
        let rows = try Row.fetchAll(
            db, sql: DomainEntry.select + " WHERE ?1 IS NULL OR postOffice.key = ?1 ORDER BY domain.name",
            arguments: [postOffice.map(Names.key)])
        return rows.map(DomainEntry.init)
    }

    func addresses(_ kind: AddressRow.Kind, domain: String?) throws -> [AddressRow] {
        if let domain { _ = try requireDomain(domain) }
        return try AddressRow.fetchAll(
            db,
            sql: AddressRow.select + """
                 WHERE address.kind = ?1 AND (?2 IS NULL OR domain.name = ?2) ORDER BY domain.name, address.key
                """,
            arguments: [kind, domain])
    }

    func mailboxes(domain: String?) throws -> [MailboxEntry] {
        let rows = try addresses(.mailbox, domain: domain)
        let own = try Row.fetchAll(
            db, sql: "SELECT addressID, quota, keepsCopy FROM mailbox WHERE quota IS NOT NULL OR keepsCopy")
        let ownByID = Dictionary(
            own.map { ($0["addressID"] as Int64, $0) }, uniquingKeysWith: { first, _ in first })
        let targets = try membersByOwner(.mailbox, domain: domain)
        return rows.map { row in
            let own = ownByID[row.id]
            let keepsCopy = own.map { $0["keepsCopy"] as Bool } ?? false
            return MailboxEntry(
                row, quota: own.flatMap { $0["quota"] as Int? },
                redirection: targets[row.id].map { RedirectionEntry(targets: $0, keepsCopy: keepsCopy) })
        }
    }

    func mailbox(_ id: Int64) throws -> MailboxEntry? {
        let statement = try db.cachedStatement(sql: AddressRow.select + " WHERE address.id = ?")
        guard let row = try AddressRow.fetchOne(statement, arguments: [id]) else { return nil }
        let mailbox = try db.cachedStatement(sql: "SELECT quota, keepsCopy FROM mailbox WHERE addressID = ?")
        let own = try Row.fetchOne(mailbox, arguments: [id])
        let targets = try members(of: id)
        let keepsCopy = own.map { $0["keepsCopy"] as Bool } ?? false
        let redirection = targets.isEmpty ? nil : RedirectionEntry(targets: targets, keepsCopy: keepsCopy)
        return MailboxEntry(row, quota: own.flatMap { $0["quota"] as Int? }, redirection: redirection)
    }

    func aliases(domain: String?) throws -> [AliasEntry] {
        let members = try membersByOwner(.alias, domain: domain)
        return try addresses(.alias, domain: domain).map { AliasEntry($0, members: members[$0.id] ?? []) }
    }

    func groups(domain: String?) throws -> [GroupEntry] {
        let members = try membersByOwner(.group, domain: domain)
        return try addresses(.group, domain: domain).map { row in
            GroupEntry(row, members: members[row.id] ?? [], furtherAddresses: try furtherAddresses(of: row.id))
        }
    }

    /// Those of one kind of address, all at once: there may be very many aliases.
    private func membersByOwner(_ kind: AddressRow.Kind, domain: String?) throws -> [Int64: [EmailAddress]] {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT member.ownerID, member.localPart, member.domain FROM member
                JOIN address ON address.id = member.ownerID JOIN domain ON domain.id = address.domainID
                WHERE address.kind = ?1 AND (?2 IS NULL OR domain.name = ?2) ORDER BY member.ownerID, member.position
                """,
            arguments: [kind, domain])
        var members: [Int64: [EmailAddress]] = [:]
        while let row = try rows.next() {
            members[row["ownerID"], default: []].append(
                EmailAddress(localPart: row["localPart"], domain: row["domain"]))
        }
        return members
    }

    private func members(of id: Int64) throws -> [EmailAddress] {
        let statement = try db.cachedStatement(
            sql: "SELECT localPart, domain FROM member WHERE ownerID = ? ORDER BY position")
        return try Row.fetchAll(statement, arguments: [id]).map {
            EmailAddress(localPart: $0["localPart"], domain: $0["domain"])
        }
    }

    private func furtherAddresses(of id: Int64) throws -> [EmailAddress] {
        try AddressRow.fetchAll(
            db, sql: AddressRow.select + " WHERE address.groupID = ? ORDER BY address.id", arguments: [id]
        ).map(\.address)
    }

    func domainAliases(domain: String?) throws -> [DomainAliasEntry] {
        if let domain { _ = try requireDomain(domain) }
        let rows = try Row.fetchAll(
            db, sql: DomainAliasEntry.select + " WHERE ?1 IS NULL OR domain.name = ?1 ORDER BY domainAlias.name",
            arguments: [domain])
        return rows.map(DomainAliasEntry.init)
    }

    func domainAlias(_ name: String) throws -> DomainAliasEntry? {
        let statement = try db.cachedStatement(sql: DomainAliasEntry.select + " WHERE domainAlias.name = ?")
        return try Row.fetchOne(statement, arguments: [name]).map(DomainAliasEntry.init)
    }

    /// An address of any kind as the audit log shows it.
    func json(_ row: AddressRow) throws -> AnyEntry? {
        switch row.kind {
        case .mailbox: try mailbox(row.id).map(AnyEntry.mailbox)
        case .alias: .alias(AliasEntry(row, members: try members(of: row.id)))
        case .group, .groupAddress:
            .group(
                GroupEntry(
                    row, members: try members(of: row.id), furtherAddresses: try furtherAddresses(of: row.id)))
        }
    }

    func audit(object: String?, limit: Int) throws -> [AuditEntry] {
        let rows = try Row.fetchAll(
            db,
            sql: "SELECT * FROM audit WHERE ?1 IS NULL OR object = ?1 ORDER BY number DESC LIMIT ?2",
            arguments: [object, max(0, limit)])
        return rows.map(AuditEntry.init)
    }
}

/// Encoded as the entry that it is.
enum AnyEntry: Encodable {
    case mailbox(MailboxEntry)
    case alias(AliasEntry)
    case group(GroupEntry)

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .mailbox(let entry): try entry.encode(to: encoder)
        case .alias(let entry): try entry.encode(to: encoder)
        case .group(let entry): try entry.encode(to: encoder)
        }
    }
}

// MARK: - From rows

extension PostOfficeEntry {
    init(_ row: Row) {
        self.init(
            name: row["name"], isEnabled: row["isEnabled"],
            created: Date(timeIntervalSinceReferenceDate: row["created"]))
    }
}

extension DomainEntry {
    static let select = """
        SELECT domain.*, postOffice.name AS postOffice
        FROM domain JOIN postOffice ON postOffice.id = domain.postOfficeID
        """

    init(_ row: Row) {
        self.init(
            name: row["name"], postOffice: row["postOffice"], isEnabled: row["isEnabled"],
            isVerified: row["isVerified"],
            postmaster: (row["postmaster"] as String?).flatMap { try? AddressParser.mailbox($0) },
            catchAll: (row["catchAll"] as String?).flatMap { try? AddressParser.mailbox($0) },
            created: Date(timeIntervalSinceReferenceDate: row["created"]))
    }
}

extension DomainAliasEntry {
    static let select = """
        SELECT domainAlias.*, domain.name AS domain FROM domainAlias JOIN domain ON domain.id = domainAlias.domainID
        """

    init(_ row: Row) {
        self.init(
            name: row["name"], domain: row["domain"], isVerified: row["isVerified"],
            created: Date(timeIntervalSinceReferenceDate: row["created"]))
    }
}

extension MailboxEntry {
    init(_ row: AddressRow, quota: Int?, redirection: RedirectionEntry?) {
        self.init(
            address: row.address, isEnabled: row.isEnabled, fullName: row.fullName, quota: quota,
            redirection: redirection, created: Date(timeIntervalSinceReferenceDate: row.created))
    }
}

extension AliasEntry {
    init(_ row: AddressRow, members: [EmailAddress]) {
        self.init(
            address: row.address, isEnabled: row.isEnabled, members: members,
            created: Date(timeIntervalSinceReferenceDate: row.created))
    }
}

extension GroupEntry {
    init(_ row: AddressRow, members: [EmailAddress], furtherAddresses: [EmailAddress]) {
        self.init(
            address: row.address, furtherAddresses: furtherAddresses, isEnabled: row.isEnabled,
            fullName: row.fullName, members: members, created: Date(timeIntervalSinceReferenceDate: row.created))
    }
}

extension AuditEntry {
    init(_ row: Row) {
        self.init(
            number: row["number"], time: Date(timeIntervalSinceReferenceDate: row["time"]), actor: row["actor"],
            verb: row["verb"], object: row["object"], before: row["before"], after: row["after"])
    }
}
