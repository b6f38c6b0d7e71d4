import GRDB
public import MailTypes
import Pipeline

/// Where addresses lead, for people. All of these block.
extension MailDirectory {
    /// Walks from every entry to its ends.
    public func routeReport() throws(DirectoryError) -> RouteReport {
        try read { lists in
            var review = RouteReview(lookup: AddressLookup(db: lists.db, options: options))
            return try review.all()
        }
    }

    /// The catch-alls that lead to other servers.
    public func leakingCatchAlls() throws(DirectoryError) -> [RouteFault] {
        try read { lists in
            var review = RouteReview(lookup: AddressLookup(db: lists.db, options: options))
            return try review.catchAlls().faults
        }
    }

    /// The domains that have catch-alls, and those of these that lead to other servers, in a file that is only read.
    public static func catchAlls(
        in path: String, plusSeparator: String
    ) throws(DirectoryError) -> (domains: [String], leaks: [RouteFault]) {
        let pool = try DatabaseFile.openReadOnly(path)
        defer { try? pool.close() }
        var options = Options()
        options.plusSeparator = plusSeparator
        let lookupOptions = options
        do {
            return try pool.read { db in
                let domains = try String.fetchAll(
                    db, sql: "SELECT name FROM domain WHERE catchAll IS NOT NULL ORDER BY name")
                var review = RouteReview(lookup: AddressLookup(db: db, options: lookupOptions))
                return (domains, try review.catchAlls().faults)
            }
        } catch {
            throw DirectoryError(error)
        }
    }

    /// The entry that decides what an address stands for.
    public func decidingEntry(of address: EmailAddress) throws(DirectoryError) -> DecidingEntry? {
        try read { lists in
            let lookup = AddressLookup(db: lists.db, options: options)
            let address = lookup.normalized(address)
            guard let (title, object) = try Self.entry(deciding: address, lookup) else { return nil }
            return DecidingEntry(title: title, change: try lists.audit(object: object, limit: 1).first)
        }
    }

    /// The entry that says who gets mail for addresses of a domain that nobody has.
    public func decidingCatchAll(of domain: String) throws(DirectoryError) -> DecidingEntry? {
        let domain = try checked(domain)
        return try read { lists in
            let lookup = AddressLookup(db: lists.db, options: options)
            guard let domain, let hosted = try lookup.hostedDomain(domain), hosted.catchAll != nil else { return nil }
            let changes = try lists.audit(object: hosted.name, limit: 1_000)
            return DecidingEntry(
                title: "catch-all of \(hosted.name)", change: changes.first { $0.verb == "domain.catch-all" })
        }
    }

    private static func entry(
        deciding address: EmailAddress, _ lookup: AddressLookup
    ) throws -> (title: String, object: String)? {
        guard let domain = try lookup.hostedDomain(address.domain) else { return nil }
        guard domain.isEnabled else { return ("domain \(domain.name)", domain.name) }
        if domain.name != address.domain { return ("domain alias \(address.domain)", address.domain) }
        if let row = try lookup.find(address), row.isEnabled || !address.isPostmaster {
            return (row.title, row.address.description)
        }
        if address.isPostmaster { return ("postmaster of \(domain.name)", domain.name) }
        return ("domain \(domain.name)", domain.name)
    }
}

/// What in the directory decided, and when it was last changed.
public struct DecidingEntry: Sendable, Hashable {
    /// `alias info@acme.test`
    public var title: String
    public var change: AuditEntry?

    public init(title: String, change: AuditEntry?) {
        self.title = title
        self.change = change
    }
}
