import GRDB

/// The tables of `directory.sqlite`, in the order in which they came to be. What has been released is
/// never edited: a change is another migration.
enum Schema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: post offices, domains, addresses, audit log") { db in
            try db.execute(sql: first)
        }
        migrator.registerMigration("2: DKIM selectors and signing settings") { db in
            try db.execute(sql: signing)
        }
        migrator.registerMigration("3: thresholds, allow and block lists") { db in
            try db.execute(sql: policies)
        }
        migrator.registerMigration("4: sender addresses") { db in
            try db.execute(sql: senders)
        }
        migrator.registerMigration("5: who may not send") { db in
            try db.execute(sql: sendBlocks)
        }
        migrator.registerMigration("6: smarthosts and relay domains") { db in
            try db.execute(sql: relays)
        }
        migrator.registerMigration("7: domain aliases, redirections, addresses of groups, catch-alls") { db in
            try db.execute(sql: routing)
        }
        migrator.registerMigration("8: footers") { db in
            try db.execute(sql: footers)
        }
        migrator.registerMigration("9: split domains") { db in
            try db.execute(sql: splitDomains)
        }
        migrator.registerMigration("10: proof of domains") { db in
            try db.execute(sql: verification)
        }
        migrator.registerMigration("11: autoreplies") { db in
            try db.execute(sql: autoreplies)
        }
        migrator.registerMigration("12: delivery events") { db in
            try db.execute(sql: deliveryEvents)
        }
        migrator.registerMigration("13: backup exchangers") { db in
            try db.execute(sql: backups)
        }
        return migrator
    }

    /// Names and keys compare by octets (SQLite's BINARY), after Swift has made them lower case and
    /// composed, so SQLite and Swift cannot disagree on what is the same.
    private static let first = """
        CREATE TABLE postOffice (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            isEnabled INTEGER NOT NULL DEFAULT 1,
            created REAL NOT NULL
        ) STRICT;
        CREATE TABLE domain (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            postOfficeID INTEGER NOT NULL REFERENCES postOffice (id),
            isEnabled INTEGER NOT NULL DEFAULT 1,
            isVerified INTEGER NOT NULL DEFAULT 0,
            postmaster TEXT,
            created REAL NOT NULL
        ) STRICT;
        CREATE INDEX domainOfPostOffice ON domain (postOfficeID);
        -- One row per address of whatever kind, so that no two things can have one address.
        CREATE TABLE address (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            localPart TEXT NOT NULL,
            domainID INTEGER NOT NULL REFERENCES domain (id),
            kind TEXT NOT NULL CHECK (kind IN ('mailbox', 'alias', 'group')),
            isEnabled INTEGER NOT NULL DEFAULT 1,
            fullName TEXT,
            created REAL NOT NULL
        ) STRICT;
        CREATE INDEX addressOfDomain ON address (domainID, kind);
        CREATE TABLE mailbox (
            addressID INTEGER PRIMARY KEY REFERENCES address (id) ON DELETE CASCADE,
            passwordHash TEXT,
            quota INTEGER
        ) STRICT;
        CREATE TABLE member (
            ownerID INTEGER NOT NULL REFERENCES address (id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            localPart TEXT NOT NULL,
            domain TEXT NOT NULL,
            position INTEGER NOT NULL,
            PRIMARY KEY (ownerID, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX memberByKey ON member (domain, key);
        CREATE TABLE setting (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE audit (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            time REAL NOT NULL,
            actor TEXT NOT NULL,
            verb TEXT NOT NULL,
            object TEXT NOT NULL,
            before TEXT,
            after TEXT
        ) STRICT;
        CREATE INDEX auditByObject ON audit (object, number);
        """

    private static let signing = """
        CREATE TABLE selector (
            domainID INTEGER NOT NULL REFERENCES domain (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            algorithm TEXT NOT NULL,
            bits INTEGER NOT NULL,
            publicKey TEXT NOT NULL,
            isTest INTEGER NOT NULL,
            granularity TEXT,
            notes TEXT,
            state TEXT NOT NULL CHECK (state IN ('prepared', 'active', 'retired')),
            created REAL NOT NULL,
            activated REAL,
            retired REAL,
            PRIMARY KEY (domainID, name)
        ) STRICT, WITHOUT ROWID;
        -- One RSA and one Ed25519 key may sign together, and no two of one kind.
        CREATE UNIQUE INDEX activeSelector ON selector (domainID, algorithm) WHERE state = 'active';
        -- Nothing where the stage's file decides.
        CREATE TABLE signing (
            domainID INTEGER PRIMARY KEY REFERENCES domain (id) ON DELETE CASCADE,
            sign INTEGER NOT NULL,
            subdomains INTEGER NOT NULL,
            algorithm TEXT,
            headerCanonicalization TEXT,
            bodyCanonicalization TEXT,
            length INTEGER,
            identity INTEGER
        ) STRICT;
        """

    private static let senders = """
        CREATE TABLE sender (
            addressID INTEGER NOT NULL REFERENCES address (id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            localPart TEXT NOT NULL,
            domain TEXT NOT NULL,
            created REAL NOT NULL,
            PRIMARY KEY (addressID, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX senderByKey ON sender (domain, key);
        """

    /// A row stays when its block is lifted: it counts how often that was.
    private static let sendBlocks = """
        CREATE TABLE sendBlock (
            id INTEGER PRIMARY KEY,
            addressID INTEGER REFERENCES address (id) ON DELETE CASCADE,
            postOfficeID INTEGER REFERENCES postOffice (id) ON DELETE CASCADE,
            isActive INTEGER NOT NULL,
            pardons INTEGER NOT NULL DEFAULT 0,
            reason TEXT NOT NULL,
            author TEXT NOT NULL,
            since REAL NOT NULL,
            CHECK ((addressID IS NULL) <> (postOfficeID IS NULL))
        ) STRICT;
        CREATE UNIQUE INDEX sendBlockOfAddress ON sendBlock (addressID) WHERE addressID IS NOT NULL;
        CREATE UNIQUE INDEX sendBlockOfPostOffice ON sendBlock (postOfficeID) WHERE postOfficeID IS NOT NULL;
        """

    /// Servers that mail is handed to: smarthosts have no domain. Ids are never given twice: queued mail names its
    /// login by them.
    private static let relays = """
        CREATE TABLE relay (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            domain TEXT,
            postOfficeID INTEGER REFERENCES postOffice (id) ON DELETE CASCADE,
            host TEXT NOT NULL,
            port INTEGER NOT NULL,
            security TEXT NOT NULL,
            login TEXT,
            sealedPassword BLOB,
            onlyAuthenticated INTEGER NOT NULL DEFAULT 0,
            created REAL NOT NULL,
            CHECK ((login IS NULL) = (sealedPassword IS NULL))
        ) STRICT;
        CREATE UNIQUE INDEX relayOfDomain ON relay (domain) WHERE domain IS NOT NULL;
        CREATE UNIQUE INDEX smarthostOfPostOffice ON relay (coalesce(postOfficeID, 0)) WHERE domain IS NULL;
        """

    /// What belongs to neither a domain nor a mailbox is everybody's. A list's ids are never given twice: other files
    /// remember by them.
    private static let policies = """
        CREATE TABLE threshold (
            id INTEGER PRIMARY KEY,
            domainID INTEGER REFERENCES domain (id) ON DELETE CASCADE,
            addressID INTEGER REFERENCES address (id) ON DELETE CASCADE,
            deferFrom REAL NOT NULL,
            junkFrom REAL NOT NULL,
            rejectFrom REAL NOT NULL,
            author TEXT NOT NULL,
            changed REAL NOT NULL,
            audit INTEGER NOT NULL,
            CHECK (domainID IS NULL OR addressID IS NULL)
        ) STRICT;
        CREATE UNIQUE INDEX thresholdOfScope ON threshold (coalesce(domainID, 0), coalesce(addressID, 0));
        CREATE INDEX thresholdOfDomain ON threshold (domainID);
        CREATE INDEX thresholdOfAddress ON threshold (addressID);
        CREATE TABLE listEntry (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            domainID INTEGER REFERENCES domain (id) ON DELETE CASCADE,
            addressID INTEGER REFERENCES address (id) ON DELETE CASCADE,
            action TEXT NOT NULL CHECK (action IN ('allow', 'block')),
            kind TEXT NOT NULL CHECK (kind IN ('domain', 'address', 'network')),
            sender TEXT NOT NULL,
            shown TEXT NOT NULL,
            match TEXT NOT NULL,
            needs TEXT NOT NULL,
            reason TEXT,
            ends REAL,
            author TEXT NOT NULL,
            created REAL NOT NULL,
            audit INTEGER NOT NULL,
            CHECK (domainID IS NULL OR addressID IS NULL)
        ) STRICT;
        CREATE UNIQUE INDEX listEntryOfScope
            ON listEntry (coalesce(domainID, 0), coalesce(addressID, 0), sender, action);
        CREATE INDEX listEntryOfDomain ON listEntry (domainID, sender);
        CREATE INDEX listEntryOfAddress ON listEntry (addressID, sender);
        """

    /// What belongs to no post office is everybody's.
    private static let footers = """
        CREATE TABLE footer (
            id INTEGER PRIMARY KEY,
            postOfficeID INTEGER REFERENCES postOffice (id) ON DELETE CASCADE,
            text TEXT,
            html TEXT,
            author TEXT NOT NULL,
            changed REAL NOT NULL,
            audit INTEGER NOT NULL,
            CHECK (text IS NOT NULL OR html IS NOT NULL)
        ) STRICT;
        CREATE UNIQUE INDEX footerOfPostOffice ON footer (coalesce(postOfficeID, 0));
        """
}
