import Logging
import TidemarkStore

/// What the server depends on and cannot mend: its disk, its clock and its descriptors. Each change is said once; of what all
/// shards have in common by the first of them.
struct Conditions {
    let isSilent: Bool
    private var isStalled = false
    /// How far the clock jumped, in microseconds; nil while it is believed.
    private(set) var clockJump: UInt64?
    /// Of the loop's accepting, when it was last looked at; and whether that was said.
    private var acceptPauses: UInt64 = 0
    private var isFull = false

    init(isSilent: Bool) { self.isSilent = isSilent }

    /// Returns the clock, in microseconds since the Unix epoch.
    mutating func look(at changeLog: ChangeLog, _ log: Logger) -> UInt64 {
        let (now, jump) = changeLog.lookAtClock()
        tellOfDisk(changeLog.isStalled, log)
        tellOfClock(jump, log)
        return now
    }

    /// `pauses`: how often accepting has rested, since the start. To be called about once a second.
    mutating func tellOfAccepting(pauses: UInt64, _ log: Logger) {
        let wasFull = isFull
        isFull = pauses != acceptPauses
        acceptPauses = pauses
        if isFull, !wasFull {
            log.error(
                """
                no descriptor or no memory is left: new connections wait until others go; allow more open files (LimitNOFILE, \
                ulimit -Hn), or set --connections-max below what is allowed
                """
            )
        } else if wasFull, !isFull {
            log.notice("new connections are accepted again")
        }
    }

    private mutating func tellOfDisk(_ isStalled: Bool, _ log: Logger) {
        guard isStalled != self.isStalled else { return }
        self.isStalled = isStalled
        if isSilent { return }
        guard isStalled else { return log.notice("the disk takes changes again; nothing was lost") }
        log.error(
            """
            the disk is full or cannot be written: changes that are under way wait, new ones are refused, reads go on; make \
            room, and it goes on by itself
            """
        )
    }

    private mutating func tellOfClock(_ jump: UInt64?, _ log: Logger) {
        guard jump != clockJump else { return }
        clockJump = jump
        if isSilent { return }
        guard let jump else { return log.notice("the clock is confirmed; old tombstones are collected again") }
        log.warning(
            """
            the clock is \(jump / 86_400_000_000) days ahead of where it was: did it jump, or was the server off for so long? \
            What tells of removed contacts is kept, however old, until a start with --confirm-clock says that the clock is right
            """
        )
    }
}
