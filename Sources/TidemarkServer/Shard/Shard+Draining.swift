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
        // What has arrived by now is answered; of writes those that were accepted, later ones are refused.
        repeat {
            try loop.wait(until: acknowledgements.isEmpty ? loop.now : min(end, loop.now + .milliseconds(10)))
            try iterate()
        } while (!acknowledgements.isEmpty || !submissions.isEmpty) && !changeLog.hasFailed && loop.now < end
        // Who is on the way here is told the same, once all that the senders knew of is applied.
        let mail = team.mailboxes[index].close()
        try iterate()
        read(mail)
        for slot in 0..<clients.count {
            if let id = clients.id(slot), !clients[slot].isClosing { goAway(id) }
        }
        while loop.connectionCount > 0, loop.now < end {
            try loop.wait(until: end)
            try iterate()
        }
        if loop.connectionCount > 0 {
            log.warning("clients did not take their last answers", metadata: ["connections": "\(loop.connectionCount)"])
        }
        if recording != nil { recording!.stopped() }
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
