import Testing
import TidemarkDirectory

@testable import TidemarkStore

@Suite("The clock that retention goes by") struct ClockWatchTests {
    static let hour: UInt64 = 3_600_000_000

    /// A time on the clock that does not step, in nanoseconds.
    private func at(_ microseconds: UInt64) -> UInt64 { microseconds * 1_000 }

    @Test("is believed while it goes as time does, or steps back, or ahead by less than a day")
    func steady() {
        var watch = ClockWatch(newest: 1_000, record: ClockWatch.Record(), wall: 2_000, at: at(0))
        var (wall, time) = (2_000 as UInt64, 0 as UInt64)
        for step in [Self.hour, 23 * Self.hour, 400 * Self.hour] {
            (wall, time) = (wall + step, time + step)
            watch.look(wall: wall, at: at(time))
            #expect(watch.jump == nil)
        }
        watch.look(wall: wall + 23 * Self.hour, at: at(time))
        #expect(watch.jump == nil)
        // Back by years, and again where it was: what was seen before is no jump.
        watch.look(wall: 5, at: at(time + 1))
        #expect(watch.jump == nil)
        watch.look(wall: wall + 24 * Self.hour, at: at(time + Self.hour))
        #expect(watch.jump == nil)
    }

    @Test("is not believed after a jump, until it is confirmed") func jump() {
        var watch = ClockWatch(newest: 1_000, record: ClockWatch.Record(), wall: 2_000, at: at(0))
        watch.look(wall: 2_000 + 26 * Self.hour, at: at(Self.hour))
        #expect(watch.jump == 25 * Self.hour)
        watch.look(wall: 2_000 + 27 * Self.hour, at: at(2 * Self.hour))
        #expect(watch.jump == 25 * Self.hour)
        watch.confirm(wall: 2_000 + 27 * Self.hour, at: at(2 * Self.hour))
        #expect(watch.jump == nil)
        watch.look(wall: 2_000 + 127 * Self.hour, at: at(3 * Self.hour))
        #expect(watch.jump != nil, "the next jump counts again")
    }

    @Test("is confirmed as it is then, looked at before or not") func confirmedFirst() {
        var watch = ClockWatch(newest: 1_000, record: ClockWatch.Record(), wall: 2_000, at: at(0))
        watch.confirm(wall: 2_000 + 300 * Self.hour, at: at(Self.hour))
        watch.look(wall: 2_000 + 301 * Self.hour, at: at(2 * Self.hour))
        #expect(watch.jump == nil)
    }

    @Test("is not believed at a start more than a day after the newest change, or after an earlier jump") func start() {
        func jump(newest: UInt64, before: UInt64? = nil, believed: UInt64 = 0, wall: UInt64) -> UInt64? {
            let record = ClockWatch.Record(jump: before, believed: believed)
            return ClockWatch(newest: newest, record: record, wall: wall, at: at(0)).jump
        }
        #expect(jump(newest: 1_000, wall: 1_000 + 25 * Self.hour) == 25 * Self.hour)
        #expect(jump(newest: 1_000, wall: 1_000 + 23 * Self.hour) == nil)
        #expect(jump(newest: 0, wall: 1_000 + 25 * Self.hour) == nil, "an empty store")
        #expect(jump(newest: 1 << 55, wall: 1_000) == nil, "a clock that stepped back")
        #expect(jump(newest: 1_000, before: 30 * Self.hour, wall: 2_000) == 30 * Self.hour)
        #expect(jump(newest: 1_000, believed: 90 * Self.hour, wall: 100 * Self.hour) == nil, "nobody wrote for days")
        #expect(jump(newest: 1_000, believed: 90 * Self.hour, wall: 115 * Self.hour) == 25 * Self.hour)
    }

    @Test("that is slow at first, before it is set, has not jumped when it is") func slowAtFirst() {
        var watch = ClockWatch(newest: 500 * Self.hour, record: ClockWatch.Record(), wall: 5, at: at(0))
        watch.look(wall: 501 * Self.hour, at: at(Self.hour))
        #expect(watch.jump == nil)
        watch.look(wall: 550 * Self.hour, at: at(2 * Self.hour))
        #expect(watch.jump != nil)
    }
}
