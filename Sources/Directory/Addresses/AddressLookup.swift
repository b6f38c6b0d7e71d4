import GRDB
import MailTypes
import Pipeline

/// What an address stands for, read from the database: the one place that knows plus-addressing and
/// postmaster, for answers and for the checks of a change alike.
struct AddressLookup {
    let db: Database
    let options: MailDirectory.Options

    // MARK: Answers

    func answer(_ question: DirectoryQuestion) throws -> DirectoryAnswer {
        switch question {
        case .address(let address): .address(try meaning(of: address))
        case .domain(let name): .domain(try hostedDomain(name))
        case .maySend(let mailbox, let address): .maySend(try may(mailbox, sendAs: address))
        case .signing(let domain): .signing(try SigningLookup(db: db).signing(for: normalized(domain: domain)))
        case .thresholds(let scope): .thresholds(try PolicyLookup(db: db).thresholds(for: scope))
        case .listScopes(let scope): .listScopes(try PolicyLookup(db: db).listScopes(of: scope))
        case .authorLists(let scope): .authorLists(try PolicyLookup(db: db).authorLists(of: scope))
        case .footers(let domain): .footers(try FooterLookup(db: db).footers(for: normalized(domain: domain)))
        case .listed(let probe): .listed(try PolicyLookup(db: db).listed(probe))
        }
    }

    func meaning(of address: EmailAddress) throws -> AddressMeaning {
        let address = normalized(address)
        guard let domain = try hostedDomain(address.domain) else {
            guard isServerPostmaster(address) else { return .foreign }
            return try postmaster(domain: nil).map { .expands(to: [$0], kind: .alias) } ?? .unknown
        }
        guard domain.isEnabled else { return .disabled }
        let row = try find(address)
        if let row, row.isEnabled { return try meaning(of: row) }
        // RFC 5321 §4.5.1: postmaster takes mail, whatever became of the address.
        if address.isPostmaster, let target = try postmaster(domain: domain.name) {
            return .expands(to: [target], kind: .alias)
        }
        return row == nil ? .unknown : .disabled
    }

    private func meaning(of row: AddressRow) throws -> AddressMeaning {
        switch row.kind {
        case .mailbox: .mailbox(row.address)
        case .alias: .expands(to: try members(of: row.id), kind: .alias)
        case .group: .expands(to: try members(of: row.id), kind: .group)
        }
    }

    func hostedDomain(_ name: String) throws -> HostedDomain? {
        guard !name.isEmpty else { return nil }
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT domain.name, postOffice.name AS postOffice,
                    domain.isEnabled AND postOffice.isEnabled AS isEnabled
                FROM domain JOIN postOffice ON postOffice.id = domain.postOfficeID
                WHERE domain.name = ?
                """,
            arguments: [normalized(domain: name)])
        return row.map { HostedDomain(name: $0["name"], postOffice: $0["postOffice"], isEnabled: $0["isEnabled"]) }
    }

    /// A mailbox may send as every address that mail reaches it by directly: its own, with any detail.
    private func may(_ mailbox: EmailAddress, sendAs address: EmailAddress) throws -> Bool {
        guard case .mailbox(let own) = try meaning(of: mailbox), case .mailbox(let other) = try meaning(of: address)
        else { return false }
        return own == other
    }

    // MARK: Rows

    /// The address itself, or the one without its detail.
    func find(_ address: EmailAddress) throws -> AddressRow? {
        if let row = try exact(address) { return row }
        return try withoutDetail(address).flatMap(exact)
    }

    func exact(_ address: EmailAddress) throws -> AddressRow? {
        try AddressRow.fetchOne(
            db, sql: AddressRow.select + " WHERE address.key = ?", arguments: [address.key])
    }

    func members(of id: Int64) throws -> [EmailAddress] {
        let rows = try Row.fetchAll(
            db, sql: "SELECT localPart, domain FROM member WHERE ownerID = ? ORDER BY position", arguments: [id])
        return rows.map { EmailAddress(localPart: $0["localPart"], domain: $0["domain"]) }
    }

    /// `anna` for `anna+news`; `nil` if there is no detail. RFC 5233 §1.
    func withoutDetail(_ address: EmailAddress) -> EmailAddress? {
        let separator = options.plusSeparator.utf8
        guard let first = separator.first, separator.count == 1 else { return nil }
        let local = address.localPart.utf8
        guard let place = local.firstIndex(of: first), place > local.startIndex else { return nil }
        return EmailAddress(localPart: String(address.localPart[..<place]), domain: address.domain)
    }

    // MARK: Postmaster

    /// Who gets postmaster's mail: the domain's setting, then the server's; when nothing is set, the oldest
    /// mailbox of the domain, then of all, so that somebody always gets it.
    func postmaster(domain: String?) throws -> EmailAddress? {
        if let domain, let own = try setPostmaster(domain: domain) { return own }
        if let general = try setPostmaster(domain: nil) { return general }
        if let domain, let own = try oldestMailbox(domain: domain) { return own }
        return try oldestMailbox(domain: nil)
    }

    func setPostmaster(domain: String?) throws -> EmailAddress? {
        let text =
            if let domain {
                try String.fetchOne(db, sql: "SELECT postmaster FROM domain WHERE name = ?", arguments: [domain])
            } else {
                try String.fetchOne(db, sql: "SELECT value FROM setting WHERE name = 'postmaster'")
            }
        return text.flatMap { try? AddressParser.mailbox($0) }
    }

    private func oldestMailbox(domain: String?) throws -> EmailAddress? {
        let row = try AddressRow.fetchOne(
            db,
            sql: AddressRow.select + """
                 JOIN postOffice ON postOffice.id = domain.postOfficeID
                WHERE address.kind = 'mailbox' AND address.isEnabled AND domain.isEnabled AND postOffice.isEnabled
                    AND (?1 IS NULL OR domain.name = ?1)
                ORDER BY address.id LIMIT 1
                """,
            arguments: [domain])
        return row?.address
    }

    /// `<Postmaster>` without a domain, or postmaster at this server's own name.
    private func isServerPostmaster(_ address: EmailAddress) -> Bool {
        guard address.isPostmaster else { return false }
        return address.domain.isEmpty || address.domain == options.hostname?.asciiLowercased
    }

    // MARK: Spelling

    func normalized(_ address: EmailAddress) -> EmailAddress {
        if address.domain.utf8.allSatisfy({ $0 < 0x80 }) { return address }
        return EmailAddress(localPart: address.localPart, domain: normalized(domain: address.domain))
    }

    func normalized(domain: String) -> String {
        let ascii = domain.utf8.allSatisfy { $0 < 0x80 } ? domain : options.domainToASCII(domain) ?? domain
        return ascii.asciiLowercased
    }
}

extension EmailAddress {
    var isPostmaster: Bool { localPart.utf8.equalsIgnoringCase("postmaster") }
}

/// A row of the table `address`, with its domain's name.
struct AddressRow: FetchableRecord {
    enum Kind: String, DatabaseValueConvertible {
        case mailbox, alias, group

        var errorKind: DirectoryError.Kind {
            switch self {
            case .mailbox: .mailbox
            case .alias: .alias
            case .group: .group
            }
        }
    }

    static let select = """
        SELECT address.id, address.localPart, domain.name AS domain, address.kind, address.isEnabled,
            address.fullName, address.created
        FROM address JOIN domain ON domain.id = address.domainID
        """

    let id: Int64
    let address: EmailAddress
    let kind: Kind
    let isEnabled: Bool
    let fullName: String?
    let created: Double

    init(row: Row) throws {
        id = row["id"]
        address = EmailAddress(localPart: row["localPart"], domain: row["domain"])
        kind = row["kind"]
        isEnabled = row["isEnabled"]
        fullName = row["fullName"]
        created = row["created"]
    }
}
