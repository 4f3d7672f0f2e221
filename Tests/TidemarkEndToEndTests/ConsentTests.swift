// Who may see whom: requests and answers, and blocks.

import Foundation
import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkServer
import TidemarkTesting
import TidemarkWire

@Suite("Consent") struct ConsentTests {
    private static func server(loops: Int = 1, _ policy: RosterPolicy = .approval) throws -> TestServer {
        try TestServer(World.accounts(6)) {
            $0.loops = loops
            $0.rosterPolicy = policy
        }
    }

    private func contact(_ number: UInt32, of book: AddressBook) async throws -> Contact? {
        try await book.contact(number: number)
    }

    @Test("until a contact agrees, the owner sees its name alone; then all of it", arguments: [1, 2, 4])
    func approved(loops: Int) async throws {
        let server = try Self.server(loops: loops)
        for owner in UserID(2)...5 {
            let (ann, bob, other) = (try AddressBook.inMemory(), try AddressBook.inMemory(), try AddressBook.inMemory())
            let added = try await server.session(owner) { try await $0.addContact(.name("user1")) }
            #expect(added.contact == Limits.pendingUser(1) && added.number == 1)
            _ = try await server.visit(owner, bob, SyncSettings(stamps: true))
            let pending = try #require(try await contact(1, of: bob))
            #expect(pending.isPending && pending.name == "user1" && pending.fields.isEmpty)
            _ = try await server.visit(1, ann)
            #expect(try await ann.requests() == [ContactRequest(user: owner, name: "user\(owner)")])
            #expect(try await server.visit(owner, bob, SyncSettings(stamps: true)).answer == .upToDate)

            // What it changes meanwhile is nothing to the owner.
            try await server.session(1) { _ = try await $0.setProfile([FieldChange(.title, text: "for \(owner)")]) }
            #expect(try await server.visit(owner, bob, SyncSettings(stamps: true)).answer == .upToDate)

            try await server.session(1) { _ = try await $0.answer(owner, .approve) }
            let report = try await server.visit(owner, bob, SyncSettings(stamps: true))
            #expect(report.answer == .delta && report.contacts == 1)
            let approved = try #require(try await contact(1, of: bob))
            #expect(!approved.isPending && approved.user == 1 && approved.text(.title) == "for \(owner)")
            _ = try await server.visit(1, ann)
            _ = try await server.visit(1, other)
            for book in [ann, other] { #expect(try await book.requests() == []) }

            // And is taken back.
            try await server.session(1) { _ = try await $0.answer(owner, .refuse) }
            _ = try await server.visit(owner, bob, SyncSettings(stamps: true))
            #expect(try await contact(1, of: bob) == nil)
        }
    }

    @Test("a name that is nobody's is added, changed and removed like one that is somebody's", arguments: [1, 2])
    func probing(loops: Int) async throws {
        let server = try Self.server(loops: loops)
        // Of two users who do the same, one names somebody.
        var transcripts: [[String]] = []
        for (owner, name) in [(UserID(2), "user1"), (3, "user9")] {
            let book = try AddressBook.inMemory()
            var said: [String] = []
            func look() async throws {
                let report = try await server.visit(owner, book)
                let contacts = try await book.contacts().map {
                    "\($0.number) \($0.user) \($0.isPending) \($0.annotations) \($0.fields)"
                }
                said.append("\(report.answer) \(contacts)")
            }
            try await server.session(owner) { connection in
                func add(_ alias: String = "") async throws -> RosterAddOK {
                    try await connection.addContact(.name(name), annotations: Annotations(alias: alias))
                }
                func say(_ ok: RosterAddOK) { said.append("\(ok.stamp == 0) \(ok.contact) \(ok.number)") }
                let first = try await add()
                say(first)
                try await look()
                say(try await add())
                say(try await add("other"))
                try await look()
                _ = try await connection.annotate(first.contact, Annotations(alias: "third"))
                say(
                    try await connection.addContact(.id(first.contact), annotations: Annotations(alias: "fourth"))
                )
                try await look()
                _ = try await connection.removeContact(first.contact)
                try await look()
                say(try await add())
                try await look()
            }
            try server.restart()
            try await look()
            transcripts.append(said)
        }
        #expect(transcripts[0] == transcripts[1])
        #expect(transcripts[0].count == 11)
    }

    @Test("numbers are no way to find out who there is")
    func numbers() async throws {
        let server = try Self.server()
        try await server.session(2) { connection in
            for user in [UserID(1), 4, 77, Limits.pendingUser(3), Limits.userMax] {
                await #expect(throws: ClientError.self) { try await connection.addContact(.id(user)) }
            }
        }
        // Who asks is known.
        try await server.session(1) { _ = try await $0.addContact(.name("user2")) }
        let added = try await server.session(2) { try await $0.addContact(.id(1)) }
        #expect(added.contact == Limits.pendingUser(1))
    }

    @Test("a refused or withdrawn request is gone on both sides", arguments: [1, 2])
    func refused(loops: Int) async throws {
        let server = try Self.server(loops: loops)
        let (ann, bob) = (try AddressBook.inMemory(), try AddressBook.inMemory())
        try await server.session(2) { _ = try await $0.addContact(.name("user1")) }
        try await server.session(1) { connection in
            _ = try await connection.answer(2, .refuse)
            // Again changes nothing, and there is nothing to approve any more.
            #expect(try await connection.answer(2, .refuse) == 0)
            await #expect(throws: ClientError.self) { try await connection.answer(2, .approve) }
        }
        _ = try await server.visit(1, ann)
        _ = try await server.visit(2, bob)
        #expect(try await ann.requests() == [])
        #expect(try await bob.contacts() == [])

        let added = try await server.session(2) { try await $0.addContact(.name("user1")) }
        _ = try await server.visit(1, ann)
        #expect(try await ann.requests().count == 1)
        try await server.session(2) { _ = try await $0.removeContact(added.contact) }
        let report = try await server.visit(1, ann)
        #expect(report.answer == .delta && report.asides == 1)
        #expect(try await ann.requests() == [])
    }

    @Test("the administration alone changes rosters where that is the policy; notes and blocks stay everybody's own")
    func administered() async throws {
        let server = try TestServer(World.accounts(3) + World.roster(2, [1])) { $0.rosterPolicy = .administered }
        try await server.session(2) { connection in
            await #expect(throws: ClientError.self) { try await connection.addContact(.name("user3")) }
            await #expect(throws: ClientError.self) { try await connection.removeContact(1) }
            _ = try await connection.annotate(1, Annotations(alias: "Ann"))
            _ = try await connection.block(1)
        }
    }

    // MARK: blocks

    /// What a user is answered about its contacts, whatever is asked; but for the epoch in its tokens.
    private func transcript(_ server: TestServer, of user: UserID, from token: [UInt8]) throws -> [String] {
        let raw = try RawClient.login(server, user)
        var said: [String] = []
        let asked: [([UInt8], Sync.Options)] = [([], .stamps), ([], .asides), (token, .stamps), (token, [])]
        for (token, options) in asked {
            let sync = Sync(token: Sync.TokenBytes(token), options: options)
            raw.send(Message.sync(sync).frame(request: 4))
            var page = try raw.page()
            page.token = Array(page.token.dropFirst(9))
            said.append("\(page)")
        }
        return said
    }

    @Test("to whom a contact blocks, it is as one who is offline and changes nothing", arguments: [1, 2])
    func blocked(loops: Int) async throws {
        func server() throws -> TestServer {
            try TestServer(World.accounts(4) + World.roster(2, [1, 3]) + World.roster(3, [1])) { $0.loops = loops }
        }
        let (blocking, silent) = (try server(), try server())
        let book = try AddressBook.inMemory()
        _ = try await blocking.visit(2, book)
        let token = try await book.token()
        let other = try AddressBook.inMemory()
        _ = try await silent.visit(2, other)
        let otherToken = try await other.token()
        // In one segment: the write before it is still on its way to the disk.
        let writer = try RawClient.login(blocking, 1)
        writer.send(
            [
                .profileSet(ProfileSet(fields: [FieldChange(.title, text: "Pilot")])),
                .blockSet(BlockSet(user: 2, isBlocked: true, note: "bob")),
            ],
            firstRequest: 5
        )
        while try writer.message().request != 6 {}
        try await silent.session(1) { _ = try await $0.setProfile([FieldChange(.title, text: "Pilot")]) }
        let ann = try await TidemarkConnection.open(
            blocking.unix,
            as: .trusted(.id(1)),
            configuration: TestServer.client
        )
        _ = try await ann.setProfile([FieldChange(.title, text: "Captain"), FieldChange(.telephone, nil)])
        for _ in 0..<2 {
            let seen = try transcript(blocking, of: 2, from: token)
            let expected = try transcript(silent, of: 2, from: otherToken)
            #expect(seen.map { $0.contains("\(Array("Pilot".utf8))") } == [true, true, true, true])
            #expect(seen == expected)
            // Others see what there is.
            let others = try AddressBook.inMemory()
            _ = try await blocking.visit(3, others)
            #expect(try await others.contact(user: 1)?.text(.title) == "Captain")
            await ann.close()
            try blocking.restart()
            try silent.restart()
        }
        // The blocker's other devices know.
        let own = try AddressBook.inMemory()
        _ = try await blocking.visit(1, own)
        #expect(try await own.blocks() == [Block(user: 2, note: "bob")])

        let stamps = try await blocking.session(1) { [try await $0.unblock(2), try await $0.unblock(2)] }
        #expect(stamps[0] > 0 && stamps[1] == 0)
        let report = try await blocking.visit(2, book)
        #expect(report.answer == .delta && report.contacts == 1)
        let contact = try #require(try await book.contact(user: 1))
        #expect(contact.text(.title) == "Captain" && contact.text(.telephone) == nil)
    }

    @Test("a live session is told that the contact is offline, and, unblocked, what it is", arguments: [1, 2])
    func blockedLive(loops: Int) async throws {
        let server = try TestServer(World.accounts(3) + World.roster(2, [1])) {
            $0.loops = loops
            $0.presencePace = PresencePace(first: 0, window: 0, popular: 0)
        }
        let ann = try RawClient.login(server, 1)
        let bob = try LiveTests.LiveClient(server, 2)
        try bob.expect(of: 1, .online)
        func ask(_ message: Message, _ request: UInt16) throws {
            ann.send(message.frame(request: request))
            while try ann.message().request != request {}
        }
        try ask(.blockSet(BlockSet(user: 2, isBlocked: true)), 5)
        try bob.expect(of: 1, .offline)
        try ask(.profileSet(ProfileSet(fields: [FieldChange(.title, text: "Pilot")])), 6)
        #expect(try bob.isQuiet())
        try ask(.blockSet(BlockSet(user: 2, isBlocked: false)), 7)
        #expect(try bob.delta().items.count == 1)
        try bob.expect(of: 1, .online)
    }

    @Test("who is blocked asks in vain, and is not told so")
    func blockedRequest() async throws {
        let server = try Self.server()
        try await server.session(1) { _ = try await $0.block(2, note: "bob") }
        let added = try await server.session(2) { try await $0.addContact(.name("user1")) }
        #expect(added.contact == Limits.pendingUser(1))
        let ann = try AddressBook.inMemory()
        _ = try await server.visit(1, ann)
        #expect(try await ann.requests() == [])
        #expect(try await ann.blocks().count == 1)
        // A request that is open when the block comes is gone with it.
        try await server.session(3) { _ = try await $0.addContact(.name("user1")) }
        try await server.session(1) { connection in
            _ = try await connection.block(3)
            await #expect(throws: ClientError.self) { try await connection.answer(3, .approve) }
            _ = try await connection.unblock(3)
        }
        _ = try await server.visit(1, ann)
        #expect(try await ann.requests() == [])
    }

    @Test("blocks that waited for a change of the profile, and are refused, leave the connection as it was")
    func refusedBehindOthers() throws {
        // All but one of those that there may be, and as many as will be asked for.
        let blocked = 2...UserID(Limits.blocksMax)
        let more = blocked.upperBound + 1...blocked.upperBound + 600
        let server = try TestServer((1...more.upperBound).map { .accountCreated(user: $0, name: "user\($0)") })
        let raw = try RawClient.login(server, 1)
        func block(_ user: UserID) -> Message { .blockSet(BlockSet(user: user, isBlocked: true)) }
        func edit(_ text: String) -> Message { .profileSet(ProfileSet(fields: [FieldChange(.title, text: text)])) }
        for begin in stride(from: blocked.lowerBound, through: blocked.upperBound, by: 256) {
            let part = begin...min(begin + 255, blocked.upperBound)
            raw.send(part.map(block), firstRequest: 100)
            for _ in part { #expect(try raw.message().message.type == .blockSetOK) }
        }
        // As many as a connection may have open, so that it is not read meanwhile; of the blocks one comes to be.
        raw.send((0..<424).map { edit("\($0)") } + more.map(block) + [.ping(Ping())], firstRequest: 100)
        var found: [MessageType: Int] = [:]
        for _ in 0..<1_025 { found[try raw.message().message.type, default: 0] += 1 }
        #expect(found == [.profileSetOK: 424, .blockSetOK: 1, .error: 599, .pong: 1])
        // Who has ended its side is hung up on once the last is answered.
        raw.send([.blockSet(BlockSet(user: 2, isBlocked: false))], firstRequest: 100)
        _ = try raw.message()
        let last = more.upperBound
        // Neither has asked for much yet: what comes first is decided first.
        let (first, other) = (try RawClient.login(server, 1), try RawClient.login(server, 1))
        first.send((0..<20).map { edit("again \($0)") } + [block(last)], firstRequest: 100)
        other.send([block(last - 1)])
        other.finish()
        #expect(try other.error().code == ErrorCode.limitExceeded.rawValue)
        #expect(other.isClosed())
    }
}
