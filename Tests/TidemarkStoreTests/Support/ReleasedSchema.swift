import GRDB

/// Schemas that were released before the present one, word for word, with a little in each: what a migration begins from.
enum ReleasedSchema {
    /// Two accounts, a field, an entry, and a group of the log that is not folded.
    static func make(version: Int, in db: Database) throws {
        try db.execute(sql: [first, second, third, fourth, fifth, sixth, seventh, eighth][version - 1])
        try db.execute(
            sql: """
                PRAGMA application_id = 0x54444D4B;
                PRAGMA user_version = \(version);
                INSERT INTO epoch VALUES (1, 77, NULL);
                INSERT INTO account (id, name, created) VALUES (1, 'ada', 1), (2, 'bob', 2);
                INSERT INTO field VALUES (2, 1, 3, x'426F62');
                INSERT INTO entry (owner, contact, number, stamp, removed, favourite, annotations) VALUES (1, 2, 1, 4, 0, 0, NULL);
                UPDATE folded SET stamp = 4;
                INSERT INTO log VALUES (5, 5, x'010303657665');
                """
        )
    }

    private static let first = """
        CREATE TABLE epoch(
            sequence INTEGER PRIMARY KEY,
            epoch INTEGER NOT NULL UNIQUE,
            last INTEGER                         -- the last stamp of this opening; NULL for the one running
        );
        CREATE TABLE log(
            first INTEGER PRIMARY KEY,
            last INTEGER NOT NULL,
            bytes BLOB NOT NULL
        );
        CREATE TABLE folded(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            stamp INTEGER NOT NULL               -- the state tables hold all changes up to here
        );
        INSERT INTO folded VALUES (1, 0);
        CREATE TABLE account(
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            created INTEGER NOT NULL
        );
        CREATE TABLE field(
            user INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            value BLOB,                          -- NULL for removed
            PRIMARY KEY (user, number)
        ) WITHOUT ROWID;
        CREATE TABLE entry(
            owner INTEGER NOT NULL,
            contact INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            removed INTEGER NOT NULL,
            favourite INTEGER NOT NULL,
            annotations BLOB,                    -- alias and groups as on the wire; NULL for none
            PRIMARY KEY (owner, contact)
        ) WITHOUT ROWID;
        """

    private static let second = """
        CREATE TABLE epoch(
            sequence INTEGER PRIMARY KEY,
            epoch INTEGER NOT NULL UNIQUE,
            last INTEGER                         -- the last stamp of this opening; NULL for the one running
        );
        CREATE TABLE log(
            first INTEGER PRIMARY KEY,
            last INTEGER NOT NULL,
            bytes BLOB NOT NULL
        );
        CREATE TABLE folded(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            stamp INTEGER NOT NULL               -- the state tables hold all changes up to here
        );
        INSERT INTO folded VALUES (1, 0);
        CREATE TABLE account(
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            created INTEGER NOT NULL,
            horizon INTEGER NOT NULL DEFAULT 0   -- tombstones of its roster were collected up to here
        );
        CREATE TABLE deleted(
            id INTEGER PRIMARY KEY,              -- of an account that is gone; never used again
            stamp INTEGER NOT NULL               -- and so the tombstone in each roster that still has an entry of it
        );
        CREATE TABLE field(
            user INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            value BLOB,                          -- NULL for removed
            PRIMARY KEY (user, number)
        ) WITHOUT ROWID;
        CREATE TABLE entry(
            owner INTEGER NOT NULL,
            contact INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            removed INTEGER NOT NULL,
            favourite INTEGER NOT NULL,
            annotations BLOB,                    -- alias and groups as on the wire; NULL for none
            PRIMARY KEY (owner, contact)
        ) WITHOUT ROWID;
        """

    private static let third = """
        CREATE TABLE epoch(
            sequence INTEGER PRIMARY KEY,
            epoch INTEGER NOT NULL UNIQUE,
            last INTEGER                         -- the last stamp of this opening; NULL for the one running
        );
        CREATE TABLE log(
            first INTEGER PRIMARY KEY,
            last INTEGER NOT NULL,
            bytes BLOB NOT NULL
        );
        CREATE TABLE folded(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            stamp INTEGER NOT NULL,              -- the state tables hold all changes up to here, and some later ones
            trimmed INTEGER NOT NULL DEFAULT 0   -- no change up to here is in the log any more
        );
        INSERT INTO folded (id, stamp) VALUES (1, 0);
        CREATE TABLE observer(
            name TEXT PRIMARY KEY,
            stamp INTEGER NOT NULL               -- it has dealt with all changes up to here
        ) WITHOUT ROWID;
        CREATE TABLE account(
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            created INTEGER NOT NULL,
            horizon INTEGER NOT NULL DEFAULT 0   -- tombstones of its roster were collected up to here
        );
        CREATE TABLE deleted(
            id INTEGER PRIMARY KEY,              -- of an account that is gone; never used again
            stamp INTEGER NOT NULL               -- and so the tombstone in each roster that still has an entry of it
        );
        CREATE TABLE field(
            user INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            value BLOB,                          -- NULL for removed
            PRIMARY KEY (user, number)
        ) WITHOUT ROWID;
        CREATE TABLE entry(
            owner INTEGER NOT NULL,
            contact INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            removed INTEGER NOT NULL,
            favourite INTEGER NOT NULL,
            annotations BLOB,                    -- alias and groups as on the wire; NULL for none
            PRIMARY KEY (owner, contact)
        ) WITHOUT ROWID;
        """

    private static let fourth = """
        CREATE TABLE epoch(
            sequence INTEGER PRIMARY KEY,
            epoch INTEGER NOT NULL UNIQUE,
            last INTEGER                         -- the last stamp of this opening; NULL for the one running
        );
        CREATE TABLE log(
            first INTEGER PRIMARY KEY,
            last INTEGER NOT NULL,
            bytes BLOB NOT NULL
        );
        CREATE TABLE folded(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            stamp INTEGER NOT NULL,              -- the state tables hold all changes up to here, and some later ones
            trimmed INTEGER NOT NULL DEFAULT 0   -- no change up to here is in the log any more
        );
        INSERT INTO folded (id, stamp) VALUES (1, 0);
        CREATE TABLE observer(
            name TEXT PRIMARY KEY,
            stamp INTEGER NOT NULL               -- it has dealt with all changes up to here
        ) WITHOUT ROWID;
        CREATE TABLE account(
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            created INTEGER NOT NULL,
            horizon INTEGER NOT NULL DEFAULT 0   -- tombstones of its roster were collected up to here
        );
        CREATE TABLE deleted(
            id INTEGER PRIMARY KEY,              -- of an account that is gone; never used again
            stamp INTEGER NOT NULL               -- and so the tombstone in each roster that still has an entry of it
        );
        CREATE TABLE field(
            user INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            value BLOB,                          -- NULL for removed
            PRIMARY KEY (user, number)
        ) WITHOUT ROWID;
        CREATE TABLE entry(
            owner INTEGER NOT NULL,
            contact INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            removed INTEGER NOT NULL,
            favourite INTEGER NOT NULL,
            annotations BLOB,                    -- alias and groups as on the wire; NULL for none
            PRIMARY KEY (owner, contact)
        ) WITHOUT ROWID;
        CREATE TABLE kept(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            newestUser INTEGER NOT NULL,         -- ids up to here are not given out again, whatever is in the other tables
            clockJump INTEGER,                   -- microseconds that the clock jumped ahead, unconfirmed; NULL while believed
            clockBelieved INTEGER NOT NULL DEFAULT 0  -- the clock was right when it showed this
        );
        INSERT INTO kept (id, newestUser) VALUES (1, 0);
        """

    private static let fifth = """
        CREATE TABLE epoch(
            sequence INTEGER PRIMARY KEY,
            epoch INTEGER NOT NULL UNIQUE,
            last INTEGER                         -- the last stamp of this opening; NULL for the one running
        );
        CREATE TABLE log(
            first INTEGER PRIMARY KEY,
            last INTEGER NOT NULL,
            bytes BLOB NOT NULL
        );
        CREATE TABLE folded(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            stamp INTEGER NOT NULL,              -- the state tables hold all changes up to here, and some later ones
            trimmed INTEGER NOT NULL DEFAULT 0   -- no change up to here is in the log any more
        );
        INSERT INTO folded (id, stamp) VALUES (1, 0);
        CREATE TABLE observer(
            name TEXT PRIMARY KEY,
            stamp INTEGER NOT NULL               -- it has dealt with all changes up to here
        ) WITHOUT ROWID;
        CREATE TABLE account(
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            created INTEGER NOT NULL,
            horizon INTEGER NOT NULL DEFAULT 0   -- tombstones of its roster were collected up to here
        );
        CREATE TABLE deleted(
            id INTEGER PRIMARY KEY,              -- of an account that is gone; never used again
            stamp INTEGER NOT NULL               -- and so the tombstone in each roster that still has an entry of it
        );
        CREATE TABLE field(
            user INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            value BLOB,                          -- NULL for removed
            PRIMARY KEY (user, number)
        ) WITHOUT ROWID;
        CREATE TABLE entry(
            owner INTEGER NOT NULL,
            contact INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            removed INTEGER NOT NULL,
            favourite INTEGER NOT NULL,
            annotations BLOB,                    -- alias and groups as on the wire; NULL for none
            pending INTEGER NOT NULL DEFAULT 0,  -- the contact has not agreed
            name TEXT,                           -- of one without a contact: that is 2^62 and its number then
            PRIMARY KEY (owner, contact)
        ) WITHOUT ROWID;
        CREATE TABLE aside(
            owner INTEGER NOT NULL,
            user INTEGER NOT NULL,
            kind INTEGER NOT NULL,               -- 0 gone, 1 asks to have the owner as a contact, 2 is blocked by it
            stamp INTEGER NOT NULL,
            note TEXT,                           -- of a block, the owner's; NULL for none
            profile BLOB,                        -- of a block: what the user may still see; Change.swift has the layout
            PRIMARY KEY (owner, user)
        ) WITHOUT ROWID;
        CREATE TABLE kept(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            newestUser INTEGER NOT NULL,         -- ids up to here are not given out again, whatever is in the other tables
            clockJump INTEGER,                   -- microseconds that the clock jumped ahead, unconfirmed; NULL while believed
            clockBelieved INTEGER NOT NULL DEFAULT 0  -- the clock was right when it showed this
        );
        INSERT INTO kept (id, newestUser) VALUES (1, 0);
        """

    private static let sixth =
        fifth + """
            CREATE TABLE message(
                reader INTEGER NOT NULL,
                stamp INTEGER NOT NULL,
                sender INTEGER NOT NULL,
                id BLOB NOT NULL,                    -- the sender's own, 16 bytes
                kind INTEGER NOT NULL,
                content BLOB NOT NULL,
                unheard INTEGER,                     -- of one whose sender is blocked: the length of its content, which is nowhere
                PRIMARY KEY (reader, stamp)
            ) WITHOUT ROWID;
            CREATE TABLE mailbox(
                reader INTEGER PRIMARY KEY,
                acknowledged INTEGER NOT NULL        -- the reader has its messages up to here
            );
            """

    private static let seventh = """
        CREATE TABLE epoch(
            sequence INTEGER PRIMARY KEY,
            epoch INTEGER NOT NULL UNIQUE,
            last INTEGER                         -- the last stamp of this opening; NULL for the one running
        );
        CREATE TABLE log(
            first INTEGER PRIMARY KEY,
            last INTEGER NOT NULL,
            bytes BLOB NOT NULL
        );
        CREATE TABLE folded(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            stamp INTEGER NOT NULL,              -- the state tables hold all changes up to here, and some later ones
            trimmed INTEGER NOT NULL DEFAULT 0   -- no change up to here is in the log any more
        );
        INSERT INTO folded (id, stamp) VALUES (1, 0);
        CREATE TABLE observer(
            name TEXT PRIMARY KEY,
            stamp INTEGER NOT NULL               -- it has dealt with all changes up to here
        ) WITHOUT ROWID;
        CREATE TABLE account(
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            created INTEGER NOT NULL,
            horizon INTEGER NOT NULL DEFAULT 0   -- tombstones of its roster were collected up to here
        );
        CREATE TABLE deleted(
            id INTEGER PRIMARY KEY,              -- of an account that is gone; never used again
            stamp INTEGER NOT NULL               -- and so the tombstone in each roster that still has an entry of it
        );
        CREATE TABLE field(
            user INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            value BLOB,                          -- NULL for removed
            PRIMARY KEY (user, number)
        ) WITHOUT ROWID;
        CREATE TABLE entry(
            owner INTEGER NOT NULL,
            contact INTEGER NOT NULL,
            number INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            removed INTEGER NOT NULL,
            favourite INTEGER NOT NULL,
            annotations BLOB,                    -- alias and groups as on the wire; NULL for none
            pending INTEGER NOT NULL DEFAULT 0,  -- the contact has not agreed
            name TEXT,                           -- of one without a contact: that is 2^62 and its number then
            PRIMARY KEY (owner, contact)
        ) WITHOUT ROWID;
        CREATE TABLE aside(
            owner INTEGER NOT NULL,
            user INTEGER NOT NULL,
            kind INTEGER NOT NULL,               -- 0 gone, 1 asks to have the owner as a contact, 2 is blocked by it
            stamp INTEGER NOT NULL,
            note TEXT,                           -- of a block, the owner's; NULL for none
            profile BLOB,                        -- of a block: what the user may still see (Change.swift has the layout), and when last
            PRIMARY KEY (owner, user)
        ) WITHOUT ROWID;
        CREATE TABLE message(
            reader INTEGER NOT NULL,
            stamp INTEGER NOT NULL,
            sender INTEGER NOT NULL,
            id BLOB NOT NULL,                    -- the sender's own, 16 bytes
            kind INTEGER NOT NULL,
            content BLOB NOT NULL,
            unheard INTEGER,                     -- of one whose sender is blocked: the length of its content, which is nowhere
            PRIMARY KEY (reader, stamp)
        ) WITHOUT ROWID;
        CREATE TABLE mailbox(
            reader INTEGER PRIMARY KEY,
            acknowledged INTEGER NOT NULL        -- the reader has its messages up to here
        );
        CREATE TABLE lastSeen(                   -- of users who let it be known
            user INTEGER PRIMARY KEY,
            at INTEGER NOT NULL                  -- seconds since 1970; 1 for not seen to go since it is known
        );
        CREATE TABLE kept(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            newestUser INTEGER NOT NULL,         -- ids up to here are not given out again, whatever is in the other tables
            clockJump INTEGER,                   -- microseconds that the clock jumped ahead, unconfirmed; NULL while believed
            clockBelieved INTEGER NOT NULL DEFAULT 0  -- the clock was right when it showed this
        );
        INSERT INTO kept (id, newestUser) VALUES (1, 0);
        """

    private static let eighth =
        seventh + """
            CREATE TABLE access(                     -- how users may come in; without a row, by tickets that others issue
                user INTEGER PRIMARY KEY,
                disabled INTEGER NOT NULL,           -- not at all, for now
                revoked INTEGER NOT NULL,            -- not with tickets issued up to then, in seconds since 1970
                iterations INTEGER,                  -- of the password, as SCRAM-SHA-256 has it; NULL for no password, the others too
                salt BLOB,
                storedKey BLOB,
                serverKey BLOB
            );
            ALTER TABLE kept ADD COLUMN secret BLOB; -- what names without a password are answered is made with it
            """
}
