// Dates and times, in the proleptic Gregorian calendar.

/// A day of the calendar.
struct CalendarDay {
    var year: Int64
    var month: Int64
    var day: Int64

    /// - Parameter days: since 1970-01-01.
    ///
    /// Counts years from March on, so that the leap day is a year's last, in eras of 400 years, which are all alike.
    init(_ days: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let ofEra = shifted - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * ofYear + 2) / 153
        day = ofYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }
}

extension LineBuffer {
    /// 2026-12-01
    mutating func date(_ day: CalendarDay) {
        padded(UInt64(max(0, day.year)), digits: 4)
        byte(UInt8(ascii: "-"))
        padded(UInt64(day.month), digits: 2)
        byte(UInt8(ascii: "-"))
        padded(UInt64(day.day), digits: 2)
    }

    /// 17:41:02
    @inline(__always)
    mutating func clock(secondOfDay: Int64) {
        let seconds = UInt64(truncatingIfNeeded: secondOfDay)
        padded(seconds / 3600, digits: 2)
        byte(UInt8(ascii: ":"))
        padded(seconds / 60 % 60, digits: 2)
        byte(UInt8(ascii: ":"))
        padded(seconds % 60, digits: 2)
    }

    /// 2026-12-01T00:00:00, without a zone.
    mutating func dateAndClock(seconds: Int64) {
        let (day, rest) = seconds.dividedDown(by: 86_400)
        date(CalendarDay(day))
        byte(UInt8(ascii: "T"))
        clock(secondOfDay: rest)
    }

    /// 2026-12-01T00:00:00Z
    mutating func utc(seconds: UInt32) {
        dateAndClock(seconds: Int64(seconds))
        byte(UInt8(ascii: "Z"))
    }

    /// A stamp as the microsecond that it is made of.
    mutating func utc(stamp: UInt64) {
        dateAndClock(seconds: Int64(stamp / 1_000_000))
        byte(UInt8(ascii: "."))
        padded(stamp % 1_000_000, digits: 6)
        byte(UInt8(ascii: "Z"))
    }

    mutating func utc(nanoseconds: Int64) {
        let (seconds, rest) = nanoseconds.dividedDown(by: 1_000_000_000)
        dateAndClock(seconds: seconds)
        byte(UInt8(ascii: "."))
        padded(UInt64(rest), digits: 9)
        byte(UInt8(ascii: "Z"))
    }

    /// "812 µs", "1.2 ms", "34 ms", "1.25 s"
    mutating func duration(nanoseconds: Int64) {
        let value = UInt64(max(0, nanoseconds))
        switch value {
        case ..<1_000_000:
            decimal((value + 500) / 1000)
            text(" µs")
        case ..<100_000_000:
            decimal(value / 1_000_000)
            byte(UInt8(ascii: "."))
            decimal(value / 100_000 % 10)
            text(" ms")
        case ..<1_000_000_000:
            decimal(value / 1_000_000)
            text(" ms")
        default:
            decimal(value / 1_000_000_000)
            byte(UInt8(ascii: "."))
            padded(value / 10_000_000 % 100, digits: 2)
            text(" s")
        }
    }
}

extension Int64 {
    /// Towards minus infinity, so that the rest is never negative.
    @inline(__always)
    func dividedDown(by divisor: Int64) -> (quotient: Int64, rest: Int64) {
        let (quotient, rest) = quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
    }
}
