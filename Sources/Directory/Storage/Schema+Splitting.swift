extension Schema {
    /// Domains of which other servers have a part, and these. Ids are never given twice: queued mail names its login
    /// by them.
    static let splitDomains = """
        CREATE TABLE splitDomain (
            domainID INTEGER PRIMARY KEY REFERENCES domain (id) ON DELETE CASCADE,
            isEnabled INTEGER NOT NULL DEFAULT 1,
            asksPartner INTEGER NOT NULL DEFAULT 1,
            networks TEXT NOT NULL DEFAULT '',
            created REAL NOT NULL
        ) STRICT;
        CREATE TABLE partner (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            domainID INTEGER NOT NULL REFERENCES splitDomain (domainID) ON DELETE CASCADE,
            host TEXT NOT NULL,
            port INTEGER NOT NULL,
            security TEXT NOT NULL,
            login TEXT,
            sealedPassword BLOB,
            CHECK ((login IS NULL) = (sealedPassword IS NULL))
        ) STRICT;
        CREATE UNIQUE INDEX partnerOfDomain ON partner (domainID, host, port);
        """

    /// What the owner of a domain, an alias of one or a relay domain is to put into DNS. It ends with that, so that the
    /// next owner has another one.
    static let verification = """
        ALTER TABLE domainAlias ADD COLUMN isVerified INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE relay ADD COLUMN isVerified INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE domainToken (
            name TEXT PRIMARY KEY,
            token TEXT NOT NULL,
            created REAL NOT NULL
        ) STRICT, WITHOUT ROWID;
        """
}
