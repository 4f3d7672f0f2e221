// What one connection can have of a loop while others want it too, counted in iterations and answers instead of measured.

import Glibc
import Testing
import TidemarkDirectory
import TidemarkWire

@testable import TidemarkServer

@Suite("Those who ask for much", .serialized) struct FairnessTests {
    /// A connection that says what it is told to say, and counts the pongs.
    private final class Peer {
        let descriptor: Int32
        private(set) var pongs = 0
        private var unread: [UInt8] = []

        init(_ server: SimulatedServer) {
            descriptor = SimulatedDevice.connect(to: server.address, receiveBytes: nil)
        }

        deinit { close(descriptor) }

        func say(_ messages: [Message]) {
            let bytes = messages.flatMap { $0.frame(request: 1) }
            let count = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            precondition(count == bytes.count)
        }

        /// Returns how many pongs have come since the last time.
        func read() -> Int {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                guard count > 0 else { break }
                unread += buffer[..<count]
            }
            let before = pongs
            while true {
                let parse = unread.withUnsafeBytes { bytes -> (Int, Bool)? in
                    guard case .frame(let header, let body) = FrameParse.first(in: bytes, bodyBytesMax: 1 << 20) else {
                        return nil
                    }
                    return (Limits.headerBytes + body.count, header.type == MessageType.pong.rawValue)
                }
                guard let (count, isPong) = parse else { break }
                unread.removeFirst(count)
                if isPong { pongs += 1 }
            }
            return pongs - before
        }
    }

    private static let floods = 30
    private static let pings = 300
    private static let greeting = 40
    /// A turn in line, and one more where something was left for it: 8 KiB each, of frames that count as 256 bytes and their
    /// answers.
    private static let answersInTurns = 2 * (1 << 13) / 256

    private func server() throws -> SimulatedServer {
        let users = 1...UserID(Self.floods + 1)
        return try SimulatedServer(
            users.map { .accountCreated(user: $0, name: "user\($0)") },
            clock: SimulatedClock(),
            loops: 1,
            epoch: 77
        )
    }

    private func login(_ user: UserID, _ server: SimulatedServer) -> [Message] {
        [.hello(Hello()), .authenticate(.ticket(server.ticket(user)))]
    }

    private func entered(_ user: UserID, _ server: SimulatedServer) throws -> Peer {
        let peer = Peer(server)
        peer.say(login(user, server))
        for _ in 0..<8 { try server.turnAll() }
        peer.say([.ping(Ping())])
        for _ in 0..<4 { try server.turnAll() }
        #expect(peer.read() == 1)
        return peer
    }

    @Test(
        "share one turn of each iteration, whoever they are, and others are answered in it",
        arguments: [false, true]
    )
    func flood(byUsers: Bool) throws {
        let server = try server()
        let honest = try entered(1, server)
        let floods = (0..<Self.floods).map { _ in Peer(server) }
        let pings = [Message](repeating: .ping(Ping()), count: Self.pings)
        for (user, flood) in zip(UInt64(2)..., floods) { flood.say(byUsers ? login(user, server) : [.hello(Hello())]) }
        // All are there, and nobody has asked for much.
        for _ in 0..<6 * Self.floods { try server.turnAll() }
        // Each has a long turn, and is known for what it is; the clock stands still, so that this is not forgotten.
        for flood in floods { flood.say(Array(pings[..<Self.greeting])) }
        for _ in 0..<6 * Self.floods { try server.turnAll() }
        #expect(floods.allSatisfy { $0.read() == Self.greeting })
        for flood in floods { flood.say(pings) }
        var iterations = 0
        while floods.contains(where: { $0.pongs < Self.greeting + Self.pings }), iterations < 10_000 {
            honest.say([.ping(Ping())])
            try server.turnAll()
            // What an iteration has written last is sent as the next begins.
            let answered = floods.reduce(0) { $0 + $1.read() }
            #expect(answered <= Self.answersInTurns, "iteration \(iterations)")
            _ = honest.read()
            // One may come an iteration later: the kernel hands bytes over in its own time.
            #expect(honest.pongs >= iterations, "iteration \(iterations)")
            iterations += 1
            let counts = floods.map(\.pongs)
            #expect(counts.max()! - counts.min()! <= Self.answersInTurns, "one after the other")
        }
        #expect(floods.allSatisfy { $0.pongs == Self.greeting + Self.pings })
        #expect(iterations >= Self.floods * Self.pings / Self.answersInTurns / 2)
    }

    @Test("come in one an iteration")
    func connections() throws {
        let server = try server()
        let honest = try entered(1, server)
        let before = server.counters.connections
        let others = (0..<20).map { _ in Peer(server) }
        for iteration in 1...20 {
            honest.say([.ping(Ping())])
            try server.turnAll()
            #expect(server.counters.connections - before <= UInt64(iteration))
        }
        for _ in 0..<3 { try server.turnAll() }
        #expect(server.counters.connections - before == UInt64(others.count))
        #expect(honest.read() == 20)
    }
}
