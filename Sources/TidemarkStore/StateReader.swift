// Reads the folded state and the log's tail back into a directory, checking what a damaged file could break.

import Foundation
import GRDB
import TidemarkDirectory
import TidemarkWire

enum StateReader {
    struct Inconsistency: Error, CustomStringConvertible {
        var description: String
    }

    static func load(into directory: inout Directory, from db: GRDB.Database) throws {
        // SQLite's columns take any type; what is read below is what these rules let through.
        for rule in StoreReader.rowRules {
            if let row = try String.fetchOne(db, sql: rule.rows + " LIMIT 1") {
                throw Inconsistency(description: "\(row): \(rule.finding)")
            }
        }
        try loadAccounts(into: &directory, db)
        try loadRosters(into: &directory, db)
        let folded = try Int64.fetchOne(db, sql: "SELECT stamp FROM folded") ?? 0
        directory.finishLoading(at: UInt64(bitPattern: folded))
    }

    private static func loadAccounts(into directory: inout Directory, _ db: GRDB.Database) throws {
        let fields = try Row.fetchCursor(db, sql: "SELECT user, number, stamp, value FROM field ORDER BY user, number")
        var field = try fields.next()
        let accounts = try Row.fetchCursor(db, sql: "SELECT id, name, created FROM account ORDER BY id")
        while let account = try accounts.next() {
            let id = account[0] as Int64
            var stored: [Directory.StoredField] = []
            while let row = field, row[0] as Int64 == id {
                guard let number = UInt16(exactly: row[1] as Int64), (1...Limits.fieldNumberMax).contains(number) else {
                    throw Inconsistency(description: "account \(id) has a field \(row[1] as Int64)")
                }
                stored.append(
                    Directory.StoredField(
                        number: FieldNumber(rawValue: number),
                        stamp: UInt64(bitPattern: row[2]),
                        value: (row[3] as Data?).map { Array($0) }
                    )
                )
                field = try fields.next()
            }
            guard id > 0, directory.index(of: UserID(id)) == nil, stored.count <= Limits.profileFieldsMax else {
                throw Inconsistency(description: "account \(id) is not valid")
            }
            directory.load(
                account: UserID(id),
                name: account[1],
                created: UInt64(bitPattern: account[2]),
                fields: stored
            )
        }
        if let row = field { throw Inconsistency(description: "fields of an unknown account \(row[0] as Int64)") }
    }

    /// When each account that is gone was deleted.
    private static func loadDeleted(into directory: inout Directory, _ db: GRDB.Database) throws -> [UserID: Stamp] {
        var deleted: [UserID: Stamp] = [:]
        let rows = try Row.fetchCursor(db, sql: "SELECT id, stamp FROM deleted")
        while let row = try rows.next() {
            let user = UInt64(bitPattern: row[0])
            guard directory.index(of: user) == nil else {
                throw Inconsistency(description: "account \(user) is deleted, and is there")
            }
            deleted[user] = UInt64(bitPattern: row[1])
            directory.load(deletedAccount: user)
        }
        return deleted
    }

    private static func loadRosters(into directory: inout Directory, _ db: GRDB.Database) throws {
        let entries = try Row.fetchCursor(
            db,
            sql: """
                SELECT owner, contact, number, stamp, removed, favourite, annotations FROM entry
                ORDER BY owner, contact
                """
        )
        var entry = try entries.next()
        let deleted = try loadDeleted(into: &directory, db)
        let accounts = try Row.fetchCursor(db, sql: "SELECT id, horizon FROM account ORDER BY id")
        while let account = try accounts.next() {
            let owner = account[0] as Int64
            var roster: [Directory.StoredEntry] = []
            var numbers: Set<UInt32> = []
            while let row = entry, row[0] as Int64 == owner {
                let stored = try storedEntry(row)
                guard numbers.insert(stored.number).inserted, stored.contact != UserID(owner),
                    directory.index(of: stored.contact) != nil || deleted[stored.contact] != nil
                else { throw Inconsistency(description: "entry \(owner) -> \(stored.contact) is not valid") }
                roster.append(stored)
                entry = try entries.next()
            }
            directory.load(
                rosterOf: UserID(owner),
                horizon: UInt64(bitPattern: account[1]),
                entries: roster,
                deleted: deleted
            )
        }
        if let row = entry { throw Inconsistency(description: "a roster of an unknown account \(row[0] as Int64)") }
    }

    private static func storedEntry(_ row: Row) throws -> Directory.StoredEntry {
        let number = row[2] as Int64
        guard (1..<Int64(Limits.rosterEntriesMax)).contains(number) else {
            throw Inconsistency(description: "entry \(row[0] as Int64) -> \(row[1] as Int64) has number \(number)")
        }
        var annotations = Annotations()
        if let text = row[6] as Data? {
            do {
                annotations = try text.withUnsafeBytes {
                    var reader = ByteReader($0)
                    return try reader.annotationText()
                }
            } catch {
                throw Inconsistency(
                    description: "entry \(row[0] as Int64) -> \(row[1] as Int64) has unreadable annotations"
                )
            }
        }
        annotations.isFavourite = row[5] as Bool
        return Directory.StoredEntry(
            contact: UInt64(bitPattern: row[1]),
            number: UInt32(number),
            isRemoved: row[4],
            stamp: UInt64(bitPattern: row[3]),
            annotations: annotations
        )
    }

    /// Applies the log's rows that are not folded yet, and returns them.
    static func replayTail(into directory: inout Directory, from db: GRDB.Database) throws -> [Group] {
        let folded = try Int64.fetchOne(db, sql: "SELECT stamp FROM folded") ?? 0
        var groups: [Group] = []
        let rows = try Row.fetchCursor(
            db,
            sql: "SELECT first, last, bytes FROM log WHERE first > ? ORDER BY first",
            arguments: [folded]
        )
        while let row = try rows.next() {
            let first: Stamp = UInt64(bitPattern: row[0])
            let changes: [Change]
            do {
                changes = try (row[2] as Data).withUnsafeBytes { try Group.changes(in: $0) }
            } catch {
                throw Inconsistency(description: "log row \(first) is unreadable")
            }
            let group = Group(first: first, submissions: changes.map { Submission(change: $0, origin: 0) })
            guard !changes.isEmpty, group.last == UInt64(bitPattern: row[1]) else {
                throw Inconsistency(description: "log row \(first) does not hold what its stamps say")
            }
            for (offset, change) in changes.enumerated() {
                guard directory.accepts(change) else {
                    throw Inconsistency(description: "log row \(first) does not fit the state")
                }
                directory.apply(change, at: first + UInt64(offset))
            }
            groups.append(group)
        }
        return groups
    }
}
