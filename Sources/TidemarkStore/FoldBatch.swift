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
        }
    }

    func write(to db: GRDB.Database) throws {
        let account = try db.cachedStatement(sql: "INSERT INTO account (id, name, created) VALUES (?, ?, ?)")
        for row in accounts {
            try account.execute(arguments: [Int64(bitPattern: row.id), row.name, Int64(bitPattern: row.created)])
        }
        let field = try db.cachedStatement(
            sql: """
                INSERT INTO field (user, number, stamp, value) VALUES (?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET stamp = excluded.stamp, value = excluded.value
                """
        )
        for (key, row) in fields.sorted(by: { $0.key < $1.key }) {
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
                ON CONFLICT DO UPDATE SET stamp = excluded.stamp, removed = 1, favourite = 0, annotations = NULL
                """
        )
        for (key, row) in entries.sorted(by: { $0.key < $1.key }) {
            let owner = Int64(bitPattern: key.a)
            let contact = Int64(bitPattern: key.b)
            let stamp = Int64(bitPattern: row.stamp)
            if let annotations = row.annotations {
                try set.execute(arguments: [
                    owner, contact, row.number.map { Int64($0) }, stamp, annotations.isFavourite,
                    annotations.hasText ? Self.text(annotations) : nil,
                ])
            } else {
                // Without a number it was there before this batch, and keeps the one it has.
                try remove.execute(arguments: [owner, contact, row.number.map { Int64($0) } ?? 0, stamp])
            }
        }
    }

    private static func text(_ annotations: Annotations) -> Data {
        var writer = ByteWriter(capacity: 64)
        writer.annotationText(annotations)
        return Data(writer.array)
    }
}
