//  A batch on its way into the state tables, some rows a step, each step part of a transaction:
//
//      deletions ─▶ accounts ─▶ fields ─▶ entries ─▶ asides ─▶ messages ─▶ last seen ─▶ access ─▶ private fields ─▶ …
//
//  Between steps the tables hold some of the batch's rows and not others. That is no harm: the log has all of them until
//  `folded` has moved, and what is in the log goes over what is in the tables when the state is loaded. Writing a row
//  again changes nothing, so a fold that a crash cut short begins anew.

import GRDB
import TidemarkDirectory
import TidemarkWire

/// A value: where a transaction fails, the fold is as it was before.
struct Fold {
    private enum Phase: Int {
        case deletions, accounts, fields, entries, shown, asides, messages, drops, lastSeen, access, privateFields,
            collections,
            end, done
    }

    let last: Stamp
    let changeCount: Int
    let valueBytes: Int
    private let deletions: [(user: UserID, stamp: Stamp)]
    private let accounts: [FoldBatch.Account]
    private let fields: [(key: FoldBatch.Pair, value: FoldBatch.Field)]
    private let entries: [(key: FoldBatch.Pair, value: FoldBatch.Entry)]
    private let shown: [(key: FoldBatch.Pair, value: Stamp)]
    private let asides: [(key: FoldBatch.Pair, value: FoldBatch.Aside)]
    private let messages: [(key: FoldBatch.Pair, value: Directory.StoredMessage)]
    private let drops: [(reader: UserID, drop: FoldBatch.Drop)]
    private let lastSeen: [(user: UserID, seen: LastSeen)]
    private let access: [(user: UserID, access: Access)]
    private let privateFields: [(user: UserID, kept: FoldBatch.PrivateFields)]
    private let collections: [(owner: UserID, through: Stamp)]

    private var phase = Phase.deletions
    private var next = 0

    /// What looking through one owner's roster counts for.
    private static let collectionRows = 16
    /// Rows of one account that a step deletes at a time.
    private static let deletedMax = 512

    /// Fields and entries in the order of their keys, so that each page is written about once.
    init(_ batch: FoldBatch) {
        precondition(!batch.isEmpty)
        last = batch.last
        changeCount = batch.changeCount
        valueBytes = batch.valueBytes
        deletions = batch.deletions.map { ($0.key, $0.value) }.sorted { $0.user < $1.user }
        accounts = batch.accounts.filter { batch.deletions[$0.id] == nil }
        fields = batch.fields.filter { batch.deletions[$0.key.a] == nil }.sorted { $0.key < $1.key }
        entries = batch.entries.filter { batch.deletions[$0.key.a] == nil }.sorted { $0.key < $1.key }
        shown = batch.shown.filter { batch.deletions[$0.key.a] == nil }.sorted { $0.key < $1.key }
        asides = batch.asides.filter { batch.deletions[$0.key.a] == nil }.sorted { $0.key < $1.key }
        // What came and went is written nowhere.
        messages = batch.messages
            .filter { batch.deletions[$0.key.a] == nil && batch.drops[$0.key.a]?.drops($0.value) != true }
            .sorted { $0.key < $1.key }
        drops = batch.drops.filter { batch.deletions[$0.key] == nil }.map { ($0.key, $0.value) }
            .sorted { $0.reader < $1.reader }
        lastSeen = batch.lastSeen.filter { batch.deletions[$0.key] == nil }.map { ($0.key, $0.value) }
            .sorted { $0.user < $1.user }
        access = batch.access.filter { batch.deletions[$0.key] == nil }.map { ($0.key, $0.value) }
            .sorted { $0.user < $1.user }
        privateFields = batch.privateFields.filter { batch.deletions[$0.key] == nil }.map { ($0.key, $0.value) }
            .sorted { $0.user < $1.user }
        collections = batch.collections.map { ($0.key, $0.value) }.sorted { $0.owner < $1.owner }
    }

    var isDone: Bool { phase == .done }

    /// Writes about `rowsMax` rows.
    mutating func step(rowsMax: Int, _ statements: StateStatements) throws {
        var rows = 0
        while rows < rowsMax, phase != .done {
            switch phase {
            case .deletions where next < deletions.count:
                rows += try delete(statements)
            case .accounts where next < accounts.count:
                try statements.insert(accounts[next])
                (rows, next) = (rows + 1, next + 1)
            case .fields where next < fields.count:
                try statements.set(fields[next].key, fields[next].value)
                // A long value is as many pages.
                rows += 1 + (fields[next].value.value?.count ?? 0) / 1_024
                next += 1
            case .entries where next < entries.count:
                try statements.set(entries[next].key, entries[next].value)
                (rows, next) = (rows + 1, next + 1)
            case .shown where next < shown.count:
                try statements.show(shown[next].key, at: shown[next].value)
                (rows, next) = (rows + 1, next + 1)
            case .asides where next < asides.count:
                try statements.set(asides[next].key, asides[next].value)
                rows += 1 + asides[next].value.profile.reduce(0) { $0 + ($1.value?.count ?? 0) } / 1_024
                next += 1
            case .messages where next < messages.count:
                try statements.insert(messages[next].value, of: messages[next].key.a)
                rows += 1 + messages[next].value.content.count / 1_024
                next += 1
            case .drops where next < drops.count:
                rows += try drop(statements)
            case .lastSeen where next < lastSeen.count:
                try statements.set(lastSeen[next].seen, of: lastSeen[next].user)
                (rows, next) = (rows + 1, next + 1)
            case .access where next < access.count:
                try statements.set(access[next].access, of: access[next].user)
                (rows, next) = (rows + 1, next + 1)
            case .privateFields where next < privateFields.count:
                let (user, kept) = privateFields[next]
                try statements.set(kept, of: user)
                rows += 1 + kept.fields.reduce(0) { $0 + ($1.value?.count ?? 0) } / 1_024
                next += 1
            case .collections where next < collections.count:
                // After the entries: what came back since has a later stamp.
                let count = try statements.collect(collections[next].owner, through: collections[next].through)
                rows += count + Self.collectionRows
                next += 1
            case .end:
                try statements.setFolded(last)
                phase = .done
            default:
                phase = Phase(rawValue: phase.rawValue + 1)!
                next = 0
            }
        }
    }

    private mutating func drop(_ statements: StateStatements) throws -> Int {
        let (reader, drop) = drops[next]
        let count = try statements.drop(drop, of: reader, max: Self.deletedMax)
        if count < Self.deletedMax {
            if drop.acknowledged > 0 { try statements.setAcknowledged(drop.acknowledged, by: reader) }
            next += 1
        }
        return count + 1
    }

    /// Deletions come first, because a new account may have the name of one that is gone. An account's own rows go; entries
    /// of others that name it stay: with the row in `deleted` they are tombstones.
    private mutating func delete(_ statements: StateStatements) throws -> Int {
        let user = deletions[next].user
        var count = try statements.deleteEntries(of: user, max: Self.deletedMax)
        if count < Self.deletedMax {
            let all = FoldBatch.Drop(acknowledged: 0, gone: .largest)
            count += try statements.drop(all, of: user, max: Self.deletedMax - count)
        }
        if count < Self.deletedMax {
            try statements.deleteAccount(deletions[next].user, at: deletions[next].stamp)
            next += 1
        }
        return count + 1
    }
}
