//  How often something may be done: a bucket of tokens, kept as the time at which it will be full again (the generic cell rate
//  algorithm, ITU-T I.371). A bucket that is full is worth nothing to keep.

/// So many at once, and as many again in each period, evenly.
public struct RateLimit: Equatable, Sendable {
    /// 0: no limit.
    public var count: Int
    public var period: Duration

    public init(_ count: Int, per period: Duration) {
        precondition(count >= 0 && period > .zero)
        self.count = count
        self.period = period
    }

    public static let none = RateLimit(0, per: .seconds(1))

    var periodNanoseconds: UInt64 { UInt64(period / .nanoseconds(1)) }

    /// Takes one out of a bucket that is full at `full`, in nanoseconds as `now` is.
    ///
    /// - Returns: nil where it has one; else how long to wait for it, in nanoseconds, and nothing is taken.
    func take(from full: inout UInt64, now: UInt64) -> UInt64? {
        guard count > 0 else { return nil }
        let one = max(1, periodNanoseconds / UInt64(count))
        let next = max(full, now) + one
        guard next - now <= periodNanoseconds else { return next - now - periodNanoseconds }
        full = next
        return nil
    }
}

/// Buckets by key, as long as they are not full. Not more of them than `keysMax`: beyond, a new key has no limit until there is
/// room again.
struct Buckets<Key: Hashable> {
    let limit: RateLimit
    let keysMax: Int
    private var full: [Key: UInt64] = [:]
    /// When there are so many, it is looked which of them are full; but not before then.
    private var sweepAt = 64
    private var nextSweep: UInt64 = 0

    init(_ limit: RateLimit, keysMax: Int) {
        self.limit = limit
        self.keysMax = keysMax
    }

    var count: Int { full.count }

    mutating func take(_ key: Key, now: UInt64) -> UInt64? {
        guard limit.count > 0 else { return nil }
        if let index = full.index(forKey: key) { return limit.take(from: &full.values[index], now: now) }
        if full.count >= sweepAt, now >= nextSweep { sweep(now: now) }
        guard full.count < keysMax else { return nil }
        var new: UInt64 = 0
        defer { full[key] = new }
        return limit.take(from: &new, now: now)
    }

    private mutating func sweep(now: UInt64) {
        full = full.filter { $0.value > now }
        sweepAt = min(keysMax, max(64, 2 * full.count))
        // Each costs as much as there are keys, and nobody is to have one made for each of his.
        nextSweep = now + limit.periodNanoseconds / 16
    }
}
