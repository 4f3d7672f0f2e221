import Foundation
import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory
@testable import TidemarkDirectoryModel

extension Directory {
    mutating func page(_ user: UserID, _ sync: Sync) throws -> (page: SyncPage, outcome: SyncOutcome) {
        var writer = ByteWriter()
        let outcome = writePage(of: index(of: user)!, for: sync, into: &writer)
        var reader = ByteReader(writer.bytes)
        return (try SyncPage(decoding: &reader), outcome)
    }
}

/// The directory and a model of a few dictionaries, driven by the same changes: every answer equal.
@Suite("Directory against the model") struct ModelTests {
    /// What a run is like: how many users, and in a hundred changes how many of which kind.
    struct Shape: Sendable, CustomTestStringConvertible {
        var name: String
        var users: Int
        /// Above this many followers a contact is merged when it is read.
        var popularFollowers = 2_048
        var edits = 40
        var removals = 20
        var collections = 0
        var deletions = 0
        /// Of the entries that are set, so many in a hundred are the first user's.
        var hoarding = 0
        /// Contacts are asked, in so many of a hundred changes something is asked, answered, blocked or unblocked.
        var consent = 0
        /// In so many of a hundred changes something is sent, acknowledged, or goes for its age.
        var messages = 0
        /// In so many of a hundred somebody is seen to go, or says whether others may know.
        var lastSeen = 2
        /// The clock jumps ahead, up to so many microseconds, or not at all.
        var jump = 1_000

        var testDescription: String { name }

        static let all = [
            Shape(name: "three users", users: 3),
            Shape(name: "thirty users", users: 30),
            Shape(name: "popular at once", users: 20, popularFollowers: 1, edits: 30),
            Shape(name: "popular now and then", users: 24, popularFollowers: 6, removals: 30),
            Shape(name: "removed and added again", users: 10, edits: 10, removals: 45, collections: 5),
            Shape(name: "accounts go", users: 16, popularFollowers: 5, collections: 3, deletions: 4),
            Shape(name: "nothing but edits", users: 12, popularFollowers: 4, edits: 90, removals: 5),
            Shape(name: "a large roster", users: 3_000, popularFollowers: 2, edits: 3, removals: 3, hoarding: 97),
            Shape(name: "a clock that stands", users: 12, collections: 2, jump: 0),
            Shape(
                name: "who asks and blocks",
                users: 12,
                popularFollowers: 4,
                edits: 30,
                removals: 15,
                collections: 4,
                deletions: 1,
                consent: 30
            ),
            Shape(
                name: "who writes",
                users: 8,
                edits: 20,
                removals: 5,
                collections: 2,
                deletions: 1,
                consent: 10,
                messages: 50
            ),
        ]
    }

    /// Changes that fit the model's state, with stamps that sometimes jump and sometimes follow at once.
    struct Driver {
        var random: Seed
        let shape: Shape
        var model = ModelDirectory()
        var stamp: Stamp = 1_000
        /// The highest id; those of deleted accounts are not used again.
        var users: Int
        var deleted: Set<UserID> = []
        /// What has to come first.
        private var due: [Change] = []

        init(_ shape: Shape, seed: UInt64) {
            self.shape = shape
            random = Seed(default: seed)
            users = shape.users
        }

        mutating func nextStamp() -> Stamp {
            stamp += shape.jump == 0 || random.chance(50) ? 1 : UInt64(random.below(shape.jump) + 1)
            return stamp
        }

        private mutating func anybody() -> UserID {
            while true {
                let user = UserID(random.below(users) + 1)
                if !deleted.contains(user) { return user }
            }
        }

        mutating func change() -> Change {
            if !due.isEmpty { return due.removeFirst() }
            while true {
                let isHoarder = random.chance(shape.hoarding) && !deleted.contains(1)
                if let change = change(of: isHoarder ? 1 : anybody()) { return change }
            }
        }

        private mutating func change(of owner: UserID) -> Change? {
            guard model.names[owner] != nil else { return .accountCreated(user: owner, name: "user\(owner)") }
            var draw = random.below(100)
            func isNext(_ percent: Int) -> Bool {
                draw -= percent
                return draw < 0
            }
            if isNext(shape.deletions) {
                deleted.insert(owner)
                users += 1
                // Whom it has asked is told no more.
                due = model.liveContacts(owner).sorted().filter { model.entries[owner]![$0]!.isPending }
                    .map { removal(owner, $0) }
                due.append(.accountDeleted(user: owner))
                return due.removeFirst()
            }
            if isNext(shape.collections) { return collection(owner) }
            if isNext(shape.edits) { return edit(owner) }
            if isNext(shape.removals) {
                let gone = model.liveContacts(owner).sorted().randomElement(using: &random)
                return gone.map { removal(owner, $0) }
            }
            if isNext(shape.consent) { return consent(owner) }
            if isNext(shape.messages) { return message(owner) }
            if isNext(shape.lastSeen) {
                if random.chance(50) { return .accessSet(user: owner, access()) }
                return .lastSeenSet(user: owner, LastSeen(rawValue: UInt32(random.below(5))))
            }
            return entry(owner)
        }

        private mutating func access() -> Access {
            let keys = [UInt8](repeating: UInt8(random.below(256)), count: PasswordVerifier.keyBytes)
            let iterations = UInt32(1 + random.below(Limits.iterationsMax))
            let salt = [UInt8](repeating: 1, count: random.below(Limits.saltBytesMax + 1))
            return Access(
                isDisabled: random.chance(20),
                revokedSeconds: UInt32(random.below(3)),
                verifier: random.chance(50)
                    ? PasswordVerifier(iterations: iterations, salt: salt, storedKey: keys, serverKey: keys) : nil
            )
        }

        private func removal(_ owner: UserID, _ contact: UserID) -> Change {
            let entry = model.entries[owner]![contact]!
            return .entryRemoved(
                owner: owner,
                contact: contact,
                pendingNumber: entry.isPending ? entry.number : nil
            )
        }

        private mutating func consent(_ owner: UserID) -> Change? {
            let other = anybody()
            guard other != owner, model.names[other] != nil else { return nil }
            let number = model.freeNumber(owner)
            switch random.below(6) {
            case 0:
                return .namedEntrySet(
                    owner: owner,
                    name: "nobody\(random.below(5))",
                    number: number,
                    annotations: Annotations(alias: random.chance(30) ? "who" : "")
                )
            case 1, 2:
                // Whoever asks for the owner is let in.
                guard let entry = model.entries[other]?[owner], let annotations = entry.annotations, entry.isPending
                else { return nil }
                return .entrySet(
                    owner: other,
                    contact: owner,
                    number: entry.number,
                    annotations: annotations,
                    consent: .approved
                )
            case 3, 4:
                if model.kind(owner, other) == .block { return .blockRemoved(owner: owner, user: other) }
                let fields = (model.fields[owner] ?? [:]).sorted { $0.key < $1.key }
                return .blockSet(
                    owner: owner,
                    user: other,
                    note: random.chance(50) ? "note" : "",
                    profile: fields.map {
                        Directory.StoredField(number: $0.key, stamp: $0.value.stamp, value: $0.value.value)
                    },
                    lastSeen: random.chance(30) ? nil : LastSeen(rawValue: UInt32(random.below(5)))
                )
            default:
                let known = model.entries[owner]?[other]
                guard known?.annotations == nil else { return nil }
                return .entrySet(
                    owner: owner,
                    contact: other,
                    number: known?.number ?? number,
                    annotations: Annotations(),
                    consent: .asked
                )
            }
        }

        private mutating func message(_ reader: UserID) -> Change? {
            let sender = anybody()
            guard sender != reader, model.names[sender] != nil else { return nil }
            let known = (model.messages[reader] ?? []).map(\.stamp)
            func some() -> Stamp { known.randomElement(using: &random) ?? 0 }
            switch random.below(10) {
            case 0: return .messagesAcknowledged(reader: reader, through: 0, gone: some())
            case 1, 2:
                let through = some()
                return .messagesAcknowledged(
                    reader: reader,
                    through: through,
                    gone: random.chance(50) ? 0 : min(through, some())
                )
            default:
                let bytes = (0..<random.below(40)).map { _ in UInt8.random(in: 32...126, using: &random) }
                return .messageSent(
                    reader: reader,
                    sender: sender,
                    id: MessageID(low: random.next(), high: 7),
                    kind: .text,
                    random.chance(20) ? .unheard(bytes: bytes.count) : .heard(bytes),
                    gone: random.chance(10) ? some() : 0
                )
            }
        }

        private mutating func edit(_ user: UserID) -> Change {
            let changes = (0...random.below(3)).map { _ in
                FieldChange(
                    FieldNumber(rawValue: UInt16(random.below(8) + 1)),
                    random.chance(20) ? nil : Array("v\(random.below(1000))".utf8)
                )
            }
            let unique = Dictionary(changes.map { ($0.number, $0) }) { $1 }
            if random.chance(25) { return privateEdit(user, unique) }
            let kept = model.privateNumbers(user)
            if unique.keys.contains(where: kept.contains) { return privateEdit(user, unique) }
            return .profileChanged(user: user, fields: unique.values.sorted { $0.number < $1.number })
        }

        /// Some fields are kept from others, some are shown to them again.
        private mutating func privateEdit(_ user: UserID, _ changes: [FieldNumber: FieldChange]) -> Change {
            var kept = Dictionary((model.privately[user]?.fields ?? []).map { ($0.number, $0) }) { $1 }
            var fields: [FieldChange] = []
            for change in changes.values.sorted(by: { $0.number < $1.number }) {
                let seen = model.fields[user]?[change.number]?.value
                let isPrivate = change.value != nil && random.chance(60)
                kept[change.number] = isPrivate ? change : nil
                let shown = isPrivate ? nil : change.value
                if shown != seen { fields.append(FieldChange(change.number, shown)) }
            }
            return .privateFieldsSet(
                user: user,
                fields: fields,
                kept: kept.values.sorted { $0.number < $1.number }
            )
        }

        private mutating func collection(_ owner: UserID) -> Change? {
            let removed = (model.entries[owner] ?? [:]).values.filter { $0.annotations == nil }.map(\.stamp).sorted()
            return removed.randomElement(using: &random).map { .tombstonesCollected(owner: owner, through: $0) }
        }

        private mutating func entry(_ owner: UserID) -> Change? {
            let contact = anybody()
            guard contact != owner, model.names[contact] != nil else { return nil }
            let annotations =
                random.chance(30)
                ? Annotations(
                    alias: "a\(random.below(9))",
                    groups: random.chance(50) ? ["g"] : [],
                    isFavourite: random.chance(50)
                )
                : Annotations(isFavourite: random.chance(10))
            let known = model.entries[owner]?[contact]
            let number = known?.number ?? model.freeNumber(owner)
            return .entrySet(
                owner: owner,
                contact: contact,
                number: number,
                annotations: annotations,
                consent: known?.isPending == true ? .awaited : .given
            )
        }
    }

    /// A million in all by TIDEMARK_OPERATIONS=1000000, which `tools/test --long` sets; a tenth otherwise.
    static let operations = ProcessInfo.processInfo.environment["TIDEMARK_OPERATIONS"].flatMap(Int.init) ?? 100_000

    /// Of each kind of run, so many with shards in these numbers. Those with several share what one has.
    static let shardCounts = [1, 2, 4]

    @Test(
        "every answer to every token is the model's, and every invariant holds",
        arguments: Shape.all,
        shardCounts
    )
    func answers(shape: Shape, shards: Int) throws {
        var driver = Driver(shape, seed: 2_026 + UInt64(shards - 1))
        let options = DirectoryOptions(popularFollowers: shape.popularFollowers)
        var directory = ShardedDirectory(shards: shards, epochs: EpochHistory(current: 9), options: options)
        var stamps: [Stamp] = [0]
        let steps = Self.operations / Shape.all.count / (shards == 1 ? 1 : 2)
        for step in 0..<steps {
            let change = driver.change()
            let stamp = driver.nextStamp()
            let isAccepted = directory.accepts(change, owner: change.owner)
            try #require(isAccepted, "step \(step), \(change), \(driver.random)")
            directory.append(change, at: stamp)
            if shards == 1 {
                directory.advanceAll()
            } else {
                directory.advanceSome(&driver.random, behindMax: 40)
            }
            driver.model.apply(change, at: stamp)
            stamps.append(stamp)
            // Whatever is left undone, no answer shows it.
            let undone = driver.random.below(8)
            directory.maintain(steps: undone < 4 ? undone : 0)
            if step % (shape.users > 100 ? 2_000 : 64) == 0 { directory.checkInvariants() }
            // A large table is compared now and then only.
            if shape.users > 100, step % 50 != 0 { continue }
            try compare(&directory, &driver, stamps, step)
        }
        directory.advanceAll()
        while directory.maintain(steps: 1) {}
        directory.checkInvariants()
        let wrong = directory.entryCount - driver.model.entryCount
        #expect(wrong == 0)
        print("model: \(shape.name), shards \(shards), \(steps) operations, seed \(driver.random.value)")
    }

    private func compare(
        _ directory: inout ShardedDirectory,
        _ driver: inout Driver,
        _ stamps: [Stamp],
        _ step: Int
    ) throws {
        let replay: Comment = "step \(step), \(driver.random)"
        let model = driver.model
        let owner = driver.shape.hoarding > 0 ? 1 : model.names.keys.sorted().randomElement(using: &driver.random) ?? 0
        guard model.names[owner] != nil else { return }
        let hasStamps = driver.random.chance(50)
        let from = (driver.random.chance(50) ? stamps.suffix(50) : stamps[...]).randomElement(using: &driver.random)!
        let hasAsides = driver.random.chance(50)
        var sync = Sync(options: hasStamps ? [.stamps] : [], pageBytes: Limits.pageBytesMax)
        if hasAsides { sync.options.insert(.asides) }
        if from > 0 {
            var writer = ByteWriter()
            writer.token(SyncToken(settledAt: from, epoch: 9))
            sync.token = Sync.TokenBytes(Array(writer.array.dropFirst()))
        }
        let (page, outcome) = try directory.page(owner, sync)
        let watermark = model.watermark(owner)
        let isBehind = from > 0 && from < model.horizons[owner] ?? 0
        let isFull = from == 0 || isBehind
        let expected: SyncAnswer = isFull ? .full : from >= watermark ? .upToDate : .delta
        #expect(page.answer == expected, replay)
        #expect(page.reason == (isBehind ? .horizon : from == 0 ? .noToken : .none), replay)
        let items = model.items(
            owner,
            after: isFull ? 0 : from,
            base: isFull ? model.published : from,
            isFull: isFull,
            stamps: hasStamps,
            asides: hasAsides
        )
        let isRight = page.items == items
        try #require(isRight, "\(page.items.count) items, \(items.count) expected, \(replay)")
        #expect(page.summary?.digest == model.digest(owner, stamps: hasStamps, asides: hasAsides), replay)
        let asides = hasAsides ? model.liveAsides(owner).count : 0
        #expect(page.summary?.items == UInt32(model.liveContacts(owner).count + 1 + asides), replay)
        #expect(page.summary?.waitingMessages == UInt32(model.waiting(owner)), replay)
        try compareMessages(&directory, &driver, owner, after: from, replay)
        for user in [owner] + (model.entries[owner] ?? [:]).keys.sorted().prefix(20) {
            let known = model.entries[owner]?[user]?.annotations == nil ? user : model.known(owner, user)
            let told = directory.lastSeen(known, toldTo: owner)
            #expect(told == model.lastSeen(user, toldTo: owner), replay)
        }
        #expect(directory.access(owner) == model.access[owner] ?? .initial, replay)
        let token = page.token.withUnsafeBytes { SyncToken($0) }
        #expect(token == SyncToken(settledAt: expected == .upToDate ? from : watermark, epoch: 9), replay)
        if expected == .upToDate { #expect(outcome.slotsRead == 0) }
    }

    /// Page by page, and in one.
    private func compareMessages(
        _ directory: inout ShardedDirectory,
        _ driver: inout Driver,
        _ owner: UserID,
        after position: Stamp,
        _ replay: Comment
    ) throws {
        let expected = driver.model.heard(owner, after: position)
        let pageBytes = driver.random.chance(50) ? Limits.pageBytesMax : driver.random.below(300)
        var found: [MessagePage.Item] = []
        var reached = position
        repeat {
            let (page, outcome) = try directory.messages(owner, after: reached, pageBytesMax: pageBytes)
            found += page.messages
            #expect(Int(page.left) == expected.count - found.count && outcome.left == Int(page.left), replay)
            #expect(Int(page.waiting) == driver.model.waiting(owner), replay)
            #expect(!page.messages.isEmpty || page.left == 0, replay)
            reached = outcome.position
            let token = page.token.withUnsafeBytes { MessageToken($0) }
            #expect(token == MessageToken(at: max(position, found.last?.stamp ?? 0), epoch: 9), replay)
        } while found.count < expected.count
        #expect(found == expected, replay)
    }

    func replay(_ driver: Driver) -> String {
        "\(driver.random)"
    }

    /// A client's book, kept by the rules of the specification.
    struct Book: Equatable {
        var contacts: [UInt32: (user: UserID, fields: [FieldNumber: [UInt8]], annotations: Annotations)] = [:]
        var own: [FieldNumber: [UInt8]] = [:]
        var asides: [UserID: String] = [:]
        var seen: Set<UInt32> = []
        var seenAsides: Set<UserID> = []
        var token: [UInt8] = []

        mutating func apply(_ page: SyncPage) {
            if page.reason != .none { (seen, seenAsides) = ([], []) }
            for item in page.items {
                seen.insert(item.number)
                switch item.content {
                case .contact(let user, _, let annotations, _, let fields):
                    contacts[item.number] = (user, Self.dictionary(fields), annotations)
                case .patch(let fields):
                    for field in fields { contacts[item.number]!.fields[field.number] = field.value }
                case .removed: contacts[item.number] = nil
                case .own(_, let fields, _): own = Self.dictionary(fields)
                case .request(let user, let name): see(user, name)
                case .block(let user, let note): see(user, "blocked \(note)")
                case .forgotten(let user): asides[user] = nil
                }
            }
            if page.answer == .full, page.summary != nil {
                contacts = contacts.filter { seen.contains($0.key) }
                asides = asides.filter { seenAsides.contains($0.key) }
            }
            token = page.token
        }

        private mutating func see(_ user: UserID, _ text: String) {
            asides[user] = text
            seenAsides.insert(user)
        }

        static func dictionary(_ fields: [FieldChange]) -> [FieldNumber: [UInt8]] {
            Dictionary(uniqueKeysWithValues: fields.map { ($0.number, $0.value!) })
        }

        static func == (a: Book, b: Book) -> Bool {
            a.own == b.own && a.asides == b.asides && a.contacts.keys == b.contacts.keys
                && a.contacts.allSatisfy { key, value in
                    value.user == b.contacts[key]!.user && value.fields == b.contacts[key]!.fields
                        && value.annotations == b.contacts[key]!.annotations
                }
        }
    }

    static func book(_ model: ModelDirectory, _ owner: UserID) -> Book {
        var book = Book()
        book.own = Book.dictionary(model.own(owner))
        for contact in model.liveContacts(owner) {
            let entry = model.entries[owner]![contact]!
            book.contacts[entry.number] = (
                model.known(owner, contact), Book.dictionary(model.live(owner, contact)), entry.annotations!
            )
        }
        for (user, aside) in model.liveAsides(owner) {
            book.asides[user] = aside.kind == .block ? "blocked \(aside.note)" : model.names[user]!
        }
        return book
    }

    @Test(
        "whatever the page size and whatever changes between pages, the book ends the same (naive error 6)",
        arguments: [1, 60, 300, 4_000],
        [Shape.all[1], Shape.all[3], Shape.all[5], Shape.all[9]]
    )
    func pages(pageBytes: Int, shape: Shape) throws {
        var driver = Driver(shape, seed: UInt64(shape.users * 10_000 + pageBytes))
        let options = DirectoryOptions(popularFollowers: shape.popularFollowers)
        var directory = Directory(epochs: EpochHistory(current: 5), options: options)
        var books: [UserID: Book] = [:]
        for _ in 0..<3_000 {
            let change = driver.change()
            let stamp = driver.nextStamp()
            directory.apply(change, at: stamp)
            driver.model.apply(change, at: stamp)
            guard let owner = driver.model.names.keys.sorted().randomElement(using: &driver.random) else { continue }
            // One page of a walk that may be far from its end, from wherever this client's last page left it.
            var book = books[owner] ?? Book()
            let sync = Sync(token: Sync.TokenBytes(book.token), options: [.asides], pageBytes: pageBytes)
            let (page, _) = try directory.page(owner, sync)
            #expect(!page.items.isEmpty || page.summary != nil)
            if page.items.count > 1, page.summary == nil {
                var writer = ByteWriter()
                page.encode(into: &writer)
                #expect(writer.count <= pageBytes)
            }
            book.apply(page)
            books[owner] = book
            if page.summary != nil { #expect(book == Self.book(driver.model, owner), "\(replay(driver))") }
        }
        for owner in driver.model.names.keys {
            var book = books[owner] ?? Book()
            while true {
                let (page, _) = try directory.page(
                    owner,
                    Sync(token: Sync.TokenBytes(book.token), options: [.asides], pageBytes: pageBytes)
                )
                book.apply(page)
                if page.summary != nil { break }
            }
            #expect(book == Self.book(driver.model, owner), "\(replay(driver))")
        }
    }
    @Test(
        "the same log gives byte-identical answers, whatever is popular, however it is kept, on however many shards",
        arguments: Shape.all
    )
    func replays(shape: Shape) throws {
        var driver = Driver(shape, seed: 77)
        var log: [(change: Change, stamp: Stamp)] = []
        for _ in 0..<4_000 {
            let change = driver.change()
            let stamp = driver.nextStamp()
            driver.model.apply(change, at: stamp)
            log.append((change, stamp))
        }
        let owners = driver.model.names.keys.sorted().prefix(40)
        let stamps = stride(from: 0, to: log.count, by: 397).map { log[$0].stamp }
        let syncs = stamps.flatMap { from in
            [(Sync.Options.stamps, Limits.pageBytesMax), ([.asides], 100)].map { options, pageBytes in
                var token = ByteWriter()
                if from != stamps[0] { token.token(SyncToken(settledAt: from, epoch: 9)) }
                return Sync(
                    token: Sync.TokenBytes(Array(token.array.dropFirst())),
                    options: options,
                    pageBytes: pageBytes
                )
            }
        }
        /// All answers, one behind the other. Hashes have secrets of their own in each directory.
        func answers(popularFollowers: Int, maintains: Bool, shards: Int = 1) -> [UInt8] {
            var directory = ShardedDirectory(
                shards: shards,
                epochs: EpochHistory(current: 9),
                options: DirectoryOptions(popularFollowers: popularFollowers)
            )
            for (position, entry) in log.enumerated() {
                directory.append(entry.change, at: entry.stamp)
                if position % shards == 0 { directory.advanceAll() }
                if maintains { directory.maintain(steps: 3) }
            }
            var writer = ByteWriter()
            for owner in owners { _ = directory.write(owner, syncs, into: &writer) }
            // Directories that share their profiles end alike.
            directory.advanceAll()
            return writer.array
        }
        let first = answers(popularFollowers: shape.popularFollowers, maintains: false)
        #expect(first.count > 5_000, "there is something to compare")
        // Not by ==, which would print megabytes.
        let ways = [
            (shape.popularFollowers, true, 1), (1, false, 1), (3, true, 1), (1_000_000, false, 1),
            (shape.popularFollowers, true, 2), (3, false, 5),
        ]
        for (popularFollowers, maintains, shards) in ways {
            let isSame = answers(popularFollowers: popularFollowers, maintains: maintains, shards: shards) == first
            #expect(isSame, "popular above \(popularFollowers), maintained: \(maintains), \(shards), \(driver.random)")
        }
    }
}
