import TidemarkWire

/// Whether the clock may be believed when it says that tombstones are old. A clock that jumps ahead would have all of them
/// collected at once, and every device that was away for an hour would pay a full sync; so after a jump of more than a day
/// nothing is collected for its age until somebody says that the clock is right.
///
/// It is looked at before each group is stamped, and a jump is written with the first group that has the new time: so
/// no restart forgets it.
///
/// A clock that steps back and then forth again has not jumped. A server that was off for more than a day cannot be told from
/// one whose clock jumped: it waits as well.
struct ClockWatch {
    static let jumpMaxMicroseconds: UInt64 = 86_400_000_000

    /// What the store keeps.
    struct Record: Equatable, Sendable {
        /// How far the clock jumped, in microseconds; nil while it is believed.
        var jump: UInt64?
        /// The clock was believed when it showed this; 0 for never.
        var believed: UInt64 = 0
    }

    /// The furthest that the clock can have come by itself, in microseconds since the Unix epoch, when it was looked at
    /// last, and when that was on a clock that does not step, in nanoseconds.
    private var wall: UInt64
    private var seenAt: UInt64
    private(set) var record: Record
    var jump: UInt64? { record.jump }

    /// - Parameters:
    ///   - newest: the newest change, whose stamp came from the clock before; 0 for none.
    ///   - record: of the opening before.
    ///   - wall: the clock, in microseconds since the Unix epoch.
    ///   - now: on a clock that does not step, in nanoseconds.
    init(newest: Stamp, record: Record, wall: UInt64, at now: UInt64) {
        let known = max(newest, record.believed)
        self.wall = max(wall, known)
        self.record = record
        seenAt = now
        if record.jump == nil, known > 0, self.wall - known > Self.jumpMaxMicroseconds {
            self.record.jump = self.wall - known
        }
    }

    mutating func look(wall now: UInt64, at time: UInt64) {
        // Threads look in any order.
        let expected = wall + (time > seenAt ? time - seenAt : 0) / 1_000
        if jump == nil, now > expected, now - expected > Self.jumpMaxMicroseconds { record.jump = now - expected }
        (wall, seenAt) = (max(now, expected), max(time, seenAt))
    }

    /// Somebody says that it is right, as it is now.
    mutating func confirm(wall now: UInt64, at time: UInt64) {
        (wall, seenAt) = (now, time)
        record = Record(believed: now)
    }

    /// At the end: a server that is started again within a day has not jumped, if nobody wrote either.
    mutating func end(wall now: UInt64, at time: UInt64) {
        look(wall: now, at: time)
        if jump == nil { record.believed = max(record.believed, now) }
    }
}
