import Synchronization
import TidemarkEventLoop
import TidemarkWire

/// Whether the clock may be believed when it says that tombstones are old. A clock that jumps ahead would have all of them
/// collected at once, and every device that was away for an hour would pay a full sync; so after a jump of more than a day
/// nothing is collected for its age until somebody says that the clock is right. A restart after a change that has the new
/// time for its stamp does not know of the jump any more.
///
/// A server that was off for more than a day cannot be told from one whose clock jumped: it waits as well.
struct ClockWatch {
    static let jumpMaxMicroseconds: UInt64 = 86_400_000_000

    /// The clock as it was looked at last, in microseconds since the Unix epoch, and when that was.
    private var wall: UInt64
    private var seenAt: MonotonicTime
    /// How far it jumped, in microseconds; nil while it is believed.
    private(set) var jump: UInt64?

    /// `newest` is the newest change, whose stamp came from the clock before; 0 for none.
    init(newest: Stamp, wall: UInt64, at now: MonotonicTime) {
        self.wall = wall
        seenAt = now
        if newest > 0, wall > newest, wall - newest > Self.jumpMaxMicroseconds { jump = wall - newest }
    }

    /// Looks at the clock. Returns true when it has just been found to have jumped.
    mutating func look(wall now: UInt64, at time: MonotonicTime) -> Bool {
        defer { (wall, seenAt) = (now, time) }
        let expected = wall + (time.nanoseconds - seenAt.nanoseconds) / 1_000
        guard jump == nil, now > expected, now - expected > Self.jumpMaxMicroseconds else { return false }
        jump = now - expected
        return true
    }

    /// Somebody says that it is right.
    mutating func confirm() { jump = nil }
}

/// How often somebody has said that the clock is right; from any thread.
final class ClockConfirmations: Sendable {
    private let said = Atomic<Int>(0)
    var count: Int { said.load(ordering: .acquiring) }
    func add() { said.wrappingAdd(1, ordering: .acquiringAndReleasing) }
}
