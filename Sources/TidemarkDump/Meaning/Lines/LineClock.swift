#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The time at a line's begin. The text of a second, and the day, are worked out once for all lines in it.
struct LineClock {
    private let isUTC: Bool
    private var second = Int64.min
    /// The day that the lines above belong to, counted from 1970; nil before the first.
    private var day: Int64?
    private var currentDay: Int64 = 0
    private var offsetSeconds: Int64 = 0
    /// "17:41:02"
    private var text: UInt64 = 0

    init(_ clock: OutputConfiguration.Clock) {
        isUTC = clock == .utc
        if !isUTC { tzset() }
    }

    /// A line with the date where the day is another one than above; nothing for a time of 0.
    @inline(__always)
    mutating func dateLine(_ time: CaptureTime, to out: inout LineBuffer) {
        guard time.nanoseconds != 0 else { return }
        let (seconds, _) = time.nanoseconds.dividedDown(by: 1_000_000_000)
        if seconds != second { turn(to: seconds) }
        if day != currentDay { writeDate(to: &out) }
    }

    /// HH:MM:SS.uuuuuu and a space; nothing for a time of 0.
    @inline(__always)
    mutating func write(_ time: CaptureTime, to out: inout LineBuffer) {
        guard time.nanoseconds != 0 else { return }
        let (seconds, nanoseconds) = time.nanoseconds.dividedDown(by: 1_000_000_000)
        if seconds != second { turn(to: seconds) }
        let to = UnsafeMutableRawPointer(out.room(9))
        to.storeBytes(of: text, as: UInt64.self)
        to.storeBytes(of: UInt8(ascii: "."), toByteOffset: 8, as: UInt8.self)
        out.advance(9)
        out.padded(UInt64(truncatingIfNeeded: nanoseconds) / 1000, digits: 6)
        out.byte(UInt8(ascii: " "))
    }

    @inline(never)
    private mutating func turn(to seconds: Int64) {
        second = seconds
        offsetSeconds = isUTC ? 0 : Self.localOffset(at: seconds)
        let (day, rest) = (seconds + offsetSeconds).dividedDown(by: 86_400)
        currentDay = day
        let digits = (rest / 3600, rest / 60 % 60, rest % 60)
        withUnsafeMutableBytes(of: &text) { bytes in
            func put(_ value: Int64, _ at: Int) {
                bytes[at] = UInt8(ascii: "0") + UInt8(value / 10)
                bytes[at + 1] = UInt8(ascii: "0") + UInt8(value % 10)
            }
            put(digits.0, 0)
            bytes[2] = UInt8(ascii: ":")
            put(digits.1, 3)
            bytes[5] = UInt8(ascii: ":")
            put(digits.2, 6)
        }
    }

    @inline(never)
    private mutating func writeDate(to out: inout LineBuffer) {
        day = currentDay
        out.date(CalendarDay(currentDay))
        if isUTC {
            out.text(" UTC\n")
            return
        }
        let minutes = UInt64(abs(offsetSeconds) / 60)
        out.text(offsetSeconds < 0 ? " -" : " +")
        out.padded(minutes / 60, digits: 2)
        out.byte(UInt8(ascii: ":"))
        out.padded(minutes % 60, digits: 2)
        out.byte(UInt8(ascii: "\n"))
    }

    private static func localOffset(at seconds: Int64) -> Int64 {
        var time = time_t(seconds)
        var parts = tm()
        guard localtime_r(&time, &parts) != nil else { return 0 }
        return Int64(parts.tm_gmtoff)
    }
}
