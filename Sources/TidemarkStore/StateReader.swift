//  Reads the state tables, with what the log's tail says over them, in the order in which a directory is loaded:
//
//      account ┐ by id              field ┐ by user             entry ┐ by owner
//              ├─▶ accounts               ├─▶ their fields            ├─▶ rosters     ─▶ chunks ─▶ `DirectoryLoader`
//      tail    ┘                    tail  ┘                     tail  ┘
//
//  SQLite's columns take any type and a damaged file holds anything, so each value is checked where it is read.

import GRDB
import TidemarkDirectory
import TidemarkWire

/// What is loaded, in pieces, in this order; a load is two passes over the accounts.
enum StateChunk: Sendable {
    struct Account: Sendable {
        var id: UserID
        var name: String
        var created: Stamp
        var fields: [Directory.StoredField]
    }

    struct Roster: Sendable {
        var owner: UserID
        var horizon: Stamp
        var entries: [Directory.StoredEntry]
    }

    /// What is kept for a reader, by stamp.
    struct Mailbox: Sendable {
        var reader: UserID
        var acknowledged: Stamp
        var messages: [Directory.StoredMessage]
    }

    case accounts([Account])
    /// When each account that is gone, and that an entry may still name, was deleted; and the highest id that any account
    /// had when those were forgotten that no entry names. Once, after the accounts.
    case deleted([UserID: Stamp], newestUser: UserID)
    /// Requests and blocks, each owner's by their stamps.
    case asides([Directory.StoredAside])
    case mailboxes([Mailbox])
    /// Of who lets it be known when it was last seen.
    case lastSeen([UserID: LastSeen])
    /// Of who has another than the initial one.
    case access([(user: UserID, access: Access)])
    /// Of who keeps some to itself, or has at some time.
    case privateFields([PrivateFields])
    case rosters([Roster])

    struct PrivateFields: Sendable {
        var user: UserID
        var stamp: Stamp
        var fields: [FieldChange]
    }
}

struct StateReader {
    struct Inconsistency: Error, CustomStringConvertible {
        var description: String
    }

    let tail: LogTail
    private let db: Database

    /// So many fields or entries go into a chunk, give or take an account.
    private static let chunkRows = 8_192

    /// `emit` is given each chunk; what it throws ends the reading.
    static func read(_ tail: LogTail, from db: Database, emit: (StateChunk) throws -> Void) throws {
        let reader = StateReader(tail: tail, db: db)
        try reader.readAccounts(emit)
        try emit(.deleted(try reader.deleted(), newestUser: try reader.newestUser()))
        try reader.readAsides(emit)
        try reader.readMessages(emit)
        try emit(.lastSeen(try reader.lastSeen()))
        try reader.readAccess(emit)
        try reader.readPrivateFields(emit)
        try reader.readRosters(emit)
    }

    // MARK: accounts

    private struct AccountRow {
        var id: UserID
        var name: String
        var created: Stamp
        var horizon: Stamp
    }

    /// In the order of their ids, those of the tail among them and without those that it deletes.
    private func forEachAccount(_ body: (AccountRow) throws -> Void) throws {
        let statement = try PreparedStatement(db, "SELECT id, name, created, horizon FROM account ORDER BY id")
        let made = tail.batch.accounts.filter { tail.batch.deletions[$0.id] == nil }.sorted { $0.id < $1.id }
        var next = 0
        var before: UserID = 0
        func row(_ account: FoldBatch.Account) -> AccountRow {
            AccountRow(id: account.id, name: account.name, created: account.created, horizon: 0)
        }
        while try statement.step() {
            let stored = try accountRow(statement)
            guard stored.id > before else { throw Inconsistency(description: "accounts are not in their order") }
            before = stored.id
            while next < made.count, made[next].id < stored.id {
                try body(row(made[next]))
                next += 1
            }
            if next < made.count, made[next].id == stored.id {
                // Written by a fold that was cut short.
                guard made[next].name == stored.name, made[next].created == stored.created else {
                    throw Inconsistency(description: "the log makes account \(stored.id), which is there already")
                }
                next += 1
            }
            if tail.batch.deletions[stored.id] == nil { try body(stored) }
        }
        for account in made[next...] { try body(row(account)) }
    }

    private func accountRow(_ row: PreparedStatement) throws -> AccountRow {
        guard let id = row.integer(0), id > 0 else { throw Inconsistency(description: "an account's id is not valid") }
        guard let text = row.text(1), (1...Limits.nameBytesMax).contains(text.count),
            let name = Text.validated(text), Text.isAccountName(name)
        else { throw Inconsistency(description: "account \(id): its name is not valid") }
        guard let created = stamp(row.integer(2)), let horizon = row.integer(3), horizon >= 0,
            UInt64(horizon) <= tail.newest
        else { throw Inconsistency(description: "account \(id): its stamps are not valid") }
        return AccountRow(id: UserID(id), name: name, created: created, horizon: UInt64(horizon))
    }

    private func stamp(_ value: Int64?) -> Stamp? {
        guard let value, value > 0, UInt64(value) <= tail.newest else { return nil }
        return UInt64(value)
    }

    private func readAccounts(_ emit: (StateChunk) throws -> Void) throws {
        var fields = try FieldRows(tail, db)
        var chunk: [StateChunk.Account] = []
        var rows = 0
        try forEachAccount { account in
            let stored = try fields.take(account.id)
            chunk.append(
                StateChunk.Account(id: account.id, name: account.name, created: account.created, fields: stored)
            )
            rows += stored.count + 1
            if rows >= Self.chunkRows {
                try emit(.accounts(chunk))
                chunk.removeAll(keepingCapacity: true)
                rows = 0
            }
        }
        if let user = fields.user { throw Inconsistency(description: "account \(user) has fields, but is not there") }
        try emit(.accounts(chunk))
    }

    private func deleted() throws -> [UserID: Stamp] {
        var deleted: [UserID: Stamp] = [:]
        let statement = try PreparedStatement(db, "SELECT id, stamp FROM deleted")
        while try statement.step() {
            guard let id = statement.integer(0), id > 0, let stamp = stamp(statement.integer(1)) else {
                throw Inconsistency(description: "a deleted account's id or stamp is not valid")
            }
            deleted[UserID(id)] = stamp
        }
        return deleted.merging(tail.batch.deletions) { $1 }
    }

    private func newestUser() throws -> UserID {
        let statement = try PreparedStatement(db, "SELECT newestUser FROM kept")
        guard try statement.step(), let id = statement.integer(0), id >= 0 else {
            throw Inconsistency(description: "'kept' is not one row with a user's id")
        }
        return UserID(id)
    }

    // MARK: requests and blocks

    private func readAsides(_ emit: (StateChunk) throws -> Void) throws {
        var rows = try AsideRows(tail, db)
        var chunk: [Directory.StoredAside] = []
        while let asides = try rows.take() {
            chunk += asides
            if chunk.count >= Self.chunkRows {
                try emit(.asides(chunk))
                chunk.removeAll(keepingCapacity: true)
            }
        }
        if !chunk.isEmpty { try emit(.asides(chunk)) }
    }

    // MARK: messages

    private func readMessages(_ emit: (StateChunk) throws -> Void) throws {
        var rows = try MessageRows(tail, db)
        var chunk: [StateChunk.Mailbox] = []
        var count = 0
        while let mailbox = try rows.take() {
            count += mailbox.messages.count
            chunk.append(mailbox)
            if count >= Self.chunkRows {
                try emit(.mailboxes(chunk))
                chunk.removeAll(keepingCapacity: true)
                count = 0
            }
        }
        if !chunk.isEmpty { try emit(.mailboxes(chunk)) }
    }

    // MARK: last seen

    private func lastSeen() throws -> [UserID: LastSeen] {
        var seen: [UserID: LastSeen] = [:]
        let statement = try PreparedStatement(db, "SELECT user, at FROM lastSeen")
        while try statement.step() {
            guard let user = statement.integer(0), user > 0,
                let at = statement.integer(1).flatMap({ UInt32(exactly: $0) }), at > 0
            else { throw Inconsistency(description: "when a user was last seen is not valid") }
            if tail.batch.deletions[UserID(user)] == nil { seen[UserID(user)] = LastSeen(rawValue: at) }
        }
        for (user, later) in tail.batch.lastSeen where tail.batch.deletions[user] == nil {
            seen[user] = later.isShown ? later : nil
        }
        return seen
    }

    // MARK: access

    private func readAccess(_ emit: (StateChunk) throws -> Void) throws {
        var chunk: [(user: UserID, access: Access)] = []
        let statement = try PreparedStatement(
            db,
            "SELECT user, disabled, revoked, iterations, salt, storedKey, serverKey FROM access"
        )
        while try statement.step() {
            let (user, access) = try accessRow(statement)
            guard tail.batch.deletions[user] == nil, tail.batch.access[user] == nil else { continue }
            chunk.append((user, access))
            if chunk.count >= Self.chunkRows {
                try emit(.access(chunk))
                chunk.removeAll(keepingCapacity: true)
            }
        }
        for (user, access) in tail.batch.access where tail.batch.deletions[user] == nil { chunk.append((user, access)) }
        try emit(.access(chunk))
    }

    private func accessRow(_ row: PreparedStatement) throws -> (UserID, Access) {
        guard let user = row.integer(0), user > 0 else {
            throw Inconsistency(description: "a row of access is no user's")
        }
        func invalid(_ what: String) -> Inconsistency {
            Inconsistency(description: "access of account \(user): its \(what) not valid")
        }
        guard let disabled = row.integer(1), disabled & ~1 == 0,
            let revoked = row.integer(2).flatMap({ UInt32(exactly: $0) })
        else { throw invalid("marks or time are") }
        var access = Access(isDisabled: disabled == 1, revokedSeconds: revoked)
        guard !row.isNull(3) else { return (UserID(user), access) }
        guard let iterations = row.integer(3), (1...Int64(Limits.iterationsMax)).contains(iterations),
            let salt = row.blob(4), salt.count <= Limits.saltBytesMax,
            let storedKey = row.blob(5), storedKey.count == PasswordVerifier.keyBytes,
            let serverKey = row.blob(6), serverKey.count == PasswordVerifier.keyBytes
        else { throw invalid("password is") }
        access.verifier = PasswordVerifier(
            iterations: UInt32(iterations),
            salt: Array(salt),
            storedKey: Array(storedKey),
            serverKey: Array(serverKey)
        )
        return (UserID(user), access)
    }

    // MARK: private fields

    private func readPrivateFields(_ emit: (StateChunk) throws -> Void) throws {
        var chunk: [StateChunk.PrivateFields] = []
        let statement = try PreparedStatement(db, "SELECT user, stamp, fields FROM privateFields")
        while try statement.step() {
            guard let user = statement.integer(0), user > 0, let stamp = stamp(statement.integer(1)),
                let bytes = statement.blob(2)
            else { throw Inconsistency(description: "a row of private fields is not valid") }
            let id = UserID(user)
            if tail.batch.deletions[id] != nil || tail.batch.privateFields[id] != nil { continue }
            do throws(DecodeError) {
                var reader = ByteReader(bytes)
                let fields = try reader.loggedFields()
                try reader.finish()
                chunk.append(StateChunk.PrivateFields(user: id, stamp: stamp, fields: fields))
            } catch {
                throw Inconsistency(description: "private fields of account \(user) are not valid")
            }
            if chunk.count >= Self.chunkRows / 8 {
                try emit(.privateFields(chunk))
                chunk.removeAll(keepingCapacity: true)
            }
        }
        for (user, kept) in tail.batch.privateFields where tail.batch.deletions[user] == nil {
            chunk.append(StateChunk.PrivateFields(user: user, stamp: kept.stamp, fields: kept.fields))
        }
        try emit(.privateFields(chunk))
    }

    // MARK: rosters

    private func readRosters(_ emit: (StateChunk) throws -> Void) throws {
        var entries = try EntryRows(tail, db)
        var chunk: [StateChunk.Roster] = []
        var rows = 0
        try forEachAccount { account in
            let stored = try entries.take(account.id)
            let collected = tail.batch.collections[account.id] ?? 0
            chunk.append(
                StateChunk.Roster(owner: account.id, horizon: max(account.horizon, collected), entries: stored)
            )
            rows += stored.count + 1
            if rows >= Self.chunkRows {
                try emit(.rosters(chunk))
                chunk.removeAll(keepingCapacity: true)
                rows = 0
            }
        }
        if let owner = entries.owner {
            throw Inconsistency(description: "account \(owner) has a roster, but is not there")
        }
        try emit(.rosters(chunk))
    }
}
