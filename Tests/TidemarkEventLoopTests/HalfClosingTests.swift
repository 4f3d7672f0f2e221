// Our side ends and theirs goes on: all that was sent comes before the end, and what the peer says later still arrives.

import Glibc
import Testing

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct HalfClosing {
        @Test func aSlowReaderGetsAllThenTheEndAndIsStillHeard() throws {
            var server = try EchoServer { $0.sendBytesMax = 64 << 10 }
            server.messageBytes = 0
            var peer = try Peer(port: server.port, receiveBufferBytes: 64 << 10)
            try server.run { $0.accepted.count == 1 }
            let id = server.accepted[0]
            let sent = pattern(16 << 20)
            sent.withUnsafeBytes { server.loop.send(id, $0) }
            try server.runIterations(3)
            let pending = server.loop.outputBytes(id)
            #expect(pending > 1 << 20, "the kernel took it all: there is nothing to wait for")
            server.loop.endSending(id)
            // Heard while the output is on its way; the echo is dropped.
            peer.send(pattern(500))
            try server.run { $0.received[id]?.count == 500 }
            #expect(server.loop.outputBytes(id) > 0 && peer.sawEnd == false)
            try server.run { _ in
                peer.receive(limit: 200_000)
                return peer.sawEnd
            }
            #expect(peer.received == sent)
            // And after the end.
            peer.send(pattern(700, seed: 1))
            try server.run { $0.received[id]?.count == 1200 }
            #expect(server.received[id] == pattern(500) + pattern(700, seed: 1))
            #expect(server.ended.isEmpty && server.closed.isEmpty)
            peer.close()
            try server.run { $0.closed[id] != nil }
            try server.runIterations(5)
            #expect(server.closed == [id: .requested] && server.ended == [id])
            #expect(server.drained == [id])
            #expect(server.loop.connectionCount == 0 && descriptors(boundTo: server.port) == 1)
        }

        @Test func bytesSentAfterItAreDropped() throws {
            var server = try EchoServer()
            var peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            let id = server.accepted[0]
            [UInt8(1)].withUnsafeBytes { server.loop.send(id, $0) }
            server.loop.reserve(id, 10)?[0] = 3
            server.loop.endSending(id)
            server.loop.commit(id, 1)
            [UInt8(4)].withUnsafeBytes { server.loop.send(id, $0) }
            server.loop.endSending(id)
            var space = server.loop.reserve(id, 1)
            #expect(space == nil)
            #expect(server.loop.outputBytes(id) == 1)
            try server.run { _ in
                peer.receive()
                return peer.sawEnd
            }
            #expect(peer.received == [1])
            space = server.loop.reserve(id, 1)
            #expect(space == nil)
            server.loop.endSending(id)
            try server.runIterations(5)
            #expect(server.closed.isEmpty)
        }

        @Test func afterBothEndsTheCallerCloses() throws {
            var server = try EchoServer()
            server.closesEnded = false
            var peer = try server.connect()
            peer.endSending()
            try server.run { $0.ended.count == 1 }
            let id = server.accepted[0]
            server.loop.endSending(id)
            try server.run { _ in
                peer.receive()
                return peer.sawEnd
            }
            try server.runIterations(5)
            #expect(server.closed.isEmpty && descriptors(boundTo: server.port) == 2)
            server.loop.close(id, flushing: true)
            try server.run { $0.closed[id] == .requested }
            #expect(descriptors(boundTo: server.port) == 1)
        }

        enum Moment: CaseIterable {
            case inTheSameIteration, whileSending, onceSent
        }

        @Test(arguments: Moment.allCases)
        func beforeAFlushingClose(moment: Moment) throws {
            var server = try EchoServer()
            var peer = try Peer(port: server.port, receiveBufferBytes: 64 << 10)
            try server.run { $0.accepted.count == 1 }
            let id = server.accepted[0]
            let sent = pattern(moment == .onceSent ? 1000 : 16 << 20)
            sent.withUnsafeBytes { server.loop.send(id, $0) }
            server.loop.endSending(id)
            if moment == .whileSending { try server.runIterations(3) }
            if moment == .onceSent {
                try server.run { _ in
                    peer.receive()
                    return peer.sawEnd
                }
            }
            server.loop.close(id, flushing: true)
            try server.run { _ in
                peer.receive(limit: 500_000)
                return peer.sawEnd
            }
            #expect(peer.received == sent)
            try server.runIterations(3)
            #expect(server.closed.isEmpty, "the peer's side is still open")
            peer.close()
            try server.run { $0.closed[id] == .requested }
        }

        @Test func aFlushingCloseAfterItStillGivesUp() throws {
            var server = try EchoServer { $0.closeTimeout = .milliseconds(20) }
            var peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            let id = server.accepted[0]
            server.loop.endSending(id)
            try server.run { _ in
                peer.receive()
                return peer.sawEnd
            }
            server.loop.close(id, flushing: true)
            try server.run { $0.closed[id] == .timedOut }
        }

        @Test func closedAtOnceWhileTheOutputIsOnItsWay() throws {
            var server = try EchoServer()
            var peer = try Peer(port: server.port, receiveBufferBytes: 64 << 10)
            try server.run { $0.accepted.count == 1 }
            let id = server.accepted[0]
            pattern(16 << 20).withUnsafeBytes { server.loop.send(id, $0) }
            server.loop.endSending(id)
            try server.runIterations(3)
            server.loop.close(id, flushing: false)
            try server.run { $0.closed[id] == .requested }
            #expect(descriptors(boundTo: server.port) == 1)
            try server.run { _ in
                peer.receive()
                return peer.sawEnd
            }
            #expect(peer.received.count < 16 << 20)
        }

        /// With reading paused, the end itself is the first call that comes across the reset.
        @Test func aPeerThatIsGoneClosesTheConnection() throws {
            var server = try EchoServer()
            var peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            let id = server.accepted[0]
            server.loop.pauseReading(id)
            try server.runIterations(3)
            peer.reset()
            try server.runIterations(3)
            #expect(server.closed.isEmpty)
            server.loop.endSending(id)
            try server.run { $0.closed[id] != nil }
            #expect(server.closed[id] == .reset)
            server.loop.endSending(id)
            #expect(server.loop.connectionCount == 0 && descriptors(boundTo: server.port) == 1)
        }

        @Test func aRefusedConnectionSaysWhyAllTheSame() throws {
            var server = try EchoServer()
            let port = server.port
            server.loop.stopAccepting()
            try server.runIterations(5)
            let id = try server.loop.connect(tcp: "127.0.0.1", port: port)
            [UInt8(1)].withUnsafeBytes { server.loop.send(id, $0) }
            server.loop.endSending(id)
            try server.run { $0.closed[id] != nil }
            #expect(server.closed[id] == .failed(ECONNREFUSED))
        }

        /// A slot's next connection starts with a sound output.
        @Test func thousandsOfCyclesLeakNothing() throws {
            var server = try EchoServer()
            for cycle in 0..<2000 {
                var peer = try server.connect()
                try server.run { $0.accepted.count == cycle + 1 }
                let id = server.accepted[cycle]
                [UInt8(truncatingIfNeeded: cycle)].withUnsafeBytes { server.loop.send(id, $0) }
                server.loop.endSending(id)
                try server.run { _ in
                    peer.receive()
                    return peer.sawEnd
                }
                #expect(peer.received == [UInt8(truncatingIfNeeded: cycle)])
                switch cycle % 3 {
                case 0: peer.reset()
                case 1: server.loop.close(id, flushing: false)
                default: peer.endSending()
                }
                try server.run { $0.closed.count == cycle + 1 }
            }
            #expect(server.loop.connectionCount == 0 && descriptors(boundTo: server.port) == 1)
            #expect(Set(server.accepted.map(\.slot)) == [server.accepted[0].slot], "slots are reused")
        }
    }
}
