import Foundation
import GRDB
public import MailTypes
import Pipeline

/// Servers that mail is handed to.
extension DirectoryChanges {
    private var relays: RelayLookup { RelayLookup(db: db) }

    /// Sets the server through which mail of a post office leaves; everybody's, if none is named.
    public func setSmarthost(_ new: NewRelay, postOffice: String?) throws {
        let owner = try postOffice.map { name in try requirePostOffice(name) }
        let before = try smarthost(of: owner?.id)
        try check(new)
        if let before, before.host == new.host.asciiLowercased, before.port == new.port {
            try update(new, postOfficeID: owner?.id)
        } else {
            // A login is for one server: with another one it has another id, and queued mail does not take it there.
            try db.execute(
                sql: "DELETE FROM relay WHERE domain IS NULL AND postOfficeID IS ?", arguments: [owner?.id])
            try insert(new, domain: nil, postOfficeID: owner?.id)
        }
        try audit(
            "smarthost.set", Self.name(owner?.entry.name), before: before, after: try smarthost(of: owner?.id))
    }

    public func removeSmarthost(postOffice: String?) throws {
        let owner = try postOffice.map { name in try requirePostOffice(name) }
        guard let before = try smarthost(of: owner?.id) else {
            throw DirectoryError.notFound(.smarthost, name: "of \(Self.name(owner?.entry.name))", nearest: nil)
        }
        try db.execute(
            sql: "DELETE FROM relay WHERE domain IS NULL AND postOfficeID IS ?", arguments: [owner?.id])
        try audit("smarthost.remove", Self.name(owner?.entry.name), before: before, after: nothing)
    }

    /// Lets all mail for a domain go to another server; the domain may be hosted here as well.
    ///
    /// - Parameter asksServer: `nil`: of a backup domain, yes; otherwise no.
    public func addRelayDomain(
        _ name: String, to new: NewRelay, postOffice: String? = nil, onlyAuthenticated: Bool = false,
        asksServer: Bool? = nil, giveUpAfter: Interval? = nil
    ) throws {
        let name = try names.domain(name)
        let owner = try postOffice.map { name in try requirePostOffice(name) }
        guard try relayDomain(name) == nil else { throw DirectoryError.alreadyExists(.relayDomain, name: name) }
        try check(new)
        try insert(new, domain: name, postOfficeID: owner?.id)
        try set(
            name, onlyAuthenticated: onlyAuthenticated, asksServer: asksServer ?? new.isBackup,
            giveUpAfter: .some(giveUpAfter))
        try audit("relaydomain.add", name, before: nothing, after: try relayDomain(name))
    }

    /// What is `nil` stays as it is. Another server has another login, so with `host` its login is new, or none.
    public func setRelayDomain(
        _ name: String, to new: NewRelay? = nil, onlyAuthenticated: Bool? = nil, asksServer: Bool? = nil,
        giveUpAfter: Interval?? = nil
    ) throws {
        let name = try names.domain(name)
        let before = try requireRelayDomain(name)
        if let new {
            try check(new)
            if before.host == new.host.asciiLowercased, before.port == new.port {
                try db.execute(
                    sql: "UPDATE relay SET security = ?, login = ?, sealedPassword = ? WHERE domain = ?",
                    arguments: [
                        new.security.rawValue, new.login?.name, new.login.map { Data($0.sealedPassword) }, name,
                    ])
            } else {
                try moveRelayDomain(name, to: new)
            }
        }
        try set(name, onlyAuthenticated: onlyAuthenticated, asksServer: asksServer, giveUpAfter: giveUpAfter)
        try audit("relaydomain.set", name, before: before, after: try relayDomain(name))
    }

    private func set(
        _ name: String, onlyAuthenticated: Bool?, asksServer: Bool?, giveUpAfter: Interval??
    ) throws {
        if let onlyAuthenticated {
            try db.execute(
                sql: "UPDATE relay SET onlyAuthenticated = ? WHERE domain = ?", arguments: [onlyAuthenticated, name])
        }
        if let asksServer {
            try db.execute(sql: "UPDATE relay SET asksServer = ? WHERE domain = ?", arguments: [asksServer, name])
        }
        if let giveUpAfter {
            try db.execute(
                sql: "UPDATE relay SET giveUpAfter = ? WHERE domain = ?", arguments: [giveUpAfter?.seconds, name])
        }
    }

    /// Under another id, so that queued mail does not take the old login to the new server.
    private func moveRelayDomain(_ name: String, to new: NewRelay) throws {
        let kept = try Row.fetchOne(
            db, sql: "SELECT * FROM relay WHERE domain = ?", arguments: [name])
        guard let kept else { return }
        try db.execute(sql: "DELETE FROM relay WHERE domain = ?", arguments: [name])
        try insert(new, domain: name, postOfficeID: kept["postOfficeID"])
        try db.execute(
            sql: """
                UPDATE relay SET onlyAuthenticated = ?, asksServer = ?, giveUpAfter = ?, isVerified = ?, created = ?
                WHERE domain = ?
                """,
            arguments: [
                kept["onlyAuthenticated"] as Bool, kept["asksServer"] as Bool, kept["giveUpAfter"] as Double?,
                kept["isVerified"] as Bool, kept["created"] as Double, name,
            ])
    }

    private func requireRelayDomain(_ name: String) throws -> RelayEntry {
        if let entry = try relayDomain(name) { return entry }
        let known = try relays.entries(" WHERE relay.domain IS NOT NULL").compactMap(\.domain)
        throw DirectoryError.notFound(.relayDomain, name: name, nearest: NearestName.among(known, to: name))
    }

    public func removeRelayDomain(_ name: String) throws {
        let name = try names.domain(name)
        let before = try requireRelayDomain(name)
        try db.execute(sql: "DELETE FROM relay WHERE domain = ?", arguments: [name])
        try removeToken(of: name)
        try audit("relaydomain.remove", name, before: before, after: nothing)
    }

    // MARK: Rows

    private func update(_ new: NewRelay, postOfficeID: Int64?) throws {
        try db.execute(
            sql: """
                UPDATE relay SET security = ?, login = ?, sealedPassword = ?
                WHERE domain IS NULL AND postOfficeID IS ?
                """,
            arguments: [
                new.security.rawValue, new.login?.name, new.login.map { Data($0.sealedPassword) }, postOfficeID,
            ])
    }

    private func insert(_ new: NewRelay, domain: String?, postOfficeID: Int64?) throws {
        try db.execute(
            sql: """
                INSERT INTO relay
                    (domain, postOfficeID, host, port, security, login, sealedPassword, isBackup, created)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                domain, postOfficeID, new.host.asciiLowercased, new.port, new.security.rawValue, new.login?.name,
                new.login.map { Data($0.sealedPassword) }, new.isBackup, now.timeIntervalSinceReferenceDate,
            ])
    }

    func check(_ new: NewRelay) throws {
        guard !new.isBackup || new.login == nil else {
            throw DirectoryError.malformed(text: new.login?.name ?? "", reason: "is a login: exchangers ask for none")
        }
        guard new.login == nil || (new.security != .none && new.security != .opportunistic) else {
            throw DirectoryError.malformed(
                text: new.security.rawValue,
                reason: "would show the password to everybody on the way: required, verified or implicit, please")
        }
    }

    private func smarthost(of postOfficeID: Int64?) throws -> RelayEntry? {
        try relays.entries(" WHERE relay.domain IS NULL AND relay.postOfficeID IS ?", [postOfficeID]).first
    }

    func relayDomain(_ name: String) throws -> RelayEntry? {
        try relays.entries(" WHERE relay.domain = ?", [name]).first
    }

    private static func name(_ postOffice: String?) -> String { postOffice ?? "everybody" }
}
