// What the naive method gets wrong, row by row of docs/CLAIMS.md, over real sockets.

import Foundation
import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkServer
import TidemarkWire

@Suite("Naive errors") struct NaiveErrorTests {
    static func server() throws -> TestServer {
        try TestServer(World.accounts(9) + World.roster(1, 2...6))
    }

    @Test("naive error 1: a contact added today whose details are old arrives, with all of them")
    func addedToday() async throws {
        let server = try Self.server()
        let book = try AddressBook.inMemory()
        _ = try await server.visit(1, book)
        server.clock.advance(by: 86_400_000_000)
        try await server.session(1) { _ = try await $0.addContact(.name("user9")) }
        let report = try await server.visit(1, book)
        #expect(report.answer == .delta && report.contacts == 1)
        #expect(try await book.contact(user: 9)?.fields.count == 3)
    }

    @Test("naive error 2: two changes in one clock tick, and a clock that steps back, lose nothing")
    func clock() async throws {
        let server = try Self.server()
        let book = try AddressBook.inMemory()
        _ = try await server.visit(1, book)
        // The test's clock stands still: all of these happen in one microsecond.
        var stamps: [Stamp] = []
        for round in 0..<4 {
            for user in 2...6 as ClosedRange<UserID> {
                stamps.append(
                    try await server.session(user) {
                        try await $0.setProfile([FieldChange(.note, text: "\(round) of \(user)")])
                    }
                )
            }
            if round == 1 { server.clock.stepBack(by: 3_600_000_000) }
            if round == 2 { try server.restart() }
            #expect(try await server.visit(1, book).contacts == 5)
            for user in 2...6 as ClosedRange<UserID> {
                #expect(try await book.contact(user: user)?.text(.note) == "\(round) of \(user)")
            }
        }
        #expect(stamps == stamps.sorted() && Set(stamps).count == stamps.count)
    }

    @Test("naive error 3: a removed contact goes, also from a client that was away for months") func removed()
        async throws
    {
        let server = try Self.server()
        let near = try AddressBook.inMemory()
        let away = try AddressBook.inMemory()
        _ = try await server.visit(1, near)
        _ = try await server.visit(1, away)
        try await server.session(1) { _ = try await $0.removeContact(4) }
        #expect(try await server.visit(1, near).removed == 1)
        #expect(try await near.contact(user: 4) == nil)
        server.clock.advance(by: 200 * 86_400_000_000)
        for user in 2...3 as ClosedRange<UserID> { try await ClaimTests.rename(server, user, "Late \(user)") }
        try server.restart()
        let report = try await server.visit(1, away)
        #expect(report.answer == .delta && report.removed == 1 && report.contacts == 2)
        #expect(try await away.contact(user: 4) == nil)
        // And one that comes back is whole again.
        try await server.session(1) { _ = try await $0.addContact(.id(4)) }
        _ = try await server.visit(1, away)
        #expect(try await away.contact(user: 4)?.fields.count == 3)
    }

    @Test("naive error 4: no change is committed behind a token that was handed out") func behind() async throws {
        let server = try Self.server()
        // Five writers at once, and a reader that syncs as fast as it can: what it has seen is never overtaken.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for user in 2...6 as ClosedRange<UserID> {
                group.addTask {
                    try await server.session(user) { connection in
                        for round in 1...40 {
                            let stamp = try await connection.setProfile([FieldChange(.note, text: "\(round)")])
                            // Once acknowledged, a change is in every later sync.
                            let page = try await server.session(1) {
                                try await $0.page(Sync(token: Self.token(stamp - 1, server), options: [.stamps]))
                            }
                            let isThere = page.items.contains { ($0.stamp ?? 0) >= stamp }
                            #expect(isThere || page.answer == .full)
                        }
                    }
                }
            }
            group.addTask {
                let book = try AddressBook.inMemory()
                try await server.session(1) { connection in
                    for _ in 0..<150 { _ = try await connection.sync(book) }
                }
            }
            try await group.waitForAll()
        }
        let incremental = try AddressBook.inMemory()
        _ = try await server.visit(1, incremental)
        for user in 2...6 as ClosedRange<UserID> {
            #expect(try await incremental.contact(user: user)?.text(.note) == "40")
        }
    }

    /// A token at a stamp, of the epoch that runs.
    static func token(_ stamp: Stamp, _ server: TestServer) -> Sync.TokenBytes {
        let client = RawClient(port: server.port)
        client.send([.hello(Hello()), .authenticate(.ticket(server.ticket(1))), .sync(Sync())])
        _ = try? client.message()
        _ = try? client.message()
        guard let page = try? client.page(), let token = page.token.withUnsafeBytes({ SyncToken($0) }) else {
            return Sync.TokenBytes()
        }
        var writer = ByteWriter()
        writer.token(SyncToken(settledAt: stamp, epoch: token.epoch))
        return Sync.TokenBytes(Array(writer.array.dropFirst()))
    }

    @Test("naive error 5: a restored backup that lost what a client has seen makes that client start over, and only it")
    func restored() async throws {
        let server = try Self.server()
        let ahead = try AddressBook.inMemory()
        let behind = try AddressBook.inMemory()
        _ = try await server.visit(1, behind)
        try server.stop()
        let backup = server.directory.appending(path: "backup.db")
        let database = server.directory.appending(path: "tidemark.db")
        try FileManager.default.copyItem(at: database, to: backup)
        try server.start()
        try await ClaimTests.rename(server, 3, "Lost")
        _ = try await server.visit(1, ahead)
        #expect(try await ahead.contact(user: 3)?.text(.fullName) == "Lost")
        try server.stop()
        try FileManager.default.removeItem(at: database)
        try FileManager.default.copyItem(at: backup, to: database)
        try server.start()
        // New changes after the restore reach the stamp that was lost, and pass it.
        server.clock.advance(by: 10)
        try await ClaimTests.rename(server, 5, "Kept")
        let report = try await server.visit(1, ahead)
        #expect(report.answer == .full && report.reason == .epochUnknown)
        #expect(try await ahead.contact(user: 3)?.text(.fullName) == "User 3")
        #expect(try await ahead.contact(user: 5)?.text(.fullName) == "Kept")
        let shared = try await server.visit(1, behind)
        #expect(shared.answer == .delta && shared.contacts == 1)
    }

    @Test("naive error 6: a page boundary inside a run of changes, and a contact that moves while pages are read")
    func pageBoundary() async throws {
        let server = try Self.server()
        let book = try AddressBook.inMemory()
        _ = try await server.visit(1, book)
        for user in 2...6 as ClosedRange<UserID> { try await ClaimTests.rename(server, user, "One \(user)") }
        var onePage = SyncSettings()
        onePage.pageBytes = 1
        onePage.pagesMax = 1
        #expect(try await server.visit(1, book, onePage).contacts == 1)
        // User 2 was on that page; user 6 is behind it. Both change another field, and the page token keeps its base.
        for user in [2, 6] as [UserID] {
            try await server.session(user) { _ = try await $0.setProfile([FieldChange(.note, text: "two")]) }
        }
        var report = try await server.visit(1, book, onePage)
        while !report.isComplete { report = try await server.visit(1, book, onePage) }
        for user in 2...6 as ClosedRange<UserID> {
            #expect(try await book.contact(user: user)?.text(.fullName) == "One \(user)")
        }
        #expect(try await book.contact(user: 2)?.text(.note) == "two")
        #expect(try await book.contact(user: 6)?.text(.note) == "two")
    }

    @Test("naive error 7: an import stamps like any other write") func imported() async throws {
        let server = try Self.server()
        let book = try AddressBook.inMemory()
        _ = try await server.visit(1, book)
        try server.stop()
        let rosters = server.directory.appending(path: "rosters.csv")
        try "owner,contact,alias\nuser1,user8,Eight\n".write(to: rosters, atomically: true, encoding: .utf8)
        let accounts = server.directory.appending(path: "accounts.csv")
        try "name,FN\nuser2,Second from a file\n".write(to: accounts, atomically: true, encoding: .utf8)
        try server.importFiles(accounts: accounts.path, rosters: rosters.path)
        try server.start()
        let report = try await server.visit(1, book)
        #expect(report.answer == .delta && report.contacts == 2)
        #expect(try await book.contact(user: 8)?.annotations.alias == "Eight")
        #expect(try await book.contact(user: 2)?.text(.fullName) == "Second from a file")
    }

    @Test("naive error 8: a client that diverged notices by count and digest, and starts over by itself")
    func diverged() async throws {
        let server = try Self.server()
        let path = server.directory.appending(path: "book.db").path
        let book = try AddressBook(path: path)
        _ = try await server.visit(1, book)
        try book.close()
        try SQLiteFile.execute(path, "DELETE FROM contact WHERE user = 4")
        let damaged = try AddressBook(path: path)
        #expect(try await damaged.contactCount() == 4)
        let report = try await server.visit(1, damaged)
        #expect(report.answer == .full && report.reason == .diverged)
        #expect(try await damaged.contactCount() == 5)
        #expect(try await damaged.contact(user: 4)?.fields.count == 3)
    }
}
