//  The statements that write the log and the state tables. Each changes nothing when it is run again.

import GRDB
import GRDBSQLite
import TidemarkDirectory
import TidemarkWire

final class StateStatements {
    private let connection: OpaquePointer
    private let insertGroup: PreparedStatement
    private let deleteGroup: PreparedStatement
    private let setTrimmed: PreparedStatement
    private let setFoldedStamp: PreparedStatement
    private let insertAccount: PreparedStatement
    private let setField: PreparedStatement
    private let setEntry: PreparedStatement
    private let removeEntry: PreparedStatement
    private let removeNumberedEntry: PreparedStatement
    private let eraseEntry: PreparedStatement
    private let showEntry: PreparedStatement
    private let setAside: PreparedStatement
    private let clearRequest: PreparedStatement
    private let deleteAsides: PreparedStatement
    private let collectAsides: PreparedStatement
    private let insertMessage: PreparedStatement
    private let dropMessages: PreparedStatement
    private let setAcknowledged: PreparedStatement
    private let deleteMailbox: PreparedStatement
    private let setLastSeen: PreparedStatement
    private let deleteLastSeen: PreparedStatement
    private let setAccess: PreparedStatement
    private let deleteAccess: PreparedStatement
    private let setPrivateFields: PreparedStatement
    private let deletePrivateFields: PreparedStatement
    private let deleteSomeEntries: PreparedStatement
    private let deleteFields: PreparedStatement
    private let deleteAccountRow: PreparedStatement
    private let insertDeleted: PreparedStatement
    private let collectEntries: PreparedStatement
    private let setHorizon: PreparedStatement

    init(_ db: Database) throws {
        connection = db.sqliteConnection!
        insertGroup = try PreparedStatement(db, "INSERT INTO log (first, last, bytes) VALUES (?, ?, ?)")
        deleteGroup = try PreparedStatement(db, "DELETE FROM log WHERE first = ?")
        setTrimmed = try PreparedStatement(db, "UPDATE folded SET trimmed = ?")
        setFoldedStamp = try PreparedStatement(db, "UPDATE folded SET stamp = ?")
        insertAccount = try PreparedStatement(
            db,
            "INSERT INTO account (id, name, created) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING"
        )
        setField = try PreparedStatement(
            db,
            """
            INSERT INTO field (user, number, stamp, value) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET stamp = excluded.stamp, value = excluded.value
            """
        )
        setEntry = try PreparedStatement(
            db,
            """
            INSERT INTO entry (owner, contact, number, stamp, removed, favourite, annotations, pending, name)
            VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET number = excluded.number, stamp = excluded.stamp, removed = 0,
                favourite = excluded.favourite, annotations = excluded.annotations, pending = excluded.pending,
                name = excluded.name
            """
        )
        removeEntry = try PreparedStatement(
            db,
            """
            UPDATE entry SET stamp = ?3, removed = 1, favourite = 0, annotations = NULL, pending = 0, name = NULL
            WHERE owner = ?1 AND contact = ?2
            """
        )
        removeNumberedEntry = try PreparedStatement(
            db,
            """
            INSERT INTO entry (owner, contact, number, stamp, removed, favourite, annotations)
            VALUES (?1, ?2, ?4, ?3, 1, 0, NULL)
            ON CONFLICT DO UPDATE SET number = excluded.number, stamp = excluded.stamp, removed = 1,
                favourite = 0, annotations = NULL, pending = 0, name = NULL
            """
        )
        eraseEntry = try PreparedStatement(db, "DELETE FROM entry WHERE owner = ? AND contact = ?")
        showEntry = try PreparedStatement(
            db,
            """
            UPDATE entry SET stamp = ?3
            WHERE owner = ?1 AND contact = ?2 AND removed = 0 AND pending = 0 AND stamp < ?3
            """
        )
        setAside = try PreparedStatement(
            db,
            """
            INSERT INTO aside (owner, user, kind, stamp, note, profile) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT DO UPDATE SET kind = excluded.kind, stamp = excluded.stamp, note = excluded.note,
                profile = excluded.profile
            WHERE ?7 OR kind <> \(AsideKind.block.rawValue)
            """
        )
        clearRequest = try PreparedStatement(
            db,
            """
            UPDATE aside SET kind = \(AsideKind.gone.rawValue), stamp = ?3
            WHERE owner = ?1 AND user = ?2 AND kind = \(AsideKind.request.rawValue)
            """
        )
        deleteAsides = try PreparedStatement(db, "DELETE FROM aside WHERE owner = ?")
        collectAsides = try PreparedStatement(
            db,
            "DELETE FROM aside WHERE owner = ? AND kind = \(AsideKind.gone.rawValue) AND stamp <= ?"
        )
        insertMessage = try PreparedStatement(
            db,
            """
            INSERT INTO message (reader, stamp, sender, id, kind, content, unheard) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING
            """
        )
        dropMessages = try PreparedStatement(
            db,
            """
            DELETE FROM message WHERE reader = ?1 AND stamp IN (
                SELECT stamp FROM message
                WHERE reader = ?1 AND stamp <= max(?2, ?3) AND (stamp <= ?2 OR unheard IS NOT NULL)
                ORDER BY stamp LIMIT ?4)
            """
        )
        setAcknowledged = try PreparedStatement(
            db,
            """
            INSERT INTO mailbox (reader, acknowledged) VALUES (?, ?)
            ON CONFLICT DO UPDATE SET acknowledged = max(acknowledged, excluded.acknowledged)
            """
        )
        deleteMailbox = try PreparedStatement(db, "DELETE FROM mailbox WHERE reader = ?")
        setLastSeen = try PreparedStatement(
            db,
            "INSERT INTO lastSeen (user, at) VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at"
        )
        deleteLastSeen = try PreparedStatement(db, "DELETE FROM lastSeen WHERE user = ?")
        setAccess = try PreparedStatement(
            db,
            """
            INSERT INTO access (user, disabled, revoked, iterations, salt, storedKey, serverKey)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET disabled = excluded.disabled, revoked = excluded.revoked,
                iterations = excluded.iterations, salt = excluded.salt, storedKey = excluded.storedKey,
                serverKey = excluded.serverKey
            """
        )
        deleteAccess = try PreparedStatement(db, "DELETE FROM access WHERE user = ?")
        setPrivateFields = try PreparedStatement(
            db,
            """
            INSERT INTO privateFields (user, stamp, fields) VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET stamp = excluded.stamp, fields = excluded.fields
            """
        )
        deletePrivateFields = try PreparedStatement(db, "DELETE FROM privateFields WHERE user = ?")
        deleteSomeEntries = try PreparedStatement(
            db,
            """
            DELETE FROM entry WHERE owner = ?1
                AND contact IN (SELECT contact FROM entry WHERE owner = ?1 ORDER BY contact LIMIT ?2)
            """
        )
        deleteFields = try PreparedStatement(db, "DELETE FROM field WHERE user = ?")
        deleteAccountRow = try PreparedStatement(db, "DELETE FROM account WHERE id = ?")
        insertDeleted = try PreparedStatement(
            db,
            "INSERT INTO deleted (id, stamp) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"
        )
        collectEntries = try PreparedStatement(
            db,
            """
            DELETE FROM entry WHERE owner = ?1 AND (removed = 1 AND stamp <= ?2
                OR removed = 0 AND EXISTS (SELECT 1 FROM deleted WHERE id = contact AND stamp <= ?2))
            """
        )
        setHorizon = try PreparedStatement(db, "UPDATE account SET horizon = max(horizon, ?) WHERE id = ?")
    }

    // MARK: the log

    func insert(first: Stamp, last: Stamp, bytes: [UInt8]) throws {
        insertGroup.bind(1, first)
        insertGroup.bind(2, last)
        try insertGroup.run(3, blob: bytes)
    }

    func trim(first: Stamp) throws {
        deleteGroup.bind(1, first)
        try deleteGroup.run()
    }

    func setTrimmed(_ stamp: Stamp) throws {
        setTrimmed.bind(1, stamp)
        try setTrimmed.run()
    }

    // MARK: the state

    func setFolded(_ stamp: Stamp) throws {
        setFoldedStamp.bind(1, stamp)
        try setFoldedStamp.run()
    }

    func insert(_ account: FoldBatch.Account) throws {
        insertAccount.bind(1, account.id)
        insertAccount.bind(3, account.created)
        try insertAccount.run(2, text: account.name)
    }

    func set(_ key: FoldBatch.Pair, _ field: FoldBatch.Field) throws {
        setField.bind(1, key.a)
        setField.bind(2, key.b)
        setField.bind(3, field.stamp)
        guard let value = field.value else {
            setField.bindNull(4)
            return try setField.run()
        }
        try setField.run(4, blob: value)
    }

    func set(_ key: FoldBatch.Pair, _ entry: FoldBatch.Entry) throws {
        if entry.isErased {
            eraseEntry.bind(1, key.a)
            eraseEntry.bind(2, key.b)
            return try eraseEntry.run()
        }
        guard let annotations = entry.annotations else {
            // Without a number it was there before this batch, and keeps the one it has; where it is not there any more, a
            // fold that was cut short had collected it already. With one it may have come back under another number.
            let remove = entry.number == nil ? removeEntry : removeNumberedEntry
            remove.bind(1, key.a)
            remove.bind(2, key.b)
            remove.bind(3, entry.stamp)
            if let number = entry.number { remove.bind(4, Int64(number)) }
            return try remove.run()
        }
        setEntry.bind(1, key.a)
        setEntry.bind(2, key.b)
        setEntry.bind(3, Int64(entry.number!))
        setEntry.bind(4, entry.stamp)
        setEntry.bind(5, annotations.isFavourite ? 1 : 0 as Int64)
        setEntry.bind(7, entry.isPending ? 1 : 0 as Int64)
        var text: [UInt8]?
        if annotations.hasText {
            var writer = ByteWriter(capacity: 64)
            writer.annotationText(annotations)
            text = writer.array
        }
        try setEntry.run(blob: (6, text), text: (8, entry.name))
    }

    func show(_ key: FoldBatch.Pair, at stamp: Stamp) throws {
        showEntry.bind(1, key.a)
        showEntry.bind(2, key.b)
        showEntry.bind(3, stamp)
        try showEntry.run()
    }

    func set(_ key: FoldBatch.Pair, _ aside: FoldBatch.Aside) throws {
        guard aside.replaces != .request else {
            clearRequest.bind(1, key.a)
            clearRequest.bind(2, key.b)
            clearRequest.bind(3, aside.stamp)
            return try clearRequest.run()
        }
        setAside.bind(1, key.a)
        setAside.bind(2, key.b)
        setAside.bind(3, Int64(aside.kind.rawValue))
        setAside.bind(4, aside.stamp)
        setAside.bind(7, aside.replaces == nil ? 1 : 0 as Int64)
        var profile: [UInt8]?
        if aside.kind == .block {
            var writer = ByteWriter(capacity: 256)
            writer.stored(aside.profile)
            if aside.lastSeen.isShown { writer.varint(UInt64(aside.lastSeen.rawValue)) }
            profile = writer.array
        }
        try setAside.run(blob: (6, profile), text: (5, aside.note.isEmpty ? nil : aside.note))
    }

    func insert(_ message: Directory.StoredMessage, of reader: UserID) throws {
        insertMessage.bind(1, reader)
        insertMessage.bind(2, message.stamp)
        insertMessage.bind(3, message.sender)
        insertMessage.bind(5, Int64(message.kind.rawValue))
        if let bytes = message.unheardBytes { insertMessage.bind(7, Int64(bytes)) } else { insertMessage.bindNull(7) }
        var id = ByteWriter(capacity: MessageID.byteCount)
        message.id.encode(into: &id)
        try insertMessage.run(blobs: (4, id.array), (6, message.content))
    }

    /// The oldest `max` of what goes of a reader's messages. Returns how many went.
    func drop(_ drop: FoldBatch.Drop, of reader: UserID, max: Int) throws -> Int {
        dropMessages.bind(1, reader)
        dropMessages.bind(2, drop.gone)
        dropMessages.bind(3, drop.acknowledged)
        dropMessages.bind(4, Int64(max))
        try dropMessages.run()
        return Int(sqlite3_changes(connection))
    }

    func setAcknowledged(_ stamp: Stamp, by reader: UserID) throws {
        setAcknowledged.bind(1, reader)
        setAcknowledged.bind(2, stamp)
        try setAcknowledged.run()
    }

    func set(_ seen: LastSeen, of user: UserID) throws {
        guard seen.isShown else {
            deleteLastSeen.bind(1, user)
            return try deleteLastSeen.run()
        }
        setLastSeen.bind(1, user)
        setLastSeen.bind(2, Int64(seen.rawValue))
        try setLastSeen.run()
    }

    func set(_ access: Access, of user: UserID) throws {
        guard access != .initial else {
            deleteAccess.bind(1, user)
            return try deleteAccess.run()
        }
        setAccess.bind(1, user)
        setAccess.bind(2, access.isDisabled ? 1 : 0 as Int64)
        setAccess.bind(3, Int64(access.revokedSeconds))
        guard let verifier = access.verifier else {
            for column in 4...7 { setAccess.bindNull(Int32(column)) }
            return try setAccess.run()
        }
        setAccess.bind(4, Int64(verifier.iterations))
        try setAccess.run(blobs: (5, verifier.salt), (6, verifier.storedKey), (7, verifier.serverKey))
    }

    func set(_ kept: FoldBatch.PrivateFields, of user: UserID) throws {
        setPrivateFields.bind(1, user)
        setPrivateFields.bind(2, kept.stamp)
        var writer = ByteWriter(capacity: 256)
        writer.logged(kept.fields)
        try setPrivateFields.run(3, blob: writer.array)
    }

    /// Returns how many went.
    func deleteEntries(of owner: UserID, max: Int) throws -> Int {
        deleteSomeEntries.bind(1, owner)
        deleteSomeEntries.bind(2, Int64(max))
        try deleteSomeEntries.run()
        return Int(sqlite3_changes(connection))
    }

    func deleteAccount(_ user: UserID, at stamp: Stamp) throws {
        deleteFields.bind(1, user)
        try deleteFields.run()
        deleteAsides.bind(1, user)
        try deleteAsides.run()
        deleteMailbox.bind(1, user)
        try deleteMailbox.run()
        try set(LastSeen.hidden, of: user)
        try set(Access.initial, of: user)
        deletePrivateFields.bind(1, user)
        try deletePrivateFields.run()
        deleteAccountRow.bind(1, user)
        try deleteAccountRow.run()
        insertDeleted.bind(1, user)
        insertDeleted.bind(2, stamp)
        try insertDeleted.run()
    }

    /// Returns how many went, and one for the owner.
    func collect(_ owner: UserID, through stamp: Stamp) throws -> Int {
        collectEntries.bind(1, owner)
        collectEntries.bind(2, stamp)
        try collectEntries.run()
        let count = Int(sqlite3_changes(connection))
        collectAsides.bind(1, owner)
        collectAsides.bind(2, stamp)
        try collectAsides.run()
        setHorizon.bind(1, stamp)
        setHorizon.bind(2, owner)
        try setHorizon.run()
        return count + 1
    }
}
