// Too many, too fast, too slow: everything stays bounded, and who behaves notices nothing.

import Glibc
import Testing

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct Pressure {
        /// Connects `count` peers, each of which sends `bytes` before the loop runs, and reads its echo.
        func burst(_ server: inout EchoServer, connections count: Int, bytes: Int) throws {
            var peers: [Int32] = []
            var expected: [[UInt8]] = []
            for index in 0..<count {
                var peer = try server.connect()
                expected.append(pattern(bytes, seed: index))
                #expect(peer.send(expected[index]) == bytes)
                peers.append(dup(peer.descriptor))
            }
            for index in 0..<count {
                var peer = Peer(adopting: peers[index])
                try server.run { _ in
                    peer.receive()
                    return peer.received.count >= bytes
                }
                #expect(peer.received == expected[index])
            }
            try server.run { $0.closed.count == count }
            #expect(server.loop.connectionCount == 0)
            #expect(descriptors(boundTo: server.port) == 1)
        }

        @Test(arguments: [false, true]) func stormOfConnections(flushes: Bool) throws {
            var server = try EchoServer()
            server.flushes = flushes
            server.messageBytes = 0
            try burst(&server, connections: 500, bytes: 1000)
            #expect(server.loop.statistics.accepted == 500)
        }

        @Test(arguments: [false, true]) func receiveBuffersRunOut(flushes: Bool) throws {
            var server = try EchoServer {
                $0.receiveBuffers = 2
                $0.receiveBufferBytes = 64
            }
            server.flushes = flushes
            server.messageBytes = 0
            try burst(&server, connections: 30, bytes: 20_000)
            #expect(server.loop.statistics.receivesWithoutBuffer > 0)
            #expect(server.inputBytesMost <= 64)
        }

        /// More completions at once than their queue holds, and more requests than theirs.
        @Test(arguments: [false, true]) func queuesOverflow(flushes: Bool) throws {
            var server = try EchoServer {
                $0.submissions = 8
                $0.completions = 32
            }
            server.flushes = flushes
            server.messageBytes = 0
            server.messageBytes = 0
            try burst(&server, connections: 300, bytes: 2000)
        }

        @Test(arguments: [false, true]) func allLimitsTinyAtOnce(flushes: Bool) throws {
            var server = try EchoServer {
                $0.submissions = 8
                $0.completions = 32
                $0.receiveBuffers = 1
                $0.receiveBufferBytes = 64
                $0.inputBytesMax = 100
                $0.outputHighWater = 1
                $0.outputLowWater = 0
                $0.sendBytesMax = 4096
            }
            server.flushes = flushes
            server.messageBytes = 100
            try burst(&server, connections: 20, bytes: 2000)
        }

        @Test func aSlowReaderIsBoundedAndNobodyElseNotices() throws {
            var server = try EchoServer()
            server.messageBytes = 1000
            server.copies = 100
            var slow = try Peer(port: server.port, receiveBufferBytes: 64 << 10)
            let request = pattern(1000)
            var slowSent = 0
            var fast = try server.connect()
            for round in 0..<1000 {
                // Asks for 100 times as much as it sends, and reads nothing.
                if slowSent == round * 1000 { slowSent += slow.send(request) }
                fast.forget()
                fast.send(request)
                try server.run { _ in
                    fast.receive()
                    return fast.received.count == 100_000
                }
            }
            #expect(server.outputBytesMost <= server.loop.outputHighWater + 100_000)
            #expect(server.received[server.accepted[0]]!.count < 1_000_000)
            let askedFor = slowSent / 1000 * 100_000
            try server.run { _ in
                slow.receive()
                return slow.received.count >= askedFor
            }
            #expect(slow.received.count == askedFor)
            #expect(slow.received.suffix(1000) == request[...])
            #expect(!server.drained.isEmpty)
        }

        @Test func inputThatIsNotConsumedStopsReading() throws {
            var server = try EchoServer { $0.inputBytesMax = 10_000 }
            server.messageBytes = 8 << 20
            var peer = try server.connect()
            let sent = pattern(8 << 20)
            var sentCount = 0
            var quiet = 0
            while quiet < 20 {
                let count = peer.send(sent[sentCount...])
                sentCount += count
                quiet = count == 0 ? quiet + 1 : 0
                try server.runIterations(5)
            }
            #expect(sentCount < sent.count)
            #expect(server.inputBytesMost >= 10_000)
            // What the kernel hands over in one go comes on top.
            #expect(server.inputBytesMost < 10_000 + (1 << 20))
            let id = server.accepted[0]
            let held = server.inputBytesMost
            // Consumed outside of an event: reading goes on by itself.
            server.loop.consume(id, held)
            server.messageBytes = 0
            try server.run {
                if sentCount < sent.count { sentCount += peer.send(sent[sentCount...]) }
                peer.receive()
                return $0.received[id, default: []].count == sent.count - held
            }
            #expect(server.received[id]! == Array(sent[held...]))
        }

        @Test func pausedInputIsKeptAndComesWithResume() throws {
            var server = try EchoServer()
            var peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            let id = server.accepted[0]
            server.loop.pauseReading(id)
            // Some of it arrives before the receive is cancelled, the rest is left in the kernel.
            let sent = pattern(50_000)
            peer.send(sent)
            peer.endSending()
            try server.runIterations(20)
            #expect(server.received[id] == nil)
            #expect(server.ended.isEmpty)
            server.loop.resumeReading(id)
            server.loop.resumeReading(id)
            try server.run { _ in
                peer.receive()
                return peer.sawEnd
            }
            #expect(peer.received == sent)
            #expect(server.received[id] == sent)
            #expect(server.ended == [id])
        }

        /// Pausing and resuming in one go reports what is left in the next iteration, without new bytes.
        @Test func theRestLater() throws {
            var server = try EchoServer()
            var peer = try server.connect()
            let sent = pattern(3000)
            peer.send(sent)
            var reported: [Int] = []
            let end = MonotonicTime.readClock() + .seconds(20)
            while reported.count < 30, MonotonicTime.readClock() < end {
                try server.loop.wait(until: MonotonicTime.readClock() + .milliseconds(100))
                var inThisIteration = 0
                while let event = server.loop.next() {
                    guard case .received(let id, let bytes) = event else { continue }
                    inThisIteration += 1
                    reported.append(bytes.count)
                    server.loop.consume(id, 100)
                    server.loop.pauseReading(id)
                    server.loop.resumeReading(id)
                }
                #expect(inThisIteration <= 1)
            }
            #expect(reported == Array(stride(from: 3000, to: 0, by: -100)))
        }

        @Test func moreConnectionsThanAllowedAreRefused() throws {
            var server = try EchoServer { $0.connectionsMax = 2 }
            var first = try server.connect()
            let second = try server.connect()
            var third = try server.connect()
            try server.run { $0.loop.statistics.refused == 1 }
            third.receive()
            #expect(third.sawEnd == true)
            #expect(throws: EventLoopError.tooManyConnections(limit: 2)) {
                _ = try server.loop.adopt(descriptor: second.descriptor)
            }
            first.close()
            try server.run { $0.closed.count == 1 }
            var fourth = try server.connect()
            fourth.send([4])
            try server.run { _ in
                fourth.receive()
                return fourth.received == [4]
            }
        }
    }
}
