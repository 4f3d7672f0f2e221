//  The log stamps by the clock, so the log is who watches it: `ClockWatch` says for what.

import Dispatch
import Synchronization

extension ChangeLog {
    /// The clock, in microseconds since the Unix epoch, and by how many it jumped ahead, where nobody has confirmed that
    /// it is right since: then it is no measure of how old anything is. From any thread.
    public func lookAtClock() -> (now: UInt64, jump: UInt64?) {
        let (now, record) = readClock()
        return (now, record.jump)
    }

    /// Likewise, with all that the store keeps of it.
    func readClock() -> (now: UInt64, record: ClockWatch.Record) {
        clockWatch.withLock { watch in
            let now = clock()
            watch.look(wall: now, at: DispatchTime.now().uptimeNanoseconds)
            return (now, watch.record)
        }
    }

    /// Says that the clock is right, as it is now. On disk with the next group, or when the log is closed.
    public func confirmClock() {
        clockWatch.withLock { $0.confirm(wall: clock(), at: DispatchTime.now().uptimeNanoseconds) }
    }

    /// When nothing is stamped any more.
    func endClock() -> ClockWatch.Record {
        clockWatch.withLock { watch in
            watch.end(wall: clock(), at: DispatchTime.now().uptimeNanoseconds)
            return watch.record
        }
    }
}
