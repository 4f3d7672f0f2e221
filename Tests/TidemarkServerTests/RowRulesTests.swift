import GRDB
import Testing
import TidemarkDirectory
import TidemarkStore
import TidemarkWire

@testable import TidemarkServer

/// Damage that SQLite does not see: pages are whole, rows are not.
@Suite struct RowRulesTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        _ = try Importer.run(
            sources: [
                ImportSource(.edges(bothWays: false), name: "e.txt", text: "a b\na c\nb c\n"),
                ImportSource(.rosters, name: "r.csv", text: "owner,contact,alias\na,b,Bea\n"),
            ],
            dataDirectory: directory.path,
            clock: { 1_000_000 }
        )
    }

    private func findings(after sql: String) throws -> [String] {
        // As a writer would leave it: not in the way of the reader's connection.
        let database = try DatabaseQueue(path: directory.path + "/tidemark.db")
        try database.write { try $0.execute(sql: sql) }
        try database.close()
        return try StoreReader(directory: directory.path).check().findings
    }

    @Test(arguments: [
        ("DELETE FROM folded", "folded: is not one stamp"),
        ("UPDATE folded SET stamp = 'x'", "folded: is not one stamp"),
        ("DELETE FROM kept", "kept: is not one row with a user's id, times and a secret"),
        ("UPDATE kept SET newestUser = 'x'", "kept: is not one row with a user's id, times and a secret"),
        ("UPDATE kept SET clockJump = -1", "kept: is not one row with a user's id, times and a secret"),
        ("UPDATE folded SET stamp = 5", "account 1: its name, id or stamp is not valid"),
        ("UPDATE account SET name = '' WHERE id = 2", "account 2: its name, id or stamp is not valid"),
        ("UPDATE account SET created = 0 WHERE id = 2", "account 2: its name, id or stamp is not valid"),
        ("UPDATE account SET created = x'00' WHERE id = 2", "account 2: its name, id or stamp is not valid"),
        ("UPDATE account SET id = -3 WHERE id = 3", "account -3: its name, id or stamp is not valid"),
        (
            "UPDATE field SET number = 20000 WHERE user = 1 AND number = 1",
            "field 20000 of account 1: its number, stamp or value is not valid"
        ),
        (
            "UPDATE field SET value = 'text' WHERE user = 1 AND number = 1",
            "field 1 of account 1: its number, stamp or value is not valid"
        ),
        (
            "UPDATE field SET value = zeroblob(9000) WHERE user = 1 AND number = 1",
            "field 1 of account 1: its number, stamp or value is not valid"
        ),
        (
            "UPDATE field SET stamp = 1 << 50 WHERE user = 1 AND number = 1",
            "field 1 of account 1: its number, stamp or value is not valid"
        ),
        ("UPDATE field SET user = 77 WHERE user = 1", "account 77: has fields, but is not there"),
        (
            "UPDATE entry SET number = 0 WHERE owner = 1 AND contact = 2",
            "entry 1 -> 2: its number, stamp, marks or annotations are not valid"
        ),
        (
            "UPDATE entry SET removed = 2 WHERE owner = 1 AND contact = 2",
            "entry 1 -> 2: its number, stamp, marks or annotations are not valid"
        ),
        (
            "UPDATE entry SET contact = 1 WHERE owner = 1 AND contact = 2",
            "entry 1 -> 1: its number, stamp, marks or annotations are not valid"
        ),
        ("UPDATE entry SET owner = 9 WHERE owner = 2", "entry 9 -> 3: its owner or its contact is not there"),
        (
            "UPDATE entry SET number = 1 WHERE owner = 1",
            "entry 1 -> 3: its number is another's too, or it is its owner's own"
        ),
        (
            "UPDATE entry SET annotations = x'FF' WHERE owner = 1 AND contact = 2",
            "entry 1 -> 2: its annotations are not valid"
        ),
        (
            "INSERT INTO aside VALUES (1, 2, 7, 1000001, NULL, NULL)",
            "request or block 1 -> 2: its kind, stamp, note or profile is not valid"
        ),
        (
            "INSERT INTO aside VALUES (1, 2, 2, 1000001, NULL, NULL)",
            "request or block 1 -> 2: its kind, stamp, note or profile is not valid"
        ),
        (
            "INSERT INTO aside VALUES (77, 2, 0, 1000001, NULL, NULL)",
            "request or block 77 -> 2: its owner is not there"
        ),
        (
            "INSERT INTO message VALUES (1, 1000001, 2, x'00', 0, x'', NULL)",
            "message 1000001 of account 1: its reader, sender, stamp, id, kind or content is not valid"
        ),
        (
            "INSERT INTO message VALUES (1, 1000001, 1, zeroblob(16), 0, x'', NULL)",
            "message 1000001 of account 1: its reader, sender, stamp, id, kind or content is not valid"
        ),
        (
            "INSERT INTO message VALUES (1, 1000001, 2, zeroblob(16), 0, x'00', 5)",
            "message 1000001 of account 1: its reader, sender, stamp, id, kind or content is not valid"
        ),
        (
            "INSERT INTO message VALUES (77, 1000001, 2, zeroblob(16), 0, x'', NULL)",
            "account 77: has messages, but is not there"
        ),
        ("INSERT INTO mailbox VALUES (1, 0)", "mailbox of account 1: its acknowledged stamp is not valid"),
        ("INSERT INTO lastSeen VALUES (1, 0)", "last seen of account 1: its time is not valid"),
        ("INSERT INTO lastSeen VALUES (77, 1)", "account 77: has a time when it was last seen, but is not there"),
        (
            "INSERT INTO access VALUES (1, 2, 0, NULL, NULL, NULL, NULL)",
            "access of account 1: its marks, its time or its password is not valid"
        ),
        (
            "INSERT INTO access VALUES (1, 0, 0, 4096, x'00', zeroblob(32), zeroblob(31))",
            "access of account 1: its marks, its time or its password is not valid"
        ),
        (
            "INSERT INTO access VALUES (1, 0, 0, 0, x'00', zeroblob(32), zeroblob(32))",
            "access of account 1: its marks, its time or its password is not valid"
        ),
        (
            "INSERT INTO access VALUES (77, 1, 0, NULL, NULL, NULL, NULL)",
            "account 77: has access, but is not there"
        ),
        (
            "INSERT INTO privateFields VALUES (1, 999999999999999999, x'00')",
            "private fields of account 1: its stamp or its fields are not valid"
        ),
        (
            "INSERT INTO privateFields VALUES (1, 1, 'text')",
            "private fields of account 1: its stamp or its fields are not valid"
        ),
        (
            "INSERT INTO privateFields VALUES (77, 1, x'00')",
            "account 77: has private fields, but is not there"
        ),
        ("UPDATE kept SET secret = x'00'", "kept: is not one row with a user's id, times and a secret"),
        ("INSERT INTO log VALUES (2000000, 1999999, x'00')", "log row 2000000: its stamps or bytes are not valid"),
        ("INSERT INTO log VALUES (2000000, 2000000, x'FF')", "log row 2000000 is unreadable at byte 0"),
        (
            "INSERT INTO log VALUES (2000000, 2000000, x'0103017A')",
            "the log makes account 3, which is there already"
        ),
        (
            "INSERT INTO log VALUES (2000000, 2000005, x'0104017A')",
            "log row 2000000 does not hold what its stamps say"
        ),
        (
            "INSERT INTO log VALUES (2000000, 2000001, x'00'), (2000001, 2000002, x'00')",
            "log row 2000001: begins before the row before it ends, or before what is folded"
        ),
        ("UPDATE epoch SET last = 1 << 50", "epoch 1: its number or its end is not valid"),
        ("PRAGMA user_version = 10", "schema 10; this program knows 9"),
        ("PRAGMA application_id = 0", "it is not one of Tidemark's: application id 0"),
        ("DROP TABLE entry", "SQLite: no such table: entry"),
    ])
    func `a row that cannot be`(sql: String, finding: String) throws {
        let findings = try findings(after: sql)
        #expect(findings.contains(finding), "\(findings)")
    }

    @Test func `two changes with one stamp`() throws {
        let findings = try findings(
            after: "UPDATE entry SET stamp = (SELECT min(stamp) FROM entry) WHERE owner = 1"
        )
        #expect(findings.count == 1)
        #expect(findings[0].hasSuffix(": is the stamp of more than one change"))
    }

    @Test func `several findings are all told`() throws {
        let findings = try findings(after: "UPDATE account SET name = '' WHERE id = 1; UPDATE entry SET favourite = 7")
        #expect(findings.count == 4, "\(findings)")
    }
}
