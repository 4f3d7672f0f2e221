// Connections that break off, and very many of them, on servers with several loops: none is counted for ever, and nobody
// else notices.

import Foundation
import Testing
import TidemarkServer
import TidemarkTesting
import TidemarkWire

@Suite("Connections that break off") struct ResetTests {
    enum Stage: CaseIterable {
        case connected, halfAHeader, authenticating, onTheWay, writing, paused, inSlices
    }

    /// As far as the stage says, and then a reset.
    private func breakOff(_ stage: Stage, _ user: UserID, _ server: TestServer) {
        let raw = RawClient(port: server.port, receiveBufferBytes: 4_096)
        defer { raw.reset() }
        let login: [Message] = [.hello(Hello()), .authenticate(.ticket(server.ticket(user)))]
        switch stage {
        case .connected:
            break
        case .halfAHeader:
            raw.send(Array(Message.hello(Hello()).frame(request: 1).prefix(3)))
        case .authenticating:
            raw.send(Array(zip(1..., login).flatMap { $1.frame(request: $0) }.dropLast(2)))
        case .onTheWay:
            raw.send(login + Array(repeating: .sync(Sync()), count: 20))
        case .writing:
            let writes = (0..<50).map { number in
                Message.profileSet(ProfileSet(fields: [FieldChange(.note, text: "\(user) \(number)")]))
            }
            raw.send(login + writes)
            _ = try? raw.message()
        case .paused, .inSlices:
            raw.send(login + Array(repeating: .sync(Sync()), count: stage == .paused ? 1_000 : 40))
            for _ in 0..<(stage == .paused ? 2 : 4) { _ = try? raw.message() }
        }
    }

    @Test("at every stage", arguments: Stage.allCases, [1, 2, 4])
    func resets(stage: Stage, loops: Int) throws {
        let users: ClosedRange<UserID> = 1...100
        let server = try TestServer(
            World.accounts(100) + users.flatMap { owner in World.roster(owner, users.filter { $0 != owner }) }
        ) {
            $0.loops = loops
            $0.connectionsPerAddressMax = 30
        }
        let bystander = try LoopTests.Device(server, 100, contacts: 100)
        for user in 1...60 as ClosedRange<UserID> {
            // Those that have gone may not be counted as gone yet, where nobody has looked.
            while server.openConnections > 20 { usleep(1_000) }
            breakOff(stage, user, server)
        }
        let patience = ContinuousClock.now + .seconds(30)
        while server.openConnections > 1, ContinuousClock.now < patience {
            usleep(1_000)
        }
        #expect(server.openConnections == 1)
        // As many as may be are let in again, and only the bystander is online beside them.
        let others = try (1...29 as ClosedRange<UserID>).map { try LoopTests.Device(server, $0, contacts: 100) }
        #expect(try bystander.online().count == 29)
        #expect(try others[0].online().count == 29)
        try bystander.rename("still here")
        #expect(try others[28].sync().items.contains { $0.number == 99 })
    }

    @Test("five thousand users at once, spread over two loops, and gone again") func storm() throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        try #require(limit.rlim_cur >= 12_000, "the limit of open files is too low")
        let count: UserID = 5_000
        let server = try TestServer(World.accounts(count)) { $0.loops = 2 }
        var clients = (1...count).map { user in
            let raw = RawClient(port: server.port)
            raw.send([.hello(Hello()), .authenticate(.ticket(server.ticket(user))), .sync(Sync())])
            return raw
        }
        for (user, raw) in zip(1..., clients) {
            guard case .helloOK = try raw.message().message,
                case .authenticateOK(let answer) = try raw.message().message
            else { throw RawClient.Closed() }
            let page = try raw.page()
            #expect(answer.user == UserID(user) && page.answer == .full && page.summary?.items == 1)
        }
        #expect(server.counters.connections == count && server.counters.closed == 0 && server.counters.errors == 0)
        // About half of them came to the other's loop.
        #expect((1_500...3_500).contains(server.counters.moves))
        clients = []
        let patience = ContinuousClock.now + .seconds(60)
        while server.counters.closed < count, ContinuousClock.now < patience { usleep(1_000) }
        #expect(server.counters.closed == count)
    }

    @Test("who is refused and stays holds no descriptors for long") func refused() throws {
        let server = try TestServer(World.accounts(2)) {
            $0.connectionsPerAddressMax = 10
            $0.loops = 1
            $0.eventLoop.closeTimeout = .seconds(3_600)
        }
        let inside = (0..<10).map { _ in RawClient(port: server.port) }
        for raw in inside {
            raw.send([.hello(Hello())])
            _ = try raw.message()
        }
        // None of them closes its side: the server waits for some, not for all.
        let outside = (0..<1_000).map { _ in RawClient(port: server.port) }
        #expect(try outside[0].error().code == ErrorCode.retryLater.rawValue)
        #expect(outside.allSatisfy { $0.isEndedWithin(milliseconds: 20_000) })
        let patience = ContinuousClock.now + .seconds(30)
        while server.counters.connections < 1_010 || server.openConnections > 10 + 256, ContinuousClock.now < patience {
            usleep(1_000)
        }
        #expect(server.openConnections <= 10 + 256)
        #expect(server.counters.errors == 1_000)
    }
}
