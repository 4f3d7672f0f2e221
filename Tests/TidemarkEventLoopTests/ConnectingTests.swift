// Connections that the loop opens: they behave as accepted ones do, and one that fails says why, once.

import Glibc
import Testing

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct Connecting {
        @Test func connectsToItselfAndExchangesBytesSentBefore() throws {
            var server = try EchoServer()
            server.messageBytes = 100
            let port = server.port
            let id = try server.loop.connect(tcp: "127.0.0.1", port: port)
            let sent = pattern(100)
            // Sent by this side, echoed by the accepted side, and echoed once more by this one: in one slab, both.
            sent.withUnsafeBytes { server.loop.send(id, $0) }
            try server.run { $0.connected == [id] && $0.received[id]?.count ?? 0 >= 100 }
            #expect(Array(server.received[id]!.prefix(100)) == sent)
            #expect(server.accepted.count == 1 && server.accepted != [id])
            server.loop.close(id, flushing: false)
            try server.run { $0.closed.count == 2 }
            #expect(server.closed[id] == .requested)
        }

        @Test func refusedConnectionSaysWhy() throws {
            var server = try EchoServer()
            let port = server.port
            server.loop.stopAccepting()
            try server.runIterations(5)
            let id = try server.loop.connect(tcp: "127.0.0.1", port: port)
            [1, 2, 3].withUnsafeBytes { server.loop.send(id, $0) }
            try server.run { $0.closed[id] != nil }
            #expect(server.closed[id] == .failed(ECONNREFUSED))
            #expect(server.connected.isEmpty && server.loop.connectionCount == 0)
        }

        @Test(arguments: [true, false]) func closedWhileConnectingIsReportedOnce(flushing: Bool) throws {
            // A Unix listener whose backlog is full, and that nobody accepts from, keeps a connect waiting.
            let path = "/tmp/tidemark-connecting-\(getpid())-\(flushing)"
            unlink(path)
            let (listener, waiting) = try fullListener(path)
            defer {
                unlink(path)
                for descriptor in waiting + [listener] { close(descriptor) }
            }
            var server = try EchoServer({ $0.closeTimeout = .milliseconds(20) }, listening: false)
            let id = try server.loop.connect(unix: path)
            try server.runIterations(5)
            #expect(server.connected.isEmpty && server.closed.isEmpty)
            server.loop.pauseReading(id)
            server.loop.resumeReading(id)
            server.loop.close(id, flushing: flushing)
            try server.run { $0.closed[id] != nil }
            #expect(server.closed[id] == (flushing ? .timedOut : .requested))
            #expect(server.received.isEmpty && server.connected.isEmpty && server.loop.connectionCount == 0)
        }

        @Test func endOfSendingWaitsForTheConnection() throws {
            let path = "/tmp/tidemark-connecting-\(getpid())-ending"
            unlink(path)
            let (listener, waiting) = try fullListener(path)
            var accepted: [Int32] = []
            defer {
                unlink(path)
                for descriptor in waiting + accepted + [listener] { close(descriptor) }
            }
            var server = try EchoServer(listening: false)
            let id = try server.loop.connect(unix: path)
            let sent = pattern(1000)
            sent.withUnsafeBytes { server.loop.send(id, $0) }
            server.loop.endSending(id)
            try server.runIterations(5)
            server.loop.endSending(id)
            try server.runIterations(5)
            #expect(server.connected.isEmpty && server.closed.isEmpty)
            #expect(server.loop.outputBytes(id) == 1000)
            try server.run { server in
                let descriptor = accept(listener, nil, nil)
                if descriptor >= 0 { accepted.append(descriptor) }
                return server.connected == [id] && descriptor < 0
            }
            // In order of connecting: this one was the last.
            let last = accepted.popLast()
            var peer = Peer(adopting: try #require(last))
            try server.run { _ in
                peer.receive()
                return peer.sawEnd
            }
            #expect(peer.received == sent)
            peer.send([7])
            try server.run { $0.received[id] == [7] }
            peer.close()
            try server.run { $0.closed[id] == .requested }
        }

        @Test func deadlineFiresWhileConnecting() throws {
            let path = "/tmp/tidemark-connecting-\(getpid())-deadline"
            unlink(path)
            let (listener, waiting) = try fullListener(path)
            defer {
                unlink(path)
                for descriptor in waiting + [listener] { close(descriptor) }
            }
            var server = try EchoServer(listening: false)
            let id = try server.loop.connect(unix: path)
            server.loop.setDeadline(id, at: .readClock() + .milliseconds(5))
            try server.run { $0.deadlines == [id] }
            server.loop.close(id, flushing: false)
            try server.run { $0.closed[id] == .requested }
        }

        @Test func aDroppedLoopLeavesNoConnectBehind() throws {
            let path = "/tmp/tidemark-connecting-\(getpid())-dropped"
            unlink(path)
            let (listener, waiting) = try fullListener(path)
            defer {
                unlink(path)
                for descriptor in waiting + [listener] { close(descriptor) }
            }
            do {
                var server = try EchoServer(listening: false)
                _ = try server.loop.connect(unix: path)
                try server.runIterations(3)
            }
            // Room in the backlog: a connect that was left behind would now take it.
            var accepted: [Int32] = []
            while case let descriptor = accept(listener, nil, nil), descriptor >= 0 { accepted.append(descriptor) }
            for descriptor in accepted { close(descriptor) }
            // All but the one that found the backlog full.
            #expect(accepted.count == waiting.count - 1)
        }

        @Test func sourceAddressIsTheOneAskedFor() throws {
            var server = try EchoServer()
            let id = try server.loop.connect(tcp: "127.0.0.1", port: server.port, from: "127.0.0.9")
            try server.run { $0.connected == [id] && $0.accepted.count == 1 }
            #expect(server.loop.peerAddress(server.accepted[0]) == "127.0.0.9")
        }

        @Test func badAddressesAreErrorsOfTheCall() throws {
            var server = try EchoServer(listening: false)
            #expect(throws: EventLoopError.notNumericAddress("localhost")) {
                try server.loop.connect(tcp: "localhost", port: 1)
            }
            #expect(throws: EventLoopError.badPath("")) { try server.loop.connect(unix: "") }
            #expect(throws: EventLoopError.self) {
                try server.loop.connect(tcp: "127.0.0.1", port: 1, from: "192.0.2.1")
            }
            #expect(server.loop.connectionCount == 0)
        }

        /// A listener at `path` with a full backlog, and the sockets that fill it.
        private func fullListener(_ path: String) throws -> (Int32, [Int32]) {
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            func call(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
                withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    }
                }
            }
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let listener = socket(AF_UNIX, kind, 0)
            try #require(call { bind(listener, $0, $1) } == 0 && listen(listener, 0) == 0)
            var waiting: [Int32] = []
            while true {
                let descriptor = socket(AF_UNIX, kind, 0)
                waiting.append(descriptor)
                if call({ connect(descriptor, $0, $1) }) != 0 {
                    try #require(errno == EAGAIN)
                    return (listener, waiting)
                }
            }
        }
    }
}
