public import Foundation
import GRDB
public import MailTypes
import Pipeline

/// A domain of which other servers have a part.
public struct SplitEntry: Sendable, Hashable, Codable {
    public var domain: String
    public var isEnabled: Bool
    /// Whether partners are asked who exists there.
    public var asksPartner: Bool
    /// Where mail of the partners' users comes from, beside the partners' own addresses.
    public var networks: [Network]
    /// In the order in which they are tried.
    public var partners: [PartnerEntry]
    public var created: Date
}

/// A server that has a part of a domain.
public struct PartnerEntry: Sendable, Hashable, Codable {
    public var host: String
    public var port: Int
    public var security: RelayHost.Security
    /// The name that this server logs in with.
    public var login: String?
}

extension MailDirectory {
    /// The split domains. Blocks.
    public func splitDomains() throws(DirectoryError) -> [SplitEntry] {
        try read { lists in try SplitLookup(db: lists.db).entries() }
    }

    /// The split domains of a file that is only read, each with whether it has a catch-all. Blocks.
    public static func splitDomains(in path: String) throws(DirectoryError) -> [(name: String, hasCatchAll: Bool)] {
        let pool = try DatabaseFile.openReadOnly(path)
        defer { try? pool.close() }
        do {
            return try pool.read { db in
                let rows = try Row.fetchAll(
                    db,
                    sql: """
                        SELECT domain.name, domain.catchAll IS NOT NULL AS hasCatchAll
                        FROM splitDomain JOIN domain ON domain.id = splitDomain.domainID
                        WHERE splitDomain.isEnabled ORDER BY domain.name
                        """)
                return rows.map { ($0["name"], $0["hasCatchAll"]) }
            }
        } catch {
            throw DirectoryError(error)
        }
    }
}

/// Reads the tables `splitDomain` and `partner`.
struct SplitLookup {
    let db: Database

    static let credentialPrefix = "partner/"

    /// By the domain's name, or an alias of it; `nil` while it is not split, or has no partner.
    func splitDomain(_ name: String) throws -> SplitDomain? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT splitDomain.*, domain.name AS domain
                FROM splitDomain JOIN domain ON domain.id = splitDomain.domainID
                WHERE splitDomain.isEnabled AND domain.id = coalesce(
                    (SELECT id FROM domain WHERE name = ?1), (SELECT domainID FROM domainAlias WHERE name = ?1))
                """)
        guard let row = try Row.fetchOne(statement, arguments: [name]) else { return nil }
        let hosts = try partners(of: row["domainID"]).map { RelayLookup.host($0, Self.credentialPrefix) }
        guard var host = hosts.first else { return nil }
        host.fallbacks = Array(hosts.dropFirst())
        // Of a partner that is known by its address that address is known, too.
        let own = hosts.compactMap { Network($0.name) }
        return SplitDomain(
            name: row["domain"], host: host, networks: Self.networks(row) + own, asksPartner: row["asksPartner"])
    }

    func login(_ credential: String, host: String, port: Int) throws -> SealedLogin? {
        try RelayLookup.login(credential, of: "partner", Self.credentialPrefix, host, port, db)
    }

    func entries() throws -> [SplitEntry] {
        try Row.fetchAll(db, sql: Self.select + " ORDER BY domain.name").map(entry)
    }

    func entry(of domainID: Int64) throws -> SplitEntry? {
        try Row.fetchOne(db, sql: Self.select + " WHERE domainID = ?", arguments: [domainID]).map(entry)
    }

    private static let select = """
        SELECT splitDomain.*, domain.name AS domain
        FROM splitDomain JOIN domain ON domain.id = splitDomain.domainID
        """

    private func entry(_ row: Row) throws -> SplitEntry {
        SplitEntry(
            domain: row["domain"], isEnabled: row["isEnabled"], asksPartner: row["asksPartner"],
            networks: Self.networks(row),
            partners: try partners(of: row["domainID"]).map { row in
                PartnerEntry(
                    host: row["host"], port: row["port"], security: RelayLookup.security(row), login: row["login"])
            },
            created: Date(timeIntervalSinceReferenceDate: row["created"]))
    }

    private func partners(of domainID: Int64) throws -> [Row] {
        let statement = try db.cachedStatement(sql: "SELECT * FROM partner WHERE domainID = ? ORDER BY id")
        return try Row.fetchAll(statement, arguments: [domainID])
    }

    private static func networks(_ row: Row) -> [Network] {
        (row["networks"] as String).split(separator: " ").compactMap { Network($0) }
    }
}
