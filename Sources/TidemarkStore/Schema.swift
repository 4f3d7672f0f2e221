// The tables, and what stands in them. State tables hold what the log said up to `folded`; what its rows after that say
// goes over them on start.

import Foundation
import GRDB

enum Schema {
    static let version = 9
    /// "TDMK", so that `file` and a wrong path can be told apart.
    static let applicationID: Int32 = 0x5444_4D4B
    static let secretBytes = 32

    static let tables = """
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
        \(aside)
        \(message)
        \(lastSeen)
        \(kept)
        \(access)
        \(privateFields)
        """

    private static let aside = """
        CREATE TABLE aside(
            owner INTEGER NOT NULL,
            user INTEGER NOT NULL,
            kind INTEGER NOT NULL,               -- 0 gone, 1 asks to have the owner as a contact, 2 is blocked by it
            stamp INTEGER NOT NULL,
            note TEXT,                           -- of a block, the owner's; NULL for none
            profile BLOB,                        -- of a block: what the user may still see (Change.swift has the layout), and when last
            PRIMARY KEY (owner, user)
        ) WITHOUT ROWID;
        """

    private static let message = """
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

    private static let lastSeen = """
        CREATE TABLE lastSeen(                   -- of users who let it be known
            user INTEGER PRIMARY KEY,
            at INTEGER NOT NULL                  -- seconds since 1970; 1 for not seen to go since it is known
        );
        """

    private static let access = """
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

    private static let privateFields = """
        CREATE TABLE privateFields(              -- of users who have kept some to themselves at some time
            user INTEGER PRIMARY KEY,
            stamp INTEGER NOT NULL,              -- when these last changed
            fields BLOB NOT NULL                 -- all of them (Change.swift has the layout)
        );
        """

    private static let kept = """
        CREATE TABLE kept(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            newestUser INTEGER NOT NULL,         -- ids up to here are not given out again, whatever is in the other tables
            clockJump INTEGER,                   -- microseconds that the clock jumped ahead, unconfirmed; NULL while believed
            clockBelieved INTEGER NOT NULL DEFAULT 0  -- the clock was right when it showed this
        );
        INSERT INTO kept (id, newestUser) VALUES (1, 0);
        """

    /// One connection for all writes and checkpoints; see docs/decisions/sqlite.md. A file that is not ours is found out
    /// before anything is changed in it.
    static func configuration(path: String) -> Configuration {
        var configuration = Configuration()
        configuration.label = "tidemark"
        configuration.foreignKeysEnabled = false
        // Somebody with a shell in the file is waited for, not fallen over.
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            try verify(db, path: path)
            // Of a new file; one that is there keeps its own. A commit has some pages that are written whatever is in it, and a
            // row that is folded one: half of SQLite's usual size is less to write, a quarter costs commits their speed.
            try db.execute(sql: "PRAGMA page_size = 2048")
            try db.execute(sql: "PRAGMA journal_mode = WAL")
            // A commit is the acknowledgement's promise, so it must reach the disk.
            try db.execute(sql: "PRAGMA synchronous = FULL")
            // Never on the commit path.
            try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            // What an import made of the write-ahead file is given back.
            try db.execute(sql: "PRAGMA journal_size_limit = \(16 << 20)")
            // Debian's SQLite fills all that is deleted with zeros, and so writes the log twice. FAST does it where the page is
            // written anyway: what users deleted is gone, what the log repeats is not touched again.
            try db.execute(sql: "PRAGMA secure_delete = FAST")
            // In KiB: folding goes over the state tables again and again.
            try db.execute(sql: "PRAGMA cache_size = -65536")
        }
        return configuration
    }

    /// Whether the file is empty, or ours and not newer than this program.
    private static func verify(_ db: GRDB.Database, path: String) throws {
        let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard found != 0 else {
            let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema")
            guard tables == 0 else { throw StoreError.notTidemark(path: path) }
            return
        }
        let application = try Int32.fetchOne(db, sql: "PRAGMA application_id")
        guard application == applicationID else { throw StoreError.notTidemark(path: path) }
        guard found <= version else { throw StoreError.newerSchema(path: path, found: found, known: version) }
    }

    /// What leads from each version to the next, from version 1 on.
    private static let steps = [
        """
        ALTER TABLE account ADD COLUMN horizon INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE deleted(id INTEGER PRIMARY KEY, stamp INTEGER NOT NULL);
        """,
        """
        ALTER TABLE folded ADD COLUMN trimmed INTEGER NOT NULL DEFAULT 0;
        UPDATE folded SET trimmed = stamp;
        CREATE TABLE observer(name TEXT PRIMARY KEY, stamp INTEGER NOT NULL) WITHOUT ROWID;
        """,
        kept,
        """
        ALTER TABLE entry ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE entry ADD COLUMN name TEXT;
        \(aside)
        """,
        message,
        lastSeen,
        access,
        privateFields,
    ]

    /// Makes the tables in an empty file, and brings those of an older version up to this one. In one transaction.
    static func create(_ db: GRDB.Database) throws {
        let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard found < version else { return }
        if found == 0 {
            try db.execute(sql: tables)
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
        } else {
            for step in steps[(found - 1)...] { try db.execute(sql: step) }
        }
        let secret = Data((0..<secretBytes).map { _ in UInt8.random(in: 0...255) })
        try db.execute(sql: "UPDATE kept SET secret = ? WHERE secret IS NULL", arguments: [secret])
        try db.execute(sql: "PRAGMA user_version = \(version)")
    }
}
