// Who takes too long, and who only seems to: over real sockets.

import Foundation
import Testing
import TidemarkSCRAM
import TidemarkServer
import TidemarkWire

@Suite("Deadlines") struct DeadlineTests {
    /// Everything up to the end; the last frame is a closing error.
    private static func lastWord(_ raw: RawClient) throws -> ErrorMessage {
        var last: ErrorMessage?
        do {
            while true {
                let (header, body, _) = try raw.frame()
                #expect(last == nil, "nothing follows a closing error")
                guard header.type == MessageType.error.rawValue else { continue }
                guard case .error(let error) = try body.withUnsafeBytes({ try Message(.error, decoding: $0) }) else {
                    continue
                }
                last = error
            }
        } catch is RawClient.Closed {}
        return try #require(last)
    }

    private static func expectAnswer(_ raw: RawClient) throws {
        raw.send([.ping(Ping())], firstRequest: 77)
        #expect(try raw.message() == (77, .pong(Ping())))
    }

    @Test("who does not say who it is", arguments: [[], [Message.hello(Hello())]])
    func authenticate(said: [Message]) throws {
        let server = try TestServer(World.accounts(2)) { $0.authenticateTimeout = .milliseconds(300) }
        let inside = try RawClient.login(server, 1)
        let raw = RawClient(port: server.port)
        raw.send(said)
        for _ in said { _ = try raw.message() }
        let error = try Self.lastWord(raw)
        #expect(error.code == ErrorCode.tooSlow.rawValue && error.detail == "too long to authenticate")
        try Self.expectAnswer(inside)
    }

    @Test("who keeps talking and does not say who it is") func talks() throws {
        let server = try TestServer(World.accounts(2)) { $0.authenticateTimeout = .milliseconds(300) }
        let raw = RawClient(port: server.port)
        raw.send([.hello(Hello())])
        let patience = ContinuousClock.now + .seconds(20)
        // Sending to a connection that is closed is not an error of this client's.
        while ContinuousClock.now < patience, !raw.hasBeenClosed {
            raw.send([.ping(Ping())], firstRequest: 2)
            usleep(20_000)
        }
        #expect(try Self.lastWord(raw).detail == "too long to authenticate")
    }

    @Test("who is challenged and does not answer, whichever loop its name is on", arguments: [1, 3])
    func challenged(loops: Int) throws {
        let server = try TestServer(World.accounts(6)) {
            $0.loops = loops
            $0.authenticateTimeout = .milliseconds(300)
        }
        let strangers = (1...6).map { user in
            let raw = RawClient(port: server.port)
            raw.send([.hello(Hello()), .authenticate(.scram(ClientExchange(name: "user\(user)").first))])
            return raw
        }
        for raw in strangers {
            _ = try raw.message()
            guard case .authenticateChallenge = try raw.message().message else { throw RawClient.Closed() }
            #expect(try Self.lastWord(raw).detail == "too long to authenticate")
        }
    }

    @Test("who has not said who it is, and does not read: with no deadline near") func floods() throws {
        let server = try TestServer(World.accounts(2)) {
            $0.authenticateTimeout = .seconds(3_600)
            $0.readTimeout = .seconds(3_600)
        }
        let raw = RawClient(port: server.port, receiveBufferBytes: 4_096)
        raw.send([.hello(Hello())])
        let pings = (1...4_096).flatMap { Message.ping(Ping()).frame(request: UInt16($0)) }
        // Far more than the kernels' buffers hold.
        for _ in 0..<20_000 where server.counters.errors == 0 { raw.send(pings) }
        #expect(raw.isEndedWithin(milliseconds: 30_000))
        #expect(server.counters.errors == 1)
    }

    @Test("who begins a frame and does not complete it, or byte by byte", arguments: [false, true])
    func frame(trickles: Bool) throws {
        let server = try TestServer(World.accounts(2)) { $0.frameTimeout = .milliseconds(300) }
        let (inside, raw) = (try RawClient.login(server, 1), try RawClient.login(server, 2))
        let frame = Message.profileSet(
            ProfileSet(fields: [FieldChange(.note, text: String(repeating: "n", count: 500))])
        ).frame(request: 3)
        raw.send(Array(frame.prefix(1)))
        if trickles {
            for byte in frame.dropFirst().dropLast() where !raw.hasBeenClosed {
                raw.send([byte])
                usleep(20_000)
            }
        }
        let error = try Self.lastWord(raw)
        #expect(error.code == ErrorCode.tooSlow.rawValue && error.detail == "too long to complete a frame")
        try Self.expectAnswer(inside)
    }

    @Test("who asks and does not read") func read() throws {
        let server = try TestServer(World.accounts(200) + World.roster(1, 2...200)) {
            $0.readTimeout = .milliseconds(300)
            $0.loops = 1
        }
        let inside = try RawClient.login(server, 2)
        let raw = try RawClient.login(server, 1, receiveBufferBytes: 4_096)
        // 56 MB of answers.
        raw.send(Array(repeating: .sync(Sync()), count: 4_000), firstRequest: 3)
        let patience = ContinuousClock.now + .seconds(20)
        while server.counters.errors == 0, ContinuousClock.now < patience { try Self.expectAnswer(inside) }
        #expect(server.counters.syncs < 4_000, "the rest of them is not answered")
        let error = try Self.lastWord(raw)
        #expect(error.code == ErrorCode.tooSlow.rawValue && error.detail == "too long to read its answers")
        try Self.expectAnswer(inside)
    }

    @Test("who asks for very little, very often, and does not read: it is bounded all the same") func readsNothing()
        throws
    {
        let server = try TestServer(World.accounts(2)) {
            $0.readTimeout = .seconds(3_600)
            $0.loops = 1
        }
        let raw = try RawClient.login(server, 1, receiveBufferBytes: 4_096)
        raw.sendTimeout(milliseconds: 300)
        let ping = Message.ping(Ping()).frame(request: 3)
        // In segments, each of which is answered by itself.
        let pings = Array(repeatElement(ping, count: 500).joined())
        var sent = 0
        while sent < 200 << 20, raw.sendSome(pings) { sent += pings.count }
        // The kernels' buffers of both sides, and a quarter of a megabyte of the server's: what comes then has to wait.
        #expect(sent < 200 << 20)
        try Self.expectAnswer(try RawClient.login(server, 2))
    }

    @Test("who always has more to ask than is answered in its turn is not slow, nor silent") func busy() throws {
        let server = try TestServer(World.accounts(2)) {
            $0.frameTimeout = .milliseconds(200)
            $0.idleTimeout = .seconds(1)
            $0.loops = 1
        }
        let raw = try RawClient.login(server, 1)
        // A frame in two pieces, and then more at once than the server answers in a turn, for longer than any deadline.
        let frame = Message.ping(Ping()).frame(request: 3)
        raw.send(Array(frame.prefix(3)))
        usleep(20_000)
        let pings = Array(repeatElement(frame, count: 8_192).joined())
        let sender = Thread {
            raw.send(Array(frame.dropFirst(3)))
            let end = ContinuousClock.now + .seconds(3)
            while ContinuousClock.now < end, !raw.hasBeenClosed { raw.send(pings) }
            raw.finish()
        }
        sender.start()
        #expect(try raw.countToEnd(ofFrames: frame.count) > 8_192)
        #expect(server.counters.errors == 0)
    }
}
