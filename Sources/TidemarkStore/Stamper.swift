import TidemarkWire

/// Makes stamps: microseconds since the Unix epoch, but always at least the last one + 1, so that they never repeat or
/// step back when the clock does (and across restarts: `last` is read from the log).
public struct Stamper: Sendable {
    public private(set) var last: Stamp

    public init(last: Stamp) { self.last = last }

    /// The first of `count` stamps in a row.
    public mutating func take(_ count: Int, now microseconds: UInt64) -> Stamp {
        precondition(count > 0)
        let first = max(microseconds, last + 1)
        last = first + UInt64(count) - 1
        precondition(last <= .largest, "stamps last until the year 4253")
        return first
    }
}

/// Where the time comes from; tests hand in their own.
public typealias WallClock = @Sendable () -> UInt64
