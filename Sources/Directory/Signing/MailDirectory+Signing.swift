import GRDB

/// What the directory knows of signatures, by name. All of these block.
extension MailDirectory {
    /// Of one domain, which must be there.
    public func signing(of domain: String) throws(DirectoryError) -> SigningEntry {
        let domain = try checked(domain)
        return try read { lists in try SigningLookup(db: lists.db).entry(try lists.requireDomain(domain ?? "")) }
    }

    /// Of all domains with selectors, in the order of their names; of one if it is named.
    public func signing(domain: String? = nil) throws(DirectoryError) -> [SigningEntry] {
        if let domain { return [try signing(of: domain)] }
        return try read { lists in try lists.signing() }
    }

    /// Of all domains with selectors, as the file `path` has it, which is not changed and not brought up to date.
    public static func signing(in path: String) throws(DirectoryError) -> [SigningEntry] {
        let pool = try DatabaseFile.openReadOnly(path)
        defer { try? pool.close() }
        do {
            return try pool.read { db in
                // Before there were any.
                guard try db.tableExists("selector") else { return [] }
                return try DirectoryLists(db: db).signing()
            }
        } catch { throw DirectoryError(error) }
    }

    /// A selector that must be there.
    public func selector(_ name: String, of domain: String) throws(DirectoryError) -> SelectorEntry {
        let entry = try signing(of: domain)
        let name = try Names(domainToASCII: options.domainToASCII).selector(name, of: entry.domain)
        if let found = entry.selectors.first(where: { $0.name == name }) { return found }
        throw .notFound(
            .selector, name: "\(name) of \(entry.domain)",
            nearest: NearestName.among(entry.selectors.map(\.name), to: name))
    }

    /// A name for a new selector as the directory would keep it; the domain must be there, and not have it yet.
    public func newSelector(_ name: String, of domain: String) throws(DirectoryError) -> (name: String, domain: String)
    {
        let entry = try signing(of: domain)
        let name = try Names(domainToASCII: options.domainToASCII).selector(name, of: entry.domain)
        guard !entry.selectors.contains(where: { $0.name == name }) else {
            throw .alreadyExists(.selector, name: "\(name) of \(entry.domain)")
        }
        return (name, entry.domain)
    }
}

extension DirectoryLists {
    fileprivate func signing() throws -> [SigningEntry] {
        let entries = try domains(postOffice: nil).map { domain in
            try SigningLookup(db: db).entry(try requireDomain(domain.name))
        }
        return entries.filter { !$0.selectors.isEmpty }
    }
}
