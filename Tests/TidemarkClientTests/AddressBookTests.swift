import GRDB
import Testing
import TidemarkWire

@testable import TidemarkClient

/// The rules by which pages change the book, one at a time.
@Suite struct AddressBookTests {
    @Test("claims 1, 2, 3: a first login brings all, the next only what changed, the next nothing")
    func threeLogins() async throws {
        var table = TableModel()
        for number in 1...5 {
            table.add(UInt32(number), user: 100 + UserID(number), fields: [1: "n\(number)", 3: "+1"])
        }
        let book = try await AddressBook.claimed()
        let first = try await book.sync(with: table)
        #expect(first.answer == .full && first.reason == .noToken)
        #expect(first.contacts == 5 && first.fields == 10 && first.ownProfile && first.bookContacts == 5)

        table.edit(2, 3, "+2")
        table.online = [ContactPresence(number: 4, state: .away)]
        let second = try await book.sync(with: table)
        #expect(second.answer == .delta && second.contacts == 1 && second.fields == 1)
        #expect(second.online.map(\.user) == [104] && second.online[0].state == .away)
        #expect(try await book.contact(user: 102)?.text(.telephone) == "+2")
        #expect(try await book.contact(user: 102)?.text(.fullName) == "n2")

        let third = try await book.sync(with: table)
        #expect(third.answer == .upToDate && third.contacts == 0 && third.fields == 0 && third.online.count == 1)
    }

    @Test("a contact replaces, a patch changes the named fields only, a removal takes out, also what is not there")
    func kindsOfItems() async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        table.add(
            1,
            user: 100,
            fields: [1: "a", 3: "+1"],
            annotations: Annotations(alias: "x", groups: ["g", "h"], isFavourite: true)
        )
        table.add(2, user: 101, fields: [1: "b"])
        try await book.sync(with: table)
        table.edit(1, 3, nil)
        table.edit(2, 7, "new")
        try await book.sync(with: table)
        var contact = try #require(try await book.contact(named: "user100"))
        #expect(contact.fields == [.fullName: Array("a".utf8)])
        #expect(contact.annotations == Annotations(alias: "x", groups: ["g", "h"], isFavourite: true))
        #expect(contact.displayName == "x")
        table.annotate(1, Annotations(groups: ["h"]))
        try await book.sync(with: table)
        contact = try #require(try await book.contact(user: 100))
        #expect(contact.annotations == Annotations(groups: ["h"]))
        table.add(9, user: 109)
        table.remove(9)
        table.remove(2)
        let report = try await book.sync(with: table)
        #expect(report.removed == 2)
        #expect(try await book.contacts().map(\.number) == [1])
    }

    @Test("contacts come by name, whatever its case")
    func order() async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        for (number, name) in ["bob", "Alice", "carol", "alice"].enumerated() {
            table.add(UInt32(number + 1), user: UserID(100 + number))
            table.entries[UInt32(number + 1)]!.name = name
        }
        try await book.sync(with: table)
        #expect(try await book.contacts().map(\.name) == ["Alice", "alice", "bob", "carol"])
    }

    @Test("the own profile is replaced, with its private fields", arguments: [false, true])
    func ownProfile(stamps: Bool) async throws {
        let book = try await AddressBook.claimed()
        #expect(try await book.ownProfile() == nil)
        var table = TableModel()
        table.privateFields = [3]
        table.editOwn(1, "me")
        table.editOwn(3, "+1")
        try await book.sync(with: table, SyncSettings(stamps: stamps))
        #expect(try await book.ownProfile() == table.ownProfile(withStamps: stamps))
        table.editOwn(1, nil)
        try await book.sync(with: table, SyncSettings(stamps: stamps))
        #expect(try await book.ownProfile() == table.ownProfile(withStamps: stamps))
    }

    @Test("user numbers of all 64 bits")
    func largeUser() async throws {
        let book = try AddressBook.inMemory()
        try await book.claim(for: .max)
        var table = TableModel(owner: .max)
        table.own.user = .max
        table.add(1, user: .max - 1)
        try await book.sync(with: table, SyncSettings(stamps: true))
        #expect(try await book.contact(user: .max - 1)?.name == "user\(UInt64.max - 1)")
        #expect(try await book.mark().owner == .max)
    }

    @Test("a full drops what it did not send, on its last page and not before")
    func fullDrops() async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        for number in 1...4 { table.add(UInt32(number), user: 100 + UserID(number)) }
        try await book.sync(with: table)
        table.remove(1)
        table.remove(2)
        table.collectTombstones()
        table.add(7, user: 101)
        table.itemsPerPage = 2
        let early = try await book.sync(with: table, SyncSettings(pagesMax: 1))
        #expect(!early.isComplete && early.answer == .full && early.reason == .horizon)
        #expect(try await book.mark().isInFull)
        #expect(try await book.contacts().map(\.user).sorted() == [101, 102, 103, 104])
        let rest = try await book.sync(with: table)
        #expect(rest.isComplete && rest.answer == .full && rest.reason == .none)
        #expect(try await book.contacts().map(\.number).sorted() == [3, 4, 7])
        #expect(try await !book.mark().isInFull)
    }

    @Test("claim 4: with each stamp or only the newest, the same book", arguments: [false, true])
    func stampModes(stamps: Bool) async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        for number in 1...3 { table.add(UInt32(number), user: 100 + UserID(number), fields: [1: "n"]) }
        try await book.sync(with: table, SyncSettings(stamps: stamps))
        table.edit(2, 1, "m")
        try await book.sync(with: table, SyncSettings(stamps: stamps))
        let contents = try await BookContents(book)
        #expect(contents.contacts == table.contacts(withStamps: stamps))
        #expect(contents.own == table.ownProfile(withStamps: stamps))
        #expect(contents.mark.hasStamps == stamps)
    }

    @Test(
        "claim 4: a book that lacks the stamps fetches them once when they are asked for; the other way costs nothing"
    )
    func changingStampModes() async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        table.add(1, user: 100)
        try await book.sync(with: table)
        #expect(try await book.sync(with: table, SyncSettings(stamps: true)).answer == .full)
        #expect(try await book.contacts() == table.contacts(withStamps: true))
        #expect(try await book.sync(with: table, SyncSettings(stamps: true)).answer == .upToDate)
        #expect(try await book.sync(with: table).answer == .upToDate)
        #expect(try await book.sync(with: table, SyncSettings(stamps: true)).answer == .full)
    }

    @Test("the older methods: always full asks for everything each time, local asks for nothing")
    func olderMethods() async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        for number in 1...3 { table.add(UInt32(number), user: 100 + UserID(number)) }
        table.itemsPerPage = 2
        for _ in 0..<2 {
            let report = try await book.sync(with: table, SyncSettings(mode: .full))
            #expect(report.answer == .full && report.contacts == 3 && report.pages == 2)
        }
        let local = try await book.sync(with: table, SyncSettings(mode: .local))
        #expect(local.answer == .local && local.pages == 0 && local.bookContacts == 3)
    }

    @Test("naive error 8: a book whose digest differs is fetched anew in the same sync", arguments: [false, true])
    func diverged(stamps: Bool) async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        for number in 1...3 { table.add(UInt32(number), user: 100 + UserID(number)) }
        try await book.sync(with: table, SyncSettings(stamps: stamps))
        try await book.database.write { try $0.execute(sql: "DELETE FROM contact WHERE number = 2") }
        let report = try await book.sync(with: table, SyncSettings(stamps: stamps))
        #expect(report.answer == .full && report.reason == .diverged && report.pages == 2 && report.contacts == 3)
        #expect(try await book.contacts() == table.contacts(withStamps: stamps))
        try await book.database.write { try $0.execute(sql: "DELETE FROM own") }
        table.editOwn(1, "me")
        #expect(try await book.sync(with: table, SyncSettings(stamps: stamps)).reason == .diverged)
        #expect(try await book.ownProfile() == table.ownProfile(withStamps: stamps))
    }

    @Test("naive error 8: a wrong stamp shows in the digest where stamps are kept")
    func divergedStamp() async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        table.add(1, user: 100)
        try await book.sync(with: table, SyncSettings(stamps: true))
        try await book.database.write { try $0.execute(sql: "UPDATE contact SET stamp = stamp - 1") }
        #expect(try await book.sync(with: table, SyncSettings(stamps: true)).reason == .diverged)
    }

    @Test("naive error 8: a patch for an entry that is not there starts over; nothing of its page stays")
    func divergedPatch() async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        for number in 1...3 { table.add(UInt32(number), user: 100 + UserID(number)) }
        try await book.sync(with: table)
        try await book.database.write { try $0.execute(sql: "DELETE FROM contact WHERE number = 2") }
        table.edit(1, 1, "a")
        table.edit(2, 1, "b")
        let before = try await BookContents(book)
        let request = Sync(token: Sync.TokenBytes(before.mark.token))
        #expect(try await book.apply(table.answer(request), answering: request) == .diverged(.unknownNumber(2)))
        #expect(try await BookContents(book) == before)
        #expect(try await book.sync(with: table).reason == .diverged)
        #expect(try await book.contacts() == table.contacts(withStamps: false))
    }

    @Test("a server whose digest is always another is an error after one more try; its contacts are kept")
    func divergedForGood() async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        table.add(1, user: 100)
        table.lie = 1
        await #expect {
            try await book.sync(with: table)
        } throws: { error in
            guard case .diverged(.summary(items: 2, _, expectedItems: 2, _)) = error as? ClientError else {
                return false
            }
            return true
        }
        #expect(try await book.contacts().count == 1)
    }

    @Test("a page is stored only on the book that asked for it")
    func superseded() async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        table.add(1, user: 100, fields: [1: "old"])
        try await book.sync(with: table)
        table.edit(1, 1, "late")
        let request = Sync(token: Sync.TokenBytes(try await book.token()))
        let late = table.answer(request)
        table.edit(1, 1, "newest")
        try await book.sync(with: table)
        let mark = try await book.mark()
        #expect(try await book.apply(late, answering: request) == .superseded(mark))
        #expect(try await book.contact(user: 100)?.text(.fullName) == "newest")
    }

    @Test("pages that cannot be an answer are refused, and nothing of them stays")
    func impossiblePages() async throws {
        let book = try await AddressBook.claimed()
        var table = TableModel()
        table.add(1, user: 100)
        try await book.sync(with: table)
        table.edit(1, 1, "a")
        let before = try await BookContents(book)
        let request = Sync(token: Sync.TokenBytes(before.mark.token))
        let good = table.answer(request)
        func refuse(_ mistake: ProtocolViolation.PageMistake, to sent: Sync, _ spoil: (inout SyncPage) -> Void) async {
            var page = good
            spoil(&page)
            await #expect(throws: ClientError.protocolViolation(.page(mistake))) {
                try await book.apply(page, answering: sent)
            }
        }
        await refuse(.empty, to: request) {
            $0.items = []
            $0.summary = nil
        }
        await refuse(.upToDateWithMore, to: request) { $0.answer = .upToDate }
        await refuse(.upToDateWithMore, to: request) {
            $0.answer = .upToDate
            $0.items = []
            $0.summary = nil
        }
        await refuse(.stamps, to: request) { $0.hasStamps = true }
        await refuse(.notFull, to: Sync()) { _ in }
        await refuse(.notFull, to: Sync()) { $0.answer = .full }
        var stray = good
        stray.answer = .full
        #expect(try await book.apply(stray, answering: request) == .diverged(.walk))
        #expect(try await BookContents(book) == before)
    }

    @Test("the specification's example: a first login in two pages, one with nothing new, and the digests in between")
    func specification() async throws {
        let book = try AddressBook.inMemory()
        try await book.claim(for: 1002)
        func apply(_ hexadecimal: String, _ sent: Sync) async throws -> PageOutcome {
            let text = Array(hexadecimal.filter { !$0.isWhitespace }.utf8)
            let body = stride(from: 0, to: text.count, by: 2).map {
                UInt8(String(decoding: text[$0...$0 + 1], as: UTF8.self), radix: 16)!
            }
            return try await book.apply(
                try body.withUnsafeBytes { bytes in
                    var reader = ByteReader(bytes)
                    return try SyncPage(decoding: &reader)
                },
                answering: sent
            )
        }
        let inner = try await apply(
            """
            12 17 03790be6d4c2513a8fc47974b02a440640c4fdb02a4406 02
            03 03626f62 01 24 426f622050696b65 00
            28 01 e907 03616e6e 05416e6e6965 02 0670696c6f7473 07667269656e6473
            03 24 416e6e2057656972 45 2b34342032302037393436203030 3138 3a 486172626f75722070696c6f74
            """,
            Sync()
        )
        #expect(inner == .stored(end: nil))
        let last = try await apply(
            """
            06 10 01790be6d4c2513a8f40c4fdb02a4406 02
            00 02 eb07 056361726f6c 02 2c 4361726f6c204c6f636b 4a 6361726f6c406578616d706c652e6e6574
            00 03 ec07 0464617665 01 28 446176652042756f79
            04 0f80abfad551b3a5 02 01 84 00
            """,
            Sync(token: Sync.TokenBytes(try await book.token()))
        )
        let online = [
            OnlineContact(
                number: 1,
                user: 1001,
                name: "ann",
                alias: "Annie",
                fullName: "Ann Weir",
                state: .online,
                devices: []
            ),
            OnlineContact(
                number: 3,
                user: 1004,
                name: "dave",
                alias: "",
                fullName: "Dave Buoy",
                state: .away,
                devices: []
            ),
        ]
        #expect(last == .stored(end: SyncEnd(online: online, waitingMessages: 0)))
        let again = try await apply(
            "04 10 01790be6d4c2513a8f40c4fdb02a4406 00 04 0f80abfad551b3a5 02 01 84 00",
            Sync(token: Sync.TokenBytes(try await book.token()))
        )
        #expect(again == last)
        #expect(try await book.contact(named: "ann")?.text(.telephone) == "+44 20 7946 0018")
        #expect(try await book.ownProfile()?.text(.fullName) == "Bob Pike")
    }

    @Test("a book is one user's")
    func ownership() async throws {
        let book = try AddressBook.inMemory()
        let table = TableModel()
        await #expect(throws: BookError.unowned) { try await book.sync(with: table) }
        #expect(try await book.token() == [])
        try await book.claim(for: 7)
        try await book.claim(for: 7)
        await #expect(throws: BookError.ownedByAnother(owner: 7, user: 8)) { try await book.claim(for: 8) }
    }
}
