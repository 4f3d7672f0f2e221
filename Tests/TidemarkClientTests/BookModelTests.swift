import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkClient

/// The book against plain models, over seeded random histories.
@Suite struct BookModelTests {
    /// Whatever changes, whatever the page size, wherever a walk is cut and on whichever copy it goes on, in both ways
    /// of stamps: the book ends as the table is.
    @Test func anyHistory() async throws {
        let seed = Seed(anyFor: "anyHistory")
        var generator = seed
        for _ in 0..<15 {
            let directory = try TemporaryDirectory()
            var copies = 0
            var book = try AddressBook(path: directory.file("book0"))
            try await book.claim(for: 7)
            var table = TableModel()
            let stamps = generator.chance(50)
            for _ in 0..<30 {
                for _ in 0..<Int.random(in: 0...8, using: &generator) { table.change(&generator) }
                if generator.chance(3) { table.epoch += 1 }
                table.itemsPerPage = generator.chance(30) ? .max : Int.random(in: 1...5, using: &generator)
                let settings = SyncSettings(
                    mode: generator.chance(10) ? .full : .delta,
                    stamps: generator.chance(95) ? stamps : !stamps,
                    asides: generator.chance(90),
                    pagesMax: generator.chance(50) ? Int.random(in: 1...3, using: &generator) : nil
                )
                let report = try await book.sync(with: table, settings)
                #expect(report.reason != .diverged, "\(seed)")
                if generator.chance(20) {
                    try directory.crashCopy(of: "book\(copies)", to: "book\(copies + 1)")
                    copies += 1
                    book = try AddressBook(path: directory.file("book\(copies)"))
                }
                guard report.isComplete else { continue }
                let contents = try await BookContents(book)
                let expected = contents.mark.hasStamps || !settings.stamps
                #expect(expected, "\(seed)")
                #expect(contents.contacts.map(\.withoutStamp) == table.contacts(withStamps: false), "\(seed)")
                if settings.stamps { #expect(contents.contacts == table.contacts(withStamps: true), "\(seed)") }
                #expect(contents.own?.withoutStamp == table.ownProfile(withStamps: false), "\(seed)")
                if settings.asides {
                    #expect(contents.requests == table.requests && contents.blocks == table.blocks, "\(seed)")
                }
                #expect(report.online.map(\.number) == table.online.map(\.number), "\(seed)")
            }
        }
    }

    /// Pages of any items in any order, most of which no server would send, against rules written down a second time.
    @Test func anyPages() async throws {
        let seed = Seed(anyFor: "anyPages")
        var generator = seed
        for _ in 0..<20 {
            let book = try await AddressBook.claimed()
            var naive = NaiveBook()
            for _ in 0..<25 {
                let (page, request) = naive.randomPage(&generator)
                let expected = naive.apply(page, request)
                let outcome = try await book.apply(try TableModel.overTheWire(page), answering: request)
                let found: NaiveBook.Outcome =
                    switch outcome {
                    case .stored: .stored
                    case .superseded: .superseded
                    case .diverged(.summary): .stored
                    case .diverged: .diverged
                    }
                #expect(found == expected, "\(seed)")
                let contents = try await BookContents(book)
                #expect(
                    contents.contacts == naive.contacts.values.map(\.contact).sorted { $0.number < $1.number },
                    "\(seed)"
                )
                #expect(contents.own?.fields == naive.own?.fields, "\(seed)")
                #expect(contents.requests == naive.requests && contents.blocks == naive.blocks, "\(seed)")
                #expect(contents.mark.token == naive.token, "\(seed)")
                #expect(contents.mark.hasStamps == naive.hasStamps, "\(seed)")
            }
        }
    }
}

/// The rules of `BookPage`, over dictionaries.
private struct NaiveBook {
    enum Outcome { case stored, superseded, diverged }

    struct Row {
        var contact: Contact
        var seen: Bool
    }

    var token: [UInt8] = []
    var contacts: [UInt32: Row] = [:]
    var own: (fields: [FieldNumber: [UInt8]], seen: Bool)?
    var asides: [UserID: (content: SyncItem.Content, seen: Bool)] = [:]
    var isInFull = false
    var hasStamps = false
    var pages: UInt8 = 0

    mutating func apply(_ page: SyncPage, _ request: Sync) -> Outcome {
        let begins = page.answer == .full && page.reason != .none
        if !request.token.isEmpty {
            if request.token.array != token { return .superseded }
            if !begins, (page.answer == .full) != isInFull { return .diverged }
        }
        var after = self
        if begins {
            for number in after.contacts.keys { after.contacts[number]!.seen = false }
            after.own?.seen = false
            for user in after.asides.keys { after.asides[user]!.seen = false }
        }
        for item in page.items {
            switch item.content {
            case .contact(let user, let name, let annotations, let pending, let fields):
                after.contacts = after.contacts.filter { $0.value.contact.user != user }
                var contact = Contact(
                    number: item.number,
                    user: user,
                    name: name,
                    annotations: annotations,
                    isPending: pending,
                    stamp: item.stamp
                )
                contact.fields = NaiveBook.changed([:], fields)
                after.contacts[item.number] = Row(contact: contact, seen: true)
            case .patch(let fields) where item.number == 0:
                guard var profile = after.own, profile.seen || page.answer != .full else { return .diverged }
                profile.fields = NaiveBook.changed(profile.fields, fields)
                profile.seen = true
                after.own = profile
            case .patch(let fields):
                guard var row = after.contacts[item.number], row.seen || page.answer != .full else { return .diverged }
                row.contact.fields = NaiveBook.changed(row.contact.fields, fields)
                row.contact.stamp = item.stamp
                row.seen = true
                after.contacts[item.number] = row
            case .removed:
                after.contacts[item.number] = nil
            case .own(_, let fields, _):
                after.own = (NaiveBook.changed([:], fields), true)
            case .block(let user, _), .request(let user, _): after.asides[user] = (item.content, true)
            case .forgotten(let user): after.asides[user] = nil
            }
        }
        let isLast = page.summary != nil
        if page.answer == .full, isLast {
            after.contacts = after.contacts.filter(\.value.seen)
            if after.own?.seen == false { after.own = nil }
            after.asides = after.asides.filter(\.value.seen)
        }
        after.isInFull = page.answer == .full && !isLast
        after.token = page.token
        after.hasStamps = page.hasStamps && (begins || hasStamps)
        self = after
        return .stored
    }

    var requests: [ContactRequest] {
        asides.values.compactMap {
            if case .request(let user, let name) = $0.content { ContactRequest(user: user, name: name) } else { nil }
        }.sorted { $0.user < $1.user }
    }

    var blocks: [Block] {
        asides.values.compactMap {
            if case .block(let user, let note) = $0.content { Block(user: user, note: note) } else { nil }
        }.sorted { $0.user < $1.user }
    }

    private static func changed(_ fields: [FieldNumber: [UInt8]], _ changes: [FieldChange]) -> [FieldNumber: [UInt8]] {
        var fields = fields
        for change in changes { fields[change.number] = change.value }
        return fields
    }

    /// Mostly one that fits where this book stands.
    mutating func randomPage(_ generator: inout Seed) -> (SyncPage, Sync) {
        pages += 1
        let begins = token.isEmpty || generator.chance(15)
        let isFull = begins || (isInFull != generator.chance(4))
        let stamps = generator.chance(50)
        let sent = begins && generator.chance(50) ? [] : generator.chance(4) ? [99] : token
        var stamp: Stamp = 0
        var items: [SyncItem] = []
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            stamp += Stamp.random(in: 1...9, using: &generator)
            let content = randomContent(isFull, &generator)
            var number = UInt32.random(in: 1...12, using: &generator)
            switch content {
            case .own, .block, .request, .forgotten: number = 0
            default: break
            }
            if case .patch = content, generator.chance(20) { number = 0 }
            items.append(SyncItem(number: number, stamp: stamps ? stamp : nil, content: content))
        }
        let isLast = generator.chance(50)
        let page = SyncPage(
            answer: isFull ? .full : .delta,
            reason: begins ? .noToken : .none,
            hasStamps: stamps,
            token: [1, pages],
            items: items,
            summary: isLast ? SyncSummary(items: 1, digest: 1, presence: [], waitingMessages: 0) : nil
        )
        return (page, Sync(token: Sync.TokenBytes(sent), options: stamps ? [.stamps] : []))
    }

    private func randomContent(_ isFull: Bool, _ generator: inout Seed) -> SyncItem.Content {
        var fields: [FieldChange] = []
        for number in 1...UInt16(4) where generator.chance(40) {
            let value: [UInt8]? = generator.chance(20) ? nil : [UInt8.random(in: 65...90, using: &generator)]
            fields.append(FieldChange(FieldNumber(rawValue: number), value))
        }
        if generator.chance(20) {
            let user = UserID.random(in: 100..<116, using: &generator)
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: return .block(user: user, note: "n\(fields.count)")
            case 1: return .request(user: user, name: "u\(user)")
            default: return .forgotten(user: user)
            }
        }
        switch Int.random(in: 0..<(isFull ? 20 : 10), using: &generator) {
        case 0: return .removed
        case 1: return .own(name: "me", fields: fields, privateFields: [])
        case 2, 3, 4: return .patch(fields: fields)
        default:
            let user = UserID.random(in: 100..<116, using: &generator)
            let groups = generator.chance(30) ? ["a", "b"] : []
            return .contact(
                user: user,
                name: "u\(user)",
                annotations: Annotations(groups: groups, isFavourite: generator.chance(30)),
                pending: generator.chance(30),
                fields: fields
            )
        }
    }
}

extension Contact {
    fileprivate var withoutStamp: Contact {
        var copy = self
        copy.stamp = nil
        return copy
    }
}

extension OwnProfile {
    fileprivate var withoutStamp: OwnProfile {
        var copy = self
        copy.stamp = nil
        return copy
    }
}
