import Foundation
import GRDB
import Pipeline

/// Selectors and signing settings, read from the database.
struct SigningLookup {
    let db: Database

    /// Labels of a name that are looked up from the left on.
    private static let mostLabels = 32

    /// The domain, or the nearest one above it, that the directory signs for: one of whose selectors has been active;
    /// or for which nobody signs, since it is disabled.
    func signing(for domain: String) throws -> SigningDomain? {
        var rest = domain[...]
        for _ in 0..<Self.mostLabels {
            if let found = try signing(at: String(rest)) { return found }
            guard let dot = rest.firstIndex(of: ".") else { return nil }
            rest = rest[rest.index(after: dot)...]
        }
        return nil
    }

    private func signing(at name: String) throws -> SigningDomain? {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT domain.id, domain.isEnabled AND postOffice.isEnabled AS isEnabled, EXISTS
                    (SELECT 1 FROM selector WHERE domainID = domain.id AND state <> 'prepared') AS counts
                FROM domain JOIN postOffice ON postOffice.id = domain.postOfficeID
                WHERE domain.name = ?
                """,
            arguments: [name])
        guard let row else { return nil }
        guard row["isEnabled"] else {
            var disabled = SigningDomain(name: name, active: [])
            disabled.settings.sign = false
            disabled.isDisabled = true
            return disabled
        }
        guard row["counts"] else { return nil }
        let id: Int64 = row["id"]
        let active = try selectors(of: id, named: name).filter { $0.state == .active }
        return SigningDomain(
            name: name, active: active.map { .init(name: $0.name, algorithm: $0.algorithm, publicKey: $0.publicKey) },
            settings: try settings(of: id))
    }

    /// In the order in which they were made; of those of one moment, RSA first.
    func selectors(of domainID: Int64, named domain: String) throws -> [SelectorEntry] {
        let rows = try Row.fetchAll(
            db, sql: "SELECT * FROM selector WHERE domainID = ? ORDER BY created, algorithm DESC, name",
            arguments: [domainID])
        return try rows.map { try SelectorEntry($0, domain: domain) }
    }

    func selector(_ name: String, of domain: (id: Int64, entry: DomainEntry)) throws -> SelectorEntry? {
        let row = try Row.fetchOne(
            db, sql: "SELECT * FROM selector WHERE domainID = ? AND name = ?", arguments: [domain.id, name])
        return try row.map { try SelectorEntry($0, domain: domain.entry.name) }
    }

    func settings(of domainID: Int64) throws -> SigningSettings {
        let row = try Row.fetchOne(db, sql: "SELECT * FROM signing WHERE domainID = ?", arguments: [domainID])
        return row.map(SigningSettings.init) ?? SigningSettings()
    }

    /// Whether mail is taken of the domain, and of its post office.
    private func isEnabled(_ domainID: Int64) throws -> Bool {
        try Bool.fetchOne(
            db,
            sql: """
                SELECT domain.isEnabled AND postOffice.isEnabled
                FROM domain JOIN postOffice ON postOffice.id = domain.postOfficeID WHERE domain.id = ?
                """,
            arguments: [domainID]) ?? false
    }

    func entry(_ domain: (id: Int64, entry: DomainEntry)) throws -> SigningEntry {
        SigningEntry(
            domain: domain.entry.name, isEnabled: try isEnabled(domain.id), settings: try settings(of: domain.id),
            selectors: try selectors(of: domain.id, named: domain.entry.name))
    }
}

extension SelectorEntry {
    fileprivate init(_ row: Row, domain: String) throws {
        guard let algorithm = SignatureAlgorithm(rawValue: row["algorithm"]), let state = State(rawValue: row["state"])
        else {
            throw DirectoryError.unavailable("a selector of \(domain) is of a kind that this version does not know")
        }
        func date(_ column: String) -> Date? {
            (row[column] as Double?).map { Date(timeIntervalSinceReferenceDate: $0) }
        }
        self.init(
            domain: domain, name: row["name"], algorithm: algorithm, bits: row["bits"], publicKey: row["publicKey"],
            isTest: row["isTest"], granularity: row["granularity"], notes: row["notes"], state: state,
            created: Date(timeIntervalSinceReferenceDate: row["created"]), activated: date("activated"),
            retired: date("retired"))
    }
}

extension SigningSettings {
    fileprivate init(_ row: Row) {
        self.init()
        sign = row["sign"]
        subdomains = row["subdomains"]
        algorithm = (row["algorithm"] as String?).flatMap(SignatureAlgorithm.init)
        headerCanonicalization = (row["headerCanonicalization"] as String?).flatMap(Canonicalization.init)
        bodyCanonicalization = (row["bodyCanonicalization"] as String?).flatMap(Canonicalization.init)
        length = row["length"]
        identity = row["identity"]
    }
}
