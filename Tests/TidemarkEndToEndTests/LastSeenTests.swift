// When a contact was last seen: who is told, what, and that it is kept.

import Foundation
import Testing
import TidemarkClient
import TidemarkServer
import TidemarkTesting
import TidemarkWire

@Suite("When a contact was last seen") struct LastSeenTests {
    /// What user 2 is told of user 1, once that is other than `before`.
    private func told(_ server: TestServer, otherThan before: LastSeenGetOK?) async throws -> LastSeenGetOK {
        while true {
            let answer = try await server.session(2) { try await $0.lastSeen(of: 1) }
            if answer != before { return answer }
        }
    }

    private func seconds(_ server: TestServer) -> UInt32 { UInt32(server.clock.microseconds() / 1_000_000) }

    @Test(
        "is told of who lets it be known, from when others see it go, and is there after a restart",
        arguments: [1, 2]
    )
    func shown(loops: Int) async throws {
        let server = try PresenceTests.server { $0.loops = loops }
        let hidden = LastSeenGetOK(isShown: false, at: 0)
        let never = LastSeenGetOK(isShown: true, at: 0)
        try PresenceTests.device(server, 1).reset()
        #expect(try await server.session(2) { try await $0.lastSeen(of: 1) } == hidden)
        try await server.session(1) { (connection) async throws in
            #expect(try await connection.setLastSeen(isShown: true) > 0)
            #expect(try await connection.setLastSeen(isShown: true) == 0)
            #expect(try await connection.lastSeen(of: 1) == never)
            // Online, and so not seen last at any time.
            #expect(try await told(server, otherThan: hidden) == never)
        }
        var seen = try await told(server, otherThan: never)
        #expect(seen == LastSeenGetOK(isShown: true, at: seconds(server)))
        // Who becomes invisible is seen to go.
        let phone = try PresenceTests.device(server, 1)
        #expect(try await told(server, otherThan: seen) == never)
        server.clock.advance(by: 60_000_000)
        phone.send([.presenceSet(PresenceSet(wish: .invisible))], firstRequest: 9)
        seen = try await told(server, otherThan: never)
        #expect(seen == LastSeenGetOK(isShown: true, at: seconds(server)))
        // With the server everybody goes.
        server.clock.advance(by: 60_000_000)
        phone.send([.presenceSet(PresenceSet(wish: .away))], firstRequest: 10)
        #expect(try await told(server, otherThan: seen) == never)
        try server.restart()
        seen = try await told(server, otherThan: never)
        #expect(seen == LastSeenGetOK(isShown: true, at: seconds(server)))
        #expect(try await server.session(1) { try await $0.setLastSeen(isShown: false) } > 0)
        #expect(try await told(server, otherThan: seen) == hidden)
        withExtendedLifetime(phone) {}
    }

    @Test(
        "of a connection that was lost it is the time of the loss, also where the server goes before the grace is over"
    )
    func lost() async throws {
        let server = try PresenceTests.server { $0.presenceGrace = .seconds(3600) }
        try await server.session(1) {
            _ = try await $0.setLastSeen(isShown: true)
            // So that this connection is none that could come back.
            await $0.leave()
        }
        let phone = try PresenceTests.device(server, 1, device: 1)
        let never = LastSeenGetOK(isShown: true, at: 0)
        #expect(try await told(server, otherThan: LastSeenGetOK(isShown: true, at: seconds(server))) == never)
        phone.reset()
        try server.restart()
        let seen = try await told(server, otherThan: never)
        // The loop's own clock says how long ago it was.
        #expect(seen.isShown && (seconds(server) - 10...seconds(server)).contains(seen.at))
    }

    @Test("whoever awaits an answer is told as by somebody who does not say, whoever is blocked what it was told then")
    func notTold() async throws {
        let server = try TestServer(World.accounts(4)) { $0.rosterPolicy = .approval }
        let hidden = LastSeenGetOK(isShown: false, at: 0)
        try await server.session(1) { _ = try await $0.setLastSeen(isShown: true) }
        let asked = try await server.session(2) { try await $0.addContact(.name("user1")).contact }
        #expect(try await server.session(2) { try await $0.lastSeen(of: asked) } == hidden)
        let refused = await #expect(throws: ClientError.self) {
            try await server.session(2) { try await $0.lastSeen(of: 1) }
        }
        guard case .server(let error) = refused else { throw RawClient.Closed() }
        #expect(error.code == ErrorCode.noSuchContact.rawValue)
        try await server.session(1) { try await $0.answer(2, .approve) }
        #expect(try await told(server, otherThan: hidden).isShown)
        // As of somebody who went offline at that moment, and stays so.
        server.clock.advance(by: 60_000_000)
        let blocked = LastSeenGetOK(isShown: true, at: seconds(server))
        try await server.session(1) { try await $0.block(2) }
        server.clock.advance(by: 60_000_000)
        try await server.session(1) { _ = try await $0.setLastSeen(isShown: false) }
        #expect(try await server.session(2) { try await $0.lastSeen(of: 1) } == blocked)
        try server.restart()
        #expect(try await server.session(2) { try await $0.lastSeen(of: 1) } == blocked)
        try await server.session(1) { try await $0.unblock(2) }
        #expect(try await told(server, otherThan: blocked) == hidden)
    }
}
