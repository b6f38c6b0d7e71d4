import GRDB
public import MailTypes

/// What there is, by name. All of these block.
extension MailDirectory {
    public func postOffices() throws(DirectoryError) -> [PostOfficeEntry] {
        try read { lists in try lists.postOffices() }
    }

    public func domains(postOffice: String? = nil) throws(DirectoryError) -> [DomainEntry] {
        try read { lists in try lists.domains(postOffice: postOffice) }
    }

    public func mailboxes(domain: String? = nil) throws(DirectoryError) -> [MailboxEntry] {
        let domain = try checked(domain)
        return try read { lists in try lists.mailboxes(domain: domain) }
    }

    public func aliases(domain: String? = nil) throws(DirectoryError) -> [AliasEntry] {
        let domain = try checked(domain)
        return try read { lists in try lists.aliases(domain: domain) }
    }

    public func groups(domain: String? = nil) throws(DirectoryError) -> [GroupEntry] {
        let domain = try checked(domain)
        return try read { lists in try lists.groups(domain: domain) }
    }

    public func domainAliases(domain: String? = nil) throws(DirectoryError) -> [DomainAliasEntry] {
        let domain = try checked(domain)
        return try read { lists in try lists.domainAliases(domain: domain) }
    }

    /// Who gets mail for `<Postmaster>`, if that is set. Otherwise the oldest mailbox does.
    public func postmaster() throws(DirectoryError) -> EmailAddress? {
        try read { lists in try AddressLookup(db: lists.db, options: options).setPostmaster(domain: nil) }
    }

    /// The newest changes first; those of one object if it is named.
    public func audit(object: String? = nil, limit: Int = 100) throws(DirectoryError) -> [AuditEntry] {
        try read { lists in try lists.audit(object: object, limit: limit) }
    }

    func checked(_ domain: String?) throws(DirectoryError) -> String? {
        guard let domain else { return nil }
        return try Names(domainToASCII: options.domainToASCII).domain(domain)
    }

    func read<Result>(_ body: (DirectoryLists) throws -> Result) throws(DirectoryError) -> Result {
        do { return try pool.read { db in try body(DirectoryLists(db: db)) } } catch { throw DirectoryError(error) }
    }
}
