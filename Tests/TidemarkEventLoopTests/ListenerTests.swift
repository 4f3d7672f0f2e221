import Glibc
import Testing

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct Listening {
        func temporaryPath(_ name: String) -> String {
            let path = "/tmp/tidemark-\(getpid())-\(name)"
            unlink(path)
            return path
        }

        @Test func unixSocketIsPrivateAndRemoved() throws {
            let path = temporaryPath("private.sock")
            var server = try EchoServer(listening: false)
            server.listener = try server.loop.listen(unix: path)
            var status = stat()
            #expect(lstat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(server.port == 0)
            var peer = try Peer(path: path)
            peer.send([1, 2])
            try server.run { _ in
                peer.receive()
                return peer.received == [1, 2]
            }
            server.loop.stopAccepting()
            #expect(lstat(path, &status) != 0)
            try server.runIterations(3)
            #expect(throws: Peer.Refused.self) { _ = try Peer(path: path) }
        }

        /// However many wait; and none before the caller wants one.
        @Test func oneConnectionAnIteration() throws {
            var server = try EchoServer()
            var peers: [Int32] = []
            for _ in 0..<10 { peers.append(try server.connectDescriptor()) }
            defer { for peer in peers { close(peer) } }
            for iteration in 1...10 {
                try server.runIterations(1)
                #expect(server.accepted.count <= iteration)
            }
            try server.run { $0.accepted.count == 10 }
            let later = MonotonicTime.readClock() + .seconds(3_600)
            peers.append(try server.connectDescriptor())
            try server.run { $0.accepted.count == 11 }
            server.loop.restAccepting(server.listener, until: later)
            peers.append(try server.connectDescriptor())
            // One may be armed already; then it is the one behind it that waits.
            peers.append(try server.connectDescriptor())
            server.loop.close(server.accepted[0], flushing: false)
            try server.runIterations(50)
            #expect(server.accepted.count <= 12)
            server.loop.restAccepting(server.listener, until: MonotonicTime(nanoseconds: 0))
            try server.run { $0.accepted.count == 13 }
        }

        @Test func droppingTheLoopRemovesTheSocketFile() throws {
            let path = temporaryPath("dropped.sock")
            var server = try EchoServer(listening: false)
            _ = try server.loop.listen(unix: path)
            server = try EchoServer(listening: false)
            #expect(access(path, F_OK) != 0)
        }

        @Test func onlyTheFileOfADeadServerIsReplaced() throws {
            let path = temporaryPath("stale.sock")
            defer { unlink(path) }
            var server = try EchoServer(listening: false)
            _ = try server.loop.listen(unix: path)
            #expect(throws: EventLoopError.pathInUse(path)) { _ = try server.loop.listen(unix: path) }
            // A second name for the file, so that it outlives its socket as after a crash.
            let kept = path + ".kept"
            defer { unlink(kept) }
            #expect(link(path, kept) == 0)
            server = try EchoServer(listening: false)
            #expect(access(kept, F_OK) == 0)
            _ = try server.loop.listen(unix: kept)
            _ = try Peer(path: kept)
        }

        @Test func pathsThatCannotBe() throws {
            var loop = try EventLoop()
            let long = "/tmp/" + String(repeating: "x", count: 103)
            #expect(throws: EventLoopError.badPath(long)) { _ = try loop.listen(unix: long) }
            #expect(throws: EventLoopError.badPath("")) { _ = try loop.listen(unix: "") }
            #expect(throws: EventLoopError.pathIsNoSocket("/etc/passwd")) { _ = try loop.listen(unix: "/etc/passwd") }
            #expect(throws: EventLoopError.self) { _ = try loop.listen(unix: "/nowhere/at/all") }
        }

        @Test func addresses() throws {
            var server = try EchoServer(listening: false)
            #expect(throws: EventLoopError.notNumericAddress("localhost")) {
                _ = try server.loop.listen(tcp: "localhost", port: 0)
            }
            #expect(throws: EventLoopError.notNumericAddress("")) { _ = try server.loop.listen(tcp: "", port: 0) }
            // Both families on one socket.
            server.listener = try server.loop.listen(tcp: "::", port: 0)
            #expect(server.port != 0)
            let peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            #expect(server.loop.peerAddress(server.accepted[0]) == "::ffff:127.0.0.1")
            _ = peer
        }

        @Test func aPortIsSharedOnlyIfAllAgree() throws {
            var first = try EventLoop()
            var second = try EventLoop()
            let alone = try first.listen(tcp: "127.0.0.1", port: 0)
            #expect(throws: EventLoopError.self) {
                _ = try second.listen(tcp: "127.0.0.1", port: first.port(of: alone), sharingPort: .another)
            }
            let shared = try first.listen(tcp: "127.0.0.1", port: 0, sharingPort: .first)
            let port = first.port(of: shared)
            let same = try second.listen(tcp: "127.0.0.1", port: port, sharingPort: .another)
            #expect(second.port(of: same) == port)
            // The kernel would let it in.
            var stranger = try EventLoop()
            #expect(throws: EventLoopError.self) {
                _ = try stranger.listen(tcp: "127.0.0.1", port: port, sharingPort: .first)
            }
        }

        @Test func acceptedConnectionsInheritNoDelay() throws {
            var server = try EchoServer()
            let peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            var value: Int32 = 0
            var bytes: socklen_t = 4
            let descriptor = server.loop.connections[server.accepted[0].slot].pointee.descriptor
            #expect(getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &value, &bytes) == 0)
            #expect(value != 0)
            #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
            _ = peer
        }

        @Test func stopAcceptingLeavesConnectionsAlone() throws {
            var server = try EchoServer()
            var peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            let port = server.port
            server.loop.stopAccepting()
            try server.run { _ in descriptors(boundTo: port) == 1 }
            #expect(throws: Peer.Refused.self) { _ = try Peer(port: port) }
            peer.send([1])
            try server.run { _ in
                peer.receive()
                return peer.received == [1]
            }
        }

        /// Out of descriptors: no accept request is made until one is free, or some time has passed.
        @Test func acceptingRestsWhenDescriptorsRunOut() throws {
            var server = try EchoServer { $0.acceptPause = .seconds(3600) }
            var first = try server.connect()
            try server.run { $0.accepted.count == 1 }
            try server.runIterations(1)
            // Not provoked for real, since the limit is the whole process's.
            server.loop.stopAcceptRequest()
            try server.runIterations(3)
            #expect(server.loop.statistics.acceptPauses == 1)
            var second = try server.connect()
            try server.runIterations(20)
            #expect(server.accepted.count == 1)
            first.close()
            try server.run { $0.accepted.count == 2 }
            second.send([2])
            try server.run { _ in
                second.receive()
                return second.received == [2]
            }
        }
    }
}

extension EventLoop {
    /// Ends the accept request as the kernel does when it cannot make a descriptor.
    fileprivate mutating func stopAcceptRequest() {
        listeners[0].stopping = true
        listenersNeedCare = true
        // Cancel it, without the listener being closed as a consequence.
        _ = startListeners()
        listeners[0].stopping = false
        listeners[0].cancelling = false
        while listeners[0].armed {
            try? wait(until: now + .seconds(1))
            while let event = next() { _ = event }
        }
        restAccepting(ListenerID(index: 0))
    }
}
