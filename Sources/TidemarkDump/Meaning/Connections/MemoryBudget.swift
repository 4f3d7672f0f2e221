/// Bytes that all connections together may use for one purpose. Nobody counts on getting them: what finds no room is
/// forgotten, and the dump goes on.
struct MemoryBudget: BitwiseCopyable {
    private(set) var left: Int

    init(bytes: Int) { left = bytes }

    /// Returns whether there was room.
    mutating func take(_ bytes: Int) -> Bool {
        guard bytes <= left else { return false }
        left -= bytes
        return true
    }

    /// For the little that each connection gets in any case; what is left may fall below 0.
    mutating func takeAlways(_ bytes: Int) { left -= bytes }

    mutating func giveBack(_ bytes: Int) { left += bytes }
}

extension Int64 {
    /// This less `earlier`, or the nearest that can be said of it.
    @inline(__always)
    func since(_ earlier: Int64) -> Int64 {
        let (difference, overflow) = subtractingReportingOverflow(earlier)
        return overflow ? (self < earlier ? .min : .max) : difference
    }
}
