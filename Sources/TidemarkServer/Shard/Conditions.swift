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
    /// Connections refused, those of them for their number in all, and logins by password that had to wait.
    private var refusals = Episode()
    private var refusedInAll: UInt64 = 0
    private var guesses = Episode()

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
                ulimit -Hn), or fewer connections than now (--connections-max)
                """
            )
        } else if wasFull, !isFull {
            log.notice("new connections are accepted again")
        }
    }

    /// To be called about once a second.
    mutating func tellOfRefusals(_ admission: Admission, _ log: Logger) {
        if isSilent { return }
        let now = admission.refused
        switch refusals.look(now.inAll + now.ofNetwork) {
        case .began:
            let cause =
                now.inAll != refusedInAll
                ? "there are as many as --connections-max allows"
                : "of one address there are as many as --connections-per-address allows; if it is a proxy's, allow more"
            log.warning("connections are refused (\"retryLater\"): \(cause)")
        case .ended(let count):
            log.notice("no connection was refused for a second; before, \(count) were")
        case nil:
            break
        }
        refusedInAll = now.inAll
    }

    /// To be called about once a second.
    mutating func tellOfGuessing(_ failedLogins: FailedLogins, _ log: Logger) {
        if isSilent { return }
        switch guesses.look(failedLogins.refused) {
        case .began:
            log.warning(
                """
                logins by password have to wait ("retryLater"): too many have failed from one address or for one name \
                (--log-level debug tells whose); if it is a proxy's, allow more (--failed-logins-per-address)
                """
            )
        case .ended(let count):
            log.notice("no login had to wait for a second; before, \(count) had")
        case nil:
            break
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

/// When something that is counted begins to happen, and when it has not happened since it was last looked at.
private struct Episode {
    enum Turn {
        case began
        /// So often it has happened.
        case ended(UInt64)
    }

    private var count: UInt64 = 0
    /// Before it began; nil while it does not happen.
    private var before: UInt64?

    mutating func look(_ now: UInt64) -> Turn? {
        defer { count = now }
        if now != count, before == nil {
            before = count
            return .began
        }
        guard now == count, let begin = before else { return nil }
        before = nil
        return .ended(now - begin)
    }
}
