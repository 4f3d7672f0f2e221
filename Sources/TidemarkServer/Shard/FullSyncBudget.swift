/// How many full syncs are begun. They are most of what can be asked of a loop, and after a restored backup everybody needs one
/// at once: what is beyond the rate has to wait, and keeps its book meanwhile. One that has begun goes on.
struct FullSyncBudget {
    private static let waitMaxSeconds = 60

    private let bytesPerSecond: Int
    /// Bytes that may still be sent, up to what a second has; below nothing, when the last one took more.
    private var available: Int
    private var refilledAt: UInt64 = 0

    init(bytesPerSecond: Int) {
        self.bytesPerSecond = bytesPerSecond
        available = bytesPerSecond
    }

    /// It needs not be asked otherwise, and costs no look at the time.
    var isSpent: Bool { available <= 0 }

    /// Nil: it may begin. Otherwise after how many milliseconds it may be asked for again, at the earliest. The time is in
    /// milliseconds too, and never less than before.
    mutating func wait(now: UInt64) -> UInt32? {
        if now > refilledAt { refill(now) }
        guard isSpent else { return nil }
        return UInt32(clamping: -available * 1_000 / bytesPerSecond + 1)
    }

    private mutating func refill(_ now: UInt64) {
        let (earned, isTooMuch) = (now - refilledAt).multipliedReportingOverflow(by: UInt64(bytesPerSecond))
        refilledAt = now
        let missing = bytesPerSecond - available
        available += isTooMuch ? missing : min(missing, Int(clamping: earned / 1_000))
    }

    mutating func spend(_ bytes: Int, now: UInt64) {
        if now > refilledAt { refill(now) }
        // What has begun goes on, whatever there is left; and says so itself, by its token. Nobody else waits longer for it.
        available = max(-Self.waitMaxSeconds * bytesPerSecond, available - bytes)
    }
}
