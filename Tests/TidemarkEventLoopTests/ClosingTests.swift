// Every connection is reported as closed exactly once, its descriptor is closed with it, and no one else notices.

import Glibc
import Testing

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct Closing {
        @Test func halfClosedPeerStillGetsItsAnswer() throws {
            var server = try EchoServer()
            server.messageBytes = 100
            var peer = try server.connect()
            let sent = pattern(100_000)
            #expect(peer.send(sent) == sent.count)
            peer.endSending()
            try server.run { _ in
                peer.receive()
                return peer.sawEnd
            }
            #expect(peer.received == sent)
            try server.run { $0.closed.count == 1 }
            #expect(server.ended == server.accepted)
            #expect(Array(server.closed.values) == [.requested])
        }

        @Test func endIsReportedOnceAndTheCallerDecidesWhenToClose() throws {
            var server = try EchoServer()
            server.closesEnded = false
            var peer = try server.connect()
            peer.endSending()
            try server.run { $0.ended.count == 1 }
            let id = server.accepted[0]
            try server.runIterations(5)
            #expect(server.ended == [id])
            [7, 8].withUnsafeBytes { server.loop.send(id, $0) }
            try server.run { _ in
                peer.receive()
                return peer.received.count == 16
            }
            #expect(peer.sawEnd == false)
            server.loop.close(id, flushing: true)
            try server.run { $0.closed[id] == .requested }
            peer.receive()
            #expect(peer.sawEnd == true)
        }

        enum Stage: CaseIterable {
            case beforeAccept, idle, midMessage, sendInFlight, paused, flushing, ended
        }

        @Test(arguments: Stage.allCases)
        func resetAtEveryStage(stage: Stage) throws {
            var server = try EchoServer { $0.outputHighWater = 1 << 20 }
            server.messageBytes = 100
            server.closesEnded = false
            var bystander = try server.connect()
            try server.run { $0.accepted.count == 1 }
            var peer = try server.connect()
            if stage == .beforeAccept { peer.reset() }
            try server.run { $0.accepted.count == 2 }
            let id = server.accepted[1]
            switch stage {
            case .beforeAccept, .idle:
                break
            case .midMessage:
                peer.send(pattern(99))
                try server.run { $0.loop.statistics.bytesReceived == 99 }
            case .sendInFlight:
                server.copies = 100_000
                peer.send(pattern(100))
                try server.run { $0.loop.outputBytes(id) > 0 && $0.loop.statistics.bytesReceived == 100 }
                server.copies = 1
            case .paused:
                server.loop.pauseReading(id)
                try server.runIterations(3)
            case .flushing:
                server.loop.close(id, flushing: true)
                try server.runIterations(3)
            case .ended:
                peer.endSending()
                try server.run { $0.ended == [id] }
            }
            peer.reset()
            // A reset is seen by reading or by sending, and here by neither: so the caller comes across it.
            if stage == .paused { server.loop.resumeReading(id) }
            if stage == .ended {
                try server.runIterations(3)
                let bytes = pattern(100)
                bytes.withUnsafeBytes { server.loop.send(id, $0) }
            }
            try server.run { $0.closed[id] != nil }
            #expect(server.closed[id] == .reset)
            #expect(server.loop.connectionCount == 1)
            let sent = pattern(1000)
            bystander.send(sent)
            try server.run { _ in
                bystander.receive()
                return bystander.received.count == 1000
            }
            #expect(bystander.received == sent)
            #expect(descriptors(boundTo: server.port) == 2)
        }

        @Test func atOnceWhileASendIsInFlight() throws {
            var server = try EchoServer()
            var peer = try server.connect()
            server.copies = 20 << 10
            server.messageBytes = 1024
            peer.send(pattern(1024))
            try server.run { $0.accepted.count == 1 && $0.loop.outputBytes($0.accepted[0]) > 0 }
            let id = server.accepted[0]
            try server.runIterations(2)
            #expect(server.loop.outputBytes(id) > 0)
            server.loop.close(id, flushing: false)
            server.loop.close(id, flushing: true)
            try server.run { $0.closed[id] == .requested }
            #expect(server.loop.connectionCount == 0)
            try server.run { _ in
                peer.receive()
                return peer.sawEnd
            }
        }

        /// The bytes that the peer sends meanwhile are never read by the caller. Closed at once, the socket would
        /// answer them with a reset, and the peer would lose the answer.
        @Test func flushingDeliversAllToAPeerThatGoesOnSending() throws {
            var server = try EchoServer()
            var peer = try Peer(port: server.port, receiveBufferBytes: 64 << 10)
            server.copies = 1 << 10
            server.messageBytes = 1024
            peer.send(pattern(1024))
            try server.run { $0.accepted.count == 1 && $0.loop.outputBytes($0.accepted[0]) > 0 }
            let id = server.accepted[0]
            server.loop.close(id, flushing: true)
            let noise = pattern(1000)
            try server.run { _ in
                if !peer.sawEnd { peer.send(noise) }
                peer.receive(limit: 50_000)
                return peer.sawEnd
            }
            #expect(peer.received.count == 1 << 20)
            #expect(server.closed.isEmpty)
            #expect(server.received[id]?.count == 1024)
            peer.close()
            try server.run { $0.closed[id] == .requested }
        }

        @Test func flushingGivesUpOnAPeerThatNeverReads() throws {
            var server = try EchoServer { $0.closeTimeout = .milliseconds(20) }
            var peer = try server.connect()
            server.copies = 20 << 10
            server.messageBytes = 1024
            peer.send(pattern(1024))
            try server.run { $0.accepted.count == 1 && $0.loop.outputBytes($0.accepted[0]) > 0 }
            let id = server.accepted[0]
            server.loop.close(id, flushing: true)
            let start = server.loop.now
            try server.run { $0.closed[id] != nil }
            #expect(server.closed[id] == .timedOut)
            #expect(server.loop.now - start >= .milliseconds(20))
            #expect(server.deadlines.isEmpty)
            // The peer is told, though its window is full, and the kernel keeps nothing for it.
            var event = pollfd(fd: peer.descriptor, events: 0, revents: 0)
            #expect(poll(&event, 1, 20_000) == 1 && event.revents & Int16(POLLHUP) != 0)
        }

        @Test func flushingGivesUpOnAPeerThatNeverCloses() throws {
            var server = try EchoServer { $0.closeTimeout = .milliseconds(20) }
            var peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            let id = server.accepted[0]
            server.loop.close(id, flushing: true)
            try server.run { $0.closed[id] != nil }
            #expect(server.closed[id] == .timedOut)
            peer.receive()
            #expect(peer.sawEnd == true)
        }

        /// All calls with the name of a connection that is gone do nothing to the one that has its slot now.
        @Test func aDeadNameDoesNothing() throws {
            var server = try EchoServer()
            var first = try server.connect()
            try server.run { $0.accepted.count == 1 }
            first.close()
            try server.run { $0.closed.count == 1 }
            var second = try server.connect()
            try server.run { $0.accepted.count == 2 }
            let (dead, live) = (server.accepted[0], server.accepted[1])
            #expect(dead.slot == live.slot)
            #expect(dead.generation != live.generation)
            [1].withUnsafeBytes { server.loop.send(dead, $0) }
            #expect(server.loop.reserve(dead, 10) == nil)
            #expect(server.loop.outputBytes(dead) == 0)
            server.loop.commit(dead, 0)
            server.loop.consume(dead, 100)
            server.loop.pauseReading(dead)
            server.loop.resumeReading(dead)
            server.loop.setDeadline(dead, at: MonotonicTime(nanoseconds: 0))
            server.loop.close(dead, flushing: false)
            server.loop.close(dead, flushing: true)
            server.loop.close(ConnectionID(slot: 4_000_000, generation: 1), flushing: false)
            second.send([5])
            try server.run { _ in
                second.receive()
                return second.received.count == 1
            }
            #expect(second.received == [5])
            #expect(server.deadlines.isEmpty)
            #expect(server.loop.connectionCount == 1)
            #expect(server.loop.peerAddress(live) == "127.0.0.1")
        }

        @Test func closedWithinItsOwnEvent() throws {
            var server = try EchoServer()
            var peer = try server.connect()
            peer.send(pattern(10_000))
            var id: ConnectionID?
            while id == nil {
                try server.loop.wait(until: MonotonicTime.readClock() + .seconds(5))
                while let event = server.loop.next() {
                    guard case .received(let received, let bytes) = event else { continue }
                    #expect(id == nil, "an event after close")
                    id = received
                    server.loop.close(received, flushing: false)
                    server.loop.consume(received, bytes.count)
                    server.loop.send(received, bytes)
                }
            }
            try server.run { $0.closed[id!] == .requested }
        }

        @Test func thousandsOfCyclesLeakNoDescriptor() throws {
            var server = try EchoServer()
            for cycle in 0..<3000 {
                var peer = try server.connect()
                peer.send([UInt8(truncatingIfNeeded: cycle)])
                switch cycle % 3 {
                case 0: peer.reset()
                case 1: peer.endSending()
                default: break
                }
                try server.runIterations(cycle % 4)
                peer.close()
            }
            try server.run { $0.closed.count == $0.accepted.count && $0.accepted.count == 3000 }
            #expect(server.loop.connectionCount == 0)
            #expect(descriptors(boundTo: server.port) == 1)
            #expect(Set(server.accepted.map(\.slot)).count < 100, "slots are reused")
        }

        @Test func droppingTheLoopClosesEverything() throws {
            var server = try EchoServer()
            var idle = try server.connect()
            var busy = try server.connect()
            server.copies = 20 << 10
            server.messageBytes = 1024
            busy.send(pattern(1024))
            try server.run { $0.accepted.count == 2 && $0.loop.outputBytes($0.accepted[1]) > 0 }
            let port = server.port
            server = try EchoServer()
            #expect(descriptors(boundTo: port) == 0)
            idle.receive()
            #expect(idle.sawEnd == true)
            busy.receive()
            #expect(busy.sawEnd == true)
        }
    }
}
