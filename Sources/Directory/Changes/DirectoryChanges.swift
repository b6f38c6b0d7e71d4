import Foundation
import GRDB
import MailTypes

/// What can be changed within one ``MailDirectory/change(by:_:)``. Names and addresses are text as a
/// person typed them; every refusal is a ``DirectoryError``, and undoes all that the call has changed.
public struct DirectoryChanges: ~Copyable {
    let db: Database
    let lookup: AddressLookup
    let names: Names
    let lists: DirectoryLists
    let actor: String
    let now: Date

    init(db: Database, options: MailDirectory.Options, actor: String) throws(DirectoryError) {
        self.db = db
        names = Names(domainToASCII: options.domainToASCII)
        lookup = AddressLookup(db: db, options: options)
        lists = DirectoryLists(db: db)
        self.actor = try names.title(actor, of: "an actor's name")
        now = options.now()
    }

    // MARK: Audit

    /// Writes down who made of `before` what it is `after`, in the transaction that makes it so.
    func audit(_ verb: String, _ object: String, before: (some Encodable)?, after: (some Encodable)?) throws {
        let insertion = try db.cachedStatement(
            sql: "INSERT INTO audit (time, actor, verb, object, before, after) VALUES (?, ?, ?, ?, ?, ?)")
        try insertion.execute(arguments: [
            now.timeIntervalSinceReferenceDate, actor, verb, object, try Self.json(before), try Self.json(after),
        ])
    }

    private static func json(_ value: (some Encodable)?) throws -> String? {
        guard let value else { return nil }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    // MARK: Rows that must be there

    func requirePostOffice(_ name: String) throws -> (id: Int64, entry: PostOfficeEntry) {
        try DirectoryLists(db: db).requirePostOffice(name)
    }

    func requireDomain(_ name: String) throws -> (id: Int64, entry: DomainEntry) {
        let name = try names.domain(name)
        if let alias = try lists.domainAlias(name) {
            throw DirectoryError.malformed(text: name, reason: "is an alias of \(alias.domain); use that name here")
        }
        return try lists.requireDomain(name)
    }

    /// The row of an address that must be there and be of that kind.
    func require(_ kind: AddressRow.Kind, _ text: String) throws -> AddressRow {
        let address = try names.address(text)
        let domain = try requireDomain(address.domain)
        guard let row = try lookup.exact(address) else {
            throw DirectoryError.notFound(
                kind.errorKind, name: address.description, nearest: try nearest(to: address, domainID: domain.id))
        }
        if kind == .group, let group = try row.groupID.flatMap(lookup.row) { return group }
        guard row.kind == kind else {
            throw DirectoryError.malformed(
                text: row.address.description, reason: "is \(row.kind.article), not \(kind.article)")
        }
        return row
    }

    func nearest(to address: EmailAddress, domainID: Int64) throws -> String? {
        let others = try String.fetchAll(
            db, sql: "SELECT localPart FROM address WHERE domainID = ? LIMIT 10000", arguments: [domainID])
        let near = NearestName.among(others, to: address.localPart)
        return near.map { EmailAddress(localPart: $0, domain: address.domain).description }
    }
}

extension AddressRow.Kind {
    /// For a sentence.
    var article: String {
        switch self {
        case .mailbox: "a mailbox"
        case .alias: "an alias"
        case .group: "a group"
        case .groupAddress: "a further address of a group"
        }
    }
}
