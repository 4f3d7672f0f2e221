import Glibc
import Testing
import TidemarkRandom
import TidemarkWire

@testable import TidemarkDump

@Suite("Requests that wait")
struct PendingRequestTests {
    private static func request(_ id: UInt16, at nanoseconds: Int64) -> PendingRequests.Request {
        PendingRequests.Request(nanoseconds: nanoseconds, id: id, type: 4)
    }

    @Test("are found by their ids once, whatever else waits")
    func found() {
        var budget = MemoryBudget(bytes: 1 << 20)
        var pending = PendingRequests()
        for id in 1...800 as ClosedRange<UInt16> { pending.add(Self.request(id, at: Int64(id)), &budget) }
        for id in (1...800 as ClosedRange<UInt16>).reversed() {
            #expect(pending.take(id)?.nanoseconds == Int64(id))
            #expect(pending.take(id) == nil)
        }
        pending.deallocate(&budget)
        #expect(budget.left == 1 << 20)
    }

    @Test("are bounded: beyond 896 the newest take the places of the oldest")
    func bounded() {
        var budget = MemoryBudget(bytes: 1 << 20)
        var pending = PendingRequests()
        defer { pending.deallocate(&budget) }
        for id in 1...5000 as ClosedRange<UInt16> { pending.add(Self.request(id, at: Int64(id)), &budget) }
        let left = (1...5000 as ClosedRange<UInt16>).filter { pending.take($0) != nil }
        #expect(left == Array(4105...5000))
    }

    @Test("an id used again counts from its last use")
    func again() {
        var budget = MemoryBudget(bytes: 1 << 20)
        var pending = PendingRequests()
        defer { pending.deallocate(&budget) }
        pending.add(Self.request(8, at: 1), &budget)
        pending.add(Self.request(8, at: 2), &budget)
        #expect(pending.take(8)?.nanoseconds == 2)
        #expect(pending.take(8) == nil)
    }

    @Test("two that share a place need the smallest table")
    func small() {
        var budget = MemoryBudget(bytes: 1 << 20)
        var pending = PendingRequests()
        defer { pending.deallocate(&budget) }
        for (index, id) in ([1, 1025, 9, 17, 65_529] as [UInt16]).enumerated() {
            pending.add(Self.request(id, at: Int64(index)), &budget)
        }
        #expect(pending.size == PendingRequests.fewest)
        #expect(pending.take(9)?.nanoseconds == 2)
        #expect(pending.take(1)?.nanoseconds == 0)
        #expect(pending.take(65_529)?.nanoseconds == 4)
        #expect(pending.take(1025)?.nanoseconds == 1)
        #expect(pending.take(17)?.nanoseconds == 3)
        #expect(pending.count == 0)
    }

    @Test("behave as a dictionary does, while there is room", arguments: [1, 2, 3, 4])
    func model(seed: UInt64) {
        var budget = MemoryBudget(bytes: 1 << 20)
        var random = SplitMix64(seed: seed)
        var pending = PendingRequests()
        defer { pending.deallocate(&budget) }
        var model: [UInt16: Int64] = [:]
        // Many ids share their low bits, so that searches run into each other.
        let ids = (0..<300 as Range<UInt16>).map { $0 % 20 * 3 + $0 / 20 * 1024 }
        for time in 1...30_000 as ClosedRange<Int64> {
            let id = ids.randomElement(using: &random) ?? 0
            if Bool.random(using: &random) {
                pending.add(Self.request(id, at: time), &budget)
                model[id] = time
            } else {
                #expect(pending.take(id)?.nanoseconds == model.removeValue(forKey: id), "seed \(seed), time \(time)")
            }
        }
        #expect(Int(pending.count) == model.count, "seed \(seed)")
    }

    @Test("without a budget every connection has the smallest table, and forgets the oldest")
    func withoutBudget() {
        var budget = MemoryBudget(bytes: 0)
        var pending = PendingRequests()
        for (index, id) in ([40, 7, 300, 21, 5, 66, 1000, 9, 11] as [UInt16]).enumerated() {
            pending.add(Self.request(id, at: Int64(index)), &budget)
        }
        #expect(pending.size == PendingRequests.fewest && pending.count == 7)
        #expect(pending.take(40) == nil && pending.take(7) == nil)
        #expect(pending.take(300)?.nanoseconds == 2 && pending.take(11)?.nanoseconds == 8)
        pending.deallocate(&budget)
        #expect(budget.left == 0)
    }
}

@Suite("Held frames")
struct HeldFrameTests {
    private func add(_ count: Int, to held: inout HeldFrames, _ budget: inout MemoryBudget) {
        let passage = Passage(
            number: 1,
            time: CaptureTime(nanoseconds: 1),
            elapsedNanoseconds: -1,
            bodyBytesMax: 64,
            direction: .toServer,
            request: 0
        )
        let frame = makeFrame(0x05, request: 1, [1, 2, 3])
        for _ in 0..<count { frame.withUnsafeBytes { held.add(passage, $0, &budget) } }
    }

    private func count(_ held: HeldFrames) -> Int {
        var (position, count) = (0, 0)
        while let (_, frame) = held.next(&position) {
            #expect(frame.count == 9)
            count += 1
        }
        return count
    }

    @Test("take what they need of the budget, and give it back")
    func small() {
        var budget = MemoryBudget(bytes: 1 << 20)
        var held = HeldFrames()
        add(2, to: &held, &budget)
        #expect(budget.left == (1 << 20) - HeldFrames.bytesMin)
        add(1000, to: &held, &budget)
        #expect(budget.left == (1 << 20) - HeldFrames.bytesMax)
        #expect(count(held) + held.dropped == 1002)
        #expect(count(held) > HeldFrames.bytesMax / 80)
        held.deallocate(&budget)
        #expect(budget.left == 1 << 20)
    }

    @Test("beyond the budget a connection keeps its first frames, and what is dropped is counted")
    func withoutBudget() {
        var budget = MemoryBudget(bytes: 0)
        var held = HeldFrames()
        add(100, to: &held, &budget)
        let kept = count(held)
        #expect(kept >= 2 && kept <= HeldFrames.bytesMin / 9)
        #expect(held.dropped == 100 - kept)
        held.deallocate(&budget)
        #expect(budget.left == 0)
    }
}

@Suite("Times out of the ordinary")
struct ExtremeTimeTests {
    @Test("a packet's time is clamped so that differences are numbers too")
    func clamped() {
        let limit = CaptureTime.nanosecondsMax
        let far: [(Int, Int, Int64)] = [
            (1 << 40, 0, limit), (-1 << 40, 0, -limit), (.max, .max, limit), (.min, .min, -limit),
            (9_223_372_036, 999_999_999, limit), (-9_223_372_036, -999_999_999, -limit),
            (4_611_686_018, 427_387_903, limit), (1_700_000_000, 5, 1_700_000_000_000_000_005), (-1, 0, -1_000_000_000),
        ]
        for (seconds, fraction, nanoseconds) in far {
            let time = CaptureTime(clamping: timeval(tv_sec: seconds, tv_usec: fraction))
            #expect(time.nanoseconds == nanoseconds, "\(seconds) s, \(fraction) ns")
        }
        #expect(!limit.subtractingReportingOverflow(-limit).overflow)
    }

    @Test("no form traps on times at both ends")
    func extremes() throws {
        let times: [Int64] = [.min, -CaptureTime.nanosecondsMax, -1, 0, 1, CaptureTime.nanosecondsMax, .max]
        for form in [OutputConfiguration.Form.lines, .json, .statistics, .statisticsJSON] {
            for first in times {
                for second in times {
                    let text = try dumped(.test(form)) { interpreter in
                        interpreter.play(makeFrame(0x05, request: 1, []), .toServer, at: first)
                        interpreter.play(makeFrame(0x85, request: 1, []), .toClient, at: second)
                        interpreter.play(makeFrame(0x05, request: 0, []), .toClient, at: first)
                        interpreter.play(makeFrame(0x85, request: 0, []), .toServer, at: second)
                    }
                    #expect(!text.isEmpty, "\(first), \(second)")
                    #expect(!text.contains("[-") && !text.contains("NS\":-"), "\(first), \(second): \(text)")
                }
            }
        }
    }
}

extension Interpreter {
    fileprivate mutating func play(_ bytes: [UInt8], _ direction: Direction, at nanoseconds: Int64) {
        bytes.withUnsafeBytes {
            frame(
                $0,
                FrameHeader(parsing: $0),
                of: ConnectionName(slot: 0, number: 1),
                direction,
                at: CaptureTime(nanoseconds: nanoseconds)
            )
        }
    }
}
