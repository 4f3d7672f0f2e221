//  The cases of TCP one by one.

import Testing

@testable import TidemarkDump

@Suite struct ReassemblyTests {
    private let one = TestFrames.sync(1)
    private let two = TestFrames.sync(2)
    private let three = TestFrames.sync(3)

    private func data(_ payload: [UInt8], at sequence: UInt32, flags: UInt8 = Segment.ack) -> TestSegment {
        TestSegment(toServer: true, sequence: sequence, acknowledgement: 2001, flags: flags, payload: payload)
    }

    @Test func keepAlivesAndWindowProbesAddNothing() {
        var bench = Bench()
        bench.open()
        bench.send(data(one, at: 1001))
        // With a byte that means nothing in front of `next`, without one, and a probe with the byte that is next.
        bench.send(data([0xEE], at: 1025))
        bench.send(data([], at: 1025))
        bench.send(data([two[0]], at: 1026))
        bench.send(data([two[0]], at: 1026))
        bench.send(data(two, at: 1026))
        #expect(bench.sink.heard[1]?.frames[0] == [one, two])
        #expect(bench.sink.heard[1]?.anomalies.isEmpty == true)
    }

    @Test func aHoleWaitsForItsBytes() {
        var bench = Bench()
        bench.open()
        bench.send(data(three, at: 1051))
        bench.send(data(two, at: 1026))
        #expect(bench.sink.heard[1]?.frames[0].isEmpty == true)
        bench.send(data(one, at: 1001))
        #expect(bench.sink.heard[1]?.frames[0] == [one, two, three])
    }

    /// One segment after another says nothing new, for as long as a grace is.
    private func waitOutGrace(_ bench: inout Bench, acknowledgement: UInt32) {
        bench.clock += 2_000_000
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: acknowledgement))
    }

    @Test func anAcknowledgedHoleIsGivenUpAfterAGrace() {
        var bench = Bench()
        bench.open()
        bench.send(data(two, at: 1026))
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1001))
        #expect(bench.sink.heard[1]?.frames[0].isEmpty == true)
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1051))
        #expect(bench.sink.heard[1]?.frames[0].isEmpty == true)
        waitOutGrace(&bench, acknowledgement: 1051)
        #expect(bench.sink.heard[1]?.frames[0] == [two])
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.lost(count: 25)])
        // Three segments are a grace as well.
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1101))
        bench.send(data(three, at: 1076))
        for _ in 0..<2 { bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1101)) }
        #expect(bench.sink.heard[1]?.frames[0] == [two])
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1101))
        #expect(bench.sink.heard[1]?.frames[0] == [two, three])
    }

    @Test func aHoleInsideAFrameEndsWithIt() {
        var bench = Bench()
        bench.open()
        bench.send(data(Array(one[..<10]), at: 1001))
        // Bytes 10 to 14 of the first frame are missing; the segment begins in its middle.
        bench.send(data(Array(one[15...]) + two, at: 1016))
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1051))
        waitOutGrace(&bench, acknowledgement: 1051)
        #expect(bench.sink.heard[1]?.frames[0] == [two])
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.lost(count: 5), .skipped(count: 20)])
    }

    @Test func withoutAcknowledgementsAHoleIsGivenUpAfterEnoughLaterSegments() {
        var bench = Bench()
        bench.open()
        for index in 0..<65 { bench.send(data(one, at: 1026 + UInt32(index) * 25)) }
        #expect(bench.sink.heard[1]?.frames[0].count == 65)
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.lost(count: 25)])
        #expect(bench.reassembler.heldBytes == 0)
    }

    @Test func whatWaitsIsBounded() {
        var bench = Bench { $0.earlyBytesTotalMax = 1 << 20 }
        for client in 0..<200 as Range<UInt16> {
            bench.open(client: 30000 + client)
            for index in 0..<64 as Range<UInt32> {
                var segment = data([UInt8](repeating: 0, count: 1000), at: 2000 + index * 1000)
                segment.client = 30000 + client
                bench.send(segment)
                #expect(bench.reassembler.heldBytes <= 2 << 20)
            }
        }
        bench.finish()
        #expect(bench.reassembler.heldBytes == 0)
        #expect(bench.sink.heard.count == 200)
    }

    @Test func framesThatAreNotWholeAreBounded() {
        var bench = Bench { $0.frameBytesTotalMax = 4096 }
        bench.open()
        let large = TestFrames.bytes("00200004 0100") + [UInt8](repeating: 7, count: 0x2000)
        var at: UInt32 = 1001
        for start in stride(from: 0, to: large.count, by: 500) {
            let piece = Array(large[start..<min(start + 500, large.count)])
            bench.send(data(piece, at: at))
            at += UInt32(piece.count)
        }
        bench.send(data(two, at: at))
        #expect(bench.sink.heard[1]?.frames[0] == [two])
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.skipped(count: UInt64(large.count))])
    }

    @Test func aCutOffPacketIsALoss() {
        var bench = Bench()
        bench.open()
        var segment = data(one + two, at: 1001)
        segment.captured = 30
        bench.send(segment)
        bench.send(data(three, at: 1051))
        #expect(bench.sink.heard[1]?.frames[0] == [one, three])
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.lost(count: 20), .skipped(count: 5)])
    }

    @Test func aCaptureMayBeginInTheMiddle() {
        var bench = Bench()
        bench.send(data(Array(one[9...]) + two, at: 77))
        bench.send(data(three, at: 77 + 41))
        bench.send(TestSegment(toServer: false, sequence: 9, acknowledgement: 143, payload: TestFrames.pong()))
        bench.finish()
        #expect(bench.sink.heard[1]?.frames == [[three], [TestFrames.pong()]])
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.skipped(count: 41)])
        #expect(bench.sink.heard[1]?.end?.word == "captureEnded")
        #expect(bench.sink.heard[1]?.server.port == 8433)
    }

    @Test func aFrameFoundInTheMiddleMustDecode() {
        var bench = Bench()
        // A sync's header in front of bytes that are none.
        bench.send(data(Array(one[..<6]), at: 10))
        bench.send(data([UInt8](repeating: 0xFF, count: 19), at: 16))
        bench.send(data(two, at: 35))
        #expect(bench.sink.heard[1]?.frames[0] == [two])
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.skipped(count: 25)])
    }

    @Test func theEndOfALostFrameDoesNotCostTheNextOne() {
        var bench = Bench()
        // Less than a header, and nothing that a frame begins with.
        bench.send(data([0xFF, 0xFF, 0xFF, 0xFF, 0xFF], at: 10))
        bench.send(data(two + three, at: 15))
        #expect(bench.sink.heard[1]?.frames[0] == [two, three])
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.skipped(count: 5)])
    }

    @Test func whatCannotGoOnIsGivenUpAtOnce() {
        var bench = Bench()
        // The header of a profileSet of 100,000 bytes, and a body that begins like none: no stamp is that long.
        let header: [UInt8] = [0xA0, 0x86, 0x01, 0x10, 0x01, 0x00]
        bench.send(data(header + [UInt8](repeating: 0xFF, count: 19), at: 10))
        bench.send(data(two, at: 35))
        #expect(bench.sink.heard[1]?.frames[0] == [two])
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.skipped(count: 25)])
    }

    @Test func endsAndResets() {
        var bench = Bench()
        bench.open()
        bench.send(data(one, at: 1001, flags: Segment.ack | Segment.fin))
        bench.send(
            TestSegment(toServer: false, sequence: 2001, acknowledgement: 1027, flags: Segment.ack | Segment.fin)
        )
        #expect(bench.sink.heard[1]?.end?.word == "closed")
        #expect(bench.reassembler.connectionCount == 0)
        // What is repeated after the end is no new connection; a SYN is.
        bench.send(data(one, at: 1001, flags: Segment.ack | Segment.fin))
        bench.send(TestSegment(toServer: true, sequence: 1027, acknowledgement: 2002))
        #expect(bench.sink.heard.count == 1)
        bench.open(sequences: (700_000, 800_000))
        bench.send(data(two, at: 700_001))
        bench.send(TestSegment(toServer: false, sequence: 800_001, flags: Segment.rst | Segment.ack))
        #expect(bench.sink.heard[2]?.frames[0] == [two])
        #expect(bench.sink.heard[2]?.end?.word == "reset")
    }

    @Test func aForgedResetIsPassedOver() {
        var bench = Bench()
        bench.open()
        bench.send(data([], at: 1001 &+ 0x7000_0000, flags: Segment.rst))
        bench.send(data(one, at: 1001))
        #expect(bench.sink.heard[1]?.frames[0] == [one])
        #expect(bench.sink.heard[1]?.end == nil)
    }

    @Test func aSYNOnAUsedAddressBeginsAnew() {
        var bench = Bench()
        bench.open()
        bench.send(data(Array(one[..<8]), at: 1001))
        bench.open()
        #expect(bench.sink.heard.count == 1, "a repeated SYN is none")
        bench.open(sequences: (90_000, 91_000))
        bench.send(data(two, at: 90_001))
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.cutShort(have: 8, of: 25)])
        #expect(bench.sink.heard[1]?.end?.word == "replaced")
        #expect(bench.sink.heard[2]?.frames[0] == [two])
    }

    @Test func aFINBehindAHoleEndsWhenTheHoleIsGivenUp() {
        var bench = Bench()
        bench.open()
        bench.send(data([], at: 1026, flags: Segment.ack | Segment.fin))
        bench.send(
            TestSegment(toServer: false, sequence: 2001, acknowledgement: 1001, flags: Segment.ack | Segment.fin)
        )
        #expect(bench.sink.heard[1]?.end == nil)
        bench.send(TestSegment(toServer: false, sequence: 2002, acknowledgement: 1027))
        waitOutGrace(&bench, acknowledgement: 1027)
        #expect(bench.sink.heard[1]?.end?.word == "closed")
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.lost(count: 25)])
    }

    @Test func theLeastRecentlyActiveIsForgotten() {
        var bench = Bench { $0.connectionsMax = 4 }
        for client in 0..<4 as Range<UInt16> { bench.open(client: 100 + client) }
        var segment = data(one, at: 1001)
        segment.client = 100
        bench.send(segment)
        bench.open(client: 104)
        #expect(bench.sink.heard[2]?.end?.word == "forgotten")
        #expect(bench.sink.heard.values.count { $0.end == nil } == 4)
        #expect(bench.reassembler.connectionCount == 4)
        bench.finish()
        #expect(bench.sink.slots.isEmpty)
    }

    @Test func manyConnectionsComeAndGo() {
        var bench = Bench { $0.connectionsMax = 64 }
        for index in 0..<20_000 as Range<UInt32> {
            let client = UInt16(1024 + index % 5000)
            bench.open(client: client, sequences: (index &* 7919, index &* 104_729))
            if index % 3 == 0 {
                bench.send(
                    TestSegment(toServer: true, sequence: index &* 7919 &+ 1, flags: Segment.rst, client: client)
                )
            }
        }
        bench.finish()
        #expect(bench.sink.faults.isEmpty)
        #expect(bench.sink.heard.count == 20_000)
        #expect(bench.sink.heard.values.allSatisfy { $0.end != nil })
    }

    @Test func otherPortsArePassedOver() {
        var bench = Bench()
        bench.open(server: 9000)
        #expect(bench.reassembler.counts.otherPorts == 2)
        #expect(bench.sink.heard.isEmpty)
    }

    @Test func anUnknownPortIsKnownByItsHello() throws {
        let hello = try #require(TestFrames.all?.client.first { $0[3] == 1 })
        var bench = Bench { $0.detectsOtherPorts = true }
        bench.open(server: 9000)
        bench.open(client: 40001, server: 443)
        #expect(bench.sink.heard.isEmpty)
        var first = data(hello, at: 1001)
        first.server = 9000
        bench.send(first)
        var other = data(Array("GET / HTTP/1.1\r\n\r\n".utf8), at: 1001)
        (other.client, other.server) = (40001, 443)
        bench.send(other)
        #expect(bench.sink.heard.count == 1)
        #expect(bench.sink.heard[1]?.frames[0] == [hello])
        #expect(bench.sink.heard[1]?.server.port == 9000)
    }

    @Test func withoutSYNAndPortTheFirstFrameTellsTheServer() {
        var bench = Bench { $0.ports = [8433, 40000] }
        bench.send(data(TestFrames.ping(), at: 1))
        #expect(bench.sink.heard.isEmpty, "a ping goes both ways")
        bench.send(data(one, at: 7))
        #expect(bench.sink.heard[1]?.frames[0] == [one])
        #expect(bench.sink.heard[1]?.server.port == 8433)
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.skipped(count: 6)])
    }
}
