import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory

/// The shards of one server, each as far behind the log as it happens to be; but for the one that answers, which has applied
/// all of it, as a loop has before it looks at a frame.
struct ShardedDirectory {
    private let directories: ShardDirectories
    private var log: [(change: Change, stamp: Stamp, profiles: SharedProfiles?)] = []
    private var applied: [Int]

    init(shards: Int, epochs: EpochHistory, options: DirectoryOptions) {
        directories = ShardDirectories(ShardMap(count: shards), epochs: epochs, options: options)
        applied = Array(repeating: 0, count: shards)
    }

    var shards: Int { applied.count }

    mutating func append(_ change: Change, at stamp: Stamp) {
        log.append((change, stamp, shards > 1 ? SharedProfiles(changes: 1, shards: shards) : nil))
    }

    /// One shard goes on, by up to so many changes.
    mutating func advance(_ shard: Int, by count: Int? = nil) {
        let behind = log.count - applied[shard]
        for position in applied[shard]..<applied[shard] + min(count ?? behind, behind) {
            let (change, stamp, profiles) = log[position]
            directories[shard].apply(change, at: stamp, sharing: profiles?.place(0))
            applied[shard] = position + 1
        }
    }

    /// Some shards go on a little, none is far behind.
    mutating func advanceSome(_ random: inout Seed, behindMax: Int) {
        for shard in 0..<shards {
            if random.chance(30) { advance(shard, by: random.below(8)) }
            let behind = log.count - applied[shard]
            if behind > behindMax { advance(shard, by: behind - behindMax) }
        }
    }

    mutating func accepts(_ change: Change, owner: UserID) -> Bool {
        let shard = directories.map.shard(of: owner)
        advance(shard)
        return directories[shard].accepts(change)
    }

    mutating func page(_ user: UserID, _ sync: Sync) throws -> (page: SyncPage, outcome: SyncOutcome) {
        let shard = directories.map.shard(of: user)
        advance(shard)
        return try directories[shard].page(user, sync)
    }

    mutating func messages(
        _ user: UserID,
        after position: Stamp,
        pageBytesMax: Int
    ) throws -> (page: MessagePage, outcome: MessageOutcome) {
        let shard = directories.map.shard(of: user)
        advance(shard)
        var writer = ByteWriter()
        let outcome = directories[shard].writeMessages(
            of: directories[shard].index(of: user)!,
            after: position,
            pageBytesMax: pageBytesMax,
            into: &writer
        )
        var reader = ByteReader(writer.bytes)
        return (try MessagePage(decoding: &reader), outcome)
    }

    mutating func access(_ user: UserID) -> Access {
        let shard = directories.map.shard(of: user)
        advance(shard)
        return directories[shard].access(of: directories[shard].index(of: user)!)
    }

    mutating func lastSeen(_ user: UserID, toldTo owner: UserID) -> LastSeenGetOK? {
        let shard = directories.map.shard(of: owner)
        advance(shard)
        return directories[shard].lastSeen(of: user, toldTo: directories[shard].index(of: owner)!)
    }

    /// Answers behind what the writer has; false where the user is gone.
    mutating func write(_ user: UserID, _ syncs: [Sync], into writer: inout ByteWriter) -> Bool {
        let shard = directories.map.shard(of: user)
        advance(shard)
        guard let index = directories[shard].index(of: user) else { return false }
        for sync in syncs { _ = directories[shard].writePage(of: index, for: sync, into: &writer) }
        return true
    }

    mutating func watch(_ user: UserID, _ isWatched: Bool) {
        let shard = directories.map.shard(of: user)
        advance(shard)
        guard let index = directories[shard].index(of: user) else { return }
        if isWatched { directories[shard].watch(index) } else { directories[shard].unwatch(index) }
    }

    /// Up to so many of those who have something new.
    mutating func news(_ count: Int) -> [UserID] {
        var users: [UserID] = []
        for shard in 0..<shards {
            directories[shard].spreadNews(now: 0)
            for _ in 0..<count {
                guard let index = directories[shard].nextNews() else { break }
                users.append(directories[shard].id(of: index))
            }
        }
        return users
    }

    var hasNews: Bool { (0..<shards).contains { directories[$0].hasNews } }

    /// The next push to this user, and where its client stands then.
    mutating func push(
        _ user: UserID,
        from cursor: inout SyncToken,
        _ detail: Sync.Options,
        pageBytes: Int
    ) throws -> PushDelta? {
        let shard = directories.map.shard(of: user)
        guard let index = directories[shard].index(of: user) else { return nil }
        var writer = ByteWriter()
        let outcome = directories[shard].writePush(
            of: index,
            from: &cursor,
            detail,
            pageBytesMax: pageBytes,
            into: &writer
        )
        guard let outcome else {
            precondition(writer.count == 0)
            return nil
        }
        if !outcome.isLast { directories[shard].noteNews(of: index) }
        var reader = ByteReader(writer.bytes)
        return try PushDelta(decoding: &reader)
    }

    /// Returns whether any shard has more to do.
    @discardableResult
    mutating func maintain(steps: Int) -> Bool {
        var hasMore = false
        for shard in 0..<shards where directories[shard].maintain(steps: steps) { hasMore = true }
        return hasMore
    }

    mutating func checkInvariants() {
        for shard in 0..<shards { directories[shard].checkInvariants() }
    }

    mutating func advanceAll() { for shard in 0..<shards { advance(shard) } }

    var entryCount: Int { directories.entryCount }
}

extension Change {
    /// Whose shard decides it.
    var owner: UserID {
        switch self {
        case .accountCreated(let user, _), .accountDeleted(let user), .profileChanged(let user, _),
            .lastSeenSet(let user, _), .accessSet(let user, _), .privateFieldsSet(let user, _, _):
            user
        case .entrySet(let owner, _, _, _, _), .namedEntrySet(let owner, _, _, _), .entryRemoved(let owner, _, _),
            .blockSet(let owner, _, _, _, _), .blockRemoved(let owner, _), .tombstonesCollected(let owner, _):
            owner
        case .messageSent(let reader, _, _, _, _, _), .messagesAcknowledged(let reader, _, _): reader
        }
    }
}
