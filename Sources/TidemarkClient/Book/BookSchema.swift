//      contact        one row a contact          number, user, name, annotations, stamp, seen
//      contact_group  the groups it is in        number, position
//      field          its details                number, field
//      own            the owner's profile        at most one row
//      own_field      its details                field
//      aside          a request or a block       user, kind, its name or note
//      message        what was sent to the owner stamp, sender and its id, kind, content
//      mark           where the book stands      exactly one row: owner, token, generation …
//
//  `seen` is the generation in which a row was last received; see BookPage. User numbers are 64 bits without a sign
//  and are stored by their bit pattern. SQLite's user_version is the schema's.

import GRDB

enum BookSchema {
    static let version = 3

    /// Makes the tables in an empty file; brings those of an older book up to this version.
    /// - Throws: `BookError.newerSchema`.
    static func prepare(_ database: Database) throws {
        let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard found <= version else { throw BookError.newerSchema(found: found, known: version) }
        guard found < version else { return }
        if found == 0 { try database.execute(sql: tables) }
        if found < 2 { try database.execute(sql: asides) }
        try database.execute(sql: messages)
        try database.execute(sql: "PRAGMA user_version = \(version)")
    }

    /// Since version 2.
    private static let asides = """
        CREATE TABLE aside (
            user INTEGER PRIMARY KEY,
            kind INTEGER NOT NULL,
            text TEXT NOT NULL,
            stamp INTEGER,
            seen INTEGER NOT NULL
        ) STRICT;
        ALTER TABLE mark ADD COLUMN asides INTEGER NOT NULL DEFAULT 0;
        """

    /// Since version 3.
    private static let messages = """
        CREATE TABLE message (
            place INTEGER PRIMARY KEY,
            stamp INTEGER NOT NULL,
            sender INTEGER NOT NULL,
            id BLOB NOT NULL,
            kind INTEGER NOT NULL,
            content BLOB NOT NULL
        ) STRICT;
        CREATE INDEX message_by_stamp ON message (stamp);
        CREATE UNIQUE INDEX message_by_id ON message (sender, id);
        ALTER TABLE mark ADD COLUMN messages BLOB NOT NULL DEFAULT x'';
        """

    private static let tables = """
        CREATE TABLE contact (
            number INTEGER PRIMARY KEY,
            user INTEGER NOT NULL,
            name TEXT NOT NULL,
            alias TEXT NOT NULL,
            favourite INTEGER NOT NULL,
            pending INTEGER NOT NULL,
            stamp INTEGER,
            seen INTEGER NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX contact_by_user ON contact (user);
        CREATE INDEX contact_by_name ON contact (name);
        CREATE TABLE contact_group (
            number INTEGER NOT NULL REFERENCES contact (number) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            PRIMARY KEY (number, position)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE field (
            number INTEGER NOT NULL REFERENCES contact (number) ON DELETE CASCADE,
            field INTEGER NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (number, field)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE own (
            id INTEGER PRIMARY KEY CHECK (id = 0),
            name TEXT NOT NULL,
            stamp INTEGER,
            seen INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE own_field (
            field INTEGER PRIMARY KEY,
            value BLOB NOT NULL,
            private INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE mark (
            id INTEGER PRIMARY KEY CHECK (id = 0),
            owner INTEGER,
            token BLOB NOT NULL,
            stamps INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            in_full INTEGER NOT NULL
        ) STRICT;
        INSERT INTO mark VALUES (0, NULL, x'', 0, 0, 0);
        """
}
