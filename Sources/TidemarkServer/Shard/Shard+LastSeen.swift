// Users whom others see online no more: of those who let it be known, the log is told when that was.

import TidemarkDirectory
import TidemarkStore
import TidemarkWire

extension Shard {
    /// One of this shard's users is not seen online any more, since then.
    mutating func noteDeparture(of user: AccountIndex, millisecondsAgo: UInt64 = 0) {
        let now = max(configuration.clock() / 1_000, millisecondsAgo) - millisecondsAgo
        departed[user] = UInt32(clamping: now / 1_000)
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

    /// The server goes, and everybody with it.
    mutating func recordLastDepartures() {
        for slot in 0..<clients.count {
            if let user = clients[slot].user, directory.presence(of: user) != .offline { noteDeparture(of: user) }
        }
        repeat {
            recordDepartures()
            submit()
        } while submissions.isEmpty && !departed.isEmpty && changeLog.hasRoom
    }
}
