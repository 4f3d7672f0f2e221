import GRDB
import TidemarkWire

extension BookPage {
    func store(in database: Database) throws {
        for item in items { try store(item, in: database) }
        if dropsUnseen {
            try database.run("DELETE FROM contact WHERE seen <> ?", [generation])
            try database.run("DELETE FROM own_field WHERE (SELECT seen FROM own) <> ?", [generation])
            try database.run("DELETE FROM own WHERE seen <> ?", [generation])
            try database.run("DELETE FROM aside WHERE seen <> ?", [generation])
        }
        try mark.store(in: database)
    }

    private func store(_ item: SyncItem, in database: Database) throws {
        let number = Int64(item.number)
        let stamp = item.stamp.map { Int64($0) }
        switch item.content {
        case .contact(let user, let name, let annotations, let pending, let fields):
            let row: StatementArguments = [
                name, annotations.alias, annotations.isFavourite, pending, stamp, generation, number,
                Int64(bitPattern: user),
            ]
            try database.run(
                """
                UPDATE contact SET name = ?, alias = ?, favourite = ?, pending = ?, stamp = ?, seen = ?
                WHERE number = ? AND user = ?
                """,
                row
            )
            if database.changesCount == 0 {
                // A user stands in a roster once, so a row of the same user under another number is an old one.
                try database.run(
                    "DELETE FROM contact WHERE number = ? OR user = ?",
                    [number, Int64(bitPattern: user)]
                )
                try database.run(
                    """
                    INSERT INTO contact (name, alias, favourite, pending, stamp, seen, number, user)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                    row
                )
            } else {
                try database.run("DELETE FROM contact_group WHERE number = ?", [number])
                try database.run("DELETE FROM field WHERE number = ?", [number])
            }
            for (position, group) in annotations.groups.enumerated() {
                try database.run("INSERT INTO contact_group VALUES (?, ?, ?)", [number, position, group])
            }
            try store(fields, of: number, in: database)
        case .patch(let fields) where number == 0:
            try database.run(
                "UPDATE own SET stamp = ?1, seen = ?2 WHERE seen = ?2 OR NOT ?3",
                [stamp, generation, patchesThisGenerationOnly]
            )
            guard database.changesCount == 1 else { throw Misfit.diverged(.unknownNumber(0)) }
            try storeOwn(fields, in: database)
        case .patch(let fields):
            try database.run(
                "UPDATE contact SET stamp = ?1, seen = ?2 WHERE number = ?3 AND (seen = ?2 OR NOT ?4)",
                [stamp, generation, number, patchesThisGenerationOnly]
            )
            guard database.changesCount == 1 else { throw Misfit.diverged(.unknownNumber(item.number)) }
            try store(fields, of: number, in: database)
        case .removed:
            try database.run("DELETE FROM contact WHERE number = ?", [number])
        case .own(let name, let fields, let privateFields):
            try database.run("INSERT OR REPLACE INTO own VALUES (0, ?, ?, ?)", [name, stamp, generation])
            try database.run("DELETE FROM own_field", [])
            try storeOwn(fields, in: database)
            for field in privateFields {
                try database.run("UPDATE own_field SET private = 1 WHERE field = ?", [field.rawValue])
            }
        case .block(let user, let note):
            try store(.block, user, note, stamp, in: database)
        case .request(let user, let name):
            try store(.request, user, name, stamp, in: database)
        case .forgotten(let user):
            try database.run("DELETE FROM aside WHERE user = ?", [Int64(bitPattern: user)])
        }
    }

    private func store(
        _ kind: ItemKind,
        _ user: UserID,
        _ text: String,
        _ stamp: Int64?,
        in database: Database
    ) throws {
        try database.run(
            "INSERT OR REPLACE INTO aside (user, kind, text, stamp, seen) VALUES (?, ?, ?, ?, ?)",
            [Int64(bitPattern: user), kind.rawValue, text, stamp, generation]
        )
    }

    private func storeOwn(_ fields: [FieldChange], in database: Database) throws {
        for field in fields {
            if let value = field.value {
                try database.run(
                    """
                    INSERT INTO own_field VALUES (?, ?, 0)
                    ON CONFLICT (field) DO UPDATE SET value = excluded.value
                    """,
                    [field.number.rawValue, value.blob]
                )
            } else {
                try database.run("DELETE FROM own_field WHERE field = ?", [field.number.rawValue])
            }
        }
    }

    private func store(_ fields: [FieldChange], of number: Int64, in database: Database) throws {
        for field in fields {
            if let value = field.value {
                try database.run(
                    "INSERT OR REPLACE INTO field VALUES (?, ?, ?)",
                    [number, field.number.rawValue, value.blob]
                )
            } else {
                try database.run("DELETE FROM field WHERE number = ? AND field = ?", [number, field.number.rawValue])
            }
        }
    }
}
