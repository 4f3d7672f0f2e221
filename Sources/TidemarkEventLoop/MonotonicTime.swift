// Time, as the loop sees it.
//
//   clock_gettime(CLOCK_MONOTONIC) ──once an iteration──▶ EventLoop.now ──handed in──▶ deadlines, policies
//
// Nothing but `EventLoop.wait` reads the clock, so whatever decides by time can be tested without waiting.

import Glibc

/// A point on the machine's monotonic clock; it never steps back, and means nothing after a reboot.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    /// Nanoseconds since an arbitrary start.
    public var nanoseconds: UInt64

    /// A point `nanoseconds` after the clock's arbitrary start.
    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// Reads the clock.
    public static func readClock() -> MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The point `duration` later. A negative duration counts as zero, and the end of time is not passed.
    public static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime {
        let (sum, overflow) = time.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return MonotonicTime(nanoseconds: overflow ? .max : sum)
    }

    /// How much later `left` is than `right`; zero if it is not.
    public static func - (left: MonotonicTime, right: MonotonicTime) -> Duration {
        .nanoseconds(Int64(clamping: left.nanoseconds > right.nanoseconds ? left.nanoseconds - right.nanoseconds : 0))
    }
}

extension Duration {
    /// In nanoseconds, at least 0 and at most the largest value.
    var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (scaled, tooLarge) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow) = scaled.addingReportingOverflow(UInt64(attoseconds) / 1_000_000_000)
        return tooLarge || overflow ? .max : sum
    }
}
