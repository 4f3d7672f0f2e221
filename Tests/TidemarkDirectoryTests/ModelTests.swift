import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory

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
    /// Changes that fit the model's state, with stamps that sometimes jump and sometimes follow at once.
    struct Driver {
        var random: Seed
        var model = ModelDirectory()
        var stamp: Stamp = 1_000
        let users: Int

        mutating func nextStamp() -> Stamp {
            stamp += random.chance(50) ? 1 : UInt64(random.below(1_000) + 1)
            return stamp
        }

        mutating func change() -> Change {
            let owner = UserID(random.below(users) + 1)
            guard model.names[owner] != nil else { return .accountCreated(user: owner, name: "user\(owner)") }
            let contact = UserID(random.below(users) + 1)
            switch random.below(10) {
            case 0..<4:
                let changes = (0...random.below(3)).map { _ in
                    FieldChange(
                        FieldNumber(rawValue: UInt16(random.below(8) + 1)),
                        random.chance(20) ? nil : Array("v\(random.below(1000))".utf8)
                    )
                }
                let unique = Dictionary(changes.map { ($0.number, $0) }) { $1 }
                return .profileChanged(user: owner, fields: unique.values.sorted { $0.number < $1.number })
            case 4..<8:
                guard contact != owner, model.names[contact] != nil else { return change() }
                let known = model.entries[owner]?[contact]
                let number = known?.number ?? UInt32((model.entries[owner] ?? [:]).count + 1)
                let annotations =
                    random.chance(30)
                    ? Annotations(
                        alias: "a\(random.below(9))",
                        groups: random.chance(50) ? ["g"] : [],
                        isFavourite: random.chance(50)
                    )
                    : Annotations(isFavourite: random.chance(10))
                return .entrySet(owner: owner, contact: contact, number: number, annotations: annotations)
            default:
                guard let gone = model.liveContacts(owner).sorted().randomElement(using: &random) else {
                    return change()
                }
                return .entryRemoved(owner: owner, contact: gone)
            }
        }
    }

    @Test("every answer to every token is the model's", arguments: 1...4) func answers(seed: Int) throws {
        var driver = Driver(random: Seed(default: UInt64(seed)), users: seed == 1 ? 3 : seed * 8)
        var directory = Directory(epochs: EpochHistory(current: 9))
        var stamps: [Stamp] = [0]
        for step in 0..<4_000 {
            let change = driver.change()
            let stamp = driver.nextStamp()
            let isAccepted = directory.accepts(change)
            #expect(isAccepted)
            directory.apply(change, at: stamp)
            driver.model.apply(change, at: stamp)
            stamps.append(stamp)
            if step % 64 == 0 { directory.checkInvariants() }

            let owner = driver.model.names.keys.sorted().randomElement(using: &driver.random)!
            let hasStamps = driver.random.chance(50)
            let from = stamps.randomElement(using: &driver.random)!
            var sync = Sync(options: hasStamps ? [.stamps] : [], pageBytes: Limits.pageBytesMax)
            if from > 0 {
                var writer = ByteWriter()
                writer.token(SyncToken(settledAt: from, epoch: 9))
                sync.token = Sync.TokenBytes(Array(writer.array.dropFirst()))
            }
            let (page, outcome) = try directory.page(owner, sync)
            let watermark = driver.model.watermark(owner)
            let expected: SyncAnswer = from == 0 ? .full : from >= watermark ? .upToDate : .delta
            let base = from == 0 ? stamp : from
            #expect(page.answer == expected, "\(replay(driver))")
            #expect(
                page.items
                    == driver.model.items(owner, after: from, base: base, isFull: from == 0, stamps: hasStamps),
                "\(replay(driver))"
            )
            #expect(page.summary?.digest == driver.model.digest(owner, stamps: hasStamps))
            #expect(page.summary?.items == UInt32(driver.model.liveContacts(owner).count + 1))
            let token = page.token.withUnsafeBytes { SyncToken($0) }
            #expect(token == SyncToken(settledAt: expected == .upToDate ? from : watermark, epoch: 9))
            if expected == .upToDate { #expect(outcome.slotsRead == 0) }
        }
    }

    func replay(_ driver: Driver) -> String {
        "replay: TIDEMARK_SEED=\(driver.random.value) swift test --filter ModelTests"
    }

    /// A client's book, kept by the rules of the specification.
    struct Book: Equatable {
        var contacts: [UInt32: (user: UserID, fields: [FieldNumber: [UInt8]], annotations: Annotations)] = [:]
        var own: [FieldNumber: [UInt8]] = [:]
        var seen: Set<UInt32> = []
        var token: [UInt8] = []

        mutating func apply(_ page: SyncPage) {
            if page.reason != .none { seen = [] }
            for item in page.items {
                seen.insert(item.number)
                switch item.content {
                case .contact(let user, _, let annotations, _, let fields):
                    contacts[item.number] = (user, Self.dictionary(fields), annotations)
                case .patch(let fields):
                    for field in fields { contacts[item.number]!.fields[field.number] = field.value }
                case .removed: contacts[item.number] = nil
                case .own(_, let fields, _): own = Self.dictionary(fields)
                }
            }
            if page.answer == .full, page.summary != nil { contacts = contacts.filter { seen.contains($0.key) } }
            token = page.token
        }

        static func dictionary(_ fields: [FieldChange]) -> [FieldNumber: [UInt8]] {
            Dictionary(uniqueKeysWithValues: fields.map { ($0.number, $0.value!) })
        }

        static func == (a: Book, b: Book) -> Bool {
            a.own == b.own && a.contacts.keys == b.contacts.keys
                && a.contacts.allSatisfy { key, value in
                    value.user == b.contacts[key]!.user && value.fields == b.contacts[key]!.fields
                        && value.annotations == b.contacts[key]!.annotations
                }
        }
    }

    static func book(_ model: ModelDirectory, _ owner: UserID) -> Book {
        var book = Book()
        book.own = Book.dictionary(model.live(owner))
        for contact in model.liveContacts(owner) {
            let entry = model.entries[owner]![contact]!
            book.contacts[entry.number] = (contact, Book.dictionary(model.live(contact)), entry.annotations!)
        }
        return book
    }

    @Test(
        "whatever the page size and whatever changes between pages, the book ends the same (naive error 6)",
        arguments: [1, 60, 300, 4_000],
        1...3
    )
    func pages(pageBytes: Int, seed: Int) throws {
        let users = 12
        var driver = Driver(random: Seed(default: UInt64(seed * 100 + pageBytes)), users: users)
        var directory = Directory(epochs: EpochHistory(current: 5))
        var books: [UserID: Book] = [:]
        for _ in 0..<3_000 {
            let change = driver.change()
            let stamp = driver.nextStamp()
            directory.apply(change, at: stamp)
            driver.model.apply(change, at: stamp)
            let owner = driver.model.names.keys.sorted().randomElement(using: &driver.random)!
            // One page of a walk that may be far from its end, from wherever this client's last page left it.
            var book = books[owner] ?? Book()
            let sync = Sync(token: Sync.TokenBytes(book.token), pageBytes: pageBytes)
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
                    Sync(token: Sync.TokenBytes(book.token), pageBytes: pageBytes)
                )
                book.apply(page)
                if page.summary != nil { break }
            }
            #expect(book == Self.book(driver.model, owner), "\(replay(driver))")
        }
    }
}
