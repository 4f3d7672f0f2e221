// A connection goes from one loop to another and back: its peer notices nothing, and nothing is lost or said twice.

import Glibc
import Testing
import TidemarkRandom

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct Moving {
        /// Runs both loops on this thread until `condition` holds.
        private func run(
            _ first: inout EchoServer,
            _ second: inout EchoServer,
            until condition: (inout EchoServer, inout EchoServer) throws -> Bool
        ) throws {
            let end = MonotonicTime.readClock() + .seconds(20)
            while try !condition(&first, &second) {
                try first.runIterations(1)
                try second.runIterations(1)
                if MonotonicTime.readClock() > end {
                    Issue.record("the condition did not come true in 20 s")
                    throw EchoServer.TimedOut()
                }
            }
        }

        @Test func takesWhatWasNotConsumedAndWhatWasNotSent() throws {
            var first = try EchoServer()
            var second = try EchoServer(listening: false)
            first.messageBytes = 10
            second.messageBytes = 10
            var peer = try first.connect()
            try first.run { $0.accepted.count == 1 }
            let id = first.accepted[0]
            let sent = pattern(40)
            peer.send(sent[..<25])
            try first.run { $0.received[id]?.count == 20 }
            first.loop.detach(id)
            // What the kernel has not been given yet, what is in its hands, and what comes while it is taken back.
            pattern(3, seed: 9).withUnsafeBytes { first.loop.send(id, $0) }
            peer.send(sent[25..<29])
            try first.run { $0.detached == [id] }
            let detached = try first.takeDetached(id)
            let left = first.loop.connectionCount
            #expect(left == 0 && first.closed.isEmpty)
            peer.send(sent[29...])
            let new = try second.loop.attach(detached)
            try second.run { server in
                peer.receive()
                return server.received[new]?.count == 20 && peer.received.count == 43
            }
            #expect(peer.received == Array(sent[..<20]) + pattern(3, seed: 9) + Array(sent[20...]))
            // Its old name is dead, the new one a connection like any other.
            first.loop.close(id, flushing: false)
            try first.runIterations(3)
            let hasEnded = peer.sawEnd
            #expect(!hasEnded)
            peer.close()
            try second.run { $0.closed[new] == .requested }
            #expect(second.ended == [new] && descriptors(boundTo: first.port) == 1)
        }

        @Test func waitsForTheSendThatIsUnderWay() throws {
            var first = try EchoServer { $0.sendBytesMax = 1 << 30 }
            var second = try EchoServer(listening: false)
            var peer = try Peer(port: first.port, receiveBufferBytes: 64 << 10)
            try first.run { $0.accepted.count == 1 }
            let id = first.accepted[0]
            let sent = pattern(20 << 20)
            sent[..<(16 << 20)].withUnsafeBytes { first.loop.send(id, $0) }
            try first.runIterations(3)
            first.loop.detach(id)
            sent[(16 << 20)...].withUnsafeBytes { first.loop.send(id, $0) }
            try first.runIterations(10)
            #expect(first.detached.isEmpty, "the kernel still reads what it sends")
            try first.run { server in
                peer.receive(limit: 1 << 20)
                return server.detached == [id]
            }
            let new = try second.loop.attach(try first.takeDetached(id))
            let unsent = second.loop.outputBytes(new)
            #expect(unsent == 4 << 20)
            try second.run { _ in
                peer.receive()
                return peer.received.count == sent.count
            }
            #expect(peer.received == sent)
            #expect(second.drained == [new], "what it had above high water counts here")
        }

        @Test func aPeerThatGoesMeanwhileIsReportedOnce() throws {
            var first = try EchoServer()
            var second = try EchoServer(listening: false)
            var peer = try first.connect()
            try first.run { $0.accepted.count == 1 }
            let id = first.accepted[0]
            peer.send([1])
            try first.run { $0.received[id] == [1] }
            first.loop.detach(id)
            peer.endSending()
            try first.run { $0.detached == [id] }
            let new = try second.loop.attach(try first.takeDetached(id))
            try second.run { $0.closed[new] != nil }
            #expect(first.ended.isEmpty && second.ended == [new], "the end is reported where it is read")

            var other = try first.connect()
            try first.run { $0.accepted.count == 2 }
            let reset = first.accepted[1]
            first.loop.pauseReading(reset)
            try first.runIterations(3)
            other.send([1])
            other.reset()
            first.loop.detach(reset)
            try run(&first, &second) { first, _ in first.closed[reset] != nil || first.detached.contains(reset) }
            if first.closed[reset] == nil, let taken = first.loop.takeDetached(reset) {
                let name = try second.loop.attach(taken)
                try second.run { $0.closed[name] == .reset }
            } else {
                #expect(first.closed[reset] == .reset)
            }
        }

        @Test func closingGoesBeforeIt() throws {
            var server = try EchoServer()
            var peers = [try server.connectDescriptor(), try server.connectDescriptor()]
            defer { for peer in peers { Glibc.close(peer) } }
            try server.run { $0.accepted.count == 2 }
            for (number, id) in server.accepted.enumerated() {
                server.loop.detach(id)
                server.loop.close(id, flushing: number == 0)
            }
            for peer in peers { shutdown(peer, Int32(SHUT_RDWR)) }
            try server.run { $0.closed.count == 2 }
            #expect(server.detached.isEmpty)
            let none = server.loop.takeDetached(server.accepted[0]) == nil
            #expect(none)
            peers.append(try server.connectDescriptor())
            try server.run { $0.accepted.count == 3 }
            // After it was reported, too.
            let late = server.accepted[2]
            server.loop.detach(late)
            try server.run { $0.detached.count == 1 }
            server.loop.resumeReading(late)
            server.loop.close(late, flushing: false)
            try server.run { $0.closed[late] == .requested }
            #expect(descriptors(boundTo: server.port) == 1)
        }

        @Test func oneThatNobodyTakesIsClosed() throws {
            var first = try EchoServer()
            var full = try EchoServer({ $0.connectionsMax = 1 }, listening: false)
            var peers = [try first.connectDescriptor(), try first.connectDescriptor()]
            defer { for peer in peers { Glibc.close(peer) } }
            try first.run { $0.accepted.count == 2 }
            for id in first.accepted { first.loop.detach(id) }
            try first.run { $0.detached.count == 2 }
            let one = try full.loop.attach(try first.takeDetached(first.detached[0]))
            do {
                let other = try first.takeDetached(first.detached[1])
                var refusal: EventLoopError?
                do throws(EventLoopError) { _ = try full.loop.attach(other) } catch { refusal = error }
                #expect(refusal == .tooManyConnections(limit: 1))
                #expect(descriptors(boundTo: first.port) == 3)
            }
            #expect(descriptors(boundTo: first.port) == 2)
            full.loop.close(one, flushing: false)
            try full.run { $0.closed.count == 1 }
            peers.removeAll { Glibc.close($0) == 0 }
        }

        @Test(arguments: 0..<4 as Range<UInt64>)
        func backAndForthAtAnyTime(seed: UInt64) throws {
            var random = SplitMix64(seed: seed)
            let adjust: (inout EventLoopConfiguration) -> Void = {
                if seed % 2 == 0 { $0.makeTiny() }
                $0.outputHighWater = 20_000
                $0.outputLowWater = 1000
            }
            var first = try EchoServer(adjust)
            var second = try EchoServer(adjust, listening: false)
            first.messageBytes = 7
            second.messageBytes = 7
            let sent = pattern(7 * 30_000, seed: Int(seed))
            var offsets = Array(repeating: 0, count: 12)
            var received = Array(repeating: [UInt8](), count: offsets.count)
            var peers: [Int32] = []
            for _ in offsets { peers.append(try first.connectDescriptor()) }
            defer { for peer in peers { Glibc.close(peer) } }
            try first.run { $0.accepted.count == offsets.count }
            var names = first.accepted.map { (isFirst: true, id: $0) }
            var moves = 0
            let end = MonotonicTime.readClock() + .seconds(60)
            while received.contains(where: { $0.count < sent.count }), MonotonicTime.readClock() < end {
                let index = Int.random(in: 0..<offsets.count, using: &random)
                var peer = Peer(adopting: peers[index])
                let next = min(sent.count, offsets[index] + Int.random(in: 1...9_000, using: &random))
                offsets[index] += peer.send(sent[offsets[index]..<next])
                if Bool.random(using: &random) { peer.receive(limit: Int.random(in: 1...60_000, using: &random)) }
                received[index] += peer.received
                let hasEnded = peer.sawEnd
                #expect(!hasEnded)
                peers[index] = peer.release()
                if Int.random(in: 0..<4, using: &random) == 0 {
                    let (isFirst, id) = names[index]
                    if isFirst { first.loop.detach(id) } else { second.loop.detach(id) }
                }
                try first.runIterations(1)
                try second.runIterations(1)
                for index in names.indices {
                    let (isFirst, id) = names[index]
                    if isFirst, first.detached.contains(id), let taken = first.loop.takeDetached(id) {
                        names[index] = (false, try second.loop.attach(taken))
                        moves += 1
                    } else if !isFirst, second.detached.contains(id), let taken = second.loop.takeDetached(id) {
                        names[index] = (true, try first.loop.attach(taken))
                        moves += 1
                    }
                }
            }
            for each in received { #expect(each == sent) }
            #expect(moves > 100)
            #expect(first.closed.isEmpty && second.closed.isEmpty)
            let all = first.loop.connectionCount + second.loop.connectionCount
            #expect(all == offsets.count)
        }
    }
}
