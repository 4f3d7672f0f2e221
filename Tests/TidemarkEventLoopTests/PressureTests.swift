// Too many, too fast, too slow: everything stays bounded, and who behaves notices nothing.

import Glibc
import Testing

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct Pressure {
        /// Connects `count` peers, each of which sends `bytes` before the loop runs, and reads its echo.
        /// Each says something at once, all those `admitted` before at the same time.
        func burst(_ server: inout EchoServer, connections count: Int, bytes: Int, admitted: Bool = false) throws {
            var peers: [Int32] = []
            var expected: [[UInt8]] = []
            for index in 0..<count {
                var peer = try server.connect()
                expected.append(pattern(bytes, seed: index))
                if !admitted { #expect(peer.send(expected[index]) == bytes) }
                peers.append(dup(peer.descriptor))
            }
            if admitted {
                try server.run { $0.accepted.count == count }
                for index in 0..<count {
                    #expect(Glibc.send(peers[index], expected[index], bytes, Int32(MSG_NOSIGNAL)) == bytes)
                }
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
            #expect(server.loop.blocks.takenCount == 0)
        }

        @Test(arguments: [false, true]) func stormOfConnections(flushes: Bool) throws {
            var server = try EchoServer()
            server.flushes = flushes
            server.messageBytes = 0
            try burst(&server, connections: 500, bytes: 1000)
            #expect(server.loop.statistics.accepted == 500)
        }

        /// Who waits for several after many came gets on with one alone, without anybody's deadline.
        @Test(arguments: [0, 1, 20_000]) func oneAloneAfterMany(gatherMicroseconds: Int) throws {
            var server = try EchoServer { $0.gatherTime = .microseconds(gatherMicroseconds) }
            let peers = try (0..<32).map { _ in try server.connectDescriptor() }
            defer { for peer in peers { Glibc.close(peer) } }
            func say(_ peer: Int32) { #expect(Glibc.send(peer, "x", 1, Int32(MSG_NOSIGNAL)) == 1) }
            func hears(_ peer: Int32) -> Bool {
                var byte: UInt8 = 0
                return recv(peer, &byte, 1, Int32(MSG_DONTWAIT)) == 1
            }
            for _ in 0..<20 {
                for peer in peers { say(peer) }
                var silent = Set(peers)
                while !silent.isEmpty {
                    try server.loop.wait()
                    try server.handleAll()
                    silent = silent.filter { !hears($0) }
                }
                say(peers[7])
                while !hears(peers[7]) {
                    try server.loop.wait()
                    try server.handleAll()
                }
            }
        }

        /// All at once, each says something, is answered and leaves, a third of them with a reset.
        @Test func fiveThousandConnections() throws {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let count = Int(min(5_000, (limit.rlim_cur - 1_000) / 2))
            try #require(count == 5_000, "the limit of open files, \(limit.rlim_cur), leaves too few")
            var server = try EchoServer { $0.connectionsMax = 8_192 }
            server.messageBytes = 0
            var peers: [Int32] = []
            defer { for peer in peers { Glibc.close(peer) } }
            for number in 0..<count {
                var peer = try server.connect()
                peer.send(pattern(100, seed: number))
                peers.append(peer.release())
                // The kernel keeps 4,096 that nobody has accepted.
                if number % 2_000 == 1_999 { try server.run { $0.accepted.count == number + 1 } }
            }
            try server.run { $0.received.count == count && $0.loop.connectionCount == count }
            for (number, descriptor) in peers.enumerated() {
                var peer = Peer(adopting: descriptor)
                peer.receive()
                if peer.received.count < 100 {
                    try server.run { _ in
                        peer.receive()
                        return peer.received.count >= 100
                    }
                }
                #expect(peer.received == pattern(100, seed: number))
                if number % 3 == 0 { peer.reset() } else { peer.close() }
            }
            peers = []
            try server.run { $0.closed.count == count }
            #expect(server.loop.statistics.accepted == UInt64(count) && server.loop.statistics.refused == 0)
            let left = (server.loop.connectionCount, server.loop.blocks.takenCount)
            #expect(left == (0, 0) && descriptors(boundTo: server.port) == 1)
        }

        @Test func fiftySlowReadersBesideFiftyFastOnes() throws {
            var server = try EchoServer()
            server.messageBytes = 1000
            server.copies = 100
            let request = pattern(1000)
            var slow = try (0..<50).map { _ in
                var peer = try Peer(port: server.port, receiveBufferBytes: 64 << 10)
                return peer.release()
            }
            var fast = try (0..<50).map { _ in try server.connectDescriptor() }
            defer { for peer in slow + fast { Glibc.close(peer) } }
            var asked = Array(repeating: 0, count: 50)
            for _ in 0..<20 {
                // They ask for 100 times as much as they send, and read nothing.
                for index in slow.indices {
                    var peer = Peer(adopting: slow[index])
                    if asked[index] % 1000 == 0 { asked[index] += peer.send(request) }
                    slow[index] = peer.release()
                }
                for index in fast.indices {
                    var peer = Peer(adopting: fast[index])
                    peer.send(request)
                    try server.run { _ in
                        peer.receive()
                        return peer.received.count == 100_000
                    }
                    fast[index] = peer.release()
                }
            }
            #expect(server.outputBytesMost <= server.loop.outputHighWater + 100_000)
            for index in slow.indices {
                var peer = Peer(adopting: slow[index])
                let due = asked[index] / 1000 * 100_000
                try server.run { _ in
                    peer.receive()
                    return peer.received.count >= due
                }
                #expect(peer.received.count == due && peer.received.suffix(1000) == request[...])
                slow[index] = peer.release()
            }
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
            try burst(&server, connections: 300, bytes: 2000, admitted: true)
            #expect(server.loop.statistics.completionOverflows > 0)
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

        /// What comes in the same iteration, after the caller has had enough for its turn, is of its next turn.
        @Test func theRestAndWhatFollowsItLater() throws {
            var server = try EchoServer { $0.receiveBufferBytes = 256 }
            var peer = try server.connect()
            let sent = pattern(20_000)
            peer.send(sent)
            var used: [UInt8] = []
            let end = MonotonicTime.readClock() + .seconds(20)
            while used.count < sent.count, MonotonicTime.readClock() < end {
                try server.loop.wait(until: MonotonicTime.readClock() + .milliseconds(100))
                var inThisIteration = 0
                while let event = server.loop.next() {
                    guard case .received(let id, let bytes) = event else { continue }
                    inThisIteration += 1
                    used += bytes.prefix(100)
                    server.loop.consume(id, min(100, bytes.count))
                    server.loop.pauseReading(id)
                    server.loop.resumeReading(id)
                }
                #expect(inThisIteration <= 1)
            }
            #expect(used == sent)
        }

        /// Who is held keeps some of what it sends here, and the rest with it; taken up, it is reported at once, and goes on.
        @Test(arguments: [false, true]) func heldAndTakenUp(singly: Bool) throws {
            var server = try EchoServer { $0.receiveBufferBytes = 256 }
            server.messageBytes = 1 << 20
            var peer = try server.connect()
            peer.send([1])
            try server.run { $0.inputBytesMost == 1 }
            let id = server.accepted[0]
            server.loop.setReceivesSingly(id, singly)
            server.loop.holdReading(id)
            let sent = pattern(1 << 22)
            let taken = peer.send(sent)
            #expect(taken < sent.count, "some of it had to wait")
            for _ in 0..<200 {
                try server.loop.wait(until: MonotonicTime(nanoseconds: 0))
                #expect(server.loop.next() == nil)
            }
            var used: [UInt8] = []
            var isFirst = true
            let end = MonotonicTime.readClock() + .seconds(20)
            while used.count < taken + 1, MonotonicTime.readClock() < end {
                if case .received(id, let bytes) = server.loop.takeUp(id) {
                    // One buffer more than is kept, at least; a multishot receive may have had more, but not without end.
                    #expect(bytes.count <= EventLoop.heldBytesMax + (singly ? 33 : 256) * 256 || isFirst)
                    isFirst = false
                    used += bytes
                    server.loop.consume(id, bytes.count)
                }
                server.loop.holdReading(id)
                try server.loop.wait(until: MonotonicTime.readClock() + .milliseconds(1))
                #expect(server.loop.next() == nil)
            }
            #expect(used == [1] + sent[..<taken])
            // Nothing is there now: nothing is reported, and what comes is again.
            #expect(server.loop.takeUp(id) == nil)
            #expect(server.loop.takeUp(id) == nil)
            peer.endSending()
            try server.run { $0.ended == [id] }
        }

        /// The end is reported behind the bytes, and to whom is held as soon as it is taken up.
        @Test func endOfWhoIsHeld() throws {
            var server = try EchoServer()
            var full = try server.connect()
            var empty = try server.connect()
            try server.run { $0.accepted.count == 2 }
            let (first, second) = (server.accepted[0], server.accepted[1])
            for id in [first, second] { server.loop.holdReading(id) }
            full.send([7])
            full.endSending()
            empty.endSending()
            try server.runIterations(50)
            #expect(server.ended.isEmpty && server.received.isEmpty)
            let event = server.loop.takeUp(first)
            guard case .received(first, let bytes)? = event else {
                return #expect(Bool(false), "\(String(describing: event))")
            }
            #expect(Array(bytes) == [7])
            server.loop.consume(first, 1)
            guard case .ended(second)? = server.loop.takeUp(second) else { return #expect(Bool(false)) }
            try server.run { $0.ended == [first] }
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
