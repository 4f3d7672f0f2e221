//  What does not fit a connection: SYNs, bytes behind its end, acknowledgements that come too soon.

import Testing

@testable import TidemarkDump

@Suite struct ContestedStreamTests {
    private let one = TestFrames.sync(1)
    private let two = TestFrames.sync(2)
    private let three = TestFrames.sync(3)

    private func data(_ payload: [UInt8], at sequence: UInt32, flags: UInt8 = Segment.ack) -> TestSegment {
        TestSegment(toServer: true, sequence: sequence, acknowledgement: 2001, flags: flags, payload: payload)
    }

    /// The segment that closes a connection also carries bytes: they must not stay in memory.
    @Test func bytesThatComeWithTheEndAreNotKept() {
        var bench = Bench()
        for client in 20_000..<21_200 as Range<UInt16> {
            bench.open(client: client)
            let fin = Segment.ack | Segment.fin
            bench.send(TestSegment(toServer: true, sequence: 1026, flags: fin, client: client))
            bench.send(
                TestSegment(toServer: false, sequence: 2001, acknowledgement: 1001, flags: fin, client: client)
            )
            bench.clock += 30_000_000
            for _ in 0..<2 {
                bench.send(
                    TestSegment(
                        toServer: false,
                        sequence: 9000,
                        acknowledgement: 1027,
                        payload: [UInt8](repeating: 0, count: 1400),
                        client: client
                    )
                )
                bench.clock += 30_000_000
            }
        }
        #expect(bench.reassembler.connectionCount == 0)
        #expect(bench.reassembler.heldBytes == 0)
        #expect(bench.sink.heard.values.allSatisfy { $0.end?.word == "closed" })
    }

    @Test func aStraySYNDoesNotSplitAConnection() {
        var bench = Bench()
        bench.open()
        bench.send(data(one, at: 1001))
        bench.send(data([], at: 9_000_000, flags: Segment.syn))
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1026))
        bench.send(data(two, at: 1026))
        #expect(bench.sink.heard.count == 1)
        #expect(bench.sink.heard[1]?.frames[0] == [one, two])
        #expect(bench.reassembler.counts.strays == 1)
    }

    @Test func ofTwoSYNsTheOneThatIsAnsweredCounts() {
        var bench = Bench()
        for sequence in [1000, 5_000_000] as [UInt32] {
            bench.send(TestSegment(toServer: true, sequence: sequence, flags: Segment.syn))
        }
        let answer = Segment.syn | Segment.ack
        bench.send(TestSegment(toServer: false, sequence: 2000, acknowledgement: 1001, flags: answer))
        bench.send(data(one, at: 1001))
        #expect(bench.sink.heard.count == 1)
        #expect(bench.sink.heard[1]?.frames[0] == [one])
    }

    @Test func ofTwoSYNsTheSecondMayBeTheOneThatIsAnswered() {
        for second in [500_000, 5_000_000] as [UInt32] {
            var bench = Bench()
            for sequence in [1000, second] {
                bench.send(TestSegment(toServer: true, sequence: sequence, flags: Segment.syn))
            }
            let answer = Segment.syn | Segment.ack
            bench.send(TestSegment(toServer: false, sequence: 2000, acknowledgement: second + 1, flags: answer))
            bench.send(data(one, at: second + 1))
            bench.send(TestSegment(toServer: false, sequence: 2007, acknowledgement: second + 26, payload: pong(2)))
            bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: second + 26, payload: pong(1)))
            #expect(bench.sink.heard[1]?.end?.word == "replaced")
            #expect(bench.sink.heard[2]?.frames[0] == [one])
            #expect(bench.sink.heard[2]?.frames[1] == [pong(1), pong(2)])
            #expect(bench.sink.heard[2]?.anomalies.isEmpty == true)
        }
    }

    private func pong(_ id: UInt16) -> [UInt8] { TestFrames.pong(id) }

    @Test func aForgedAnswerIsNotTheServers() {
        var bench = Bench()
        let answer = Segment.syn | Segment.ack
        bench.send(TestSegment(toServer: true, sequence: 1000, flags: Segment.syn))
        bench.send(TestSegment(toServer: false, sequence: 700_000_000, acknowledgement: 1, flags: answer))
        bench.send(TestSegment(toServer: false, sequence: 2000, acknowledgement: 1001, flags: answer))
        bench.send(data(one, at: 1001))
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1026, payload: pong(1)))
        #expect(bench.sink.heard.count == 1)
        #expect(bench.sink.heard[1]?.frames == [[one], [pong(1)]])
    }

    /// The SYN was not captured, its answer was; then the server's bytes come in the wrong order.
    @Test func aReplacedConnectionKnowsBothBeginnings() {
        var bench = Bench()
        bench.open()
        bench.send(data(one, at: 1001))
        let answer = Segment.syn | Segment.ack
        bench.send(TestSegment(toServer: false, sequence: 700_000_000, acknowledgement: 9_000_001, flags: answer))
        bench.send(data(two, at: 9_000_001))
        for (id, sequence) in [(2, 700_000_007), (1, 700_000_001)] as [(UInt16, UInt32)] {
            bench.send(
                TestSegment(toServer: false, sequence: sequence, acknowledgement: 9_000_026, payload: pong(id))
            )
        }
        #expect(bench.sink.heard[1]?.end?.word == "replaced")
        #expect(bench.sink.heard[2]?.frames == [[two], [pong(1), pong(2)]])
        #expect(bench.sink.heard[2]?.anomalies.isEmpty == true)
    }

    /// Bytes with the SYN (RFC 7413), on ports that are still in use.
    @Test func aSYNWithBytesBeginsWhereItBegan() {
        var bench = Bench()
        bench.open()
        bench.send(data(Array(one[..<10]), at: 9_000_000, flags: Segment.syn))
        let answer = Segment.syn | Segment.ack
        bench.send(TestSegment(toServer: false, sequence: 7000, acknowledgement: 9_000_011, flags: answer))
        bench.send(data(Array(one[10...]), at: 9_000_011))
        bench.send(data(two, at: 9_000_026))
        bench.finish()
        // What came with the SYN has been passed over, and is told as lost.
        #expect(bench.sink.heard[2]?.frames[0] == [two])
        #expect(bench.sink.heard[2]?.anomalies.map(\.1) == [.lost(count: 10), .skipped(count: 15)])
    }

    @Test func aForgedAcknowledgementLosesNothing() {
        for far in [1 << 29, 0x7FFF_0000] as [UInt32] {
            var bench = Bench()
            bench.open()
            bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1001 + far))
            bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1001))
            bench.send(data(two, at: 1026))
            bench.clock += 10_000_000
            bench.send(data(one, at: 1001))
            #expect(bench.sink.heard[1]?.frames[0] == [one, two])
            #expect(bench.sink.heard[1]?.anomalies.isEmpty == true)
        }
    }

    @Test func oneSegmentFromFarAwayIsNoConnection() {
        var bench = Bench()
        bench.open()
        bench.send(data(Array(one[..<10]), at: 1001))
        bench.send(data([0], at: 1011 &- (1 << 26) &- 1))
        bench.send(data(Array(one[10...]), at: 1011))
        #expect(bench.sink.heard[1]?.frames[0] == [one])
        #expect(bench.sink.heard[1]?.anomalies.isEmpty == true)
    }

    @Test func theNearerFINCounts() {
        var bench = Bench()
        bench.open()
        let fin = Segment.ack | Segment.fin
        bench.send(data([], at: 1001 + 1 << 30, flags: fin))
        bench.send(data(one, at: 1001))
        bench.send(data([], at: 1026, flags: fin))
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1027, flags: fin))
        bench.clock += 2_000_000
        bench.send(TestSegment(toServer: true, sequence: 1027, acknowledgement: 2002))
        #expect(bench.sink.heard[1]?.end?.word == "closed")
        #expect(bench.sink.heard[1]?.anomalies.isEmpty == true)
    }

    @Test func aResetFromFarAwayIsNotTheSenders() {
        var bench = Bench()
        bench.open()
        bench.send(data([], at: 1001 + 1 << 29, flags: Segment.rst))
        bench.send(data(one, at: 1001))
        #expect(bench.sink.heard[1]?.end == nil)
        bench.send(data([], at: 1026, flags: Segment.rst))
        #expect(bench.sink.heard[1]?.end?.word == "reset")
    }

    /// A connection that turns out to be of another protocol while a segment is looked at keeps nothing of it.
    @Test func anotherProtocolsBytesAreNotKept() {
        var bench = Bench { $0.detectsOtherPorts = true }
        bench.open(server: 9000)
        let other = [UInt8](repeating: 0x20, count: 100)
        bench.send(TestSegment(toServer: false, sequence: 2101, acknowledgement: 1001, payload: other, server: 9000))
        for _ in 0..<3 {
            bench.send(TestSegment(toServer: true, sequence: 1001, acknowledgement: 2201, server: 9000))
        }
        bench.send(
            TestSegment(toServer: true, sequence: 1101, acknowledgement: 2201, payload: other, server: 9000)
        )
        #expect(bench.reassembler.heldBytes == 0)
    }

    @Test func freeBlocksAreBounded() {
        var pool = BytePool(usedBytesMax: 64 << 20)
        for bytes in [256, 512, 4096, 65536] {
            var blocks = (0..<(16 << 20) / bytes).map { _ in pool.take(bytes)! }
            for index in blocks.indices { pool.give(&blocks[index]) }
        }
        #expect(pool.usedBytes == 0)
        #expect(pool.freeBytes <= BytePool.freeBytesMax)
    }

    @Test func bytesMakeAConnectionOfASYNWhoseAnswerWasMissed() {
        var bench = Bench()
        bench.open()
        bench.send(data(one, at: 1001))
        bench.send(data([], at: 9_000_000, flags: Segment.syn))
        bench.send(data(two, at: 9_000_001))
        #expect(bench.sink.heard[1]?.end?.word == "replaced")
        #expect(bench.sink.heard[2]?.frames[0] == [two])
        #expect(bench.sink.heard[2]?.anomalies.isEmpty == true)
    }

    @Test func nothingComesBehindAFIN() {
        var bench = Bench()
        bench.open()
        // One segment waits behind where the end will be; one reaches over it.
        bench.send(data(three, at: 1051))
        bench.send(data([], at: 1026, flags: Segment.ack | Segment.fin))
        bench.send(data(one + two, at: 1001))
        bench.send(data(three, at: 1027))
        bench.finish()
        #expect(bench.sink.heard[1]?.frames[0] == [one])
        #expect(bench.sink.heard[1]?.anomalies.isEmpty == true)
        #expect(bench.reassembler.counts.strays == 3)
        #expect(bench.reassembler.heldBytes == 0)
    }

    @Test func aKnownPortIsTheServersWhoeverSendsTheSYN() {
        var bench = Bench()
        bench.send(TestSegment(toServer: false, sequence: 2000, flags: Segment.syn))
        bench.send(TestSegment(toServer: true, sequence: 1000, flags: Segment.syn))
        bench.send(data(one, at: 1001))
        #expect(bench.sink.heard[1]?.server.port == 8433)
        #expect(bench.sink.heard[1]?.frames[0] == [one])
    }

    @Test func anAcknowledgementInFrontOfItsBytesDiscardsNothing() {
        var bench = Bench()
        bench.open()
        bench.send(data(two, at: 1026))
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1051))
        bench.send(data(one, at: 1001))
        #expect(bench.sink.heard[1]?.frames[0] == [one, two])
        #expect(bench.sink.heard[1]?.anomalies.isEmpty == true)
    }

    private func loseOne(_ bench: inout Bench, client: UInt16 = 40000) {
        bench.open(client: client)
        bench.send(
            TestSegment(toServer: true, sequence: 1026, acknowledgement: 2001, payload: two, client: client)
        )
        bench.send(TestSegment(toServer: false, sequence: 2001, acknowledgement: 1051, client: client))
    }

    /// Nothing more is said on the connection that lost bytes.
    @Test func aGraceEndsWithTheTimeOfOtherPackets() {
        var bench = Bench()
        loseOne(&bench)
        bench.clock += 1_900_000
        bench.open(client: 40001)
        #expect(bench.sink.heard[1]?.frames[0].isEmpty == true)
        bench.clock += 100_000
        bench.send(TestSegment(toServer: true, sequence: 1001, acknowledgement: 2001, client: 40001))
        #expect(bench.sink.heard[1]?.frames[0] == [two])
        #expect(bench.sink.heard[1]?.anomalies.map(\.1) == [.lost(count: 25)])
    }

    @Test func aGraceEndsWithTheTimeOfNoPackets() {
        var bench = Bench()
        loseOne(&bench)
        bench.reassembler.quiet(until: CaptureTime(nanoseconds: bench.clock - 1), &bench.sink)
        bench.reassembler.quiet(until: CaptureTime(nanoseconds: bench.clock + 1_999_999), &bench.sink)
        #expect(bench.sink.heard[1]?.frames[0].isEmpty == true)
        bench.reassembler.quiet(until: CaptureTime(nanoseconds: bench.clock + 2_000_000), &bench.sink)
        #expect(bench.sink.heard[1]?.frames[0] == [two])
    }

    /// As many connections in grace as there can be, within less than a grace's time.
    @Test func gracesAreBounded() {
        var bench = Bench()
        for client in 20_000..<22_000 as Range<UInt16> {
            loseOne(&bench, client: client)
            bench.clock -= 5000
        }
        #expect(bench.sink.heard[1]?.frames[0] == [two])
        #expect(bench.sink.heard[2000]?.frames[0].isEmpty == true)
        bench.finish()
        #expect(bench.sink.heard.values.allSatisfy { $0.frames[0] == [two] })
    }
}
