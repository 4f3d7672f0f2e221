// Who is let in, who is asked for a sign of life, and who is closed: over real sockets.

import Foundation
import Testing
import TidemarkClient
import TidemarkServer
import TidemarkWire

@Suite("Connections that come and go") struct AdmissionTests {
    @Test(
        "more than so many from one address are told to come later, and let in once others have gone",
        arguments: [1, 3]
    )
    func perAddress(loops: Int) throws {
        let server = try TestServer(World.accounts(20)) {
            $0.loops = loops
            $0.connectionsPerAddressMax = 10
        }
        // On whatever loop each of them is by now.
        var inside = try (1...10 as ClosedRange<UserID>).map { try RawClient.login(server, $0) }
        for _ in 0..<5 {
            let outside = RawClient(port: server.port)
            let error = try outside.error()
            #expect(error.code == ErrorCode.retryLater.rawValue && error.closes)
            #expect((2_000...10_000).contains(error.retryAfterMS))
            #expect(error.detail == "there are as many connections from your address as the server takes")
            #expect(outside.isClosed())
        }
        inside.removeFirst(4)
        var after: [RawClient] = []
        let patience = ContinuousClock.now + .seconds(60)
        while after.count < 4, ContinuousClock.now < patience {
            if let next = try? RawClient.login(server, 11) { after.append(next) }
        }
        #expect(after.count == 4)
        #expect(throws: RawClient.Closed.self) { _ = try RawClient.login(server, 12) }
        // Those inside notice nothing.
        for each in inside {
            each.send([.ping(Ping())], firstRequest: 9)
            #expect(try each.message().request == 9)
        }
    }

    @Test("more than so many in all are told to come later, on Unix sockets too; the administrator is let in")
    func inAll() async throws {
        let server = try TestServer(World.accounts(4)) { $0.connectionsMax = 3 }
        let inside = try (1...3 as ClosedRange<UserID>).map { try RawClient.login(server, $0) }
        let outside = RawClient(port: server.port)
        #expect(try outside.error().detail == "the server has as many connections as it takes")
        await #expect(throws: (any Error).self) { try await server.session(4) { _ in } }
        let administrator = try #require(try AdminConnection(dataDirectory: server.directory.path))
        _ = try administrator.backUp(to: server.directory.path + "/backup")
        #expect(inside.count == 3)
    }

    @Test("full syncs beyond the rate come later: session, presence, live pushes and deltas stay as they are")
    func fullSyncs() async throws {
        // The first one takes all that there is for a minute.
        let server = try LiveTests.server {
            $0.loops = 1
            $0.fullSyncBytesPerSecond = 1
        }
        let first = try LiveTests.LiveClient(server, 1)
        let second = try RawClient.login(server, 2)
        func isRefused(_ answer: Message) -> Bool {
            guard case .error(let error) = answer else { return false }
            return error.code == ErrorCode.retryLater.rawValue && !error.closes && error.retryAfterMS > 0
        }
        for options in [[], .subscribe, .diverged] as [Sync.Options] {
            second.send([.sync(Sync(options: options))], firstRequest: 5)
            #expect(isRefused(try second.message().message))
        }
        #expect(isRefused(try first.ask(.sync(Sync(options: .diverged)))))
        try await server.session(3) { _ = try await $0.setProfile([FieldChange(.title, text: "x")]) }
        #expect(try first.delta().items.count == 1)
        let page = try LiveTests.answer(server, 1, first.token)
        #expect(page.answer == .upToDate)
        guard case .syncPage(let again) = try first.ask(.sync(Sync(token: Sync.TokenBytes(first.token)))) else {
            Issue.record("a page")
            return
        }
        #expect(again.summary?.presence.contains { $0.state == .online } == true)
        // The library waits for as long as it was told that it may.
        var configuration = TestServer.client
        configuration.syncPatience = .seconds(1)
        await #expect(throws: ClientError.self) {
            _ = try await TidemarkConnection.login(
                server.tcp,
                as: .ticket(server.ticket(4)),
                book: try AddressBook.inMemory(),
                configuration: configuration
            )
        }
    }

    @Test("who says nothing is asked for a sign of life; who gives none is closed without a word", arguments: [1, 2])
    func idle(loops: Int) throws {
        let server = try TestServer(World.accounts(4)) {
            $0.loops = loops
            $0.idleTimeout = .seconds(1)
        }
        let raw = RawClient(port: server.port)
        raw.send([.hello(Hello())])
        guard case .helloOK(let hello) = try raw.message().message else { throw RawClient.Closed() }
        #expect(hello.idleSeconds == 1)
        let (alive, dead) = (try RawClient.login(server, 1), try RawClient.login(server, 2))
        for _ in 0..<3 {
            guard case .ping(let ping) = try alive.message().message else { throw RawClient.Closed() }
            alive.send(Message.pong(ping).frame(request: 0))
        }
        guard case .ping = try dead.message().message else { throw RawClient.Closed() }
        #expect(dead.isClosed(), "no error before it")
        // Any frame will do, also one in pieces.
        let frame = Message.ping(Ping()).frame(request: 7)
        alive.send(Array(frame[..<2]))
        alive.send(Array(frame[2...]))
        while true {
            let (request, message) = try alive.message()
            if case .ping = message { continue }
            #expect(request == 7 && message == .pong(Ping()))
            break
        }
    }
}
