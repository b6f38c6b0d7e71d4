extension Schema {
    /// Relay domains that go to their own exchangers have no host. How long mail is kept: seconds.
    static let backups = """
        ALTER TABLE relay ADD COLUMN isBackup INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE relay ADD COLUMN asksServer INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE relay ADD COLUMN giveUpAfter REAL;
        """

    /// An address may be a further one of a group. SQLite cannot change a CHECK, so the table is made anew under its
    /// old name, with its old ids; references to it are checked at the end of the migration.
    ///
    /// Members of a mailbox are whom it is redirected to.
    static let routing = """
        CREATE TABLE newAddress (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            localPart TEXT NOT NULL,
            domainID INTEGER NOT NULL REFERENCES domain (id),
            kind TEXT NOT NULL CHECK (kind IN ('mailbox', 'alias', 'group', 'groupAddress')),
            groupID INTEGER REFERENCES address (id) ON DELETE CASCADE,
            isEnabled INTEGER NOT NULL DEFAULT 1,
            fullName TEXT,
            created REAL NOT NULL,
            CHECK ((kind = 'groupAddress') = (groupID IS NOT NULL))
        ) STRICT;
        INSERT INTO newAddress (id, key, localPart, domainID, kind, isEnabled, fullName, created)
            SELECT id, key, localPart, domainID, kind, isEnabled, fullName, created FROM address;
        DROP TABLE address;
        ALTER TABLE newAddress RENAME TO address;
        CREATE INDEX addressOfDomain ON address (domainID, kind);
        CREATE INDEX addressOfGroup ON address (groupID);
        ALTER TABLE mailbox ADD COLUMN keepsCopy INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE domain ADD COLUMN catchAll TEXT;
        -- No name is both a domain and an alias of one: the changes see to that.
        CREATE TABLE domainAlias (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            domainID INTEGER NOT NULL REFERENCES domain (id) ON DELETE CASCADE,
            created REAL NOT NULL
        ) STRICT;
        CREATE INDEX domainAliasOfDomain ON domainAlias (domainID);
        """
}
