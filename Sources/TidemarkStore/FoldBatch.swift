// What some changes come to, row by row: of repeated changes to one row only the last is written.

import Foundation
import GRDB
import TidemarkDirectory
import TidemarkWire

struct FoldBatch {
    private struct Pair: Hashable, Comparable {
        var a: UInt64
        var b: UInt64
        static func < (x: Pair, y: Pair) -> Bool { (x.a, x.b) < (y.a, y.b) }
    }

    private struct Entry {
        var number: UInt32?
        var stamp: Stamp
        var annotations: Annotations?
    }

    private var accounts: [(id: UserID, name: String, created: Stamp)] = []
    private var fields: [Pair: (stamp: Stamp, value: [UInt8]?)] = [:]
    private var entries: [Pair: Entry] = [:]
    private var deletions: [UserID: Stamp] = [:]
    private var collections: [UserID: Stamp] = [:]

    mutating func add(_ change: Change, at stamp: Stamp) {
        switch change {
        case .accountCreated(let user, let name):
            accounts.append((user, name, stamp))
        case .profileChanged(let user, let changes):
            for field in changes {
                fields[Pair(a: user, b: UInt64(field.number.rawValue))] = (stamp, field.value)
            }
        case .entrySet(let owner, let contact, let number, let annotations):
            entries[Pair(a: owner, b: contact)] = Entry(number: number, stamp: stamp, annotations: annotations)
        case .entryRemoved(let owner, let contact):
            entries[Pair(a: owner, b: contact), default: Entry(number: nil, stamp: stamp)].annotations = nil
            entries[Pair(a: owner, b: contact)]!.stamp = stamp
        case .accountDeleted(let user):
            deletions[user] = stamp
        case .tombstonesCollected(let owner, let through):
            collections[owner] = max(collections[owner] ?? 0, through)
        }
    }

    func write(to db: GRDB.Database) throws {
        // First, because a new account may have the name of one that is gone.
        try writeDeletions(to: db)
        let account = try db.cachedStatement(sql: "INSERT INTO account (id, name, created) VALUES (?, ?, ?)")
        for row in accounts where deletions[row.id] == nil {
            try account.execute(arguments: [Int64(bitPattern: row.id), row.name, Int64(bitPattern: row.created)])
        }
        let field = try db.cachedStatement(
            sql: """
                INSERT INTO field (user, number, stamp, value) VALUES (?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET stamp = excluded.stamp, value = excluded.value
                """
        )
        for (key, row) in fields.sorted(by: { $0.key < $1.key }) where deletions[key.a] == nil {
            try field.execute(arguments: [
                Int64(bitPattern: key.a), Int64(bitPattern: key.b), Int64(bitPattern: row.stamp),
                row.value.map { Data($0) },
            ])
        }
        let set = try db.cachedStatement(
            sql: """
                INSERT INTO entry (owner, contact, number, stamp, removed, favourite, annotations)
                VALUES (?, ?, ?, ?, 0, ?, ?)
                ON CONFLICT DO UPDATE SET number = excluded.number, stamp = excluded.stamp, removed = 0,
                    favourite = excluded.favourite, annotations = excluded.annotations
                """
        )
        let remove = try db.cachedStatement(
            sql: """
                INSERT INTO entry (owner, contact, number, stamp, removed, favourite, annotations)
                VALUES (?, ?, ?, ?, 1, 0, NULL)
                ON CONFLICT DO UPDATE SET number = CASE excluded.number WHEN 0 THEN number ELSE excluded.number END,
                    stamp = excluded.stamp, removed = 1, favourite = 0, annotations = NULL
                """
        )
        for (key, row) in entries.sorted(by: { $0.key < $1.key }) where deletions[key.a] == nil {
            let owner = Int64(bitPattern: key.a)
            let contact = Int64(bitPattern: key.b)
            let stamp = Int64(bitPattern: row.stamp)
            if let annotations = row.annotations {
                try set.execute(arguments: [
                    owner, contact, row.number.map { Int64($0) }, stamp, annotations.isFavourite,
                    annotations.hasText ? Self.text(annotations) : nil,
                ])
            } else {
                // Without a number it was there before this batch, and keeps the one it has. With one it may have been
                // collected meanwhile, and have come back under another.
                try remove.execute(arguments: [owner, contact, row.number.map { Int64($0) } ?? 0, stamp])
            }
        }
        try writeCollections(to: db)
    }

    /// An account's own rows. Entries of others that name it stay: with the row in `deleted` they are tombstones.
    private func writeDeletions(to db: GRDB.Database) throws {
        for (user, stamp) in deletions.sorted(by: { $0.key < $1.key }) {
            let id = Int64(bitPattern: user)
            for sql in [
                "DELETE FROM entry WHERE owner = ?", "DELETE FROM field WHERE user = ?",
                "DELETE FROM account WHERE id = ?",
            ] { try db.cachedStatement(sql: sql).execute(arguments: [id]) }
            try db.cachedStatement(sql: "INSERT INTO deleted (id, stamp) VALUES (?, ?)")
                .execute(arguments: [id, Int64(bitPattern: stamp)])
        }
    }

    /// After all else of the batch: what came back since has a later stamp.
    private func writeCollections(to db: GRDB.Database) throws {
        let collect = try db.cachedStatement(
            sql: """
                DELETE FROM entry WHERE owner = :owner AND (removed = 1 AND stamp <= :through
                    OR removed = 0 AND contact IN (SELECT id FROM deleted WHERE stamp <= :through))
                """
        )
        let horizon = try db.cachedStatement(sql: "UPDATE account SET horizon = max(horizon, ?) WHERE id = ?")
        for (owner, through) in collections.sorted(by: { $0.key < $1.key }) {
            let (id, stamp) = (Int64(bitPattern: owner), Int64(bitPattern: through))
            try collect.execute(arguments: ["owner": id, "through": stamp])
            try horizon.execute(arguments: [stamp, id])
        }
    }

    private static func text(_ annotations: Annotations) -> Data {
        var writer = ByteWriter(capacity: 64)
        writer.annotationText(annotations)
        return Data(writer.array)
    }
}
