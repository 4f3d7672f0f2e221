import Testing
import TidemarkEventLoop

@testable import TidemarkServer

@Suite("The clock that retention goes by") struct ClockWatchTests {
    static let hour: UInt64 = 3_600_000_000

    /// A time on the monotonic clock, in microseconds.
    private func at(_ microseconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: microseconds * 1_000) }

    @Test("is believed while it goes as time does, or steps back, or ahead by less than a day")
    func steady() {
        var watch = ClockWatch(newest: 1_000, wall: 2_000, at: at(0))
        var (wall, time) = (2_000 as UInt64, 0 as UInt64)
        for step in [Self.hour, 23 * Self.hour, 400 * Self.hour] {
            (wall, time) = (wall + step, time + step)
            let hasJumped = watch.look(wall: wall, at: at(time))
            #expect(!hasJumped)
        }
        var hasJumped = watch.look(wall: wall + 23 * Self.hour, at: at(time))
        #expect(!hasJumped)
        hasJumped = watch.look(wall: 5, at: at(time + 1))
        #expect(!hasJumped)
        #expect(watch.jump == nil)
    }

    @Test("is not believed after a jump, until it is confirmed") func jump() {
        var watch = ClockWatch(newest: 1_000, wall: 2_000, at: at(0))
        var hasJumped = watch.look(wall: 2_000 + 26 * Self.hour, at: at(Self.hour))
        #expect(hasJumped)
        #expect(watch.jump == 25 * Self.hour)
        hasJumped = watch.look(wall: 2_000 + 27 * Self.hour, at: at(2 * Self.hour))
        #expect(!hasJumped, "told once")
        #expect(watch.jump != nil)
        watch.confirm()
        #expect(watch.jump == nil)
        hasJumped = watch.look(wall: 2_000 + 127 * Self.hour, at: at(3 * Self.hour))
        #expect(hasJumped, "the next jump counts again")
    }

    @Test("is not believed at a start more than a day after the newest change") func start() {
        #expect(ClockWatch(newest: 1_000, wall: 1_000 + 25 * Self.hour, at: at(0)).jump == 25 * Self.hour)
        #expect(ClockWatch(newest: 1_000, wall: 1_000 + 23 * Self.hour, at: at(0)).jump == nil)
        #expect(ClockWatch(newest: 0, wall: 1_000 + 25 * Self.hour, at: at(0)).jump == nil, "an empty store")
        #expect(ClockWatch(newest: 1 << 55, wall: 1_000, at: at(0)).jump == nil, "a clock that stepped back")
    }
}
