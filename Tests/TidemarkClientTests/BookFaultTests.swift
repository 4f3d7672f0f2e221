import Foundation
import GRDB
import Testing
import TidemarkWire

@testable import TidemarkClient

/// Claim 6 where things go wrong: contacts and token change together or not at all.
@Suite struct BookFaultTests {
    /// A book at its first token, a table that is ahead of it, and the page between.
    private static func ahead(_ book: AddressBook) async throws -> (table: TableModel, request: Sync) {
        var table = TableModel()
        for number in 1...4 { table.add(UInt32(number), user: 100 + UserID(number), fields: [1: "n", 3: "+1"]) }
        try await book.sync(with: table)
        table.edit(4, 1, "changed")
        table.annotate(1, Annotations(alias: "a", groups: ["g"]))
        table.remove(2)
        table.add(8, user: 108, fields: [1: "new"])
        table.editOwn(1, "me")
        return (table, Sync(token: Sync.TokenBytes(try await book.token())))
    }

    @Test(
        "claim 6: a write that fails anywhere in a page leaves nothing of the page",
        arguments: [
            "BEFORE UPDATE ON contact WHEN NEW.number = 4", "BEFORE INSERT ON field WHEN NEW.number = 4",
            "BEFORE UPDATE ON contact WHEN NEW.number = 1", "BEFORE DELETE ON field WHEN OLD.number = 1",
            "BEFORE INSERT ON contact_group", "BEFORE DELETE ON contact WHEN OLD.number = 2",
            "BEFORE INSERT ON contact WHEN NEW.number = 8", "BEFORE INSERT ON field WHEN NEW.number = 8",
            "BEFORE UPDATE ON own", "BEFORE INSERT ON own_field", "BEFORE UPDATE OF token ON mark",
        ]
    )
    func failingWrite(_ event: String) async throws {
        let book = try await AddressBook.claimed()
        let (table, request) = try await Self.ahead(book)
        let before = try await BookContents(book)
        try await book.database.write {
            try $0.execute(sql: "CREATE TRIGGER fault \(event) BEGIN SELECT RAISE(ABORT, 'out of order'); END")
        }
        await #expect(throws: BookError.storage(path: ":memory:", reason: "out of order")) {
            try await book.apply(table.answer(request), answering: request)
        }
        #expect(try await BookContents(book) == before)
        try await book.database.write { try $0.execute(sql: "DROP TRIGGER fault") }
        try await book.sync(with: table)
        #expect(try await book.contacts().sorted { $0.number < $1.number } == table.contacts(withStamps: false))
    }

    @Test("claim 6: a full disk leaves nothing of the page, and the book goes on when there is room again")
    func fullDisk() async throws {
        let book = try await AddressBook.claimed()
        var (table, request) = try await Self.ahead(book)
        table.edit(4, 7, String(repeating: "long ", count: 1600))
        let before = try await BookContents(book)
        try await book.database.writeWithoutTransaction { database in
            let pages = try Int.fetchOne(database, sql: "PRAGMA page_count")!
            try database.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
        await #expect(throws: BookError.storage(path: ":memory:", reason: "database or disk is full")) {
            try await book.apply(table.answer(request), answering: request)
        }
        #expect(try await BookContents(book) == before)
        try await book.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 100000") }
        try await book.sync(with: table)
        #expect(try await book.contacts().count == 4)
    }

    @Test(
        "claim 6: killed between any two pages, the next process goes on with what is stored",
        arguments: [false, true]
    )
    func killedBetweenPages(isFirstLogin: Bool) async throws {
        var table = TableModel()
        table.itemsPerPage = 3
        for number in 1...10 { table.add(UInt32(number), user: 100 + UserID(number), fields: [1: "n\(number)"]) }
        let directory = try TemporaryDirectory()
        for pages in 1...3 {
            let name = "book\(pages)"
            var book = try AddressBook(path: directory.file(name))
            try await book.claim(for: 7)
            if !isFirstLogin {
                try await book.sync(with: table)
                for number in 1...10 { table.edit(UInt32(number), 3, "+\(pages)") }
            }
            let cut = try await book.sync(with: table, SyncSettings(pagesMax: pages))
            #expect(!cut.isComplete && cut.pages == pages)
            try directory.crashCopy(of: name, to: name + "-after")
            book = try AddressBook(path: directory.file(name + "-after"))
            #expect(try await book.mark().isInFull == isFirstLogin)
            // Meanwhile a contact that was sent already and one that was not change, and one goes.
            table.edit(1, 1, "again")
            table.edit(10, 1, "again")
            if table.entries[5] != nil { table.remove(5) }
            let rest = try await book.sync(with: table)
            #expect(rest.isComplete && rest.reason == .none)
            let found = try await book.contacts().sorted { $0.number < $1.number }
            #expect(found == table.contacts(withStamps: false))
            table.add(5, user: 105, fields: [1: "n5"])
        }
    }

    @Test("a file is in WAL mode, keeps its contents, and refuses a later version's layout")
    func file() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("book")
        var book = try AddressBook(path: path)
        try await book.claim(for: 7)
        var table = TableModel()
        table.add(1, user: 100)
        try await book.sync(with: table)
        #expect(try await book.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") } == "wal")
        let before = try await BookContents(book)
        try book.close()
        book = try AddressBook(path: path)
        #expect(try await BookContents(book) == before)
        try await book.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 9") }
        try book.close()
        #expect(throws: BookError.newerSchema(found: 9, known: BookSchema.version)) { try AddressBook(path: path) }
    }

    @Test("a file that is no book, and a directory that is not there, say so")
    func noBook() throws {
        let directory = try TemporaryDirectory()
        try Data("this is no database, and is long enough to have a header of one".utf8)
            .write(to: URL(fileURLWithPath: directory.file("text")))
        for path in [directory.file("text"), directory.file("missing/book")] {
            #expect {
                try AddressBook(path: path)
            } throws: { error in
                guard case BookError.storage(path, _) = error else { return false }
                return true
            }
        }
    }

    @Test("two instances on one file: the slower one's page is dropped, and both see the same")
    func twoInstances() async throws {
        let directory = try TemporaryDirectory()
        let one = try AddressBook(path: directory.file("book"))
        let other = try AddressBook(path: directory.file("book"))
        try await one.claim(for: 7)
        let (table, request) = try await Self.ahead(one)
        let page = table.answer(request)
        try await other.sync(with: table)
        let mark = try await other.mark()
        #expect(try await one.apply(page, answering: request) == .superseded(mark))
        #expect(try await BookContents(one) == BookContents(other))
    }
}
