import Testing
import TidemarkRandom

@testable import TidemarkLoad

/// The times of an open loop, on a clock that is handed in.
@Suite struct ScheduleTests {
    @Test func timesAreEvenlySpacedFromTheStart() {
        let schedule = Schedule(start: 5_000, end: .max, rate: 1_000_000)
        #expect((0..<4).map { schedule.time(of: $0) } == [5_000, 6_000, 7_000, 8_000])
    }

    @Test func lanesInterleave() {
        let lanes = (0..<3).map { Schedule(start: 0, end: .max, rate: 1e9, lane: $0, of: 3) }
        let times = (0..<5).flatMap { index in lanes.map { $0.time(of: index) } }
        #expect(times == Array(0..<15))
    }

    @Test func nothingIsTakenBeforeItsTimeAndEverythingAfter() {
        var schedule = Schedule(start: 100, end: 1_000, rate: 1e7)
        #expect(schedule.take(at: 99) == nil)
        #expect(schedule.take(at: 100) == 100)
        #expect(schedule.take(at: 150) == nil)
        #expect(schedule.nextDue == 200)
        // A stall: all that was due meanwhile comes with its own time, not with the time of taking.
        #expect((0..<3).map { _ in schedule.take(at: 450) } == [200, 300, 400])
        #expect(schedule.take(at: 450) == nil)
        #expect(schedule.taken == 4)
    }

    @Test func nothingIsDueFromTheEndOn() {
        var schedule = Schedule(start: 0, end: 300, rate: 1e7)
        #expect((0..<4).map { _ in schedule.take(at: 10_000) } == [0, 100, 200, nil])
        #expect(schedule.nextDue == nil)
        #expect(schedule.due(by: 10_000) == 3)
    }

    @Test func anEarlyEndKeepsWhatWasDueBefore() {
        var schedule = Schedule(start: 0, end: 1_000, rate: 1e7)
        schedule.cut(at: 250)
        #expect(schedule.due(by: .max - 1) == 3)
        schedule.cut(at: 700)
        #expect(schedule.end == 250)
    }

    /// The count by formula is the count by counting, for rates that no nanosecond divides.
    @Test(arguments: [3.0, 7_777.7, 999_999.0, 33_333_333.3], [(0, 1), (1, 3), (6, 7)])
    func dueCountsWhatCouldBeTaken(rate: Double, lane: (index: Int, of: Int)) {
        var random = SplitMix64(seed: 7)
        var schedule = Schedule(start: 1_000_000, end: .max, rate: rate, lane: lane.index, of: lane.of)
        var now: UInt64 = 1_000_000
        for _ in 0..<400 {
            now += random.next() % UInt64(3e9 / rate * Double(lane.of))
            while schedule.take(at: now) != nil {}
            #expect(schedule.due(by: now) == schedule.taken, "rate \(rate), lane \(lane), now \(now), seed 7")
        }
        #expect(schedule.taken > 100)
    }

    /// What is due after the last of all times is due at it, which is never.
    @Test(arguments: [1e-12, 1e-300])
    func timesTooFarAwayAreTheLast(rate: Double) {
        var schedule = Schedule(start: 1_000, end: .max, rate: rate)
        #expect(schedule.time(of: 0) == 1_000 && schedule.time(of: 1) == .max && schedule.time(of: .max) == .max)
        #expect(schedule.take(at: 1_000) == 1_000)
        #expect(schedule.take(at: .max) == nil && schedule.nextDue == nil)
        #expect(schedule.due(by: .max) == 1)
    }

    @Test func aStartNearTheEndOfTimeDoesNotWrapRound() {
        let schedule = Schedule(start: .max - 10, end: .max, rate: 1e9)
        #expect(schedule.time(of: 5) == .max - 5 && schedule.time(of: 11) == .max)
    }

    @Test func aDayAtARateThatDoesNotDivideIsOffByLessThanAnOperation() {
        let schedule = Schedule(start: 0, end: .max, rate: 30_000)
        let day: UInt64 = 86_400_000_000_000
        #expect(schedule.due(by: day - 1) == 30_000 * 86_400)
    }
}
