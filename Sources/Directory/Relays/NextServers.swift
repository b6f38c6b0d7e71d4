import Foundation
import GRDB
public import MailTypes

/// A server that some entry hands mail to, with all that can be wrong with it.
public struct NextServer: Sendable {
    /// `smarthost of acme`, `relay domain far.test`, `split domain acme.test`
    public var entry: String
    /// Of a relay domain or a split domain.
    public var domain: String?
    public var host: String
    public var port: Int
    public var security: RelayHost.Security
    public var login: SealedLogin?
    /// The post office that has it is switched off.
    public var isIdle: Bool

    /// `mail.example.org:25`
    public var place: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}

extension MailDirectory {
    /// Every smarthost, relay domain and partner. Blocks.
    public func nextServers() throws(DirectoryError) -> [NextServer] {
        try read { lists in
            let relays = try Row.fetchAll(
                lists.db,
                sql: """
                    SELECT relay.*, postOffice.name AS postOffice, coalesce(postOffice.isEnabled, 1) AS isEnabled
                    FROM relay LEFT JOIN postOffice ON postOffice.id = relay.postOfficeID
                    WHERE NOT relay.isBackup
                    ORDER BY relay.domain, postOffice.key
                    """
            ).map { row in
                let domain: String? = row["domain"]
                let owner: String? = row["postOffice"]
                return Self.server(
                    row, domain.map { "relay domain \($0)" } ?? "smarthost of \(owner ?? "everybody")", domain)
            }
            let partners = try Row.fetchAll(
                lists.db,
                sql: """
                    SELECT partner.*, domain.name AS domain,
                        splitDomain.isEnabled AND domain.isEnabled AND postOffice.isEnabled AS isEnabled
                    FROM partner JOIN splitDomain ON splitDomain.domainID = partner.domainID
                    JOIN domain ON domain.id = partner.domainID
                    JOIN postOffice ON postOffice.id = domain.postOfficeID
                    ORDER BY domain.name, partner.id
                    """
            ).map { row in Self.server(row, "split domain \(row["domain"] as String)", row["domain"]) }
            return relays + partners
        }
    }

    /// What takes mail away from another entry of the same domain. Blocks.
    public func shadowedEntries() throws(DirectoryError) -> [RouteFault] {
        try read { lists in
            let rows = try Row.fetchAll(
                lists.db,
                sql: """
                    SELECT domain.name, splitDomain.domainID IS NOT NULL AS isSplit, domain.catchAll,
                        relay.domain IS NOT NULL AS isRelayed,
                        (SELECT count(*) FROM address WHERE address.domainID = domain.id) AS addresses
                    FROM domain
                    LEFT JOIN splitDomain ON splitDomain.domainID = domain.id AND splitDomain.isEnabled
                    LEFT JOIN relay ON relay.domain = domain.name
                    WHERE relay.domain IS NOT NULL OR (splitDomain.domainID IS NOT NULL AND domain.catchAll IS NOT NULL)
                    ORDER BY domain.name
                    """)
            return rows.map { row in
                let name: String = row["name"]
                let catchAll: String? = row["catchAll"]
                if row["isRelayed"] {
                    let count: Int = row["addresses"]
                    let reason =
                        row["isSplit"]
                        ? "is relayed as a whole: nobody is sought at its partner"
                        : "is relayed as a whole: its \(count) addresses here get nothing"
                    return RouteFault(
                        kind: .shadowed, entry: "relay domain \(name)", witness: [name], reason: reason)
                }
                return RouteFault(
                    kind: .shadowed, entry: "catch-all of \(name)", witness: [name, catchAll ?? ""],
                    reason: "gets only what the partner of the split domain does not have")
            }
        }
    }

    /// The change of the directory that made something so: the last one of an object whose verb begins with this.
    public func decidingChange(
        of object: String, verb: String, title: String
    ) throws(DirectoryError) -> DecidingEntry {
        try read { lists in
            let changes = try lists.audit(object: object, limit: 1_000)
            return DecidingEntry(title: title, change: changes.first { $0.verb.hasPrefix(verb) })
        }
    }

    private static func server(_ row: Row, _ entry: String, _ domain: String?) -> NextServer {
        let login: String? = row["login"]
        let sealed: Data? = row["sealedPassword"]
        return NextServer(
            entry: entry, domain: domain, host: row["host"], port: row["port"], security: RelayLookup.security(row),
            login: login.map { SealedLogin(name: $0, sealedPassword: sealed.map(Array.init) ?? []) },
            isIdle: !(row["isEnabled"] as Bool))
    }
}
