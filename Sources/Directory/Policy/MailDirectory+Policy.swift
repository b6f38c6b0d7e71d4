import GRDB
public import Pipeline

/// Thresholds and lists, by scope: a domain, a mailbox's address, or `nil` for everybody. All of these block.
extension MailDirectory {
    /// The scope as the directory names it, which must be there.
    public func policyScope(_ text: String?) throws(DirectoryError) -> PolicyScope {
        do {
            return try pool.read { db in
                try DirectoryChanges(db: db, options: options, actor: "nobody").place(of: text).scope
            }
        } catch { throw DirectoryError(error) }
    }

    /// Every scope that has thresholds of its own, everybody's first.
    public func thresholds() throws(DirectoryError) -> [ThresholdsEntry] {
        try read { lists in try PolicyLookup(db: lists.db).allThresholds() }
    }

    /// What the directory has for the scope itself and around it, the narrowest first.
    public func thresholds(around scope: PolicyScope) throws(DirectoryError) -> [ThresholdsEntry] {
        try read { lists in
            let lookup = PolicyLookup(db: lists.db)
            return try scope.levels.compactMap { try lookup.place(of: $0).flatMap(lookup.thresholds) }
        }
    }

    /// Those that may be about a message, in the order of their precedence.
    public func listEntries(about probe: ListProbe) throws(DirectoryError) -> [ListEntry] {
        try read { lists in try PolicyLookup(db: lists.db).listed(probe) }
    }

    /// All entries of lists, or those of one scope.
    public func listEntries(of scope: PolicyScope? = nil) throws(DirectoryError) -> [ListEntry] {
        try read { lists in
            let lookup = PolicyLookup(db: lists.db)
            guard let scope else { return try lookup.entries() }
            return try lookup.place(of: scope).map { try lookup.entries(at: $0) } ?? []
        }
    }
}
