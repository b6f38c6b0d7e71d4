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
        case .smarthost(let name): .smarthost(try RelayLookup(db: db).smarthost(ofPostOffice: name))
        case .relayDomain(let name):
            .relayDomain(try relayDomain(normalized(domain: name)))
        case .splitDomain(let name):
            .splitDomain(try SplitLookup(db: db).splitDomain(normalized(domain: name)))
        case .sendStanding(let mailbox): .sendStanding(try sendStanding(of: mailbox))
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
        guard try isVerified(address.domain) else { return .unverified }
        if domain.name != address.domain {
            return .expands(
                to: [EmailAddress(localPart: address.localPart, domain: domain.name)], kind: .domainAlias)
        }
        let row = try find(address)
        if let row, row.isEnabled { return try meaning(of: row) }
        // RFC 5321 §4.5.1: postmaster takes mail, whatever became of the address.
        if address.isPostmaster, let target = try postmaster(domain: domain.name) {
            return .expands(to: [target], kind: .alias)
        }
        guard row == nil else { return .disabled }
        return try SplitLookup(db: db).splitDomain(domain.name).map { .atPartner($0.host) } ?? .unknown
    }

    /// Whether a domain or an alias of one takes mail by this name.
    func isVerified(_ name: String) throws -> Bool {
        guard options.requiresVerification else { return true }
        return try VerificationLookup(db: db).isVerified(name)
    }

    private func relayDomain(_ name: String) throws -> RelayDomain? {
        var found = try RelayLookup(db: db).relayDomain(name)
        if options.requiresVerification { found?.isVerified = try VerificationLookup(db: db).isVerified(relay: name) }
        return found
    }

    private func meaning(of row: AddressRow) throws -> AddressMeaning {
        let members = try members(of: row.id)
        switch row.kind {
        case .mailbox where members.isEmpty: return .mailbox(row.address)
        case .mailbox: return .redirects(row.address, to: members, keepsCopy: try keepsCopy(row.id))
        case .alias: return .expands(to: members, kind: .alias)
        case .group, .groupAddress: return .expands(to: members, kind: .group)
        }
    }

    /// The domain of that name, or the one that it is an alias of.
    func hostedDomain(_ name: String) throws -> HostedDomain? {
        guard !name.isEmpty else { return nil }
        let statement = try db.cachedStatement(
            sql: """
                SELECT domain.name, postOffice.name AS postOffice,
                    domain.isEnabled AND postOffice.isEnabled AS isEnabled, domain.catchAll
                FROM domain JOIN postOffice ON postOffice.id = domain.postOfficeID
                WHERE domain.id = coalesce(
                    (SELECT id FROM domain WHERE name = ?1), (SELECT domainID FROM domainAlias WHERE name = ?1))
                """)
        guard let row = try Row.fetchOne(statement, arguments: [normalized(domain: name)]) else { return nil }
        let catchAll = (row["catchAll"] as String?).flatMap { try? AddressParser.mailbox($0) }
        return HostedDomain(
            name: row["name"], postOffice: row["postOffice"], isEnabled: row["isEnabled"], catchAll: catchAll)
    }

    /// A mailbox may send as every address that mail reaches it by directly: its own, with any detail, in its
    /// domain or an alias of that. And as those that were granted to it.
    private func may(_ mailbox: EmailAddress, sendAs address: EmailAddress) throws -> Bool {
        guard let own = try self.mailbox(at: mailbox) else { return false }
        if try self.mailbox(at: address) == own { return true }
        return try isGranted(address, to: own)
    }

    /// The mailbox that has this address; whether it is redirected makes no difference.
    private func mailbox(at address: EmailAddress) throws -> EmailAddress? {
        switch try meaning(of: try home(address)) {
        case .mailbox(let mailbox), .redirects(let mailbox, _, _): mailbox
        case .disabled, .expands, .unknown, .atPartner, .unverified, .foreign: nil
        }
    }

    // MARK: Rows

    /// Whose mail it is: the address itself, or the one without its detail, in the domain that its own is an alias
    /// of. Of a group's further address, the group.
    func find(_ address: EmailAddress) throws -> AddressRow? {
        let address = try home(address)
        guard let row = try exact(address) ?? withoutDetail(address).flatMap(exact) else { return nil }
        return try row.groupID.flatMap(self.row) ?? row
    }

    func exact(_ address: EmailAddress) throws -> AddressRow? {
        let statement = try db.cachedStatement(sql: AddressRow.select + " WHERE address.key = ?")
        return try AddressRow.fetchOne(statement, arguments: [address.key])
    }

    func row(_ id: Int64) throws -> AddressRow? {
        let statement = try db.cachedStatement(sql: AddressRow.select + " WHERE address.id = ?")
        return try AddressRow.fetchOne(statement, arguments: [id])
    }

    func members(of id: Int64) throws -> [EmailAddress] {
        let statement = try db.cachedStatement(
            sql: "SELECT localPart, domain FROM member WHERE ownerID = ? ORDER BY position")
        return try Row.fetchAll(statement, arguments: [id]).map { row in
            EmailAddress(localPart: row["localPart"], domain: row["domain"])
        }
    }

    /// Whether a redirected mailbox gets its mail as well.
    func keepsCopy(_ id: Int64) throws -> Bool {
        try Bool.fetchOne(db, sql: "SELECT keepsCopy FROM mailbox WHERE addressID = ?", arguments: [id]) ?? false
    }

    func quota(of mailbox: EmailAddress) throws -> Int? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT mailbox.quota FROM mailbox JOIN address ON address.id = mailbox.addressID WHERE address.key = ?
                """)
        guard let row = try Row.fetchOne(statement, arguments: [mailbox.key]) else { return nil }
        return row["quota"]
    }

    /// The further addresses of a group, in the order in which they came.
    func furtherAddresses(of id: Int64) throws -> [EmailAddress] {
        try AddressRow.fetchAll(
            db, sql: AddressRow.select + " WHERE address.groupID = ? ORDER BY address.id", arguments: [id]
        ).map(\.address)
    }

    /// `anna@my.test` for `anna@new.test`, where new.test is an alias of my.test.
    func home(_ address: EmailAddress) throws -> EmailAddress {
        let address = normalized(address)
        let statement = try db.cachedStatement(
            sql: """
                SELECT domain.name FROM domainAlias JOIN domain ON domain.id = domainAlias.domainID
                WHERE domainAlias.name = ?
                """)
        guard let name = try String.fetchOne(statement, arguments: [address.domain]) else { return address }
        return EmailAddress(localPart: address.localPart, domain: name)
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
        /// A further address of a group.
        case groupAddress

        var errorKind: DirectoryError.Kind {
            switch self {
            case .mailbox: .mailbox
            case .alias: .alias
            case .group: .group
            case .groupAddress: .groupAddress
            }
        }
    }

    static let select = """
        SELECT address.id, address.localPart, domain.name AS domain, address.kind, address.groupID,
            address.isEnabled, address.fullName, address.created
        FROM address JOIN domain ON domain.id = address.domainID
        """

    let id: Int64
    let address: EmailAddress
    let kind: Kind
    /// Whose further address it is.
    let groupID: Int64?
    let isEnabled: Bool
    let fullName: String?
    let created: Double

    init(row: Row) throws {
        id = row["id"]
        address = EmailAddress(localPart: row["localPart"], domain: row["domain"])
        kind = row["kind"]
        groupID = row["groupID"]
        isEnabled = row["isEnabled"]
        fullName = row["fullName"]
        created = row["created"]
    }
}
