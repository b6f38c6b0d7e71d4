import Foundation
import GRDB
import MailTypes
import Pipeline

/// Thresholds and lists, read from the database.
struct PolicyLookup {
    let db: Database

    /// Entries that are about one message; more of them than make sense are left out, the last in precedence first.
    private static let mostListed = 100

    // MARK: Thresholds

    /// Those of the scope, or of the nearest around it that has any.
    func thresholds(for scope: PolicyScope) throws -> SetThresholds? {
        for level in scope.levels {
            guard let place = try place(of: level), let entry = try thresholds(at: place) else { continue }
            return SetThresholds(entry.thresholds, of: entry.scope, audit: entry.audit)
        }
        return nil
    }

    func thresholds(at place: PolicyPlace) throws -> ThresholdsEntry? {
        let row = try Row.fetchOne(
            db, sql: Self.thresholdColumns + " WHERE threshold.domainID IS ? AND threshold.addressID IS ?",
            arguments: [place.domainID, place.addressID])
        return try row.map(Self.thresholds)
    }

    /// All there are, everybody's first.
    func allThresholds() throws -> [ThresholdsEntry] {
        let names = "coalesce(domain.name, home.name)"
        let order = " ORDER BY \(names) IS NOT NULL, \(names), address.key"
        return try Row.fetchAll(db, sql: Self.thresholdColumns + order).map(Self.thresholds)
    }

    private static let thresholdColumns = "SELECT threshold.*, " + scopeColumns(of: "threshold")

    private static func thresholds(_ row: Row) throws -> ThresholdsEntry {
        ThresholdsEntry(
            scope: scope(row),
            thresholds: try Thresholds(defer: row["deferFrom"], junk: row["junkFrom"], reject: row["rejectFrom"]),
            author: row["author"], changed: Date(timeIntervalSinceReferenceDate: row["changed"]), audit: row["audit"])
    }

    // MARK: Lists

    func listScopes(of scope: PolicyScope) throws -> [PolicyScope] {
        try scope.levels.filter { level in
            guard let place = try place(of: level) else { return false }
            return try Row.fetchOne(
                db, sql: "SELECT 1 FROM listEntry WHERE domainID IS ? AND addressID IS ? LIMIT 1",
                arguments: [place.domainID, place.addressID]) != nil
        }
    }

    /// In the order of precedence: everybody's, the mailbox's own, its domain's; in each, allow before block.
    func listed(_ probe: ListProbe) throws -> [ListEntry] {
        let keys = probe.keys
        let marks = keys.map { _ in "?" }.joined(separator: ", ")
        var found: [ListEntry] = []
        for level in probe.scope.precedence {
            guard let place = try place(of: level) else { continue }
            let rows = try Row.fetchAll(
                db,
                sql: Self.listColumns + """
                     WHERE listEntry.domainID IS ? AND listEntry.addressID IS ? AND listEntry.sender IN (\(marks))
                    ORDER BY listEntry.action, listEntry.id LIMIT \(Self.mostListed)
                    """,
                arguments: [place.domainID, place.addressID] + StatementArguments(keys))
            found += try rows.map(Self.entry)
        }
        return Array(found.prefix(Self.mostListed))
    }

    /// Those with entries that only a message's author decides, in the order of precedence. Entries that have ended are
    /// among them until they are removed.
    func authorLists(of scope: PolicyScope) throws -> [SenderList] {
        try scope.allLists.filter { list in
            guard let place = try place(of: list.scope) else { return false }
            return try Row.fetchOne(
                db,
                sql: """
                    SELECT 1 FROM listEntry WHERE domainID IS ? AND addressID IS ? AND action = ?
                        AND kind <> 'network' AND match <> 'envelope-from' LIMIT 1
                    """,
                arguments: [place.domainID, place.addressID, list.action.rawValue]) != nil
        }
    }

    func countEntries(at place: PolicyPlace) throws -> Int {
        try Int.fetchOne(
            db, sql: "SELECT count(*) FROM listEntry WHERE domainID IS ? AND addressID IS ?",
            arguments: [place.domainID, place.addressID]) ?? 0
    }

    /// All entries; those of one place, or of one sender there, if they are named. Everybody's first.
    func entries(at place: PolicyPlace? = nil, sender: ListEntry.Sender? = nil) throws -> [ListEntry] {
        var (condition, arguments) = ("", StatementArguments())
        if let place {
            condition = " WHERE listEntry.domainID IS ? AND listEntry.addressID IS ?"
            arguments = [place.domainID, place.addressID]
            if let sender {
                condition += " AND listEntry.sender = ?"
                arguments += [sender.key]
            }
        }
        let order = """
             ORDER BY coalesce(domain.name, home.name) IS NOT NULL, coalesce(domain.name, home.name), address.key,
                listEntry.action, listEntry.kind, listEntry.sender
            """
        return try Row.fetchAll(db, sql: Self.listColumns + condition + order, arguments: arguments).map(Self.entry)
    }

    func entry(_ id: Int64) throws -> ListEntry? {
        try Row.fetchOne(db, sql: Self.listColumns + " WHERE listEntry.id = ?", arguments: [id]).map(Self.entry)
    }

    private static let listColumns = "SELECT listEntry.*, " + scopeColumns(of: "listEntry")

    private static func entry(_ row: Row) throws -> ListEntry {
        guard let action = ListEntry.Action(rawValue: row["action"]),
            let match = ListEntry.Match(rawValue: row["match"]),
            let needs = ListEntry.Proof(rawValue: row["needs"]), let sender = sender(row)
        else { throw DirectoryError.unavailable("an entry of a list is of a kind that this version does not know") }
        var entry = ListEntry(
            id: row["id"], scope: scope(row), action: action, sender: sender, author: row["author"],
            created: Date(timeIntervalSinceReferenceDate: row["created"]), audit: row["audit"])
        entry.match = match
        entry.needs = needs
        entry.reason = row["reason"]
        entry.ends = (row["ends"] as Double?).map { Date(timeIntervalSinceReferenceDate: $0) }
        return entry
    }

    private static func sender(_ row: Row) -> ListEntry.Sender? {
        let text: String = row["shown"]
        switch row["kind"] as String {
        case "domain": return .domain(text)
        case "address": return (try? AddressParser.mailbox(text)).map(ListEntry.Sender.address)
        case "network": return Network(text).map(ListEntry.Sender.network)
        default: return nil
        }
    }

    // MARK: Scopes

    /// Where a scope's values are kept; `nil` for what is not in the directory.
    func place(of scope: PolicyScope) throws -> PolicyPlace? {
        switch scope {
        case .global: return PolicyPlace(scope: .global)
        case .domain(let name):
            let id = try Int64.fetchOne(db, sql: "SELECT id FROM domain WHERE name = ?", arguments: [name])
            return id.map { PolicyPlace(scope: scope, domainID: $0) }
        case .mailbox(let mailbox):
            let id = try Int64.fetchOne(
                db, sql: "SELECT id FROM address WHERE key = ? AND kind = 'mailbox'", arguments: [mailbox.key])
            return id.map { PolicyPlace(scope: scope, addressID: $0) }
        }
    }

    private static func scopeColumns(of table: String) -> String {
        """
        domain.name AS domainName, address.localPart AS localPart, home.name AS homeName
        FROM \(table)
        LEFT JOIN domain ON domain.id = \(table).domainID
        LEFT JOIN address ON address.id = \(table).addressID
        LEFT JOIN domain AS home ON home.id = address.domainID
        """
    }

    private static func scope(_ row: Row) -> PolicyScope {
        if let localPart = row["localPart"] as String?, let domain = row["homeName"] as String? {
            return .mailbox(EmailAddress(localPart: localPart, domain: domain))
        }
        return (row["domainName"] as String?).map(PolicyScope.domain) ?? .global
    }
}

/// A scope by the rows that it belongs to: none for everybody's.
struct PolicyPlace {
    let scope: PolicyScope
    var domainID: Int64?
    var addressID: Int64?
}
