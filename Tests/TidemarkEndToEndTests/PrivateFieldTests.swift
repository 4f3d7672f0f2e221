// Fields of a profile that only their owner sees.

import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkServer
import TidemarkWire

@Suite("Private fields") struct PrivateFieldTests {
    private let name = FieldChange(.fullName, text: "Ada")
    private let phone = FieldChange(.telephone, text: "+44")

    /// Users 1 and 2 have each other; user 3 has user 1.
    private func server(loops: Int) throws -> TestServer {
        let accounts = (UserID(1)...3).map { Change.accountCreated(user: $0, name: "user\($0)") }
        return try TestServer(accounts + World.roster(1, [2]) + World.roster(2, [1]) + World.roster(3, [1])) {
            $0.loops = loops
        }
    }

    private func connect(_ server: TestServer, _ user: UserID) async throws -> TidemarkConnection {
        try await .open(server.unix, as: .trusted(.id(user)), configuration: TestServer.client)
    }

    /// What a contact sees of user 1: a full sync's fields.
    private func seen(_ connection: TidemarkConnection) async throws -> [FieldChange]? {
        for item in try await connection.page(Sync(options: .stamps)).items {
            if case .contact(1, _, _, _, let fields) = item.content { return fields }
        }
        return nil
    }

    private func own(
        _ connection: TidemarkConnection
    ) async throws -> (fields: [FieldChange], privately: [FieldNumber])? {
        for item in try await connection.page(Sync(options: .stamps)).items {
            if case .own(_, let fields, let privately) = item.content { return (fields, privately) }
        }
        return nil
    }

    @Test(
        "a contact is told that a field was removed when it is hidden, nothing of it then, and all of it when it is shown",
        arguments: [1, 3]
    )
    func visibility(loops: Int) async throws {
        let server = try server(loops: loops)
        let (ada, bob) = (try await connect(server, 1), try await connect(server, 2))
        try await ada.setProfile([name, phone])
        #expect(try await seen(bob) == [name, phone])
        var token = try await bob.page(Sync()).token
        func delta() async throws -> SyncPage {
            let page = try await bob.page(Sync(token: Sync.TokenBytes(token), options: .stamps))
            token = page.token
            return page
        }
        let hidden = try await ada.setProfile([phone], privateFields: [.telephone])
        var page = try await delta()
        #expect(page.items.count == 1 && page.items.first?.stamp == hidden)
        #expect(page.items.first?.content == .patch(fields: [FieldChange(.telephone, nil)]))
        #expect(try await seen(bob) == [name])
        #expect(try await own(ada)?.fields == [name, phone])
        #expect(try await own(ada)?.privately == [.telephone])
        // What it is then is nothing to bob: no stamp of his moves.
        let other = FieldChange(.telephone, text: "+49")
        #expect(try await ada.setProfile([other], privateFields: [.telephone]) > hidden)
        page = try await delta()
        #expect(page.answer == .upToDate)
        #expect(try await own(ada)?.fields == [name, other])
        let stamps = try await bob.page(Sync(options: .stamps)).items.map(\.stamp)
        #expect(stamps.allSatisfy { $0! <= hidden })
        try server.restart()
        let (again, bobAgain) = (try await connect(server, 1), try await connect(server, 2))
        #expect(try await own(again)?.fields == [name, other])
        #expect(try await own(again)?.privately == [.telephone])
        #expect(try await seen(bobAgain) == [name])
        // Without a change the mark alone shows it.
        #expect(try await again.setProfile([other]) > 0)
        #expect(try await seen(bobAgain) == [name, other])
        #expect(try await own(again)?.privately == [])
        #expect(try await again.setProfile([other]) == 0)
    }

    @Test("another device of the owner is told at once; a contact that follows is not", arguments: [1, 3])
    func pushed(loops: Int) async throws {
        let server = try server(loops: loops)
        let ada = try await connect(server, 1)
        let (device, contact) = (try RawClient.login(server, 1), try RawClient.login(server, 2))
        for raw in [device, contact] {
            raw.send([.sync(Sync(options: .subscribe))])
            _ = try raw.page()
        }
        try await ada.setProfile([phone], privateFields: [.telephone])
        func delta(_ raw: RawClient) throws -> PushDelta {
            while true {
                if case .pushDelta(let push) = try raw.message().message, !push.page.items.isEmpty { return push }
            }
        }
        let push = try delta(device)
        #expect(push.page.items.first?.content == .own(name: "user1", fields: [phone], privateFields: [.telephone]))
        // The next thing that it hears of is the next that it may see.
        try await ada.setProfile([name])
        #expect(try delta(contact).page.items.first?.content == .patch(fields: [name]))
    }

    @Test("whoever is blocked sees what it saw, and not what was private then or is shown later") func blocked()
        async throws
    {
        let server = try server(loops: 2)
        let (ada, bob) = (try await connect(server, 1), try await connect(server, 2))
        try await ada.setProfile([name, phone], privateFields: [.telephone])
        try await ada.block(2)
        try await ada.setProfile([phone])
        #expect(try await seen(bob) == [name])
        #expect(try await seen(try await connect(server, 3)) == [name, phone])
        try await ada.unblock(2)
        #expect(try await seen(bob) == [name, phone])
    }
}
