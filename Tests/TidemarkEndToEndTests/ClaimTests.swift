// Every row of docs/CLAIMS.md: the patent's claims, over real sockets against the real server.

import Foundation
import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkServer
import TidemarkWire

@Suite("Claims") struct ClaimTests {
    /// Users 1 to 9; user 1 has 2 to 8.
    static func server() throws -> TestServer {
        try TestServer(World.accounts(9) + World.roster(1, 2...8))
    }

    static func rename(_ server: TestServer, _ user: UserID, _ name: String) async throws {
        try await server.session(user) { _ = try await $0.setProfile([FieldChange(.fullName, text: name)]) }
    }

    @Test("claim 1: first login all, re-login with the timestamp only later changes") func claim1() async throws {
        let server = try Self.server()
        let book = try AddressBook.inMemory()

        let first = try await server.visit(1, book)
        #expect(first.answer == .full && first.contacts == 7)
        let token = try await book.token()

        let second = try await server.visit(1, book)
        #expect(second.answer == .upToDate && second.contacts == 0)
        #expect(second.bytesReceived < first.bytesReceived / 4)

        try await Self.rename(server, 3, "Third")
        try await Self.rename(server, 5, "Fifth")
        let third = try await server.visit(1, book)
        #expect(third.answer == .delta && third.contacts == 2 && third.fields == 2)
        #expect(third.bytesReceived < first.bytesReceived / 2)
        #expect(try await book.contact(user: 3)?.text(.fullName) == "Third")
        #expect(try await book.contact(user: 5)?.text(.fullName) == "Fifth")
        #expect(try await book.token() != token)
    }

    @Test("claim 2: on first login all details and timestamps come; the client stores them and keeps the newest")
    func claim2() async throws {
        let server = try Self.server()
        let book = try AddressBook.inMemory()
        _ = try await server.visit(1, book, SyncSettings(stamps: true))
        let contacts = try await book.contacts()
        #expect(Set(contacts.map(\.user)) == Set(2...8))
        for contact in contacts {
            #expect(contact.fields.count == 3)
            #expect(contact.text(.email) == "user\(contact.user)@example.org")
        }
        let token = try await book.token().withUnsafeBytes { SyncToken($0) }
        let own = try #require(try await book.ownProfile()?.stamp)
        #expect(token?.position == max(own, contacts.compactMap(\.stamp).max()!))
    }

    @Test("claim 3: of contacts at or before the timestamp only the dynamic information of those online comes")
    func claim3() async throws {
        let server = try Self.server()
        let book = try AddressBook.inMemory()
        _ = try await server.visit(1, book)

        let (second, _) = try await server.login(2, try .inMemory())
        let (fourth, _) = try await server.login(4, try .inMemory())
        try await fourth.setPresence(.busy)
        let (stranger, _) = try await server.login(9, try .inMemory())
        let quiet = try await server.visit(1, book)
        #expect(quiet.contacts == 0)
        #expect(quiet.online.map(\.user).sorted() == [2, 4])
        #expect(quiet.online.first { $0.user == 4 }?.state == .busy)

        // Later ones are sent whole, online (4) or not (6).
        try await Self.rename(server, 4, "Fourth")
        try await Self.rename(server, 6, "Sixth")
        let changed = try await server.visit(1, book)
        #expect(changed.contacts == 2)
        #expect(try await book.contact(user: 6)?.text(.fullName) == "Sixth")
        #expect(changed.online.map(\.user).sorted() == [2, 4])
        // Messages as well, and nothing of those who have not changed.
        try await second.addContact(.id(1))
        _ = try await second.send("Hello", to: 1)
        let messaged = try await server.visit(1, book)
        #expect(messaged.answer == .upToDate && messaged.waitingMessages == 1)
        for connection in [second, fourth, stranger] { await connection.close() }
    }

    @Test("claim 4: each timestamp or only the newest, the same resulting book") func claim4() async throws {
        let server = try Self.server()
        let each = try AddressBook.inMemory()
        let newest = try AddressBook.inMemory()
        func visitBoth() async throws {
            let a = try await server.visit(1, each, SyncSettings(stamps: true))
            let b = try await server.visit(1, newest, SyncSettings(stamps: false))
            #expect(a.contacts == b.contacts && a.removed == b.removed)
        }
        func details(_ book: AddressBook) async throws -> [UserID: [FieldNumber: [UInt8]]] {
            Dictionary(uniqueKeysWithValues: try await book.contacts().map { ($0.user, $0.fields) })
        }
        try await visitBoth()
        try await Self.rename(server, 3, "Third")
        try await server.session(1) { _ = try await $0.removeContact(5) }
        try await server.session(1) { _ = try await $0.addContact(.id(9)) }
        try await visitBoth()
        #expect(try await details(each) == details(newest))
        #expect(try await Set(details(each).keys) == [2, 3, 4, 6, 7, 8, 9])
        #expect(try await each.contacts().allSatisfy { $0.stamp != nil })
        #expect(try await newest.contacts().allSatisfy { $0.stamp == nil })
        #expect(try await each.token() == newest.token())
    }

    @Test("claim 5: computer, tablet and phone of one user, each with its own token, all converge")
    func claim5() async throws {
        let server = try Self.server()
        var devices: [(book: AddressBook, configuration: ClientConfiguration)] = []
        for deviceClass in [DeviceClass.computer, .tablet, .phone] {
            var configuration = TestServer.client
            configuration.deviceClass = deviceClass
            configuration.device = UInt64(deviceClass.rawValue)
            devices.append((try .inMemory(), configuration))
        }
        func visit(_ device: Int) async throws -> SyncReport {
            let (connection, report) = try await TidemarkConnection.login(
                server.tcp,
                as: .ticket(server.ticket(1)),
                book: devices[device].book,
                settings: SyncSettings(),
                configuration: devices[device].configuration
            )
            await connection.close()
            return report
        }
        _ = try await visit(0)
        try await Self.rename(server, 2, "Second")
        _ = try await visit(1)
        // One device adds a contact and annotates another; the others hear of it at their own next login.
        try await server.session(1) {
            _ = try await $0.addContact(.id(9), annotations: Annotations(alias: "Nine", groups: ["new"]))
            _ = try await $0.annotate(3, Annotations(isFavourite: true))
            _ = try await $0.setProfile([FieldChange(.note, text: "on three devices")])
        }
        #expect(try await visit(0).contacts == 3)
        #expect(try await visit(1).contacts == 2)
        #expect(try await visit(2).contacts == 8)
        let books = try await devices.asyncMap { try await $0.book.contacts() }
        #expect(books[0] == books[1] && books[1] == books[2])
        for device in devices {
            #expect(try await device.book.ownProfile()?.fields[.note] == Array("on three devices".utf8))
        }
    }

    @Test("claim 6: book and timestamp change in one transaction; a client killed between pages resumes without loss")
    func claim6() async throws {
        let server = try Self.server()
        let path = server.directory.appending(path: "book.db").path
        for pages in 1...3 {
            let book = try AddressBook(path: path)
            var settings = SyncSettings()
            settings.pageBytes = 120
            settings.pagesMax = 1
            let report = try await server.visit(1, book, settings)
            #expect(!report.isComplete && report.pages == 1, "page \(pages)")
            try book.close()
            // Changed behind the page and before it, while the client is dead.
            try await Self.rename(server, UserID(pages + 1), "Changed \(pages)")
        }
        let book = try AddressBook(path: path)
        let report = try await server.visit(1, book)
        #expect(report.isComplete)
        #expect(try await book.contactCount() == 7)
        for user in 2...4 as ClosedRange<UserID> {
            #expect(try await book.contact(user: user)?.text(.fullName) == "Changed \(user - 1)")
        }
        #expect(try await server.visit(1, book).answer == .upToDate)
    }

    @Test("claim 7: the bare exchange, by its bytes") func claim7() throws {
        let server = try TestServer([
            .accountCreated(user: 1, name: "ann"), .accountCreated(user: 2, name: "bob"),
            .profileChanged(user: 2, fields: [FieldChange(.fullName, text: "Bob")]),
            .entrySet(owner: 1, contact: 2, number: 1, annotations: Annotations()),
        ])
        let client = RawClient(port: server.port)
        client.send([.hello(Hello()), .authenticate(.ticket(server.ticket(1)))])
        #expect(try client.frame().bytes == [5, 0, 0, 0x81, 1, 0, 1, 17, /* 600 s */ 0xD8, 4, 111])
        #expect(try client.frame().bytes == [1, 0, 0, 0x82, 2, 0, /* user */ 1])
        // sync: no options, default page, no token
        client.send([3, 0, 0, 0x04, 3, 0, 0, 0, 0])
        let page = try client.frame().bytes
        #expect(Array(page[3...6]) == [0x84, 3, 0, /* full, last, no token */ 0x16])
        #expect(page[7] == 16)
        let token = Array(page[8..<24])
        #expect(
            Array(page[24..<44])
                == [2, /* own */ 3, 3] + Array("ann".utf8) + [0, 0, /* contact 1, user 2 */ 0, 1, 2, 3]
                + Array("bob".utf8) + [1, /* FN, 3 bytes */ 16] + Array("Bob".utf8)
        )
        #expect(page[44] == 2 && page.count == 44 + 1 + 8 + 1 + 1)
        // the same with the token: up to date, 36 bytes
        client.send([19, 0, 0, 0x04, 4, 0, 0, 0, 16] + token)
        let answer = try client.frame().bytes
        #expect(Array(answer.prefix(8)) == [30, 0, 0, 0x84, 4, 0, /* up to date, last */ 0x04, 16])
        #expect(Array(answer[8..<24]) == token)
        #expect(answer[24] == 0 && answer[25] == 2)
    }

    @Test("claims 8 and 10: the contact's own terminal changes its details; the server stores and stamps them anew")
    func claims8and10() async throws {
        let server = try Self.server()
        let book = try AddressBook.inMemory()
        _ = try await server.visit(1, book, SyncSettings(stamps: true))
        let before = try #require(try await book.contact(user: 3)?.stamp)
        let acked = try await server.session(3) {
            try await $0.setProfile([FieldChange(.title, text: "Harbour master"), FieldChange(.telephone, nil)])
        }
        #expect(acked > before)
        _ = try await server.visit(1, book, SyncSettings(stamps: true))
        let contact = try #require(try await book.contact(user: 3))
        #expect(contact.stamp == acked)
        #expect(contact.text(.title) == "Harbour master" && contact.text(.telephone) == nil)
        #expect(contact.text(.fullName) == "User 3", "what was not named stays")
    }

    @Test("claims 9 and 11: at least one timestamp is stored, and the newest is the one sent")
    func claims9and11() throws {
        let server = try Self.server()
        let client = RawClient(port: server.port)
        client.send([.hello(Hello()), .authenticate(.ticket(server.ticket(1))), .sync(Sync(options: [.stamps]))])
        _ = try client.message()
        _ = try client.message()
        let page = try client.page()
        let token = page.token.withUnsafeBytes { SyncToken($0) }
        #expect(page.items.compactMap(\.stamp).count == 8)
        #expect(token?.position == page.items.compactMap(\.stamp).max())
    }

    @Test(
        "claim 12: an up-to-date sync compares with the newest over the contacts and reads no entry",
        arguments: [1, 10, 2_000]
    )
    func claim12(contacts: Int) async throws {
        let users = UserID(contacts + 1)
        let server = try TestServer(World.accounts(users) + World.roster(1, 2...users))
        let book = try AddressBook.inMemory()
        _ = try await server.visit(1, book)
        let before = server.counters
        for _ in 0..<5 { #expect(try await server.visit(1, book).answer == .upToDate) }
        let after = server.counters
        #expect(after.upToDate - before.upToDate == 5)
        #expect(after.slotsRead == before.slotsRead)
        #expect(before.slotsRead >= UInt64(contacts))
    }

    @Test("claim 13: if nothing is later, only the dynamic information of online users is returned")
    func claim13() async throws {
        let server = try Self.server()
        let book = try AddressBook.inMemory()
        _ = try await server.visit(1, book)
        let (friend, _) = try await server.login(7, try .inMemory())
        let report = try await server.visit(1, book)
        #expect(report.answer == .upToDate && report.contacts == 0 && report.removed == 0)
        #expect(report.online.map(\.user) == [7] && report.waitingMessages == 0)
        // And its messages: it is told how many wait, and fetches them.
        try await friend.addContact(.id(1))
        _ = try await friend.send("On my way", to: 1)
        let later = try await server.visit(1, book)
        #expect(later.answer == .upToDate && later.contacts == 0 && later.waitingMessages == 1)
        let messages = try await server.session(1) { try await $0.fetchMessages(into: book) }
        #expect(messages.map(\.text) == ["On my way"])
        #expect(try await server.visit(1, book).waitingMessages == 0)
        await friend.close()
    }
}

extension Sequence {
    func asyncMap<Result>(_ body: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await body(element)) }
        return results
    }
}
