public import Foundation
import GRDB
public import MailTypes
public import Pipeline

/// A server that mail is handed to, with whom it is for.
public struct RelayEntry: Sendable, Hashable, Codable {
    /// All mail for this domain; `nil` for a smarthost, through which mail leaves.
    public var domain: String?
    /// Whose it is; `nil`: everybody's.
    public var postOffice: String?
    /// Empty of a backup domain, whose mail goes to its own exchangers.
    public var host: String
    public var port: Int
    public var security: RelayHost.Security
    /// The name that this server logs in with.
    public var login: String?
    public var onlyAuthenticated: Bool
    /// Whether this server is a backup of the domain's own exchangers.
    public var isBackup: Bool
    /// Whether that server is asked who exists there.
    public var asksServer: Bool
    /// How long its mail is kept while it cannot be delivered; `nil`: as long as all other.
    public var giveUpAfter: Interval?
    /// Of a domain: its owner has been proven.
    public var isVerified: Bool
    public var created: Date
}

/// A server that mail is to be handed to.
public struct NewRelay: Sendable {
    public var host: String
    public var port: Int
    public var security: RelayHost.Security
    public var login: SealedLogin?

    /// The domain's own mail exchangers: this server is their backup.
    public static let ownExchangers = NewRelay(host: "", port: 25, security: .opportunistic)

    var isBackup: Bool { host.isEmpty }

    public init(host: String, port: Int, security: RelayHost.Security, login: SealedLogin? = nil) {
        self.host = host
        self.port = port
        self.security = security
        self.login = login
    }
}

/// A login at another server, its password as only this server can read it.
public struct SealedLogin: Sendable, Hashable {
    public var name: String
    public var sealedPassword: [UInt8]

    public init(name: String, sealedPassword: [UInt8]) {
        self.name = name
        self.sealedPassword = sealedPassword
    }
}

extension MailDirectory {
    /// The smarthosts, everybody's first. Blocks.
    public func smarthosts() throws(DirectoryError) -> [RelayEntry] {
        try read { lists in try RelayLookup(db: lists.db).entries(" WHERE relay.domain IS NULL") }
    }

    /// The domains whose mail goes to other servers. Blocks.
    public func relayDomains() throws(DirectoryError) -> [RelayEntry] {
        try read { lists in try RelayLookup(db: lists.db).entries(" WHERE relay.domain IS NOT NULL") }
    }

    /// The domains whose backup exchanger this server is. Blocks.
    public func backupDomains() throws(DirectoryError) -> [String] {
        try relayDomains().filter(\.isBackup).compactMap(\.domain)
    }

    /// The login that is kept under a name, for the server that it belongs to and for no other; `nil` if there is none.
    public func relayLogin(_ credential: String, host: String, port: Int) async throws(StageFailure) -> SealedLogin? {
        let result: Result<SealedLogin?, StageFailure>
        do {
            result = try await reads.run { [self] in
                do {
                    return .success(
                        try pool.read { db in
                            let host = host.asciiLowercased
                            return try RelayLookup(db: db).login(credential, host: host, port: port)
                                ?? SplitLookup(db: db).login(credential, host: host, port: port)
                        })
                } catch { return .failure(StageFailure("directory: \(DirectoryError(error))")) }
            }
        } catch { throw StageFailure("too many questions wait for the directory") }
        return try result.get()
    }
}

/// Reads the table `relay`.
struct RelayLookup {
    let db: Database

    func smarthost(ofPostOffice name: String?) throws -> RelayHost? {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT relay.* FROM relay LEFT JOIN postOffice ON postOffice.id = relay.postOfficeID
                WHERE relay.domain IS NULL AND (relay.postOfficeID IS NULL OR postOffice.key = ?)
                ORDER BY relay.postOfficeID IS NULL LIMIT 1
                """,
            arguments: [name.map(Names.key)])
        return row.map(Self.host)
    }

    /// A post office that is switched off relays nothing.
    func relayDomain(_ name: String) throws -> RelayDomain? {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT relay.* FROM relay LEFT JOIN postOffice ON postOffice.id = relay.postOfficeID
                WHERE relay.domain = ? AND coalesce(postOffice.isEnabled, 1)
                """,
            arguments: [name])
        return row.map {
            RelayDomain(
                name: $0["domain"], host: $0["isBackup"] ? nil : Self.host($0),
                onlyAuthenticated: $0["onlyAuthenticated"], asksServer: $0["asksServer"],
                giveUpAfter: Self.giveUpAfter($0))
        }
    }

    func login(_ credential: String, host: String, port: Int) throws -> SealedLogin? {
        try Self.login(credential, of: "relay", Self.credentialPrefix, host, port, db)
    }

    /// The login of a row of `table`, for its own server alone.
    static func login(
        _ credential: String, of table: String, _ prefix: String, _ host: String, _ port: Int, _ db: Database
    ) throws -> SealedLogin? {
        guard credential.hasPrefix(prefix), let id = Int64(credential.dropFirst(prefix.count)) else { return nil }
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT login, sealedPassword FROM \(table)
                WHERE id = ? AND host = ? AND port = ? AND login IS NOT NULL
                """,
            arguments: [id, host, port])
        return row.map { SealedLogin(name: $0["login"], sealedPassword: Array($0["sealedPassword"] as Data)) }
    }

    func entries(_ condition: String, _ arguments: StatementArguments = []) throws -> [RelayEntry] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT relay.*, postOffice.name AS postOffice
                FROM relay LEFT JOIN postOffice ON postOffice.id = relay.postOfficeID
                """ + condition + " ORDER BY relay.domain, postOffice.key",
            arguments: arguments)
        return rows.map { row in
            RelayEntry(
                domain: row["domain"], postOffice: row["postOffice"], host: row["host"], port: row["port"],
                security: Self.security(row), login: row["login"], onlyAuthenticated: row["onlyAuthenticated"],
                isBackup: row["isBackup"], asksServer: row["asksServer"], giveUpAfter: Self.giveUpAfter(row),
                isVerified: row["isVerified"], created: Date(timeIntervalSinceReferenceDate: row["created"]))
        }
    }

    private static let credentialPrefix = "relay/"

    private static func giveUpAfter(_ row: Row) -> Interval? {
        (row["giveUpAfter"] as Double?).map { Interval(seconds: $0) }
    }

    private static func host(_ row: Row) -> RelayHost { host(row, credentialPrefix) }

    /// The server of a row, with the name of its login.
    static func host(_ row: Row, _ credentialPrefix: String) -> RelayHost {
        let login: String? = row["login"]
        let id: Int64 = row["id"]
        return RelayHost(
            name: row["host"], port: row["port"], security: security(row),
            credential: login == nil ? nil : credentialPrefix + String(id))
    }

    /// What an unknown word means must be safe.
    static func security(_ row: Row) -> RelayHost.Security {
        RelayHost.Security(rawValue: row["security"]) ?? .verified
    }
}
