extension Schema {
    /// What mailboxes answer. A row stays when it is switched off, so that it can be switched on again.
    static let autoreplies = """
        CREATE TABLE autoreply (
            addressID INTEGER PRIMARY KEY REFERENCES address (id) ON DELETE CASCADE,
            isOn INTEGER NOT NULL,
            starts REAL,
            ends REAL,
            subject TEXT,
            text TEXT NOT NULL,
            html TEXT,
            period REAL NOT NULL,
            answersCatchAll INTEGER NOT NULL,
            since REAL NOT NULL
        ) STRICT;
        """

    /// Programs that are run on what has come to lie in mailboxes.
    static let deliveryEvents = """
        CREATE TABLE deliveryEvent (
            addressID INTEGER PRIMARY KEY REFERENCES address (id) ON DELETE CASCADE,
            program TEXT NOT NULL
        ) STRICT;
        """
}
