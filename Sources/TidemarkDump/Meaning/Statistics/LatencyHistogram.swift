/// How often each length of time occurred, in memory of a fixed size. Below 256 ns each has a bucket of its own; from
/// there on each power of two has 128, so that a bucket's middle is within 0.4 % of all that is in it.
struct LatencyHistogram: ~Copyable {
    /// About 73 minutes; what is longer counts as this long.
    static let nanosecondsMax: Int64 = 1 << 42

    private static let subBuckets = 128
    private static let buckets = (42 - 7 + 1) * subBuckets + 1

    private let counts: UnsafeMutablePointer<UInt64>
    private(set) var count: UInt64 = 0
    private(set) var max: Int64 = 0

    init() {
        counts = .allocate(capacity: Self.buckets)
        counts.initialize(repeating: 0, count: Self.buckets)
    }

    deinit { counts.deallocate() }

    @inline(__always)
    mutating func record(_ nanoseconds: Int64) {
        let value = Swift.min(Swift.max(0, nanoseconds), Self.nanosecondsMax)
        counts[Self.bucket(value)] &+= 1
        count &+= 1
        if nanoseconds > max { max = nanoseconds }
    }

    /// In nanoseconds; `share` is 0.99 of the 99th percentile. 0 of nothing.
    func value(at share: Double) -> Int64 {
        var rest = UInt64((share * Double(count)).rounded(.up))
        for bucket in 0..<Self.buckets {
            if counts[bucket] >= rest, rest > 0 { return Swift.min(max, Self.middle(bucket)) }
            rest -= Swift.min(rest, counts[bucket])
        }
        return max
    }

    @inline(__always)
    private static func bucket(_ value: Int64) -> Int {
        let shift = Swift.max(0, 56 - value.leadingZeroBitCount)
        return shift * subBuckets + Int(value >> Int64(shift))
    }

    private static func middle(_ bucket: Int) -> Int64 {
        let shift = Swift.max(0, bucket / subBuckets - 1)
        let low = Int64(bucket - shift * subBuckets) << Int64(shift)
        return low + (shift > 0 ? 1 << Int64(shift - 1) : 0)
    }
}
