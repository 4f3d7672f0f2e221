import Glibc

public enum SystemClock {
    /// Microseconds since the Unix epoch, by the machine's clock.
    @Sendable
    public static func microseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1_000
    }
}
