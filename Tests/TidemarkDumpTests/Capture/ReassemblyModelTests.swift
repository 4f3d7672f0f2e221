//  Random streams of frames, cut into random segments that are reordered, repeated, overlapped and lost, on several
//  connections at once: what is observed must be what was sent.

import Testing
import TidemarkTesting

@testable import TidemarkDump

/// One direction: its bytes, where its frames are, and the segments that it is sent in.
private struct Stream {
    var frames: [[UInt8]] = []
    var bytes: [UInt8] = []
    var first: UInt32
    var lost: [Range<Int>] = []

    init(_ pool: [[UInt8]], count: Int, _ dice: inout Seed) {
        // Often close to the end of the number space, so that it wraps around.
        first = dice.chance(50) ? UInt32.max - UInt32(dice.below(500)) : UInt32.random(in: 0...UInt32.max, using: &dice)
        for _ in 0..<count {
            let frame = pool[dice.below(pool.count)]
            frames.append(frame)
            bytes += frame
        }
    }

    /// Ranges of the stream in the order of their capture. Each is repeated, moved or overlapping by chance.
    func segments(disorder: Int, _ dice: inout Seed) -> [Range<Int>] {
        var segments: [Range<Int>] = []
        var at = 0
        while at < bytes.count {
            let end = min(bytes.count, at + 1 + dice.below(dice.chance(20) ? 1400 : 80))
            segments.append(at..<end)
            if dice.chance(disorder) {
                let start = max(0, at - dice.below(60))
                segments.append(start..<min(bytes.count, start + 1 + dice.below(100)))
            }
            at = end
        }
        for index in segments.indices where dice.chance(disorder) {
            segments.swapAt(index, min(segments.count - 1, index + dice.below(8)))
        }
        return segments
    }

    /// The frames that no lost byte touches.
    var intact: [[UInt8]] {
        var at = 0
        return frames.filter { frame in
            defer { at += frame.count }
            return !lost.contains { $0.overlaps(at..<at + frame.count) }
        }
    }
}

private struct Plan {
    var client: UInt16
    var streams: [Stream]
    var segments: [(toServer: Bool, range: Range<Int>)] = []
}

@Suite struct ReassemblyModelTests {
    /// Both directions' segments, each in its own order.
    private static func plan(_ index: Int, _ frames: TestFrames, disorder: Int, _ dice: inout Seed) -> Plan {
        let count = 1 + dice.below(40)
        let streams = [
            Stream(frames.client, count: count, &dice), Stream(frames.server, count: count, &dice),
        ]
        var queues = streams.map { ArraySlice($0.segments(disorder: disorder, &dice)) }
        var plan = Plan(client: UInt16(30000 + index), streams: streams)
        while queues.contains(where: { !$0.isEmpty }) {
            let which = dice.below(2)
            if let range = queues[which].popFirst() { plan.segments.append((which == 0, range)) }
        }
        return plan
    }

    private static func send(_ plan: Plan, _ range: Range<Int>, toServer: Bool, to bench: inout Bench) {
        let stream = plan.streams[toServer ? 0 : 1]
        bench.send(
            TestSegment(
                toServer: toServer,
                sequence: stream.first &+ UInt32(range.lowerBound),
                // Says nothing of the other direction: what it says is tested by hand.
                acknowledgement: plan.streams[toServer ? 1 : 0].first,
                payload: Array(stream.bytes[range]),
                client: plan.client
            )
        )
    }

    @Test(arguments: [0, 10, 40])
    func whatIsSentIsSeen(disorder: Int) throws {
        let frames = try #require(TestFrames.all)
        var dice = Seed(default: UInt64(4711 + disorder))
        for round in 0..<60 {
            var bench = Bench()
            var plans = (0..<1 + dice.below(8)).map { Self.plan($0, frames, disorder: disorder, &dice) }
            for plan in plans {
                bench.open(client: plan.client, sequences: (plan.streams[0].first &- 1, plan.streams[1].first &- 1))
            }
            var cursors = plans.map { _ in 0 }
            while let index = plans.indices.filter({ cursors[$0] < plans[$0].segments.count }).randomElement(
                using: &dice
            ) {
                let (toServer, range) = plans[index].segments[cursors[index]]
                cursors[index] += 1
                Self.send(plans[index], range, toServer: toServer, to: &bench)
            }
            for plan in plans { Self.end(plan, &bench) }
            plans.sort { $0.client < $1.client }
            #expect(bench.sink.faults.isEmpty, "round \(round), \(dice)")
            #expect(bench.reassembler.heldBytes == 0)
            #expect(bench.reassembler.connectionCount == 0)
            for (index, plan) in plans.enumerated() {
                let heard = try #require(bench.sink.heard[UInt64(index + 1)])
                #expect(heard.anomalies.isEmpty, "round \(round), \(dice)")
                #expect(heard.frames[0] == plan.streams[0].frames, "round \(round), \(dice)")
                #expect(heard.frames[1] == plan.streams[1].frames, "round \(round), \(dice)")
                #expect(heard.end?.word == "closed")
            }
        }
    }

    private static func end(_ plan: Plan, _ bench: inout Bench) {
        let ends = plan.streams.map { $0.first &+ UInt32($0.bytes.count) }
        for toServer in [true, false] {
            let (own, other) = toServer ? (ends[0], ends[1]) : (ends[1], ends[0])
            bench.send(
                TestSegment(
                    toServer: toServer,
                    sequence: own,
                    acknowledgement: other,
                    flags: Segment.ack | Segment.fin,
                    client: plan.client
                )
            )
        }
    }

    /// Segments begin with frames here, as a sender's do; some are lost, and the receiver acknowledges them.
    @Test func lossCostsOnlyWhatItTouches() throws {
        let frames = try #require(TestFrames.all)
        var dice = Seed(default: 815)
        for round in 0..<300 {
            var bench = Bench()
            var stream = Stream(frames.server, count: 10 + dice.below(60), &dice)
            bench.open(sequences: (5, stream.first &- 1))
            var at = 0
            var pending: [UInt8] = []
            var segments: [Range<Int>] = []
            for frame in stream.frames {
                pending += frame
                if dice.chance(50) || frame == stream.frames.last {
                    segments += Self.cut(at..<at + pending.count)
                    at += pending.count
                    pending = []
                }
            }
            if !pending.isEmpty { segments += Self.cut(at..<at + pending.count) }
            for (index, range) in segments.enumerated() {
                let isLost = index + 1 < segments.count && dice.chance(20)
                if isLost {
                    stream.lost.append(range)
                } else {
                    let sequence = stream.first &+ UInt32(range.lowerBound)
                    bench.send(TestSegment(toServer: false, sequence: sequence, payload: Array(stream.bytes[range])))
                }
                let acknowledged = stream.first &+ UInt32(range.upperBound)
                bench.send(TestSegment(toServer: true, sequence: 6, acknowledgement: acknowledged))
            }
            bench.finish()
            let heard = try #require(bench.sink.heard[1])
            #expect(heard.lost(.toClient) == UInt64(stream.lost.reduce(0) { $0 + $1.count }))
            Self.check(heard, stream, "round \(round), \(dice)")
            #expect(bench.sink.faults.isEmpty)
            #expect(bench.reassembler.heldBytes == 0)
        }
    }

    private static func cut(_ range: Range<Int>) -> [Range<Int>] {
        stride(from: range.lowerBound, to: range.upperBound, by: 1400).map { $0..<min(range.upperBound, $0 + 1400) }
    }

    /// What is seen was sent, in that order; what is not seen is told to be lost or skipped, byte for byte.
    private static func check(_ heard: CollectingSink.Heard, _ stream: Stream, _ comment: Comment) {
        let intact = stream.intact
        var rest = intact[...]
        for frame in heard.frames[1] {
            guard let index = rest.firstIndex(of: frame) else {
                Issue.record("a frame that was not sent: \(comment)")
                return
            }
            rest = rest[(index + 1)...]
        }
        let seen = heard.frames[1].reduce(0) { $0 + $1.count }
        let told = Int(heard.lost(.toClient) + heard.skipped(.toClient))
        #expect(seen + told == stream.bytes.count, comment)
        // Only a frame in the middle of a segment, or one that looks like another's body, may be passed over.
        #expect(heard.frames[1].count * 10 >= intact.count * 5 || intact.count < 10, comment)
    }
}
