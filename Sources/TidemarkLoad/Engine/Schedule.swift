//  When the operations of an open loop are due: fixed before the first one is sent, whatever becomes of them.
//
//      start     start + 1/R   start + 2/R   start + 3/R   …           the n-th of all lanes
//      lane 0    lane 1        lane 0        lane 1        …           here with two lanes
//
//  The n-th time can be computed, so what is due and cannot be sent waits as a number, never as a queue. Latency counts
//  from these times: a server that stalls makes all that were due meanwhile slow, not just those it held (the
//  "coordinated omission" of closed loops).

/// One lane's share of the times. Pure; nanoseconds of one clock throughout.
struct Schedule: Equatable {
    /// As far as a signed number of nanoseconds goes: nearly three hundred years.
    private static let offsetMax = 0x1p63

    let start: UInt64
    /// Nothing is due from here on.
    private(set) var end: UInt64
    private let lane: Int
    private let lanes: Int
    /// Nanoseconds between two operations of the whole run.
    private let spacing: Double
    /// Operations that were taken.
    private(set) var taken = 0
    /// When the next one is due.
    private(set) var next: UInt64

    /// - Precondition: `rate` a second is above zero, and `lane` is one of `lanes`.
    init(start: UInt64, end: UInt64, rate: Double, lane: Int = 0, of lanes: Int = 1) {
        precondition(rate > 0 && lane >= 0 && lane < lanes)
        self.start = start
        self.end = end
        self.lane = lane
        self.lanes = lanes
        spacing = 1e9 / rate
        next = start
        next = time(of: 0)
    }

    /// When this lane's `index`-th operation is due; the last of all times if it is too far away to be counted.
    func time(of index: Int) -> UInt64 {
        // Exact to a nanosecond for as long as the product is below 2^53 ns, which is a hundred days.
        let number = Double(index) * Double(lanes) + Double(lane)
        let offset = number == 0 ? 0 : number * spacing
        guard offset < Self.offsetMax else { return .max }
        let (time, isBeyond) = start.addingReportingOverflow(UInt64(offset))
        return isBeyond ? .max : time
    }

    /// Takes the next operation if it is due at `now`, and returns when it was due.
    mutating func take(at now: UInt64) -> UInt64? {
        guard next <= now, next < end else { return nil }
        defer {
            taken += 1
            next = time(of: taken)
        }
        return next
    }

    /// Whether something is due at `now` that was not taken.
    func isDue(at now: UInt64) -> Bool { next <= now && next < end }

    /// When something will be due that is not yet; nil: nothing any more.
    var nextDue: UInt64? { next < end ? next : nil }

    /// Operations that are due by `now`, taken or not.
    func due(by now: UInt64) -> Int {
        let last = min(now, end &- 1)
        guard end > start, last >= start else { return 0 }
        let whole = (Double(last - start) / spacing - Double(lane)) / Double(lanes)
        // What rounding may have lost or won.
        var count = max(0, whole < Self.offsetMax ? Int(whole) : .max)
        while time(of: count) <= last { count += 1 }
        while count > 0, time(of: count - 1) > last { count -= 1 }
        return count
    }

    /// Ends it early; what was due before `time` stays due.
    mutating func cut(at time: UInt64) { end = min(end, time) }
}
