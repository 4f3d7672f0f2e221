import TidemarkDirectory
import TidemarkSession
import TidemarkWire

/// Sessions that were lost and may come back: for a while their users are seen as if they were still there.
struct Grace {
    private struct Lost {
        var serial: UInt64
        var device: UInt64
        var presence: SessionPresence
    }

    private struct Expiry {
        var user: AccountIndex
        var serial: UInt64
        /// Milliseconds of the shard's.
        var time: UInt64
    }

    private var lost: [AccountIndex: [Lost]] = [:]
    /// All last as long, so the first lost is the first to go.
    private var expiries = FIFO<Expiry>()
    private var serial: UInt64 = 0

    /// It may come back until that time. Of `max` that a user has lost, the first lost one does not any more: that is returned.
    mutating func add(
        _ user: AccountIndex,
        device: UInt64,
        _ presence: SessionPresence,
        until time: UInt64,
        max: Int
    ) -> SessionPresence? {
        serial += 1
        let gone = lost[user].map { $0.count >= max } == true ? remove(0, of: user) : nil
        lost[user, default: []].append(Lost(serial: serial, device: device, presence: presence))
        expiries.append(Expiry(user: user, serial: serial, time: time))
        return gone
    }

    /// A session of this device begins; nil where none of it was lost. All that have no device are one.
    mutating func take(_ user: AccountIndex, device: UInt64) -> SessionPresence? {
        guard let place = lost[user]?.firstIndex(where: { $0.device == device }) else { return nil }
        return remove(place, of: user)
    }

    var next: UInt64? { expiries.first?.time }

    /// One that did not come back in time.
    mutating func expire(now: UInt64) -> (user: AccountIndex, presence: SessionPresence, time: UInt64)? {
        while let first = expiries.first, first.time <= now {
            _ = expiries.removeFirst()
            if let place = lost[first.user]?.firstIndex(where: { $0.serial == first.serial }) {
                return (first.user, remove(place, of: first.user), first.time)
            }
        }
        return nil
    }

    private mutating func remove(_ place: Int, of user: AccountIndex) -> SessionPresence {
        let presence = lost[user]!.remove(at: place).presence
        if lost[user]!.isEmpty { lost[user] = nil }
        return presence
    }
}
