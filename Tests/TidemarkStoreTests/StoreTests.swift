import Foundation
import GRDB
import Testing
import TidemarkDirectory
import TidemarkTesting
import TidemarkWire

@testable import TidemarkStore

/// A data directory of the test's own.
final class TestDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "tidemark-store-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var database: String { path + "/tidemark.db" }

    func open() throws -> Store { try Store(directory: path, epoch: .random(in: 1 ... .max)) }

    /// Reads or breaks the file behind a closed store's back.
    func sql<Result>(_ body: (GRDB.Database) throws -> Result) throws -> Result {
        let queue = try DatabaseQueue(path: database)
        defer { try? queue.close() }
        return try queue.writeWithoutTransaction(body)
    }

    /// Copies the files as they are, as a crash would leave them.
    func copy() throws -> TestDirectory {
        let copy = try TestDirectory()
        for file in try FileManager.default.contentsOfDirectory(atPath: path) where file != "lock" {
            try FileManager.default.copyItem(atPath: path + "/" + file, toPath: copy.path + "/" + file)
        }
        return copy
    }
}

extension Store {
    @discardableResult
    func commit(_ changes: [Change], now: UInt64 = 0, rowsMax: Int = 0) throws -> Group {
        try commit(changes.map { Submission(change: $0, origin: 0) }, now: now, rowsMax: rowsMax)
    }
}

extension Store {
    /// A step of the fold under way, or of a new one.
    func foldSome(rowsMax: Int) throws {
        beginFold()
        try step(rowsMax: rowsMax)
    }
}

extension Directory {
    /// All that an owner's logins would be told, the first one and ones that have been away for long and for less: what
    /// two directories must agree on, byte for byte.
    mutating func picture() -> [[UInt8]] {
        var pages: [[UInt8]] = []
        for user in 1...max(newestUser, 1) {
            guard let index = index(of: user) else {
                pages.append([])
                continue
            }
            let tokens = [1, published / 4, published / 2, published / 4 * 3, published * 9 / 10].map { stamp in
                var token = ByteWriter()
                token.token(SyncToken(settledAt: max(stamp, 1), epoch: epochs.current))
                return Array(token.array.dropFirst())
            }
            for bytes in [[]] + tokens {
                for options: Sync.Options in [.stamps, .asides] {
                    let sync = Sync(
                        token: Sync.TokenBytes(bytes),
                        options: options,
                        pageBytes: Limits.pageBytesMax
                    )
                    var writer = ByteWriter()
                    _ = writePage(of: index, for: sync, into: &writer)
                    // Without the epoch, which is another one.
                    let page = writer.array
                    pages.append(Array(page[..<3]) + page[11...])
                }
            }
            var messages = ByteWriter()
            _ = writeMessages(of: index, after: 0, pageBytesMax: Limits.pageBytesMax, into: &messages)
            pages.append(Array(messages.array[..<2]) + messages.array[10...])
            var seen = "\(lastSeen(of: index).rawValue)"
            for other in 1...max(newestUser, 1) {
                seen += " \(lastSeen(of: other, toldTo: index).map { $0.isShown ? "\($0.at)" : "-" } ?? "")"
            }
            pages.append(Array(seen.utf8))
            var access = ByteWriter()
            Change.accessSet(user: id(of: index), self.access(of: index)).encode(into: &access)
            pages.append(access.array)
        }
        return pages
    }
}

/// Changes that fit what was before them.
struct ChangeSource {
    private struct Entry {
        var number: UInt32
        /// The round in which it was removed.
        var removed: Int?
        var isPending = false
        /// Of one without a contact.
        var name: String?
    }

    var random: Seed
    /// Stamps of rounds before the present one are published.
    var round = 0
    var published: Stamp = 0
    /// Everybody's fields, as of the rounds before.
    private var profiles: [UserID: [Directory.StoredField]] = [:]
    /// Who has been edited in this round.
    private var edited: (round: Int, users: Set<UserID>) = (0, [])
    /// By whom, who.
    private var blocks: [UserID: Set<UserID>] = [:]
    /// What has to come first.
    private var due: [Change] = []
    /// Stamps of what was published before the last round, at which messages may end.
    private var ends: [Stamp] = [0]
    private var users: UserID = 0
    private var deleted: Set<UserID> = []
    private var freeNames: [String] = []
    private var entries: [UserID: [UserID: Entry]] = [:]
    private var numbers: [UserID: UInt32] = [:]
    /// Of collected tombstones: they are given out again.
    private var vacant: [UserID: [UInt32]] = [:]

    init(_ seed: Seed) { random = seed }

    mutating func next() -> Change {
        while true {
            if !due.isEmpty {
                // Perhaps in the next round: not before then is it removed from anywhere.
                if case .accountDeleted(let user) = due[0] { forget(user) }
                return due.removeFirst()
            }
            if let change = attempt() { return change }
        }
    }

    private mutating func forget(_ user: UserID) {
        if random.chance(50) { freeNames.append("user\(user)") }
        (entries[user], blocks[user]) = (nil, nil)
        for other in entries.keys where entries[other]![user] != nil && entries[other]![user]!.removed == nil {
            entries[other]![user]!.removed = round
        }
    }

    private mutating func anybody() -> UserID? {
        let user = UserID.random(in: 1...users, using: &random)
        return deleted.contains(user) ? nil : user
    }

    private mutating func attempt() -> Change? {
        if users < 3 || random.chance(5) {
            users += 1
            // Now and then the name of somebody who is gone.
            return .accountCreated(user: users, name: freeNames.popLast() ?? "user\(users)")
        }
        guard let owner = anybody(), let contact = anybody(), owner != contact else { return nil }
        switch random.below(100) {
        case 0..<2:
            // Whom it has asked is told no more.
            for (contact, entry) in (entries[owner] ?? [:]).sorted(by: { $0.key < $1.key })
            where entry.isPending && entry.removed == nil && entry.name == nil {
                due.append(.entryRemoved(owner: owner, contact: contact, pendingNumber: entry.number))
            }
            deleted.insert(owner)
            due.append(.accountDeleted(user: owner))
            return nil
        case 2..<10:
            guard published > 0 else { return nil }
            let gone = (entries[owner] ?? [:]).filter { ($0.value.removed ?? round) < round }
            for (contact, entry) in gone.sorted(by: { $0.key < $1.key }) {
                entries[owner]![contact] = nil
                vacant[owner, default: []].append(entry.number)
            }
            return .tombstonesCollected(owner: owner, through: published)
        case 10..<13:
            guard random.chance(50) else { return .accessSet(user: owner, access()) }
            return .lastSeenSet(user: owner, LastSeen(rawValue: UInt32(random.below(5))))
        case 13..<40:
            let value = random.chance(50) ? Array("v\(random.below(100))".utf8) : nil
            let number = FieldNumber(rawValue: UInt16(random.below(4) + 1))
            if edited.round != round { edited = (round, []) }
            edited.users.insert(owner)
            if random.chance(30) {
                // Whatever was kept before, and whatever others saw.
                let kept = (1...4).filter { _ in random.chance(40) }
                    .map { FieldChange(FieldNumber(rawValue: UInt16($0)), Array("p\(random.below(100))".utf8)) }
                let fields = kept.contains { $0.number == number } ? [] : [FieldChange(number, value)]
                return .privateFieldsSet(
                    user: owner,
                    fields: (fields + kept.map { FieldChange($0.number, nil) }).sorted { $0.number < $1.number },
                    kept: kept
                )
            }
            return .profileChanged(user: owner, fields: [FieldChange(number, value)])
        case 40..<48:
            let number = newNumber(owner)
            let name = "nobody\(number)"
            entries[owner, default: [:]][Limits.pendingUser(Int(number))] = Entry(
                number: number,
                isPending: true,
                name: name
            )
            return .namedEntrySet(owner: owner, name: name, number: number, annotations: Annotations())
        case 48..<56:
            if blocks[owner]?.remove(contact) != nil { return .blockRemoved(owner: owner, user: contact) }
            guard edited.round != round || !edited.users.contains(owner) else { return nil }
            blocks[owner, default: []].insert(contact)
            return .blockSet(
                owner: owner,
                user: contact,
                note: "note",
                profile: profiles[owner] ?? [],
                lastSeen: random.chance(30) ? nil : LastSeen(rawValue: UInt32(random.below(5)))
            )
        case 56..<64:
            guard let known = entries[owner]?[contact], known.isPending, known.removed == nil else { return nil }
            entries[owner]![contact]!.isPending = false
            return .entrySet(
                owner: owner,
                contact: contact,
                number: known.number,
                annotations: Annotations(),
                consent: .approved
            )
        case 64..<72:
            return message(to: owner, from: contact)
        case 72..<85:
            let known = entries[owner]?[contact]
            let isNew = known == nil || known!.removed != nil
            let number = known?.number ?? newNumber(owner)
            let consent: Consent = isNew ? random.chance(50) ? .asked : .given : known!.isPending ? .awaited : .given
            entries[owner, default: [:]][contact] = Entry(number: number, isPending: consent.isPending)
            let annotations = Annotations(
                alias: random.chance(50) ? "alias" : "",
                groups: random.chance(50) ? ["work", "club"] : [],
                isFavourite: random.chance(50)
            )
            return .entrySet(
                owner: owner,
                contact: contact,
                number: number,
                annotations: annotations,
                consent: consent
            )
        default:
            // Now and then one without a contact.
            let waiting = (entries[owner] ?? [:]).filter { $0.value.name != nil && $0.value.removed == nil }.keys.min()
            let contact = random.chance(20) ? waiting ?? contact : contact
            guard let known = entries[owner]?[contact], known.removed == nil else { return nil }
            guard known.isPending else {
                entries[owner]![contact]!.removed = round
                return .entryRemoved(owner: owner, contact: contact)
            }
            entries[owner]![contact] = nil
            entries[owner]![Limits.pendingUser(Int(known.number))] = Entry(number: known.number, removed: round)
            return .entryRemoved(owner: owner, contact: contact, pendingNumber: known.number)
        }
    }

    private mutating func access() -> Access {
        let keys = [UInt8](repeating: UInt8(random.below(256)), count: PasswordVerifier.keyBytes)
        let salt = [UInt8](repeating: 1, count: random.below(Limits.saltBytesMax + 1))
        return Access(
            isDisabled: random.chance(20),
            revokedSeconds: UInt32(random.below(3)),
            verifier: random.chance(50)
                ? PasswordVerifier(iterations: 4_096, salt: salt, storedKey: keys, serverKey: keys) : nil
        )
    }

    /// What was made so far has been applied: what is made next says what is there.
    mutating func follow(_ applied: inout Directory) {
        published = applied.published
        ends.append(published)
        for user in 1...max(applied.newestUser, 1) {
            profiles[user] = applied.index(of: user).map { applied.fieldsToFreeze(of: $0) }
        }
    }

    private mutating func message(to reader: UserID, from sender: UserID) -> Change {
        func end() -> Stamp { ends.randomElement(using: &random)! }
        if random.chance(25) {
            let through = random.chance(80) ? end() : 0
            return .messagesAcknowledged(reader: reader, through: through, gone: random.chance(50) ? end() : 0)
        }
        let bytes = [UInt8](repeating: UInt8(ascii: "m"), count: random.chance(10) ? 3_000 : random.below(30))
        return .messageSent(
            reader: reader,
            sender: sender,
            id: MessageID(low: UInt64(random.below(1_000)), high: 0),
            kind: .text,
            random.chance(20) ? .unheard(bytes: bytes.count) : .heard(bytes),
            gone: random.chance(20) ? end() : 0
        )
    }

    private mutating func newNumber(_ owner: UserID) -> UInt32 {
        let number = vacant[owner]?.popLast() ?? numbers[owner, default: 0] + 1
        numbers[owner] = max(numbers[owner, default: 0], number)
        return number
    }
}

@Suite("The store") struct StoreTests {
    /// Popular contacts too, which the store knows nothing of.
    @Test("load(SQLite) = replay(log), wherever folding stands (naive error 7)", arguments: [4, 2_048])
    func loadEqualsReplay(popularFollowers: Int) throws {
        let options = DirectoryOptions(popularFollowers: popularFollowers)
        let directory = try TestDirectory()
        let store = try directory.open()
        var applied = try store.loadDirectory(options: options)
        var source = ChangeSource(Seed(anyFor: "loadEqualsReplay"))
        let seed = source.random
        for round in 0..<90 {
            source.round = round
            let changes = (0..<source.random.below(40) + 1).map { _ in source.next() }
            let group = try store.commit(changes, now: UInt64(round * 50))
            group.forEach { submission, stamp in
                let isAccepted = applied.accepts(submission.change!)
                #expect(isAccepted, "\(submission.change!), \(seed)")
                applied.apply(submission.change!, at: stamp!)
            }
            source.follow(&applied)
            // Folds begin now and then, and most copies are taken within one.
            if round % 7 == 0 { store.beginFold() }
            if round % 2 == 0 { try store.step(rowsMax: source.random.below(60) + 1) }
            guard round % 10 == 9 else { continue }
            let copy = try directory.copy()
            let other = try copy.open()
            var loaded = try other.loadDirectory(options: options)
            loaded.checkInvariants()
            let isSame = loaded.picture() == applied.picture()
            #expect(isSame, "round \(round), \(seed)")
            #expect(loaded.published == applied.published)
            while applied.maintain(steps: 100) {}
            while loaded.maintain(steps: 100) {}
            #expect(loaded.entryCount == applied.entryCount, "\(seed)")
            #expect(loaded.newestUser == applied.newestUser)
            try other.close()
            let check = try StoreReader(directory: copy.path).check()
            #expect(check.findings == [], "\(seed)")
        }
        try store.close()
        #expect(try directory.sql { try Int.fetchOne($0, sql: "SELECT count(*) FROM log") } == 0)
    }

    @Test("in one fold, a number goes to another contact, and the one that had it is back under another and goes again")
    func foldedNumbers() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        func set(_ contact: UserID, _ number: UInt32) -> Change {
            .entrySet(owner: 1, contact: contact, number: number, annotations: Annotations())
        }
        let before = try store.commit(
            (1...4).map { .accountCreated(user: $0, name: "user\($0)") }
                + [set(2, 1), set(3, 2), .entryRemoved(owner: 1, contact: 2)]
        )
        try store.foldAll()
        try store.commit([
            .tombstonesCollected(owner: 1, through: before.last), set(4, 1), set(2, 3),
            .entryRemoved(owner: 1, contact: 2),
        ])
        try store.close()
        let numbers = try directory.sql {
            try Row.fetchAll($0, sql: "SELECT contact, number, removed FROM entry ORDER BY contact").map {
                [$0[0], $0[1], $0[2]] as [Int]
            }
        }
        #expect(numbers == [[2, 3, 1], [3, 2, 0], [4, 1, 0]])
        let reopened = try directory.open()
        #expect(try reopened.loadDirectory().entryCount == 2)
        try reopened.close()
    }

    @Test("in one fold, an account goes and another takes its name") func foldedNames() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        try store.commit([.accountCreated(user: 1, name: "bob")])
        try store.foldAll()
        try store.commit([.accountDeleted(user: 1), .accountCreated(user: 9, name: "bob")])
        try store.close()
        let reopened = try directory.open()
        #expect(try reopened.loadDirectory().userCount == 1)
        try reopened.close()
    }

    @Test("much that waits becomes a fold on another thread, while groups are committed") func foldBeside() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        func accounts(_ users: ClosedRange<UserID>) -> [Change] {
            users.map { .accountCreated(user: $0, name: "u\($0)") }
        }
        try store.commit(accounts(1...4_000))
        let ready = DispatchSemaphore(value: 0)
        store.beginFold { ready.signal() }
        #expect(store.foldingLag == 4_000 && store.waitingChanges == 0)
        // Another does not begin meanwhile; what comes now is for the next one.
        store.beginFold { Issue.record("a second fold") }
        try store.commit(accounts(4_001...4_100), rowsMax: 10)
        #expect(store.foldingLag == 4_100 && store.waitingChanges == 100)
        ready.wait()
        #expect(store.hasSteps)
        try store.step(rowsMax: 4_010)
        #expect(store.foldingLag == 100)
        // As a kill leaves it, with a fold in preparation.
        try store.commit(accounts(4_101...8_000))
        store.beginFold {}
        try store.abandon()
        let reopened = try directory.open()
        #expect(try reopened.loadDirectory().userCount == 8_000)
        reopened.beginFold {}
        try reopened.close()
        #expect(try directory.sql { try Int.fetchOne($0, sql: "SELECT count(*) FROM account") } == 8_000)
        #expect(try directory.sql { try Int.fetchOne($0, sql: "SELECT count(*) FROM log") } == 0)
    }

    @Test("of a deleted account whom nobody has any more only the id stays, and nobody gets it") func forgotten() throws
    {
        let directory = try TestDirectory()
        func open() throws -> (Store, UserID) {
            let store = try directory.open()
            return (store, try store.loadDirectory().newestUser)
        }
        func deleted() throws -> [Int64] {
            try directory.sql { try Int64.fetchAll($0, sql: "SELECT id FROM deleted ORDER BY id") }
        }
        var (store, newest) = try open()
        try store.commit([
            .accountCreated(user: 1, name: "ann"), .accountCreated(user: 2, name: "bob"),
            .accountCreated(user: 3, name: "carol"),
            .entrySet(owner: 1, contact: 2, number: 1, annotations: Annotations()),
            .accountDeleted(user: 2), .accountDeleted(user: 3),
        ])
        try store.close()
        // Ann's entry names Bob; Carol is nobody's contact.
        (store, newest) = try open()
        #expect(newest == 3 && store.forgottenAccounts == 1)
        try store.commit([.tombstonesCollected(owner: 1, through: store.stamper.last)])
        // As a kill leaves it: the collection is in the log only, and its fold will ask when Bob was deleted.
        try store.abandon()
        #expect(try deleted() == [2])
        (store, newest) = try open()
        #expect(newest == 3 && store.forgottenAccounts == 0)
        try store.close()
        (store, newest) = try open()
        #expect(newest == 3 && store.forgottenAccounts == 1)
        try store.close()
        #expect(try deleted() == [])
        #expect(try StoreReader(directory: directory.path).check().findings == [])
        (store, newest) = try open()
        #expect(newest == 3)
        try store.close()
    }

    @Test("a write-ahead file without its database is not thrown away") func orphaned() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        try store.commit([.accountCreated(user: 1, name: "a")])
        let killed = try directory.copy()
        try store.close()
        try FileManager.default.moveItem(atPath: killed.database, toPath: killed.path + "/aside")
        let log = try Data(contentsOf: URL(filePath: killed.database + "-wal"))
        #expect(!log.isEmpty)
        #expect(throws: StoreError.orphaned(path: killed.database)) { try killed.open() }
        #expect(throws: StoreError.orphaned(path: killed.database)) { try StoreReader(directory: killed.path) }
        #expect(try Data(contentsOf: URL(filePath: killed.database + "-wal")) == log)
        try FileManager.default.moveItem(atPath: killed.path + "/aside", toPath: killed.database)
        let again = try killed.open()
        #expect(try again.loadDirectory().userCount == 1)
        try again.close()
    }

    @Test("an import does not hide that the clock jumped before it") func importAfterJump() throws {
        let directory = try TestDirectory()
        let day: UInt64 = 86_400_000_000
        let store = try directory.open()
        _ = try store.loadDirectory()
        try store.commitAtOnce([.accountCreated(user: 1, name: "a")], first: 10 * day)
        #expect(store.clock.jump == nil, "the first")
        try store.commitAtOnce([.accountCreated(user: 2, name: "b")], first: 10 * day + day / 2)
        #expect(store.clock.jump == nil)
        try store.commitAtOnce([.accountCreated(user: 3, name: "c")], first: 30 * day)
        #expect(store.clock.jump == 19 * day + day / 2 - 1 || store.clock.jump == 19 * day + day / 2)
        let found = store.clock
        try store.close()
        let again = try directory.open()
        #expect(again.clock == found)
        try again.close()
    }

    @Test("a file of every released schema is brought up to this one", arguments: 1...8)
    func migration(version: Int) throws {
        let directory = try TestDirectory()
        try directory.sql {
            try $0.execute(sql: "PRAGMA journal_mode = WAL")
            try ReleasedSchema.make(version: version, in: $0)
        }
        let store = try directory.open()
        let loaded = try store.loadDirectory()
        #expect((loaded.userCount, loaded.entryCount, loaded.published) == (3, 1, 5))
        #expect(loaded.epochs.ends == [77: 5])
        try store.commit([.tombstonesCollected(owner: 1, through: 1), .accountDeleted(user: 2)])
        try store.register(observer: "mirror")
        try store.close()
        #expect(try StoreReader(directory: directory.path).check().findings == [])
        let again = try directory.open()
        let reloaded = try again.loadDirectory()
        #expect((reloaded.userCount, reloaded.entryCount) == (2, 0))
        #expect(again.logRows.observers == ["mirror": 7])
        try again.close()
    }

    @Test("a commit reaches the disk before it returns: WAL, FULL, no checkpoint on its path") func pragmas() throws {
        let directory = try TestDirectory()
        let queue = try DatabaseQueue(
            path: directory.database,
            configuration: Schema.configuration(path: directory.database)
        )
        let values = try queue.writeWithoutTransaction { db in
            try ["journal_mode", "synchronous", "wal_autocheckpoint", "page_size"].map {
                try String.fetchOne(db, sql: "PRAGMA \($0)")
            }
        }
        #expect(values == ["wal", "2", "0", "2048"])
    }

    @Test("stamps are unique and rise, whatever the clock does and across restarts (naive error 2)") func stamps()
        throws
    {
        let directory = try TestDirectory()
        var last: Stamp = 0
        for opening in 0..<4 {
            let store = try directory.open()
            _ = try store.loadDirectory()
            for now in [5_000, 5_000, 1_000, 9_000, 0] as [UInt64] {
                let user = UserID(last + 1)
                let group = try store.commit(
                    [.accountCreated(user: user, name: "u\(user)"), .profileChanged(user: user, fields: [])],
                    now: now
                )
                #expect(group.first > last && group.last == group.first + 1)
                #expect(group.first >= now)
                last = group.last
            }
            if opening % 2 == 0 { try store.close() }
        }
    }

    @Test("a half-written group disappears whole") func atomicGroups() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        try store.commit([.accountCreated(user: 1, name: "a")])
        // The second account has a name that is taken: the whole import fails at its state table.
        #expect(throws: DatabaseError.self) {
            try store.commitAtOnceForTest([
                .accountCreated(user: 2, name: "b"), .accountCreated(user: 3, name: "b"),
            ])
        }
        try store.close()
        let reopened = try directory.open()
        let loaded = try reopened.loadDirectory()
        #expect(loaded.userCount == 1)
        try reopened.close()
    }

    @Test("each opening begins a new epoch and records where the one before ended (naive error 5)") func epochs() throws
    {
        let directory = try TestDirectory()
        let first = try directory.open()
        _ = try first.loadDirectory()
        let last = try first.commit([.accountCreated(user: 1, name: "a")], now: 700).last
        try first.close()
        let second = try directory.open()
        #expect(second.epochs.current != first.epochs.current)
        #expect(second.epochs.ends == [first.epochs.current: last])
        try second.close()
        let third = try directory.open()
        #expect(third.epochs.ends == [first.epochs.current: last, second.epochs.current: last])
        try third.close()
    }

    @Test("the files are their owner's alone") func modes() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        try store.commit([.accountCreated(user: 1, name: "a")])
        for file in ["tidemark.db", "tidemark.db-wal", "lock"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: directory.path + "/" + file)
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(file)")
        }
        try store.close()
    }

    @Test("two servers do not share a data directory") func lock() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        #expect(throws: StoreError.inUse(path: directory.path)) { try directory.open() }
        try store.close()
        withExtendedLifetime(store) {}
    }

    @Test("who has closed a data directory has left it, also while a child that was forked has its descriptor")
    func lockOutlivedByDescriptor() throws {
        let directory = try TestDirectory()
        var lock: DataDirectoryLock? = try DataDirectoryLock(directory: directory.path)
        let childs = dup(try #require(lock).descriptor)
        defer { close(childs) }
        #expect(throws: StoreError.inUse(path: directory.path)) { try DataDirectoryLock(directory: directory.path) }
        lock = nil
        _ = try DataDirectoryLock(directory: directory.path)
    }

    @Test("what is not ours, or newer than us, is left alone") func foreign() throws {
        let directory = try TestDirectory()
        try directory.sql { try $0.execute(sql: "CREATE TABLE theirs(x)") }
        let before = try Data(contentsOf: URL(filePath: directory.database))
        #expect(throws: StoreError.notTidemark(path: directory.database)) { try directory.open() }
        #expect(try Data(contentsOf: URL(filePath: directory.database)) == before)

        let newer = try TestDirectory()
        try newer.open().close()
        try newer.sql { try $0.execute(sql: "PRAGMA user_version = 99") }
        #expect(throws: StoreError.newerSchema(path: newer.database, found: 99, known: Schema.version)) {
            try newer.open()
        }
    }

    @Test(
        "a log row or a state row that does not fit is named, not loaded",
        arguments: [
            "UPDATE field SET value = x'FF' WHERE number = 1",
            "UPDATE account SET name = 'b' || x'00FF' WHERE id = 1",
            "INSERT INTO log VALUES (50, 50, x'09')",
            "INSERT INTO log VALUES (50, 60, x'01010161')",
            "INSERT INTO log VALUES (50, 50, x'02630100')",
            "INSERT INTO field VALUES (9, 1, 1, x'41')",
            "INSERT INTO entry VALUES (1, 9, 1, 1, 0, 0, NULL, 0, NULL)",
            "INSERT INTO entry VALUES (1, 1, 1, 1, 0, 0, NULL, 0, NULL)",
            "INSERT INTO entry VALUES (1, 2, 1, 1, 0, 0, x'FF', 0, NULL)",
            "INSERT INTO entry VALUES (1, 2, 0, 1, 0, 0, NULL, 0, NULL)",
            "INSERT INTO field VALUES (1, 20000, 1, x'41')",
            "UPDATE account SET name = hex(zeroblob(200)) WHERE id = 1",
            "UPDATE account SET created = 'x'",
            "UPDATE folded SET stamp = 1 << 60",
            "UPDATE entry SET stamp = 'x'; INSERT INTO field VALUES (1, 2, 'x', x'41')",
        ]
    )
    func damaged(sql: String) throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        try store.commit([
            .accountCreated(user: 1, name: "a"), .accountCreated(user: 2, name: "b"),
            .profileChanged(user: 1, fields: [FieldChange(FieldNumber(rawValue: 1), text: "A")]),
        ])
        try store.close()
        try directory.sql { try $0.execute(sql: sql) }
        #expect(throws: StoreError.self) { _ = try directory.open().loadDirectory() }
    }
}

extension Store {
    func commitAtOnceForTest(_ changes: [Change]) throws {
        try foldAll()
        try commitAtOnce(changes, first: stamper.last + 1)
    }
}
