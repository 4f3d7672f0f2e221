// Bytes come back whole and in order, however they are cut.

import Glibc
import Testing
import TidemarkRandom

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct Echo {
        @Test func oneByteAtATime() throws {
            var server = try EchoServer()
            server.messageBytes = 5
            var peer = try server.connect()
            let sent = pattern(500)
            for (index, byte) in sent.enumerated() {
                #expect(peer.send([byte]) == 1)
                if index % 5 != 4 {
                    try server.runIterations(1)
                    continue
                }
                try server.run { _ in
                    peer.receive()
                    return peer.received.count == index + 1
                }
            }
            #expect(peer.received == sent)
            #expect(server.loop.connectionCount == 1)
            #expect(server.inputBytesMost == 5)
        }

        @Test func aFlushSendsBeforeTheNextWait() throws {
            var server = try EchoServer()
            server.messageBytes = 2
            var peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            peer.send(pattern(3))
            try server.run { $0.received.count == 1 }
            peer.receive()
            #expect(peer.received.isEmpty, "nothing is sent without a flush or a wait")
            try server.loop.flush()
            let end = MonotonicTime.readClock() + .seconds(20)
            while peer.received.count < 2, MonotonicTime.readClock() < end { peer.receive() }
            #expect(peer.received == pattern(2))
            // What was not used is still there, in front of what comes.
            peer.send(pattern(4).dropFirst(3))
            try server.run { _ in
                peer.receive()
                return peer.received.count == 4
            }
            #expect(peer.received == pattern(4))
        }

        @Test func thousandsOfMessagesInOneSegment() throws {
            var server = try EchoServer()
            server.messageBytes = 10
            var peer = try server.connect()
            let sent = pattern(60_000)
            #expect(peer.send(sent) == sent.count)
            try server.run { _ in
                peer.receive()
                return peer.received.count == sent.count
            }
            #expect(peer.received == sent)
        }

        /// A message cut in two at each of its places, between receive buffers and between segments.
        @Test(arguments: [63, 64, 65, 200])
        func messagesAcrossBuffers(messageBytes: Int) throws {
            var server = try EchoServer { $0.receiveBufferBytes = 64 }
            server.messageBytes = messageBytes
            var peer = try server.connect()
            let sent = pattern(messageBytes * messageBytes)
            var offset = 0
            for cut in 0..<messageBytes {
                offset += peer.send(sent[offset..<offset + cut])
                try server.runIterations(2)
                offset += peer.send(sent[offset..<offset + messageBytes - cut])
                try server.runIterations(2)
            }
            try server.run { _ in
                peer.receive()
                return peer.received.count == sent.count
            }
            #expect(peer.received == sent)
        }

        /// The caller uses any number of the bytes it is handed, pauses and resumes at will: nothing is lost or doubled.
        @Test(arguments: 0..<8 as Range<UInt64>)
        func consumingAtRandom(seed: UInt64) throws {
            var random = SplitMix64(seed: seed)
            var server = try EchoServer {
                $0.receiveBufferBytes = 128
                $0.inputBytesMax = 2000
                $0.outputHighWater = 3000
                $0.outputLowWater = 100
            }
            var peer = try server.connect()
            let sent = pattern(200_000, seed: Int(seed))
            var sentCount = 0
            var paused = false
            let end = MonotonicTime.readClock() + .seconds(20)
            while peer.received.count < sent.count, MonotonicTime.readClock() < end {
                let upTo = min(sent.count, sentCount + Int.random(in: 0...1500, using: &random))
                if upTo > sentCount { sentCount += peer.send(sent[sentCount..<upTo]) }
                peer.receive(limit: Int.random(in: 0...5000, using: &random))
                try server.loop.wait(until: MonotonicTime(nanoseconds: 0))
                while let event = server.loop.next() {
                    guard case .received(let id, let bytes) = event else { continue }
                    #expect(!paused)
                    #expect(!bytes.isEmpty)
                    let used = Int.random(in: 0...bytes.count, using: &random)
                    let cut = Int.random(in: 0...used, using: &random)
                    server.loop.send(id, UnsafeRawBufferPointer(rebasing: bytes[..<cut]))
                    server.loop.consume(id, cut)
                    if Bool.random(using: &random) { server.loop.pauseReading(id) }
                    server.loop.send(id, UnsafeRawBufferPointer(rebasing: bytes[cut..<used]))
                    server.loop.consume(id, used - cut)
                    server.loop.pauseReading(id)
                    paused = true
                    server.accepted = [id]
                }
                if paused, Bool.random(using: &random) {
                    paused = false
                    server.loop.resumeReading(server.accepted[0])
                } else if !paused, let id = server.accepted.first {
                    // What was left unused does not come again by itself.
                    server.loop.pauseReading(id)
                    server.loop.resumeReading(id)
                }
            }
            #expect(peer.received == sent, "seed \(seed)")
        }

        @Test func bigAnswerArrivesIntact() throws {
            var server = try EchoServer()
            server.messageBytes = 1000
            let one = pattern(1000)
            server.copies = 10_000
            var peer = try server.connect()
            peer.send(one)
            try server.run { _ in
                peer.receive(limit: 1 << 20)
                return peer.received.count >= 10_000_000
            }
            #expect(peer.received.count == 10_000_000)
            for offset in stride(from: 0, to: peer.received.count, by: 1000)
            where peer.received[offset..<offset + 1000] != one[...] {
                Issue.record("wrong bytes at \(offset)")
                break
            }
            #expect(server.drained.count == 1)
        }

        /// Output written in place; and an idle connection holds no memory, whatever was reserved.
        @Test func reservedOutput() throws {
            var server = try EchoServer()
            var peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            let id = server.accepted[0]
            var expected: [UInt8] = []
            for round in 0..<100 {
                let reserved = server.loop.reserve(id, 10 + round * 50)
                let space = try #require(reserved)
                #expect(space.count >= 10 + round * 50)
                let bytes = pattern(round % 7, seed: round)
                space.copyBytes(from: bytes)
                server.loop.commit(id, bytes.count)
                expected += bytes
                if round % 10 == 0 { try server.runIterations(1) }
            }
            _ = server.loop.reserve(id, 100_000)
            try server.run { _ in
                peer.receive()
                return peer.received.count == expected.count
            }
            #expect(peer.received == expected)
            try server.run { $0.loop.outputBytes(id) == 0 }
            _ = server.loop.reserve(id, 0)
            try server.runIterations(2)
            let connection = server.loop.connections[id.slot].pointee
            #expect(connection.filling.base == nil && connection.sending.base == nil && connection.tail.base == nil)
        }

        @Test func anAdoptedSocketOfAnyKind() throws {
            var server = try EchoServer(listening: false)
            var pair: [Int32] = [0, 0]
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            _ = fcntl(pair[0], F_SETFL, O_NONBLOCK)
            let id = try server.loop.adopt(descriptor: pair[0])
            var peer = Peer(adopting: pair[1])
            peer.send([1, 2, 3])
            try server.run { _ in
                peer.receive()
                return peer.received.count == 3
            }
            #expect(server.loop.peerAddress(id) == nil)
            peer.close()
            try server.run { $0.closed[id] == .requested }
        }
    }
}
