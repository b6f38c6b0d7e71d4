import Foundation
import GRDB
import MailTypes

/// A name that takes mail once its owner is proven, by a record in DNS that has a token in it.
public struct VerifiableName: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable {
        case domain
        case domainAlias = "domain alias"
        case relayDomain = "relay domain"
    }

    public var name: String
    public var kind: Kind
    public var isVerified: Bool
}

/// The record in DNS by which the owner of a name is known.
public struct VerificationRecord: Sendable, Hashable, Codable {
    /// The domain, the alias or the relay domain.
    public var domain: String
    public var token: String

    public var name: String { "_sluice.\(domain)" }
    public var text: String { "sluice-verification=\(token)" }

    /// Whether one of the texts at its name is it.
    public func isAmong(_ texts: [[UInt8]]) -> Bool { texts.contains { $0 == Array(text.utf8) } }
}

extension MailDirectory {
    /// All that can be verified, by name. Blocks.
    public func verifiableNames() throws(DirectoryError) -> [VerifiableName] {
        try read { lists in try VerificationLookup(db: lists.db).all() }
    }

    /// Those that take no mail as yet; none where no proof is asked for. Blocks.
    public func unverifiedNames() throws(DirectoryError) -> [VerifiableName] {
        guard options.requiresVerification else { return [] }
        return try verifiableNames().filter { !$0.isVerified }
    }
}

extension DirectoryChanges {
    /// The record that proves whose a name is: the one that was told before, or one with this token.
    public func verificationRecord(of name: String, newToken: String) throws -> VerificationRecord {
        let name = try require(name)
        if let token = try verification.token(of: name) { return VerificationRecord(domain: name, token: token) }
        try db.execute(
            sql: "INSERT INTO domainToken (name, token, created) VALUES (?, ?, ?)",
            arguments: [name, newToken, now.timeIntervalSinceReferenceDate])
        return VerificationRecord(domain: name, token: newToken)
    }

    /// The name takes mail from now on, or no more. `reason` says in the audit log who or what has proven it.
    public func setVerified(_ name: String, _ isVerified: Bool, because reason: String) throws {
        let name = try require(name)
        let before = try verification.all().filter { $0.name == name }
        for table in ["domain", "domainAlias"] {
            try db.execute(
                sql: "UPDATE \(table) SET isVerified = ? WHERE name = ?", arguments: [isVerified, name])
        }
        try db.execute(sql: "UPDATE relay SET isVerified = ? WHERE domain = ?", arguments: [isVerified, name])
        try audit(
            isVerified ? "domain.verify" : "domain.unverify", name, before: before.map(Proof.init),
            after: try verification.all().filter { $0.name == name }.map { Proof($0, reason) })
    }

    /// With a name its token goes, unless the name stands for something else as well.
    func removeToken(of name: String) throws {
        guard try !verification.all().contains(where: { $0.name == name }) else { return }
        try db.execute(sql: "DELETE FROM domainToken WHERE name = ?", arguments: [name])
    }

    private var verification: VerificationLookup { VerificationLookup(db: db) }

    private func require(_ text: String) throws -> String {
        let name = try names.domain(text)
        let known = try verification.all().map(\.name)
        guard known.contains(name) else {
            throw DirectoryError.notFound(.domain, name: name, nearest: NearestName.among(known, to: name))
        }
        return name
    }
}

/// What the audit log shows of a proof.
private struct Proof: Codable {
    var kind: VerifiableName.Kind
    var isVerified: Bool
    var reason: String?

    init(_ entry: VerifiableName) { self.init(entry, nil) }

    init(_ entry: VerifiableName, _ reason: String?) {
        kind = entry.kind
        isVerified = entry.isVerified
        self.reason = reason
    }
}

/// Reads what is proven.
struct VerificationLookup {
    let db: Database

    /// By its very name: of an alias not whether its domain is.
    func isVerified(_ name: String) throws -> Bool {
        let statement = try db.cachedStatement(
            sql: """
                SELECT isVerified FROM domain WHERE name = ?1
                UNION ALL SELECT isVerified FROM domainAlias WHERE name = ?1 LIMIT 1
                """)
        return try Bool.fetchOne(statement, arguments: [name]) ?? false
    }

    func isVerified(relay name: String) throws -> Bool {
        try Bool.fetchOne(db, sql: "SELECT isVerified FROM relay WHERE domain = ?", arguments: [name]) ?? false
    }

    func token(of name: String) throws -> String? {
        try String.fetchOne(db, sql: "SELECT token FROM domainToken WHERE name = ?", arguments: [name])
    }

    func all() throws -> [VerifiableName] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT name, 'domain' AS kind, isVerified FROM domain
                UNION ALL SELECT name, 'domain alias', isVerified FROM domainAlias
                UNION ALL SELECT domain, 'relay domain', isVerified FROM relay WHERE domain IS NOT NULL
                ORDER BY name, kind
                """)
        return rows.compactMap { row in
            VerifiableName.Kind(rawValue: row["kind"]).map {
                VerifiableName(name: row["name"], kind: $0, isVerified: row["isVerified"])
            }
        }
    }
}
