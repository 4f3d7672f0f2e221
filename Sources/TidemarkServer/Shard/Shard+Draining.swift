// The end.

import Logging
import TidemarkEventLoop
import TidemarkStore
import TidemarkWire

extension Shard {
    /// Accepts nothing new, answers what was accepted, says go away, and returns once the clients have it all.
    mutating func drain() throws {
        loop.stopAccepting()
        let end = loop.now + configuration.drainTimeout
        // Of writes those that were accepted are answered, later ones are refused.
        try answerWhatArrived(until: end)
        // Who is on the way here is told the same, once all that the senders knew of is applied.
        let mail = team.mailboxes[index].close()
        for slot in hostQuestions.keys { if let id = clients.id(Int(slot)) { giveUpOnHost(id) } }
        try iterate()
        read(mail)
        try answerWhatArrived(until: end)
        endGrace(upTo: .max)
        for slot in 0..<clients.count {
            if let id = clients.id(slot), !clients[slot].isClosing { goAway(id) }
        }
        while loop.connectionCount > 0, loop.now < end {
            try loop.wait(until: end)
            try iterate()
        }
        if loop.connectionCount > 0 {
            let unread = (0..<clients.count).count { clients.id($0).map { loop.outputBytes($0) > 0 } ?? false }
            log.warning(
                "clients that did not hang up in time are cut off",
                metadata: ["connections": "\(loop.connectionCount)", "unread": "\(unread)", "loop": "\(index)"]
            )
        }
        try recordLastDepartures(until: max(end, loop.now + .seconds(1)))
        recording?.stopped()
        // Of what is applied from now on nothing is sent, or recorded.
        recording = nil
    }

    /// Requests that are here, and writes that were taken. Who goes on asking is never done: so for a second, of the first.
    private mutating func answerWhatArrived(until end: MonotonicTime) throws {
        let enough = min(end, loop.now + .seconds(1))
        repeat {
            let isAwaited = !acknowledgements.isEmpty || forwardedOpen > 0 || !deletions.isEmpty
            let waitsForDisk = isAwaited && !loop.hasReady && turns.isEmpty
            try loop.wait(until: waitsForDisk ? min(end, loop.now + .milliseconds(10)) : loop.now)
            try iterate()
            if changeLog.hasFailed || loop.now >= end { return }
        } while !acknowledgements.isEmpty || forwardedOpen > 0 || !deletions.isEmpty || !submissions.isEmpty
            || ((loop.hasReady || !turns.isEmpty) && loop.now < enough)
    }

    mutating func goAway(_ id: ConnectionID) {
        let goAway = GoAway(
            reason: .shuttingDown,
            reconnectAfterMS: UInt32.random(in: 500...5000),
            detail: "the server is going down"
        )
        send(.goAway(goAway), id, 0)
        close(id)
    }
}

/// Clients that an administrator has sent away, a part at a time.
struct SendingAway {
    /// The next to look at.
    var slot = 0
    var end: MonotonicTime
}

extension Shard {
    /// Or not any more.
    mutating func sendAway(_ drain: AdminDrain) {
        departing = drain.isDraining ? SendingAway(end: loop.now + .milliseconds(Int(drain.milliseconds))) : nil
        sendSomeAway()
    }

    /// Of those that are left as many as it takes to be done in time. To be called about once a second.
    mutating func sendSomeAway() {
        guard let departing else { return }
        let left = max(0, Int64(departing.end.nanoseconds) - Int64(loop.now.nanoseconds))
        let turns = Int(1 + left / 1_000_000_000)
        let some = (clients.count - departing.slot + turns - 1) / turns
        let end = min(clients.count, departing.slot + max(0, some))
        for slot in departing.slot..<max(departing.slot, end) {
            guard let id = clients.id(slot),
                clients[slot].user != nil || servicesHere[UInt32(slot)] != nil,
                !clients[slot].isClosing
            else { continue }
            let goAway = GoAway(
                reason: .shuttingDown,
                reconnectAfterMS: UInt32.random(in: 500...5_000),
                detail: "the server is going down"
            )
            close(id, saying: .goAway(goAway), 0)
        }
        // Who comes in meanwhile, with a connection that was there, has its turn too.
        self.departing = end < clients.count ? SendingAway(slot: end, end: departing.end) : nil
    }
}
