import TidemarkWire

/// Whether the clock may be believed when it says that tombstones are old. A clock that jumps ahead would have all of them
/// collected at once, and every device that was away for an hour would pay a full sync; so after a jump of more than a day
/// nothing is collected for its age until somebody says that the clock is right.
///
/// It is looked at before each group is stamped, and a jump is written with the first group that has the new time: so
/// no restart forgets it.
///
/// A server that was off for more than a day cannot be told from one whose clock jumped: it waits as well.
struct ClockWatch {
    static let jumpMaxMicroseconds: UInt64 = 86_400_000_000

    /// The clock as it was looked at last, in microseconds since the Unix epoch, and when that was on a clock that does
    /// not step, in nanoseconds.
    private var wall: UInt64
    private var seenAt: UInt64
    /// How far it jumped, in microseconds; nil while it is believed.
    private(set) var jump: UInt64?

    /// - Parameters:
    ///   - newest: the newest change, whose stamp came from the clock before; 0 for none.
    ///   - jump: what was found before, and never confirmed.
    ///   - wall: the clock, in microseconds since the Unix epoch.
    ///   - now: on a clock that does not step, in nanoseconds.
    init(newest: Stamp, jump: UInt64?, wall: UInt64, at now: UInt64) {
        self.wall = wall
        self.jump = jump
        seenAt = now
        if jump == nil, newest > 0, wall > newest, wall - newest > Self.jumpMaxMicroseconds {
            self.jump = wall - newest
        }
    }

    mutating func look(wall now: UInt64, at time: UInt64) {
        // Threads look in any order.
        let expected = wall + (time > seenAt ? time - seenAt : 0) / 1_000
        if jump == nil, now > expected, now - expected > Self.jumpMaxMicroseconds { jump = now - expected }
        (wall, seenAt) = (now, max(time, seenAt))
    }

    /// Somebody says that it is right, as it is now.
    mutating func confirm(wall now: UInt64, at time: UInt64) {
        (wall, seenAt) = (now, time)
        jump = nil
    }
}
