// Who is seen how, by whom, and when that is told: several devices, lost connections, invisibility.

import Foundation
import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkServer
import TidemarkTesting
import TidemarkWire

@Suite("Presence that is told") struct PresenceTests {
    /// Users 1 to 9, each with the others; told at once.
    static func server(
        _ adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> TestServer {
        try LiveTests.server {
            $0.presencePace = PresencePace(first: 0, window: 0, popular: 0)
            adjust(&$0)
        }
    }

    /// A session of a device, which says how it wants to be seen.
    static func device(
        _ server: TestServer,
        _ user: UserID,
        device: UInt64 = 0,
        _ wish: PresenceSet.Wish = .online,
        on deviceClass: DeviceClass = .phone
    ) throws -> RawClient {
        let raw = RawClient(port: server.port)
        raw.send([
            .hello(Hello(deviceClass: deviceClass, device: device)), .authenticate(.ticket(server.ticket(user))),
            .presenceSet(PresenceSet(wish: wish)),
        ])
        for _ in 0..<2 { _ = try raw.message() }
        #expect(try raw.message().message == .presenceSetOK)
        return raw
    }

    static func ends(_ raw: RawClient) throws -> GoAway.Reason? {
        guard case .goAway(let goAway) = try raw.message().message else { return nil }
        return raw.isClosed() ? goAway.reason : nil
    }

    @Test("coming, changing and going is told to those who have the user, on every loop", arguments: [1, 2, 4])
    func told(loops: Int) throws {
        let server = try Self.server { $0.loops = loops }
        let watchers = try (2...5).map { try LiveTests.LiveClient(server, $0) }
        // Each has seen the others come.
        for watcher in watchers { try watcher.expect(of: 1, nil) }
        let bob = try Self.device(server, 1)
        for watcher in watchers { try watcher.expect(of: 1, .online) }
        for wish in [PresenceSet.Wish.busy, .away, .invisible, .online] {
            bob.send([.presenceSet(PresenceSet(wish: wish))], firstRequest: 9)
            _ = try bob.message()
            let state: PresenceState =
                switch wish {
                case .online: .online
                case .busy: .busy
                case .away: .away
                case .invisible: .offline
                }
            for watcher in watchers { try watcher.expect(of: 1, state) }
        }
        bob.reset()
        for watcher in watchers { try watcher.expect(of: 1, .offline) }
    }

    @Test("of several devices the most available is seen") func devices() throws {
        let server = try Self.server()
        let watcher = try LiveTests.LiveClient(server, 2)
        let phone = try Self.device(server, 1, device: 1, .away)
        try watcher.expect(of: 1, .away)
        let tablet = try Self.device(server, 1, device: 2, .busy)
        try watcher.expect(of: 1, .busy)
        let computer = try Self.device(server, 1, device: 3, .online)
        try watcher.expect(of: 1, .online)
        tablet.reset()
        computer.reset()
        try watcher.expect(of: 1, .away)
        phone.reset()
        try watcher.expect(of: 1, .offline)
    }

    @Test("who asks is told on what devices a contact is so, and who does not is not", arguments: [1, 2])
    func deviceClasses(loops: Int) throws {
        let server = try Self.server { $0.loops = loops }
        // Of one user, so that both are told by the same turn.
        let (watcher, other) = (
            try LiveTests.LiveClient(server, 2, devices: true), try LiveTests.LiveClient(server, 2)
        )
        let phone = try Self.device(server, 1, device: 1, on: .phone)
        try watcher.expect(of: 1, .online, on: .phone)
        let computer = try Self.device(server, 1, device: 2, on: .computer)
        try watcher.expect(of: 1, .online, on: [.phone, .computer])
        let tablet = try Self.device(server, 1, device: 3, .away, on: .tablet)
        let service = try Self.device(server, 1, device: 4, on: .service)
        // A page says the same.
        let late = try LiveTests.LiveClient(server, 3, devices: true)
        try late.expect(of: 1, .online, on: [.phone, .computer])
        phone.send([.presenceSet(PresenceSet(wish: .busy))], firstRequest: 9)
        try watcher.expect(of: 1, .online, on: .computer)
        computer.reset()
        // What is left of those who are online is of no kind that is told.
        try watcher.expect(of: 1, .online, on: [])
        service.reset()
        try watcher.expect(of: 1, .busy, on: .phone)
        phone.reset()
        try watcher.expect(of: 1, .away, on: .tablet)
        try late.expect(of: 1, .away, on: .tablet)
        try other.expect(of: 1, .away)
        #expect(other.devices[1] == [])
        tablet.reset()
        try watcher.expect(of: 1, .offline)
        try other.expect(of: 1, .offline)
    }

    @Test("a contact that is added while it is online is told as such") func added() async throws {
        let server = try TestServer(World.accounts(3)) {
            $0.presencePace = PresencePace(first: 0, window: 0, popular: 0)
        }
        let bob = try Self.device(server, 2, .away)
        let watcher = try LiveTests.LiveClient(server, 1)
        try await server.session(1) { try await $0.addContact(.id(2)) }
        #expect(try watcher.delta().items.count == 1)
        try watcher.expect(of: 2, .away)
        withExtendedLifetime(bob) {}
    }

    @Test("a lost connection is not told while it may come back, and never if it does; syncs say the same")
    func grace() async throws {
        let server = try Self.server { $0.presenceGrace = .seconds(3_600) }
        let watcher = try LiveTests.LiveClient(server, 2)
        let first = try Self.device(server, 1, device: 5, .busy)
        try watcher.expect(of: 1, .busy)
        let open = server.openConnections
        first.reset()
        let patience = ContinuousClock.now + .seconds(30)
        while server.openConnections == open, ContinuousClock.now < patience { usleep(1_000) }
        let report = try await server.visit(3, try AddressBook.inMemory())
        #expect(report.online.first { $0.user == 1 }?.state == .busy)
        // Another device that says nothing of its own makes it online; the lost one is still busy.
        let second = try Self.device(server, 1, device: 5, .away)
        try watcher.expect(of: 1, .away)
        // Who says before that it is not to be seen is gone at once.
        second.send([.presenceSet(PresenceSet(wish: .invisible))], firstRequest: 9)
        _ = try second.message()
        try watcher.expect(of: 1, .offline)
    }

    @Test("a connection that is lost and does not come back is told in the end") func graceEnds() throws {
        let server = try Self.server { $0.presenceGrace = .milliseconds(50) }
        let watcher = try LiveTests.LiveClient(server, 2)
        let bob = try Self.device(server, 1)
        try watcher.expect(of: 1, .online)
        bob.reset()
        try watcher.expect(of: 1, .offline)
    }

    @Test("a second login of a device takes the place of the first, which is told; its writes are acknowledged")
    func replaced() async throws {
        let server = try Self.server { $0.presenceGrace = .seconds(3_600) }
        let watcher = try LiveTests.LiveClient(server, 2)
        let first = try Self.device(server, 1, device: 7)
        try watcher.expect(of: 1, .online)
        let other = try Self.device(server, 1, device: 8, .away)
        let none = (try Self.device(server, 1, .away), try Self.device(server, 1, .away))
        let second = try Self.device(server, 1, device: 7)
        #expect(try Self.ends(first) == .replaced)
        for raw in [second, other, none.0, none.1] {
            raw.send([.ping(Ping())], firstRequest: 20)
            #expect(try raw.message().message == .pong(Ping()))
        }
        // A client that comes back by mistake does not go on for ever: each is told.
        let third = try Self.device(server, 1, device: 7)
        #expect(try Self.ends(second) == .replaced)
        withExtendedLifetime(third) {}
    }

    @Test("a user has so many devices: for one more, the one that was silent for longest goes") func limit() throws {
        let server = try Self.server { $0.devicesMax = 3 }
        let devices = try (1...3).map { try Self.device(server, 1, device: UInt64($0)) }
        usleep(20_000)
        for place in [2, 0] {
            devices[place].send([.ping(Ping())], firstRequest: 20)
            #expect(try devices[place].message().message == .pong(Ping()))
        }
        let fourth = try Self.device(server, 1, device: 4)
        #expect(try Self.ends(devices[1]) == .replaced)
        for device in [devices[0], devices[2], fourth] {
            device.send([.ping(Ping())], firstRequest: 21)
            #expect(try device.message().message == .pong(Ping()))
        }
        // Another user's are not counted.
        let others = try (5...9).map { try Self.device(server, 2, device: UInt64($0)) }
        withExtendedLifetime(others) {}
    }

    @Test("whoever does not read is told the whole view when it does") func slow() async throws {
        let server = try Self.server()
        let slow = try LiveTests.LiveClient(server, 1, receiveBufferBytes: 4096)
        let value = String(repeating: "x", count: 8_000)
        let marks = try (2...9).map { try Self.device(server, UserID($0)) }
        try await server.session(3) { session in
            for round in 1...1_500 {
                _ = try await session.setProfile([FieldChange(.note, text: "\(round) \(value)")])
            }
        }
        // Told when all that were noted with it are: then it was the slow one's turn too, before it reads anything.
        let other = try LiveTests.LiveClient(server, 4)
        marks[0].reset()
        for (wish, seen) in [(PresenceSet.Wish.away, PresenceState.away), (.busy, .busy)] {
            marks[1].send([.presenceSet(PresenceSet(wish: wish))], firstRequest: 9)
            _ = try marks[1].message()
            try other.expect(of: 3, seen)
        }
        // Newest of all: by then it has heard of everything before.
        try slow.expect(of: 3, .busy)
        try slow.expect(of: 2, .offline)
        #expect(slow.scopes.contains(.everything))
    }

    @Test("a contact with many followers is told of to all who are live") func popular() throws {
        let server = try Self.server { $0.popularFollowers = 2 }
        let watchers = try (2...9).map { try LiveTests.LiveClient(server, $0) }
        let bob = try Self.device(server, 1, .away)
        for watcher in watchers { try watcher.expect(of: 1, .away) }
        bob.reset()
        for watcher in watchers { try watcher.expect(of: 1, .offline) }
    }
}
