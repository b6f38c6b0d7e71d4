import GRDB
import MailTypes
import Pipeline

/// Walks from every alias, group, redirected mailbox, catch-all and postmaster to the ends.
///
/// Changes refuse loops, so what it finds has come otherwise: a domain that was another server's when an alias began to
/// lead there, an address that was switched off, a file that was edited by hand.
struct RouteReview {
    let lookup: AddressLookup
    private var report = RouteReport(entries: 0, faults: [])
    private var known: [Int64: Outcome] = [:]
    /// The loops that were told, each as its addresses in order.
    private var loops: Set<Set<Int64>> = []

    /// What becomes of mail for an address.
    private struct Outcome {
        /// Somebody gets it.
        var arrives = false
        /// A way to another server.
        var abroad: [EmailAddress]?
        /// A way to where nobody gets it, and why.
        var lost: (way: [EmailAddress], reason: String)?
        /// How many entries lie on the longest way.
        var height = 0

        static func lost(at address: EmailAddress, _ reason: String) -> Self {
            Self(lost: (way: [address], reason: reason))
        }
    }

    init(lookup: AddressLookup) { self.lookup = lookup }

    /// Everything there is.
    mutating func all() throws -> RouteReport {
        let rows = try AddressRow.fetchAll(
            db,
            sql: AddressRow.select + """
                 JOIN postOffice ON postOffice.id = domain.postOfficeID
                WHERE address.isEnabled AND domain.isEnabled AND postOffice.isEnabled
                    AND (address.kind IN ('alias', 'group')
                        OR EXISTS (SELECT 1 FROM member WHERE member.ownerID = address.id))
                ORDER BY domain.name, address.key
                """)
        for row in rows {
            report.entries += 1
            _ = try outcome(of: row, path: [])
        }
        try walk("postmaster", of: "SELECT name, postmaster FROM domain WHERE postmaster IS NOT NULL ORDER BY name")
        try walk("postmaster", of: "SELECT NULL, value FROM setting WHERE name = 'postmaster'")
        try walkCatchAlls()
        return report
    }

    /// Catch-alls that lead to other servers alone.
    mutating func catchAlls() throws -> RouteReport {
        try walkCatchAlls()
        report.faults.removeAll { $0.kind != .leak }
        return report
    }

    private mutating func walkCatchAlls() throws {
        let sql = "SELECT name, catchAll FROM domain WHERE catchAll IS NOT NULL AND isEnabled ORDER BY name"
        try walk("catch-all", of: sql)
    }

    /// A setting of domains or of the server that names an address.
    private mutating func walk(_ setting: String, of sql: String) throws {
        for row in try Row.fetchAll(db, sql: sql) {
            let domain: String? = row[0]
            guard let target = try? AddressParser.mailbox(row[1] as String) else { continue }
            let entry = "\(setting) of \(domain ?? "the server")"
            report.entries += 1
            let end = try outcome(of: target, path: [])
            if !end.arrives, let lost = end.lost {
                note(.deadEnd, entry, lost.way, lost.reason)
            } else if setting == "catch-all", let way = end.abroad {
                note(.leak, entry, way, "is on another server: spam for addresses that nobody has leaves in your name")
            }
        }
    }

    // MARK: One address

    private mutating func outcome(of address: EmailAddress, path: [AddressRow]) throws -> Outcome {
        guard let domain = try lookup.hostedDomain(address.domain) else {
            return Outcome(arrives: true, abroad: [address])
        }
        guard domain.isEnabled else { return .lost(at: address, "is in a domain that is switched off") }
        guard try lookup.isVerified(lookup.normalized(address).domain), try lookup.isVerified(domain.name) else {
            return .lost(at: address, "is in a domain that is not verified")
        }
        let row = try lookup.find(address)
        if let row, row.isEnabled { return try outcome(of: row, path: path) }
        if address.isPostmaster, let target = try lookup.postmaster(domain: domain.name) {
            guard path.count <= DirectoryLimits.depth else { return .lost(at: address, "leads too far") }
            return try outcome(of: target, path: path)
        }
        guard row == nil else { return .lost(at: address, "is switched off") }
        // The partner says whether it has it.
        if try SplitLookup(db: db).splitDomain(domain.name) != nil { return Outcome(arrives: true) }
        return .lost(at: address, "is unknown here")
    }

    /// Recursion ends at ``DirectoryLimits/depth``.
    private mutating func outcome(of row: AddressRow, path: [AddressRow]) throws -> Outcome {
        if let start = path.firstIndex(where: { $0.id == row.id }) { return loop(Array(path[start...]) + [row]) }
        if let outcome = known[row.id] {
            if path.count + outcome.height > DirectoryLimits.depth { return tooDeep(path + [row]) }
            return outcome
        }
        let members = try lookup.members(of: row.id)
        if row.kind == .mailbox, members.isEmpty { return Outcome(arrives: true) }
        guard path.count < DirectoryLimits.depth else { return tooDeep(path + [row]) }
        guard !members.isEmpty else {
            note(.deadEnd, row.title, [row.address], "has no members")
            return .lost(at: row.address, "has no members")
        }
        var sum = Outcome(arrives: try row.kind == .mailbox && lookup.keepsCopy(row.id), height: 1)
        var lost: [(way: [EmailAddress], reason: String)] = []
        for member in members {
            let end = try outcome(of: member, path: path + [row])
            sum.arrives = sum.arrives || end.arrives
            sum.abroad = sum.abroad ?? end.abroad.map { [row.address] + $0 }
            sum.height = max(sum.height, end.height + 1)
            if !end.arrives, let place = end.lost { lost.append(place) }
        }
        tell(lost, of: row, sum)
        sum.lost = lost.first.map { ([row.address] + $0.way, $0.reason) }
        known[row.id] = sum
        return sum
    }

    /// Of an entry by which nobody gets mail, one way; otherwise each member of its own that nobody has.
    private mutating func tell(_ lost: [(way: [EmailAddress], reason: String)], of row: AddressRow, _ sum: Outcome) {
        if !sum.arrives, let end = lost.first {
            // A loop has been told, with all that are on it.
            guard end.reason != Self.backToItself else { return }
            note(.deadEnd, row.title, [row.address] + end.way, end.reason)
        } else {
            for end in lost where end.way.count == 1 && end.reason != Self.backToItself {
                note(.lostMember, row.title, [row.address] + end.way, end.reason)
            }
        }
    }

    private static let backToItself = "leads back to itself"

    private mutating func loop(_ rows: [AddressRow]) -> Outcome {
        if let first = rows.first, loops.insert(Set(rows.map(\.id))).inserted {
            note(.loop, first.title, rows.map(\.address), Self.backToItself)
        }
        return .lost(at: rows[rows.count - 1].address, Self.backToItself)
    }

    private mutating func tooDeep(_ rows: [AddressRow]) -> Outcome {
        let reason = "leads through more than \(DirectoryLimits.depth) others"
        if let first = rows.first { note(.tooDeep, first.title, rows.map(\.address), reason) }
        return .lost(at: rows[rows.count - 1].address, reason)
    }

    private mutating func note(_ kind: RouteFault.Kind, _ entry: String, _ way: [EmailAddress], _ reason: String) {
        report.faults.append(
            RouteFault(kind: kind, entry: entry, witness: way.map(\.description), reason: reason))
    }

    private var db: Database { lookup.db }
}

extension AddressRow {
    /// `alias info@acme.test`
    var title: String {
        switch kind {
        case .mailbox: "mailbox \(address)"
        case .alias: "alias \(address)"
        case .group, .groupAddress: "group \(address)"
        }
    }
}
