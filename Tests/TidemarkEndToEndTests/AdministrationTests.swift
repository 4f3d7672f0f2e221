// Whoever runs the server, and backends that act for users.

import Crypto
import Foundation
import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkSCRAM
import TidemarkServer
import TidemarkTesting
import TidemarkTickets
import TidemarkWire

@Suite("Administration") struct AdministrationTests {
    private static let iterations = 4_096

    private func server(
        _ changes: [Change] = World.accounts(4) + World.roster(1, [2, 3]) + World.roster(2, [1]),
        loops: Int = 3,
        adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> TestServer {
        try TestServer(changes) {
            $0.loops = loops
            $0.passwordIterations = Self.iterations
            adjust(&$0)
        }
    }

    private func administrator(_ server: TestServer) async throws -> AdministrationConnection {
        try await .open(server.adminSocket, as: .socket, configuration: TestServer.client)
    }

    private func code(_ body: () async throws -> Void) async -> ErrorCode? {
        do {
            try await body()
            return nil
        } catch ClientError.server(let error) {
            return ErrorCode(rawValue: error.code)
        } catch {
            Issue.record(error)
            return nil
        }
    }

    private func book(_ server: TestServer, _ user: UserID) async throws -> AddressBook {
        let book = try AddressBook.inMemory()
        let (connection, _) = try await TidemarkConnection.login(
            server.unix,
            as: .trusted(.id(user)),
            book: book,
            configuration: TestServer.client
        )
        await connection.close()
        return book
    }

    @Test("an account is made, gets a password, details and contacts, and logs in", arguments: [1, 3])
    func create(loops: Int) async throws {
        let server = try server(loops: loops)
        let admin = try await administrator(server)
        #expect(admin.role == .administrator)
        let dora = try await admin.createAccount(named: "dora")
        #expect(dora.user == 5 && dora.stamp > 0)
        #expect(await code { _ = try await admin.createAccount(named: "dora") } == .notAllowed)
        #expect(await code { _ = try await admin.createAccount(named: "emil", user: 5) } == .notAllowed)
        #expect(try await admin.createAccount(named: "emil", user: 1_000).user == 1_000)
        #expect(try await admin.createAccount(named: "fred").user == 1_001)
        let password = try Password("pencil")
        #expect(
            await code { try await admin.setPassword(password, of: .name("dora"), iterations: 10) } == .invalidValue
        )
        try await admin.setPassword(password, of: .name("dora"), iterations: Self.iterations)
        let name = Message.profileSet(ProfileSet(fields: [FieldChange(.fullName, text: "Dora")]))
        guard case .profileSetOK(let set) = try await admin.act(for: .id(5), name) else {
            Issue.record("a stamp")
            return
        }
        #expect(set.stamp > dora.stamp)
        _ = try await admin.act(for: .name("dora"), .rosterAdd(RosterAdd(contact: .id(1))))
        let book = try AddressBook.inMemory()
        let (connection, _) = try await TidemarkConnection.login(
            server.tcp,
            as: .password(name: "dora", password),
            book: book,
            configuration: TestServer.client
        )
        #expect(connection.user == 5)
        #expect(try await book.contacts().map(\.id) == [1])
        await connection.close()
        try server.restart()
        #expect(try await self.book(server, 5).contacts().map(\.id) == [1])
    }

    @Test("what is changed for a user is pushed to those who see it", arguments: [1, 3])
    func pushed(loops: Int) async throws {
        let server = try server(loops: loops)
        let book = try AddressBook.inMemory()
        let (connection, _) = try await TidemarkConnection.login(
            server.unix,
            as: .trusted(.id(1)),
            book: book,
            configuration: TestServer.client
        )
        var news = connection.updates(to: book).makeAsyncIterator()
        let admin = try await administrator(server)
        let name = Message.profileSet(ProfileSet(fields: [FieldChange(.fullName, text: "Bea")]))
        _ = try await admin.act(for: .id(2), name)
        func shown() async throws -> String? {
            let contact = try await book.contacts().first { $0.id == 2 }
            return contact?.fields[.fullName].map { String(decoding: $0, as: UTF8.self) }
        }
        while try await shown() != "Bea", try await news.next() != nil {}
        #expect(try await shown() == "Bea")
        await connection.close()
    }

    @Test("a closed account has no sessions and starts none, until it is opened again", arguments: [1, 3])
    func disabled(loops: Int) async throws {
        let server = try server(loops: loops)
        let admin = try await administrator(server)
        let raw = try RawClient.login(server, 1)
        let other = try RawClient.login(server, 2)
        try await admin.setDisabled(.name("user1"), true)
        guard case .goAway(let goAway) = try raw.message().message else {
            Issue.record("it is told")
            return
        }
        #expect(goAway.reason == .signedOut && raw.isClosed())
        let refused = await code {
            _ = try await TidemarkConnection.open(
                server.tcp,
                as: .ticket(server.ticket(1)),
                configuration: TestServer.client
            )
        }
        #expect(refused == .accountDisabled)
        #expect(try await admin.setDisabled(.id(1), true) == 0)
        try server.restart()
        let again = try await administrator(server)
        #expect(try await again.setDisabled(.id(1), false) > 0)
        _ = try RawClient.login(server, 1)
        _ = other
    }

    @Test("a deleted account goes from every roster, with its messages and credentials", arguments: [1, 3])
    func deletion(loops: Int) async throws {
        let server = try server(loops: loops)
        let admin = try await administrator(server)
        let before = try await book(server, 1)
        #expect(try await before.contacts().map(\.id) == [2, 3])
        let raw = try RawClient.login(server, 2)
        raw.send([.sync(Sync(options: .subscribe))])
        _ = try raw.page()
        _ = try await admin.act(
            for: .id(1),
            .messageSend(MessageSend(reader: 2, id: .random(), kind: .text, content: Array("hello".utf8)))
        )
        let stamp = try await admin.deleteAccount(.id(2))
        #expect(stamp > 0)
        // What it is told before it is sent away is as it comes.
        while let (_, message) = try? raw.message() {
            guard case .goAway(let goAway) = message else { continue }
            #expect(goAway.reason == .signedOut && goAway.detail == "this account is deleted")
        }
        #expect(await code { try await admin.deleteAccount(.id(2)) } == .noSuchUser)
        #expect(await code { try await admin.setDisabled(.name("user2"), true) } == .noSuchUser)
        let (connection, report) = try await TidemarkConnection.login(
            server.unix,
            as: .trusted(.id(1)),
            book: before,
            configuration: TestServer.client
        )
        #expect(report.answer == .delta)
        #expect(try await before.contacts().map(\.id) == [3])
        await connection.close()
        #expect(
            await code { _ = try await admin.act(for: .id(1), .rosterAdd(RosterAdd(contact: .name("user2")))) }
                == .noSuchUser
        )
        // The name may be somebody else's; the number never.
        #expect(try await admin.createAccount(named: "user2").user == 5)
        try server.restart()
        #expect(try await book(server, 1).contacts().map(\.id) == [3])
        #expect(try await book(server, 5).contacts().isEmpty)
    }

    @Test(
        "accounts that go while they write and are written about leave a server that stops and starts whole",
        arguments: 1...3
    )
    func deletionsAmongWrites(loops: Int) async throws {
        let users = 24
        let rosters = (1...users).flatMap { World.roster(UserID($0), [UserID($0 % users + 1)]) }
        let changes = World.accounts(UserID(users)) + rosters
        let server = try server(changes, loops: loops) { $0.rosterPolicy = .approval }
        let admin = try await administrator(server)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for user in 1...users {
                group.addTask {
                    let opened = try? await TidemarkConnection.open(
                        server.unix,
                        as: .trusted(.id(UserID(user))),
                        configuration: TestServer.client
                    )
                    // It may be gone already.
                    guard let connection = opened else { return }
                    for round in 0..<40 {
                        let other = UserID((user * 7 + round * 5) % users + 1)
                        let user = UserID(user)
                        if other == user { continue }
                        do {
                            switch round % 5 {
                            case 0: _ = try await connection.addContact(.name("user\(other)"))
                            case 1: try await connection.answer(other, .approve)
                            case 2: try await connection.block(other)
                            case 3: try await connection.unblock(other)
                            default: try await connection.answer(other, .refuse)
                            }
                        } catch ClientError.server {
                        } catch is ClientError {
                            return
                        }
                    }
                    await connection.close()
                }
            }
            for user in stride(from: 1, through: users, by: 2) {
                group.addTask { try await admin.deleteAccount(.id(UserID(user))) }
            }
            try await group.waitForAll()
        }
        let left = try await admin.statistics().first { $0.name == "users" }?.value
        #expect(left == UInt64(users / 2))
        try server.restart()
        #expect(server.loaded.users == users / 2)
        for user in stride(from: 2, through: users, by: 2) {
            let contacts = try await book(server, UserID(user)).contacts()
            #expect(contacts.allSatisfy { $0.isPending || $0.id % 2 == 0 }, "\(user): \(contacts)")
        }
    }

    @Test("the administration gives contacts where users do not", arguments: [1, 3])
    func administered(loops: Int) async throws {
        let server = try server(loops: loops) { $0.rosterPolicy = .administered }
        let admin = try await administrator(server)
        let add = RosterAdd(contact: .name("user4"))
        let connection = try await TidemarkConnection.open(
            server.unix,
            as: .trusted(.id(1)),
            configuration: TestServer.client
        )
        #expect(await code { _ = try await connection.addContact(.name("user4")) } == .notAllowed)
        await connection.close()
        _ = try await admin.act(for: .id(1), .rosterAdd(add))
        _ = try await admin.act(for: .id(1), .rosterRemove(RosterRemove(contact: 2)))
        #expect(
            await code { _ = try await admin.act(for: .id(1), .rosterAdd(RosterAdd(contact: .name("nobody")))) }
                == .noSuchUser
        )
        #expect(try await book(server, 1).contacts().map(\.id) == [3, 4])
    }

    @Test("what users have to do with each other goes through, whoever acts", arguments: [1, 3])
    func acting(loops: Int) async throws {
        let server = try server(World.accounts(4), loops: loops) { $0.rosterPolicy = .approval }
        let admin = try await administrator(server)
        guard
            case .rosterAddOK(let added) = try await admin.act(
                for: .id(1),
                .rosterAdd(RosterAdd(contact: .name("user2")))
            )
        else {
            Issue.record("added")
            return
        }
        #expect(Limits.number(ofPending: added.contact) != nil, "it is asked, as by the user itself")
        let answer = RosterAnswer(user: 1, answer: .approve)
        _ = try await admin.act(for: .id(2), .rosterAnswer(answer))
        let send = MessageSend(reader: 2, id: .random(), kind: .text, content: Array("hello".utf8))
        _ = try await admin.act(for: .id(1), .messageSend(send))
        guard case .messagePage(let page) = try await admin.act(for: .id(2), .messageFetch(MessageFetch())) else {
            Issue.record("a page")
            return
        }
        #expect(page.messages.map(\.content) == [Array("hello".utf8)] && page.messages.first?.sender == 1)
        guard case .syncPage(let synced) = try await admin.act(for: .id(1), .sync(Sync(options: .explain))) else {
            Issue.record("a page")
            return
        }
        #expect(synced.explanation?.contains("full") == true)
        #expect(
            await code { _ = try await admin.act(for: .id(3), .lastSeenGet(LastSeenGet(user: 1))) } == .noSuchContact
        )
        #expect(await code { _ = try await admin.act(for: .name("nobody"), .sync(Sync())) } == .noSuchUser)
        #expect(await code { _ = try await admin.act(for: .id(1), .ping(Ping())) } == .notAllowed)
    }

    @Test("sessions are listed, page by page, and one is sent away", arguments: [1, 3])
    func sessions(loops: Int) async throws {
        let server = try server(World.accounts(4), loops: loops)
        let admin = try await administrator(server)
        var raws: [UserID: RawClient] = [:]
        for user in UserID(1)...4 { raws[user] = try RawClient.login(server, user) }
        let all = try await admin.sessions()
        #expect(Set(all.map(\.session)).count == 4)
        for user in UserID(1)...4 { #expect(all.contains { $0.holder == .user(user) }) }
        #expect(all.allSatisfy { $0.address.hasPrefix("127.0.0.1:") })
        let own = try await admin.sessions(of: 3)
        #expect(own.count == 1 && own.first?.holder == .user(3))
        let goAway = GoAway(reason: .overload, reconnectAfterMS: 60_000, detail: "moved")
        try await admin.disconnect(own[0].session, goAway)
        let raw = try #require(raws[3])
        guard case .goAway(goAway) = try raw.message().message, raw.isClosed() else {
            Issue.record("it is told, and closed")
            return
        }
        #expect(await code { try await admin.disconnect(own[0].session, goAway) } == .invalidValue)
        #expect(await code { try await admin.disconnect(.max, goAway) } == .invalidValue)
        #expect(await code { try await admin.disconnect(0, goAway) } == .invalidValue)
        #expect(try await admin.sessions(of: 99).isEmpty)
    }

    @Test("draining sends clients away and lets nobody in, until it ends", arguments: [1, 3])
    func drain(loops: Int) async throws {
        let server = try server(loops: loops)
        let admin = try await administrator(server)
        let raws = try (UserID(1)...4).map { try RawClient.login(server, $0) }
        let left = try await admin.drain()
        #expect(left >= 4)
        for raw in raws {
            guard case .goAway(let goAway) = try raw.message().message else {
                Issue.record("sent away")
                return
            }
            #expect(goAway.reason == .shuttingDown && goAway.reconnectAfterMS >= 500 && raw.isClosed())
        }
        let late = RawClient(port: server.port)
        late.send([.hello(Hello())])
        let error = try late.error()
        #expect(error.code == ErrorCode.retryLater.rawValue && error.closes)
        #expect(try await admin.sessions().isEmpty)
        try await admin.endDrain()
        let back = try RawClient.login(server, 1)
        #expect(try await admin.sessions().count == 1)
        withExtendedLifetime(back) {}
    }

    @Test("a service by key is what its role says, and nothing without it", arguments: [1, 3])
    func services(loops: Int) async throws {
        var services = Services()
        let (backendKey, adminKey) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32))
        _ = services.add(.init("billing", .backend), .key, Services.digest(backendKey))
        _ = services.add(.init("operations", .administrator), .key, Services.digest(adminKey))
        let given = services
        let server = try server(loops: loops) {
            $0.services = given
            $0.failedLogins.perAddress = 3
            // Longer than a machine that is busy takes for the next try.
            $0.failedLogins.firstWaitMS = 300_000
        }
        func open(_ key: [UInt8]) async throws -> AdministrationConnection {
            try await .open(server.tcp, as: .key(key), configuration: TestServer.client)
        }
        let backend = try await open(backendKey)
        #expect(backend.role == .backend && backend.server.features.contains(.service))
        _ = try await backend.act(for: .id(1), .sync(Sync()))
        #expect(await code { _ = try await backend.sessions() } == .notAllowed)
        #expect(await code { try await backend.deleteAccount(.id(1)) } == .notAllowed)
        #expect(try refusalsNoted(server) == ["adminSessions"], "the first one of a session")
        let admin = try await open(adminKey)
        #expect(admin.role == .administrator)
        try await admin.setDisabled(.id(4), true)
        let listed = try await admin.sessions()
        #expect(listed.count == 2 && listed.contains { $0.holder == .service("billing", .backend) })
        #expect(listed.contains { $0.holder == .service("operations", .administrator) })
        #expect(try await admin.sessions(of: 1).isEmpty, "not a user's")
        let wrong = [UInt8](repeating: 3, count: 32)
        for _ in 0..<3 { #expect(await code { _ = try await open(wrong) } == .credentialsInvalid) }
        #expect(await code { _ = try await open(backendKey) } == .retryLater, "guesses wait")
        let noCertificate = await code {
            _ = try await AdministrationConnection.open(server.unix, as: .certificate, configuration: TestServer.client)
        }
        #expect(noCertificate == .credentialsInvalid)
        var fewer = Services()
        _ = fewer.add(.init("operations", .administrator), .key, Services.digest(adminKey))
        server.replaceServices(with: fewer)
        // Its session ends as well; the other's does not.
        while (try? await backend.act(for: .id(1), .sync(Sync()))) != nil {
            try await Task.sleep(for: .milliseconds(1))
        }
        _ = try await admin.statistics()
        server.replaceServices(with: Services())
        let gone = await code {
            _ = try await AdministrationConnection.open(
                server.unix,
                as: .key(adminKey),
                configuration: TestServer.client
            )
        }
        #expect(gone == .credentialsInvalid)
    }

    @Test("a service's session ends when it is told to, also its own", arguments: [1, 3])
    func disconnectedService(loops: Int) async throws {
        var services = Services()
        let (backendKey, adminKey) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32))
        services.add(.init("billing", .backend), .key, Services.digest(backendKey))
        services.add(.init("operations", .administrator), .key, Services.digest(adminKey))
        let given = services
        let server = try server(loops: loops) { $0.services = given }
        func open(_ key: [UInt8]) async throws -> AdministrationConnection {
            try await .open(server.tcp, as: .key(key), configuration: TestServer.client)
        }
        let backend = try await open(backendKey)
        let admin = try await open(adminKey)
        let goAway = GoAway(reason: .overload, reconnectAfterMS: 60_000, detail: "moved")
        for role in [Role.backend, .administrator] {
            let session = try #require(
                try await admin.sessions().first {
                    guard case .service(_, role) = $0.holder else { return false }
                    return true
                }
            )
            try await admin.disconnect(session.session, goAway)
        }
        #expect(await lastWord { _ = try await backend.act(for: .id(1), .sync(Sync())) } == .goingAway(goAway))
        #expect(await lastWord { _ = try await admin.statistics() } == .goingAway(goAway))
        let again = try await open(adminKey)
        #expect(try await again.sessions().count == 1)
    }

    /// What it ends in, at some time.
    private func lastWord(_ ask: () async throws -> Void) async -> ClientError? {
        while true {
            do {
                try await ask()
                try await Task.sleep(for: .milliseconds(1))
            } catch {
                return error as? ClientError
            }
        }
    }

    /// What the audit log says of who asked for more than a role allows, once that is written.
    private func refusalsNoted(_ server: TestServer) throws -> [String] {
        struct Line: Decodable {
            var asks: String?
            var outcome: String?
        }
        while true {
            let text = try String(contentsOfFile: server.directory.path + "/audit.jsonl", encoding: .utf8)
            // The last one may be there by half.
            let lines = text.split(separator: "\n").map { try? JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
            let refused = lines.compactMap { $0?.outcome == "notAllowed" ? $0?.asks : nil }
            if !refused.isEmpty { return refused }
            usleep(1_000)
        }
    }

    @Test("a service by the certificate of its end of TLS") func certificates() async throws {
        let certificates = try Certificates()
        let pair = try certificates.pair("server")
        let (known, unknown) = (try certificates.pair("billing", names: []), try certificates.pair("other", names: []))
        var services = Services()
        let digest = try Self.fingerprint(known.certificate)
        _ = services.add(.init("billing", .backend), .certificate, digest)
        let given = services
        let server = try server {
            $0.services = given
            $0.listen.append(.tls(host: "127.0.0.1", port: 0))
            $0.certificate = .init(
                certificate: pair.certificate,
                key: pair.key,
                clientAuthority: certificates.authority.certificate
            )
        }
        func open(_ own: Certificates.Pair?) async throws -> AdministrationConnection {
            var configuration = TestServer.client
            configuration.authorityFile = certificates.authority.certificate
            configuration.certificate = own.map { ($0.certificate, $0.key) }
            return try await .open(server.tls, as: .certificate, configuration: configuration)
        }
        let backend = try await open(known)
        #expect(backend.role == .backend)
        _ = try await backend.act(for: .id(1), .sync(Sync()))
        #expect(await code { _ = try await open(unknown) } == .credentialsInvalid)
        #expect(await code { _ = try await open(nil) } == .credentialsInvalid)
    }

    private static func fingerprint(_ file: String) throws -> [UInt8] {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("-----") }
        return Array(SHA256.hash(data: try #require(Data(base64Encoded: lines.joined()))))
    }

    @Test("all that an administrator asks for is in the audit log, before it is done and after")
    func audit() async throws {
        let server = try server()
        let admin = try await administrator(server)
        _ = try await admin.createAccount(named: "dora")
        _ = await code { try await admin.setDisabled(.name("nobody"), true) }
        try await admin.setPassword(try Password("pencil"), of: .name("dora"), iterations: Self.iterations)
        _ = try await admin.act(for: .id(1), .sync(Sync()))
        await admin.close()
        try server.stop()
        struct Line: Decodable {
            var time: String
            var session: String
            var from: String?
            var request: Int
            var asks: String?
            var of: String?
            var what: String?
            var outcome: String?
        }
        let path = server.directory.path + "/audit.jsonl"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let lines = try text.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        let asked = lines.filter { $0.asks != nil }
        #expect(asked.map(\.asks) == ["adminAccountCreate", "adminAccountDisable", "adminPasswordSet", "adminActFor"])
        #expect(asked.map(\.of) == ["dora", "nobody", "dora", "1"])
        #expect(asked.map(\.what) == [nil, "disable", nil, "sync"])
        #expect(asked.allSatisfy { $0.from == "unix" })
        let outcomes = lines.filter { $0.outcome != nil }
        #expect(outcomes.map(\.outcome) == ["done", "noSuchUser", "done", "done"])
        #expect(outcomes.map(\.request) == asked.map(\.request) && Set(lines.map(\.session)).count == 1)
        #expect(!text.contains("pencil"))
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }
}
