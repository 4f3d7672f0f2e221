// Users whom others see online no more: of those who let it be known, the log is told when that was.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkStore
import TidemarkWire

extension Shard {
    /// A session of one of this shard's users that others could see has ended, or is not to be seen any more, for so long. With the
    /// last one the user is seen no more: since the latest of them ended, which need not be the one whose grace is over last.
    mutating func noteEnd(of user: AccountIndex, millisecondsAgo: UInt64, isLast: Bool) {
        let now = configuration.clock() / 1_000
        let end = max(now, millisecondsAgo) - millisecondsAgo
        let latest = max(end, seenUntil.removeValue(forKey: user) ?? 0)
        guard isLast else {
            if directory.presence(of: user) != .offline { seenUntil[user] = latest }
            return
        }
        departed[user] = UInt32(clamping: latest / 1_000)
    }

    /// As many as the log has room for; the others later, each with its latest time.
    mutating func recordDepartures() {
        if departed.isEmpty || !changeLog.hasRoom { return }
        let due = departed
        departed.removeAll(keepingCapacity: true)
        for (user, seconds) in due {
            guard submissions.count < configuration.changeLog.groupMax else {
                departed[user] = seconds
                continue
            }
            guard let change = inFlight.departure(of: user, at: seconds, in: directory) else { continue }
            acknowledgements.append(Acknowledgement())
            submissions.append(Submission(change: change, origin: index))
        }
    }

    /// The server goes, and everybody with it. What the log does not take in time is not known.
    mutating func recordLastDepartures(until end: MonotonicTime) throws {
        for slot in 0..<clients.count {
            guard let user = clients[slot].user, directory.presence(of: user) != .offline else { continue }
            noteEnd(of: user, millisecondsAgo: 0, isLast: true)
        }
        recordDepartures()
        submit()
        while !(departed.isEmpty && submissions.isEmpty), loop.now < end, !changeLog.hasFailed {
            try loop.wait(until: loop.now + .milliseconds(1))
            recordDepartures()
            submit()
        }
        if !departed.isEmpty || !submissions.isEmpty {
            log.warning(
                "when some users were last seen is not written down: the disk is too slow",
                metadata: ["users": "\(departed.count + submissions.count)", "loop": "\(index)"]
            )
        }
    }
}
