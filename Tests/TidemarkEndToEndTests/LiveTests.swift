// Sessions that are told of changes without asking.

import Foundation
import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkServer
import TidemarkTesting
import TidemarkWire

@Suite("Live sessions") struct LiveTests {
    /// Users 1 to 9, of whom each has the eight others.
    static func server(
        _ adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> TestServer {
        try TestServer(
            World.accounts(9) + (1...9).flatMap { owner in World.roster(owner, (1...9).filter { $0 != owner }) },
            adjust: adjust
        )
    }

    /// A session that is live, with what it has been told.
    final class LiveClient {
        let raw: RawClient
        private(set) var token: [UInt8]
        let stamps: Bool
        /// Of contacts by user, as it was told.
        private(set) var view: [UserID: PresenceState] = [:]
        /// On what devices those are who are in it.
        private(set) var devices: [UserID: PresenceDevices] = [:]
        private(set) var scopes: Set<PushPresence.Scope> = []
        private var users: [UInt32: UserID] = [:]

        init(
            _ server: TestServer,
            _ user: UserID,
            stamps: Bool = false,
            devices: Bool = false,
            receiveBufferBytes: Int32? = nil
        ) throws {
            raw = try RawClient.login(server, user, receiveBufferBytes: receiveBufferBytes)
            self.stamps = stamps
            token = []
            var request: UInt16 = 10
            var page: SyncPage
            repeat {
                var options: Sync.Options = stamps ? [.subscribe, .stamps] : .subscribe
                if devices { options.insert(.devices) }
                raw.send(Message.sync(Sync(token: Sync.TokenBytes(token), options: options)).frame(request: request))
                page = try raw.page()
                token = page.token
                request += 1
                note(page)
            } while page.summary == nil
            see(.everything, page.summary?.presence ?? [])
        }

        private func note(_ page: SyncPage) {
            for item in page.items {
                if case .contact(let user, _, _, _, _) = item.content { users[item.number] = user }
            }
        }

        private func see(_ scope: PushPresence.Scope, _ contacts: [ContactPresence]) {
            if scope == .everything { (view, devices) = ([:], [:]) }
            for contact in contacts {
                guard let user = users[contact.number] else { continue }
                view[user] = contact.state == .offline ? nil : contact.state
                devices[user] = contact.state == .offline ? nil : contact.devices
            }
        }

        /// Hears what it is told until it sees a contact so; nil and offline are one.
        func expect(of user: UserID, _ state: PresenceState?) throws {
            while view[user] != (state == .offline ? nil : state) {
                switch try raw.message() {
                case (0, .pushPresence(let push)): take(push)
                case (0, .pushDelta(let push)): take(push)
                case (_, let message): throw Unexpected(message: "\(message)")
                }
            }
        }

        /// Hears what it is told until it sees a contact so.
        func expect(of user: UserID, _ state: PresenceState, on devices: PresenceDevices) throws {
            while view[user] != state || self.devices[user] != devices {
                guard case (0, .pushPresence(let push)) = try raw.message() else {
                    throw Unexpected(message: "no push")
                }
                take(push)
            }
        }

        /// The next push of a change, which goes on where the one before ended.
        func delta() throws -> SyncPage {
            while true {
                switch try raw.message() {
                case (0, .pushDelta(let push)):
                    take(push)
                    return push.page
                case (0, .pushPresence(let push)):
                    take(push)
                case (_, let message): throw Unexpected(message: "\(message)")
                }
            }
        }

        private func take(_ push: PushDelta) {
            #expect(push.from == token)
            token = push.page.token
            note(push.page)
        }

        private func take(_ push: PushPresence) {
            scopes.insert(push.scope)
            see(push.scope, push.contacts)
        }

        /// The answer to this; what it is told meanwhile is taken.
        func ask(_ message: Message) throws -> Message {
            raw.send(message.frame(request: 9))
            while true {
                switch try raw.message() {
                case (0, .pushPresence(let push)): take(push)
                case (0, .pushDelta(let push)): take(push)
                case (_, let answer): return answer
                }
            }
        }

        /// Whether no change was told of before the answer to this.
        func isQuiet() throws -> Bool {
            let before = token
            return try ask(.ping(Ping())) == .pong(Ping()) && token == before
        }
    }

    struct Unexpected: Error { var message: String }

    /// What a sync with this token is answered by, less what a push does not have.
    static func answer(_ server: TestServer, _ user: UserID, _ token: [UInt8], stamps: Bool = false) throws -> SyncPage
    {
        let raw = try RawClient.login(server, user)
        let sync = Sync(token: Sync.TokenBytes(token), options: stamps ? .stamps : [])
        raw.send(Message.sync(sync).frame(request: 3))
        var page = try raw.page()
        page.summary?.presence = []
        return page
    }

    @Test("a change comes unasked, as a sync would have brought it", arguments: [1, 2, 4], [false, true])
    func change(loops: Int, stamps: Bool) async throws {
        let server = try Self.server { $0.loops = loops }
        let followers = try (2...9).map { try LiveClient(server, $0, stamps: stamps) }
        let before = followers.map(\.token)
        try await server.session(1) { _ = try await $0.setProfile([FieldChange(.title, text: "Pilot")]) }
        for (user, (follower, token)) in zip(UserID(2)..., zip(followers, before)) {
            let page = try follower.delta()
            #expect(page == (try Self.answer(server, user, token, stamps: stamps)))
            #expect(page.items.map(\.content) == [.patch(fields: [FieldChange(.title, text: "Pilot")])])
            #expect(try follower.isQuiet())
        }
        #expect(server.counters.pushes == 8)
    }

    @Test("an entry that is added, annotated or removed comes to the owner's other devices, and to nobody else")
    func entries() async throws {
        let server = try Self.server()
        let (tablet, phone, other) = (
            try LiveClient(server, 1), try LiveClient(server, 1, stamps: true), try LiveClient(server, 2)
        )
        try await server.session(1) { session in
            try await session.removeContact(5)
            for device in [tablet, phone] { #expect(try device.delta().items.map(\.content) == [.removed]) }
            try await session.annotate(6, Annotations(alias: "Six"))
            for device in [tablet, phone] {
                guard case .contact(6, _, let annotations, false, _)? = try device.delta().items.first?.content else {
                    Issue.record("the whole entry")
                    return
                }
                #expect(annotations.alias == "Six")
            }
            try await session.addContact(.id(5))
            for device in [tablet, phone] { #expect(try device.delta().items.count == 1) }
        }
        #expect(try other.isQuiet())
    }

    @Test("a session is not live before its sync asks for that, nor after one that does not") func asking() async throws
    {
        let server = try Self.server()
        func rename(_ name: String) async throws {
            try await server.session(1) { _ = try await $0.setProfile([FieldChange(.fullName, text: name)]) }
        }
        let silent = try RawClient.login(server, 2)
        silent.send(Message.sync(Sync()).frame(request: 1))
        let token = try silent.page().token
        try await rename("A")
        silent.send([.ping(Ping())], firstRequest: 2)
        #expect(try silent.message().message == .pong(Ping()))

        let live = try LiveClient(server, 3)
        live.raw.send(Message.sync(Sync(token: Sync.TokenBytes(live.token))).frame(request: 5))
        _ = try live.raw.page()
        try await rename("B")
        #expect(try live.isQuiet())
        // A page that is not the last does not make it live either.
        silent.send(Message.sync(Sync(token: Sync.TokenBytes(token), options: .subscribe)).frame(request: 4))
        #expect(try silent.page().items.count == 1)
        let paging = try RawClient.login(server, 4)
        paging.send(Message.sync(Sync(options: .subscribe, pageBytes: 1)).frame(request: 1))
        #expect(try paging.page().summary == nil)
        try await rename("C")
        paging.send([.ping(Ping())], firstRequest: 2)
        #expect(try paging.message().message == .pong(Ping()))
        // This one is live by now.
        var next = try silent.message().message
        while case .pushPresence = next { next = try silent.message().message }
        guard case .pushDelta = next else {
            Issue.record("\(next)")
            return
        }
    }

    @Test("what is longer than a page comes in several, each from the one before") func pages() async throws {
        let server = try Self.server()
        let live = try LiveClient(server, 1, receiveBufferBytes: 4096)
        // Eight contacts of 32,000 bytes each, while nobody reads.
        let value = String(repeating: "x", count: 8_000)
        for user in UserID(2)...9 {
            try await server.session(user) { session in
                // More than the sockets hold.
                for round in 0..<30 {
                    let fields = (1...4).map { FieldChange(FieldNumber(rawValue: 100 + $0), text: "\(round) \(value)") }
                    _ = try await session.setProfile(fields)
                }
            }
        }
        var contacts: Set<UInt32> = []
        var inner = 0
        while try Self.answer(server, 1, live.token).answer != .upToDate {
            let page = try live.delta()
            contacts.formUnion(page.items.map(\.number))
            inner += page.summary == nil ? 1 : 0
        }
        #expect(inner > 0 && contacts.count == 8)
        #expect(try live.isQuiet())
    }

    @Test("a client that does not read costs a cursor: it gets the newest, in few pushes; others notice nothing")
    func slow() async throws {
        let server = try Self.server()
        let slow = try LiveClient(server, 1, receiveBufferBytes: 4096)
        let quick = try LiveClient(server, 2)
        let rounds = 1500
        let value = String(repeating: "x", count: 8_000)
        try await server.session(3) { session in
            for round in 1...rounds {
                _ = try await session.setProfile([FieldChange(.note, text: "\(round) \(value)")])
                let page = try quick.delta()
                #expect(page.items.count == 1)
            }
        }
        var pushes = 0
        var last: SyncItem.Content?
        while last != .patch(fields: [FieldChange(.note, text: "\(rounds) \(value)")]) {
            last = try slow.delta().items.last?.content
            pushes += 1
        }
        // What the sockets and the unread output hold, and no more.
        #expect(pushes < rounds - 50, "\(pushes)")
        #expect(try slow.isQuiet())
    }

    @Test("changes of a contact with many followers reach all of them", arguments: [1, 2])
    func popular(loops: Int) async throws {
        let server = try Self.server {
            $0.popularFollowers = 2
            $0.loops = loops
        }
        let followers = try (2...9).map { try LiveClient(server, $0) }
        for round in 1...3 {
            try await server.session(1) { _ = try await $0.setProfile([FieldChange(.title, text: "\(round)")]) }
            for follower in followers {
                #expect(
                    try follower.delta().items.map(\.content) == [
                        .patch(fields: [FieldChange(.title, text: "\(round)")])
                    ]
                )
            }
        }
        for follower in followers { #expect(try follower.isQuiet()) }
    }

    @Test("the client library's book stays in step", arguments: [false, true]) func library(stamps: Bool) async throws {
        let server = try Self.server()
        let book = try AddressBook.inMemory()
        let connection = try await TidemarkConnection.open(
            server.tcp,
            as: .ticket(server.ticket(1)),
            configuration: TestServer.client
        )
        #expect(connection.server.features == [.push, .consent, .messages, .scram, .lastSeen, .service])
        var updates = connection.updates(to: book, SyncSettings(stamps: stamps)).makeAsyncIterator()
        guard case .synced(let report)? = try await updates.next() else {
            Issue.record("a sync")
            return
        }
        #expect(report.contacts == 8)
        /// Others come and go meanwhile.
        func changes() async throws -> [BookChange] {
            while let update = try await updates.next() {
                if case .changed(let changes) = update { return changes }
            }
            return []
        }
        try await server.session(4) { _ = try await $0.setProfile([FieldChange(.fullName, text: "Four")]) }
        #expect(try await changes().map(\.contact?.displayName) == ["Four"])
        // One's own change comes back, and the connection can be used meanwhile.
        try await connection.removeContact(4)
        let own = try await changes()
        #expect(own.map(\.item.content) == [.removed] && own.first?.contact?.user == 4)
        #expect(try await connection.sync(book, SyncSettings(stamps: stamps)).answer == .upToDate)
        try await server.session(5) { _ = try await $0.setProfile([FieldChange(.fullName, text: "Five")]) }
        _ = try await changes()
        #expect(try await book.contact(user: 5)?.text(.fullName) == "Five")
        await connection.close()
    }

    @Test(
        "seeded changes and clients that come, go, read and do not: each ends where a new one begins",
        arguments: [1, 2]
    )
    func seeded(loops: Int) async throws {
        var seed = Seed(default: loops == 1 ? 41 : 42)
        let server = try Self.server {
            $0.loops = loops
            $0.popularFollowers = 4
        }
        var clients: [LiveClient] = []
        var users: [UserID] = []
        for _ in 0..<12 {
            users.append(UserID.random(in: 1...9, using: &seed))
            clients.append(try LiveClient(server, users.last!, stamps: seed.chance(50)))
        }
        let writers = try (1...9).map { try RawClient.login(server, UserID($0)) }
        for round in 0..<300 {
            let user = Int.random(in: 0..<9, using: &seed)
            let contact = UserID((user + Int.random(in: 1...8, using: &seed)) % 9 + 1)
            let write: Message =
                switch Int.random(in: 0..<4, using: &seed) {
                case 0: .rosterRemove(RosterRemove(contact: contact))
                case 1: .rosterAdd(RosterAdd(contact: .id(contact), annotations: Annotations(alias: "\(round)")))
                default: .profileSet(ProfileSet(fields: [FieldChange(.title, text: "\(round)")]))
                }
            writers[user].send(write.frame(request: 7))
            _ = try writers[user].message()
            if seed.chance(5) {
                let place = Int.random(in: 0..<12, using: &seed)
                clients[place] = try LiveClient(server, users[place], stamps: seed.chance(50))
            }
        }
        for (user, client) in zip(users, clients) {
            // Nobody asks, and all the same nothing is left to ask for.
            while try Self.answer(server, user, client.token, stamps: client.stamps).answer != .upToDate {
                _ = try client.delta()
            }
            #expect(try client.isQuiet())
        }
    }
}
