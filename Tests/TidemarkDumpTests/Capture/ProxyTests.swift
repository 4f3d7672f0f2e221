//  The proxy over real sockets on the loopback: what goes in comes out, unchanged and in order.

import Foundation
import Synchronization
import Testing
import TidemarkEventLoop

@testable import TidemarkDump

/// A proxy on a thread of its own.
private final class RunningProxy: Sendable {
    private struct State {
        var port: UInt16 = 0
        var stopper: Waker?
        var heard: [UInt64: CollectingSink.Heard] = [:]
        var faults: [String] = []
        var reports: [String] = []
    }

    private let state = Mutex(State())
    private let started = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)

    init(to server: ProxyRoute.Place, closeTimeout: Duration = .seconds(5)) {
        Thread.detachNewThread { [self] in
            run(ProxyRoute(host: "127.0.0.1", port: 0, server: server), closeTimeout)
            started.signal()
            ended.signal()
        }
        started.wait()
    }

    private func run(_ route: ProxyRoute, _ closeTimeout: Duration) {
        var sink = CollectingSink()
        do throws(CaptureError) {
            var proxy = try Proxy(route, closeTimeout: closeTimeout)
            state.withLock { $0.port = proxy.port }
            state.withLock { $0.stopper = proxy.stopper }
            started.signal()
            try proxy.run(&sink) { text in state.withLock { $0.reports.append(text) } }
        } catch {
            state.withLock { $0.faults.append("\(error)") }
        }
        let (heard, faults) = (sink.heard, sink.faults)
        state.withLock { state in
            state.heard = heard
            state.faults += faults
        }
    }

    var port: UInt16 { state.withLock { $0.port } }
    var reports: [String] { state.withLock { $0.reports } }

    /// Stops it; what it showed.
    func stop() -> [UInt64: CollectingSink.Heard] {
        state.withLock { $0.stopper }?.wake()
        ended.wait()
        #expect(state.withLock { $0.faults }.isEmpty)
        return state.withLock { $0.heard }
    }
}

/// A blocking socket that gives up after 20 s.
private struct Socket: ~Copyable {
    let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    static func connected(to port: UInt16) throws -> Socket {
        let made = Socket(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        let result = withAddress(.tcp(host: "127.0.0.1", port: port)) { connect(made.descriptor, $0, $1) }
        try #require(result == 0)
        return made
    }

    static func listening(at place: ProxyRoute.Place) throws -> Socket {
        let family: Int32 = if case .tcp = place { AF_INET } else { AF_UNIX }
        let made = Socket(socket(family, Int32(SOCK_STREAM.rawValue), 0))
        let bound = withAddress(place) { bind(made.descriptor, $0, $1) }
        try #require(bound == 0)
        let result = listen(made.descriptor, 16)
        try #require(result == 0)
        return made
    }

    /// `place` as the system calls take it; a TCP host is always 127.0.0.1.
    private static func withAddress(
        _ place: ProxyRoute.Place,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        func use<Address>(_ address: Address) -> Int32 {
            withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<Address>.size))
                }
            }
        }
        switch place {
        case .tcp(_, let port):
            let host = in_addr(s_addr: UInt32(0x7f00_0001).bigEndian)
            var address = sockaddr_in()
            (address.sin_family, address.sin_port, address.sin_addr) = (sa_family_t(AF_INET), port.bigEndian, host)
            return use(address)
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            return use(address)
        }
    }

    deinit { close(descriptor) }

    var port: UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    func accept() -> Socket { Socket(Glibc.accept(descriptor, nil, nil)) }
    func send(_ bytes: [UInt8]) {
        #expect(Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
    }
    func end() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Up to `count` bytes: fewer only at the end of the stream. An end that does not come is an issue.
    func receive(_ count: Int, sourceLocation: SourceLocation = #_sourceLocation) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var have = 0
        while have < count {
            let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + have, count - have, 0) }
            if got < 0, errno == EAGAIN { Issue.record("nothing came for 20 s", sourceLocation: sourceLocation) }
            if got <= 0 { break }
            have += got
        }
        return Array(bytes.prefix(have))
    }

    /// Sends `unit` again and again until nothing more is taken for half a second. What was taken.
    func flood(_ unit: [UInt8], atMost limit: Int) -> Int {
        var sent = 0
        while sent < limit {
            let offset = sent % unit.count
            let count = unit.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + offset, $0.count - offset, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count > 0 {
                sent += count
                continue
            }
            var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            if poll(&wanted, 1, 500) == 0 { return sent }
        }
        return sent
    }
}

@Suite(.serialized) struct ProxyTests {
    private static func freshPath() -> String {
        FileManager.default.temporaryDirectory.appending(path: "tidemark-\(UUID().uuidString.prefix(8))").path
    }

    @Test func bytesAndEndsArePassedOn() throws {
        let listener = try Socket.listening(at: .tcp(host: "127.0.0.1", port: 0))
        let proxy = RunningProxy(to: .tcp(host: "127.0.0.1", port: listener.port))
        let client = try Socket.connected(to: proxy.port)
        let clientPort = client.port
        client.send(TestFrames.sync(1))
        let server = listener.accept()
        #expect(server.receive(25) == TestFrames.sync(1))
        server.send(TestFrames.pong(7))
        #expect(client.receive(6) == TestFrames.pong(7))
        // The client's end comes through; the server's answers still do.
        client.send(TestFrames.sync(2))
        client.end()
        #expect(server.receive(100) == TestFrames.sync(2))
        server.send(TestFrames.pong(8))
        server.end()
        #expect(client.receive(100) == TestFrames.pong(8))
        let heard = proxy.stop()
        #expect(
            heard[1]?.frames == [
                [TestFrames.sync(1), TestFrames.sync(2)], [TestFrames.pong(7), TestFrames.pong(8)],
            ]
        )
        #expect(heard[1]?.client == Endpoint(numeric: "127.0.0.1", port: clientPort))
        #expect(heard[1]?.server.port == listener.port)
    }

    @Test func aServersEndLeavesTheClientsWay() throws {
        let path = Self.freshPath()
        defer { unlink(path) }
        let listener = try Socket.listening(at: .unix(path: path))
        let proxy = RunningProxy(to: .unix(path: path))
        let client = try Socket.connected(to: proxy.port)
        let server = listener.accept()
        server.send(TestFrames.pong(1))
        server.end()
        #expect(client.receive(100) == TestFrames.pong(1))
        client.send(TestFrames.sync(1))
        client.end()
        #expect(server.receive(100) == TestFrames.sync(1))
        let heard = proxy.stop()
        #expect(heard[1]?.frames == [[TestFrames.sync(1)], [TestFrames.pong(1)]])
        #expect(heard[1]?.server.family == Endpoint.Family.none)
    }

    /// Whoever does not read holds the other side back, and loses nothing.
    @Test func aSlowReaderHoldsTheSenderBack() throws {
        let listener = try Socket.listening(at: .tcp(host: "127.0.0.1", port: 0))
        let proxy = RunningProxy(to: .tcp(host: "127.0.0.1", port: listener.port))
        let client = try Socket.connected(to: proxy.port)
        let server = listener.accept()
        let unit = (0..<1000).flatMap { TestFrames.sync(UInt16($0)) }
        let limit = 256 << 20
        let sent = client.flood(unit, atMost: limit)
        #expect(sent < limit, "the sender was not held back")
        client.end()
        var received = 0
        while true {
            let piece = server.receive(unit.count)
            #expect(piece == Array(unit.prefix(piece.count)))
            received += piece.count
            if piece.count < unit.count { break }
        }
        #expect(received == sent)
        let heard = proxy.stop()
        #expect(heard[1]?.frames[0].count == sent / 25)
    }

    /// Both streams are over, and a reader that rests for longer than a close would wait still gets all of its own.
    @Test func aReaderThatRestsAfterBothEndsLosesNothing() throws {
        let path = Self.freshPath()
        defer { unlink(path) }
        let listener = try Socket.listening(at: .unix(path: path))
        let proxy = RunningProxy(to: .unix(path: path), closeTimeout: .milliseconds(1))
        let client = try Socket.connected(to: proxy.port)
        let server = listener.accept()
        server.end()
        #expect(client.receive(1).isEmpty)
        // More than the kernel holds for a Unix socket, 208 KiB, and below the high water of 256 KiB at which the proxy
        // stops reading: so it hears of the end while there is output left.
        let sent = (0..<10_000).flatMap { TestFrames.sync(UInt16($0)) }
        client.send(sent)
        client.end()
        usleep(100_000)
        let received = server.receive(sent.count + 1)
        #expect(received == sent)
        let heard = proxy.stop()
        #expect(heard[1]?.frames[0].count == 10_000)
        #expect(proxy.reports.isEmpty)
    }

    @Test func endpointsAreReadFromNumericAddresses() throws {
        let ipv4 = try #require(Endpoint(numeric: "127.0.0.1", port: 9))
        #expect(ipv4 == Endpoint(family: .ipv4, address: (UInt64(UInt32(0x7f00_0001).bigEndian), 0), port: 9))
        let ipv6 = try #require(Endpoint(numeric: "fe80::1%eth0", port: 9))
        let address = (high: (UInt64(0xfe80) &<< 48).bigEndian, low: UInt64(1).bigEndian)
        #expect(ipv6 == Endpoint(family: .ipv6, address: address, port: 9))
        for host in ["", "127.1", "example.com", "1.2.3.4.5", "%eth0", "::1 "] {
            #expect(Endpoint(numeric: host, port: 1) == nil, "\(host)")
        }
    }

    @Test func aPlaceThatCannotBeIsAnErrorAtTheStart() throws {
        let good = ProxyRoute.Place.tcp(host: "127.0.0.1", port: 9)
        let longPath = ProxyRoute.Place.unix(path: "/" + String(repeating: "a", count: 107))
        #expect(throws: CaptureError.self) { _ = try Proxy(ProxyRoute(host: "localhost", port: 0, server: good)).port }
        for server in [.tcp(host: "example.com", port: 9), longPath] {
            #expect(throws: CaptureError.self) {
                _ = try Proxy(ProxyRoute(host: "127.0.0.1", port: 0, server: server)).port
            }
        }
        let taken = try Socket.listening(at: .tcp(host: "127.0.0.1", port: 0))
        let text = "cannot listen on 127.0.0.1:\(taken.port): Address already in use"
        #expect(throws: CaptureError.proxy(text)) {
            _ = try Proxy(ProxyRoute(host: "127.0.0.1", port: taken.port, server: good)).port
        }
    }

    @Test func anUnreachableServerIsToldAndCloses() throws {
        let port: UInt16
        do {
            let gone = try Socket.listening(at: .tcp(host: "127.0.0.1", port: 0))
            port = gone.port
        }
        let proxy = RunningProxy(to: .tcp(host: "127.0.0.1", port: port))
        let client = try Socket.connected(to: proxy.port)
        #expect(client.receive(1).isEmpty)
        _ = proxy.stop()
        #expect(proxy.reports.contains { $0.contains("Connection refused") })
    }
}
