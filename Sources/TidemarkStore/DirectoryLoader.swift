//  Makes the shards' directories of what a reader finds:
//
//      reader, a thread of its own ──▶ a few chunks ──▶ this thread: the directories
//
//  Each side waits for memory or for SQLite about as long as the other, so on two cores it takes half as long.

import Foundation
import GRDB
import Synchronization
import TidemarkDirectory
import TidemarkWire

/// How far a load has come: of so many accounts, each twice, once with its details and once with its
/// roster. Called on the thread that loads.
public typealias LoadProgress = @Sendable (_ done: Int, _ total: Int) -> Void

enum DirectoryLoader {
    /// Accounts that are gone.
    private struct Deleted {
        var at: [UserID: Stamp] = [:]
        /// Of these, the ones that an entry names.
        var named: Set<UserID> = []

        var unnamed: [UserID] { at.keys.filter { !named.contains($0) } }
    }

    /// On this thread alone, for a reader that is inside a transaction already.
    static func load(into directories: ShardDirectories, _ tail: LogTail, from db: Database) throws {
        var deleted = Deleted()
        try StateReader.read(tail, from: db) { try add($0, to: directories, &deleted) }
        directories.finishLoading(at: tail.newest)
    }

    /// With a thread that reads ahead. Returns the accounts that are gone and that no entry names any more.
    static func load(
        into directories: ShardDirectories,
        _ tail: LogTail,
        from database: DatabaseQueue,
        accounts: Int,
        progress: LoadProgress
    ) throws -> [UserID] {
        let chunks = ChunkQueue()
        startThread("tidemark-load") {
            chunks.finish(
                Result {
                    try database.read { db in
                        try StateReader.read(tail, from: db) { try chunks.put($0) }
                    }
                }
            )
        }
        // The reader is gone before this returns, however it returns.
        defer { chunks.stop() }
        var deleted = Deleted()
        var done = 0
        while let chunk = try chunks.take() {
            try add(chunk, to: directories, &deleted)
            done += chunk.accountCount
            progress(min(done, 2 * accounts), 2 * accounts)
        }
        directories.finishLoading(at: tail.newest)
        return deleted.unnamed
    }

    private static func add(
        _ chunk: StateChunk,
        to directories: ShardDirectories,
        _ deleted: inout Deleted
    ) throws {
        switch chunk {
        case .accounts(let accounts):
            for account in accounts {
                guard directories[0].index(of: account.id) == nil, directories[0].index(named: account.name) == nil
                else {
                    throw StateReader.Inconsistency(
                        description: "account \(account.id): its id or name is another's too"
                    )
                }
                directories[0].load(
                    account: account.id,
                    name: account.name,
                    created: account.created,
                    fields: account.fields
                )
            }
        case .deleted(let all, let newestUser):
            deleted.at = all
            for user in all.keys {
                guard directories[0].index(of: user) == nil else {
                    throw StateReader.Inconsistency(description: "account \(user) is deleted, and is there")
                }
                directories[0].load(newestUser: user)
            }
            directories[0].load(newestUser: newestUser)
            // All accounts are there.
            directories.shareAccounts()
        case .asides(let asides):
            for aside in asides {
                for shard in 0..<directories.map.count where !directories[shard].load(aside) {
                    throw StateReader.Inconsistency(
                        description:
                            "request or block \(aside.owner) -> \(aside.user) is of an account that is not there"
                    )
                }
            }
        case .mailboxes(let mailboxes):
            for mailbox in mailboxes {
                let shard = directories.map.shard(of: mailbox.reader)
                let isLoaded = directories[shard]
                    .load(messagesOf: mailbox.reader, acknowledged: mailbox.acknowledged, mailbox.messages)
                guard isLoaded else {
                    throw StateReader.Inconsistency(
                        description: "account \(mailbox.reader) has messages, but is not there"
                    )
                }
            }
        case .lastSeen(let seen):
            for (user, seen) in seen {
                for shard in 0..<directories.map.count where !directories[shard].load(lastSeen: seen, of: user) {
                    throw StateReader.Inconsistency(
                        description: "it is known when account \(user) was last seen, but it is not there"
                    )
                }
            }
        case .access(let rows):
            for (user, access) in rows {
                guard directories[directories.map.shard(of: user)].load(access: access, of: user) else {
                    throw StateReader.Inconsistency(
                        description: "it is known how account \(user) comes in, but it is not there"
                    )
                }
            }
        case .privateFields(let rows):
            for kept in rows {
                let shard = directories.map.shard(of: kept.user)
                let isValid = kept.fields.allSatisfy { $0.value != nil }
                guard isValid,
                    directories[shard].load(privateFields: kept.fields, at: kept.stamp, of: kept.user)
                else {
                    throw StateReader.Inconsistency(
                        description: "account \(kept.user) has private fields without a value, or is not there"
                    )
                }
            }
        case .rosters(let rosters):
            for roster in rosters {
                let shard = directories.map.shard(of: roster.owner)
                guard
                    directories[shard].load(
                        rosterOf: roster.owner,
                        horizon: roster.horizon,
                        entries: roster.entries,
                        deleted: deleted.at,
                        found: { deleted.named.insert($0) }
                    )
                else {
                    throw StateReader.Inconsistency(
                        description:
                            "the roster of account \(roster.owner) has a contact that is not there, or a stamp twice"
                    )
                }
            }
        }
    }
}

extension StateChunk {
    fileprivate var accountCount: Int {
        switch self {
        case .accounts(let accounts): accounts.count
        case .deleted, .asides, .mailboxes, .lastSeen, .access, .privateFields: 0
        case .rosters(let rosters): rosters.count
        }
    }
}

/// A few chunks between two threads.
private final class ChunkQueue: Sendable {
    private struct State {
        var chunks: [StateChunk] = []
        var end: Result<Void, any Error>?
    }

    private struct Stopped: Error {}

    private let state = Mutex(State())
    private let isStopped = Atomic<Bool>(false)
    private let room = DispatchSemaphore(value: 0)
    private let filled = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)

    init() { for _ in 0..<4 { room.signal() } }

    func put(_ chunk: StateChunk) throws {
        room.wait()
        if isStopped.load(ordering: .acquiring) { throw Stopped() }
        state.withLock { $0.chunks.append(chunk) }
        filled.signal()
    }

    func finish(_ result: Result<Void, any Error>) {
        state.withLock { $0.end = result }
        filled.signal()
        ended.signal()
    }

    /// Nil at the end. Throws what the reader threw.
    func take() throws -> StateChunk? {
        filled.wait()
        let chunk = try state.withLock { state in
            if !state.chunks.isEmpty { return state.chunks.removeFirst() as StateChunk? }
            try state.end?.get()
            return nil
        }
        if chunk != nil { room.signal() }
        return chunk
    }

    /// Has the reader end, and waits until it has.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        room.signal()
        ended.wait()
        ended.signal()
    }
}
