import Foundation
import GRDB
import Pipeline

/// Selectors and signing settings, read from the database.
struct SigningLookup {
    let db: Database

    /// Labels of a name that are looked up from the left on.
    private static let mostLabels = 32

    /// The domain, or the nearest one above it, that the directory signs for: one of whose selectors has been active.
    func signing(for domain: String) throws -> SigningDomain? {
        var rest = domain[...]
        for _ in 0..<Self.mostLabels {
            if let id = try signingDomainID(String(rest)) {
                let active = try selectors(of: id, named: String(rest)).filter { $0.state == .active }
                return SigningDomain(
                    name: String(rest),
                    active: active.map { .init(name: $0.name, algorithm: $0.algorithm, publicKey: $0.publicKey) },
                    settings: try settings(of: id))
            }
            guard let dot = rest.firstIndex(of: ".") else { return nil }
            rest = rest[rest.index(after: dot)...]
        }
        return nil
    }

    private func signingDomainID(_ name: String) throws -> Int64? {
        try Int64.fetchOne(
            db,
            sql: """
                SELECT id FROM domain WHERE name = ? AND EXISTS
                    (SELECT 1 FROM selector WHERE domainID = domain.id AND state <> 'prepared')
                """,
            arguments: [name])
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

    func entry(_ domain: (id: Int64, entry: DomainEntry)) throws -> SigningEntry {
        SigningEntry(
            domain: domain.entry.name, settings: try settings(of: domain.id),
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
