import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory
@testable import TidemarkDirectoryModel

/// Owners who are told of changes, against the books of those who ask.
@Suite("Watched owners") struct WatchTests {
    private struct Client {
        var book = ModelTests.Book()
        var cursor: SyncToken
        var detail: Sync.Options
        /// It does not read at the moment.
        var isSlow = false
    }

    @Test(
        "each hears of everything, whatever is told late, in part or together",
        arguments: ModelTests.Shape.all.filter { $0.users <= 100 },
        ModelTests.shardCounts
    )
    func told(shape: ModelTests.Shape, shards: Int) throws {
        var driver = ModelTests.Driver(shape, seed: 77 + UInt64(shards))
        let options = DirectoryOptions(popularFollowers: shape.popularFollowers)
        var directory = ShardedDirectory(shards: shards, epochs: EpochHistory(current: 9), options: options)
        var clients: [UserID: Client] = [:]
        for step in 0..<3_000 {
            let (change, stamp) = (driver.change(), driver.nextStamp())
            directory.append(change, at: stamp)
            directory.advanceSome(&driver.random, behindMax: 40)
            driver.model.apply(change, at: stamp)
            if case .accountDeleted(let user) = change { clients[user] = nil }
            if driver.random.chance(5), let user = driver.model.names.keys.sorted().randomElement(using: &driver.random)
            {
                try alter(&clients[user], of: user, &directory, &driver.random)
            }
            for user in directory.news(driver.random.below(4)) {
                try tell(&clients[user], user, &directory, pageBytes: 40 + driver.random.below(400))
            }
            if step % 500 != 499 { continue }
            // Everybody reads: then nothing is left to ask for.
            directory.advanceAll()
            for user in clients.keys.sorted() {
                clients[user]!.isSlow = false
                try tell(&clients[user], user, &directory, pageBytes: 100_000)
            }
            while directory.hasNews {
                for user in directory.news(100) { try tell(&clients[user], user, &directory, pageBytes: 100) }
            }
            for (user, client) in clients {
                var token = ByteWriter()
                token.token(client.cursor)
                let sync = Sync(token: Sync.TokenBytes(Array(token.array.dropFirst())))
                #expect(try directory.page(user, sync).page.answer == .upToDate, "\(user), \(step), \(driver.random)")
                var anew = ModelTests.Book()
                anew.apply(
                    try directory.page(user, Sync(options: .asides, pageBytes: Limits.pageBytesMax)).page
                )
                let isRight = client.book == anew
                try #require(isRight, "\(user), step \(step), \(driver.random)")
            }
        }
    }

    /// Begins to be told, or ends, or reads, or does not.
    private func alter(
        _ client: inout Client?,
        of user: UserID,
        _ directory: inout ShardedDirectory,
        _ random: inout Seed
    ) throws {
        guard client != nil else {
            let detail: Sync.Options = random.chance(50) ? [.stamps, .asides] : [.asides]
            let sync = Sync(options: detail, pageBytes: Limits.pageBytesMax)
            let (page, _) = try directory.page(user, sync)
            let cursor = try #require(page.token.withUnsafeBytes { SyncToken($0) })
            var new = Client(cursor: cursor, detail: detail)
            new.book.apply(page)
            client = new
            return directory.watch(user, true)
        }
        if random.chance(20) {
            client = nil
            directory.watch(user, false)
        } else {
            client!.isSlow.toggle()
            if !client!.isSlow { try tell(&client, user, &directory, pageBytes: 1_000) }
        }
    }

    private func tell(
        _ client: inout Client?,
        _ user: UserID,
        _ directory: inout ShardedDirectory,
        pageBytes: Int
    ) throws {
        guard var told = client, !told.isSlow else { return }
        let from = told.cursor
        guard
            let push = try directory.push(user, from: &told.cursor, told.detail, pageBytes: pageBytes)
        else {
            #expect(told.cursor == from)
            return
        }
        #expect(push.from.withUnsafeBytes { SyncToken($0) } == from)
        #expect(push.page.token.withUnsafeBytes { SyncToken($0) } == told.cursor)
        #expect(!push.page.items.isEmpty || push.page.summary != nil)
        #expect(push.page.hasStamps == told.detail.contains(.stamps))
        told.book.apply(push.page)
        client = told
    }

    @Test("nobody is named who is not watched, nor anybody twice for several changes") func named() {
        var directory = Directory(epochs: EpochHistory(current: 1))
        for user in UserID(1)...4 { directory.apply(.accountCreated(user: user, name: "u\(user)"), at: user) }
        for owner in UserID(2)...4 {
            directory.apply(
                .entrySet(owner: owner, contact: 1, number: 1, annotations: Annotations()),
                at: 10 + owner
            )
        }
        directory.watch(directory.index(of: 2)!)
        directory.watch(directory.index(of: 3)!)
        #expect(directory.nextNews() == nil && directory.watchedOwners == 2)
        for stamp in Stamp(20)...22 {
            directory.apply(.profileChanged(user: 1, fields: [FieldChange(.note, text: "\(stamp)")]), at: stamp)
        }
        #expect(directory.nextNews().map { directory.id(of: $0) } == 2)
        directory.unwatch(directory.index(of: 3)!)
        #expect(directory.nextNews() == nil && !directory.hasNews)
        directory.noteNews(of: directory.index(of: 2)!)
        directory.noteNews(of: directory.index(of: 3)!)
        #expect(directory.nextNews() != nil && directory.nextNews() == nil)
    }
}
