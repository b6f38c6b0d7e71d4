import Foundation
import GRDB
public import MailTypes

/// Domains of which other servers have a part.
extension DirectoryChanges {
    /// Whoever is not here is sought at the partner from now on.
    public func addSplitDomain(
        _ name: String, partner: NewRelay, networks: [Network] = [], asksPartner: Bool = true
    ) throws {
        let (id, domain) = try requireDomain(name)
        guard try splits.entry(of: id) == nil else {
            throw DirectoryError.alreadyExists(.splitDomain, name: domain.name)
        }
        try db.execute(
            sql: "INSERT INTO splitDomain (domainID, asksPartner, networks, created) VALUES (?, ?, ?, ?)",
            arguments: [id, asksPartner, try Self.text(networks), now.timeIntervalSinceReferenceDate])
        try insert(partner, of: id)
        try audit("splitdomain.add", domain.name, before: nothing, after: try splits.entry(of: id))
    }

    /// What is `nil` stays as it is.
    public func setSplitDomain(
        _ name: String, enabled: Bool? = nil, networks: [Network]? = nil, asksPartner: Bool? = nil
    ) throws {
        try change(name) { id in
            try db.execute(
                sql: """
                    UPDATE splitDomain SET isEnabled = coalesce(?, isEnabled), networks = coalesce(?, networks),
                        asksPartner = coalesce(?, asksPartner)
                    WHERE domainID = ?
                    """,
                arguments: [enabled, try networks.map(Self.text), asksPartner, id])
        }
    }

    /// One more, which is tried when those before cannot be reached. Named again, it gets other TLS or another login,
    /// and keeps its place.
    public func addPartner(_ new: NewRelay, to name: String) throws {
        try change(name) { id in
            try check(new)
            let host = new.host.asciiLowercased
            let known = try Row.fetchOne(
                db, sql: "SELECT id FROM partner WHERE domainID = ? AND host = ? AND port = ?",
                arguments: [id, host, new.port])
            guard let known else { return try insert(new, of: id) }
            try db.execute(
                sql: "UPDATE partner SET security = ?, login = ?, sealedPassword = ? WHERE id = ?",
                arguments: [
                    new.security.rawValue, new.login?.name, new.login.map { Data($0.sealedPassword) },
                    known["id"] as Int64,
                ])
        }
    }

    public func removePartner(_ host: String, port: Int, from name: String) throws {
        try change(name) { id in
            let partners = try splits.entry(of: id)?.partners ?? []
            let title = "\(host):\(port) of \(name)"
            guard partners.contains(where: { $0.host == host.asciiLowercased && $0.port == port }) else {
                let known = partners.map { "\($0.host):\($0.port)" }
                throw DirectoryError.notFound(
                    .partner, name: title, nearest: NearestName.among(known, to: "\(host):\(port)"))
            }
            guard partners.count > 1 else {
                throw DirectoryError.malformed(
                    text: title, reason: "is its only partner: add another one first, or remove the split domain")
            }
            try db.execute(
                sql: "DELETE FROM partner WHERE domainID = ? AND host = ? AND port = ?",
                arguments: [id, host.asciiLowercased, port])
        }
    }

    /// All of the domain lives here again.
    public func removeSplitDomain(_ name: String) throws {
        let (id, domain) = try requireDomain(name)
        let before = try require(id, domain.name)
        try db.execute(sql: "DELETE FROM splitDomain WHERE domainID = ?", arguments: [id])
        try audit("splitdomain.remove", domain.name, before: before, after: nothing)
    }

    // MARK: Rows

    private var splits: SplitLookup { SplitLookup(db: db) }

    private func change(_ name: String, _ body: (Int64) throws -> Void) throws {
        let (id, domain) = try requireDomain(name)
        let before = try require(id, domain.name)
        try body(id)
        try audit("splitdomain.set", domain.name, before: before, after: try splits.entry(of: id))
    }

    private func require(_ id: Int64, _ name: String) throws -> SplitEntry {
        if let entry = try splits.entry(of: id) { return entry }
        let known = try splits.entries().map(\.domain)
        throw DirectoryError.notFound(.splitDomain, name: name, nearest: NearestName.among(known, to: name))
    }

    private func insert(_ new: NewRelay, of domainID: Int64) throws {
        try check(new)
        let count = try Int.fetchOne(
            db, sql: "SELECT count(*) FROM partner WHERE domainID = ?", arguments: [domainID])
        guard (count ?? 0) < DirectoryLimits.partners else {
            throw DirectoryError.malformed(
                text: new.host, reason: "is one too many: a domain has \(DirectoryLimits.partners) partners at most")
        }
        try db.execute(
            sql: """
                INSERT INTO partner (domainID, host, port, security, login, sealedPassword)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                domainID, new.host.asciiLowercased, new.port, new.security.rawValue, new.login?.name,
                new.login.map { Data($0.sealedPassword) },
            ])
    }

    private static func text(_ networks: [Network]) throws -> String {
        guard networks.count <= DirectoryLimits.partnerNetworks else {
            throw DirectoryError.malformed(
                text: "\(networks.count) networks",
                reason: "are too many: a domain's partners have \(DirectoryLimits.partnerNetworks) at most")
        }
        return networks.map(\.description).joined(separator: " ")
    }
}
