// Writes: decided, handed to the log, applied and acknowledged.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkStore
import TidemarkWire

extension Shard {
    /// Writes of one connection that may wait for the disk.
    static let writesOpenMax = 1024

    /// Writes that are decided in a row before the log is given them.
    private static let handOverCount = 128

    mutating func decide(_ write: Write, _ id: ConnectionID, _ request: UInt16) {
        // Handed over while others are still being decided, so that the disk and this loop work at the same time. And
        // before deciding, for a decision cannot be taken back.
        if submissions.count >= Self.handOverCount { submit() }
        guard !draining.isSet, submissions.count < configuration.changeLog.groupMax, changeLog.hasRoom else {
            // Not `shuttingDown`, which closes: acknowledgements of earlier writes may still be due here.
            let error = ErrorMessage(
                .retryLater,
                detail: draining.isSet
                    ? "the server is going down"
                    : changeLog.isStalled ? "the disk is full or cannot be written" : "the disk is behind",
                retryAfterMS: UInt32.random(in: 500...1500)
            )
            return fail(id, request: request, error)
        }
        switch inFlight.decide(write, by: clients[Int(id.slot)].user!, in: directory) {
        case .refused(let error):
            fail(id, request: request, error)
        case .unchanged(let reply):
            send(reply.message(stamp: 0), id, request)
        case .unchangedBehind(let reply):
            acknowledgeLater(id, request, reply)
            submissions.append(Submission(change: nil, origin: index))
        case .change(let change, let reply):
            acknowledgeLater(id, request, reply)
            submissions.append(Submission(change: change, origin: index))
            counters.countWrite()
        }
    }

    mutating func acknowledgeLater(_ id: ConnectionID, _ request: UInt16, _ reply: WriteReply) {
        clients[Int(id.slot)].writesOpen += 1
        acknowledgements.append(Acknowledgement(connection: id, request: request, reply: reply))
    }

    mutating func submit() {
        guard !submissions.isEmpty, changeLog.append(submissions) else { return }
        // The log has this array now, and no copy of it.
        submissions = []
        submissions.reserveCapacity(Self.handOverCount)
    }

    /// Every shard applies all changes; what it decided itself it acknowledges.
    mutating func apply(_ published: PublishedGroup) {
        // No closure: what it would capture of this shard cannot be captured.
        let group = published.group
        var change = 0
        for submission in group.submissions {
            if let decided = submission.change {
                if submission.origin == index { inFlight.settle(decided) }
                let stamp = group.first + UInt64(change)
                directory.apply(decided, at: stamp, sharing: published.profiles?.place(change))
                change += 1
                if submission.origin == index { acknowledge(stamp: stamp) }
            } else if submission.origin == index {
                acknowledge(stamp: 0)
            }
        }
    }

    mutating func acknowledge(stamp: Stamp) {
        let due = acknowledgements.removeFirst()
        if due.connection == nil { counters.countCollection() }
        guard let connection = due.connection, clients.has(connection) else { return }
        send(due.reply.message(stamp: stamp), connection, due.request)
        closeWrite(connection)
    }

    /// One that was counted as open has been answered.
    mutating func closeWrite(_ connection: ConnectionID) {
        let slot = Int(connection.slot)
        clients[slot].writesOpen -= 1
        if clients[slot].isPaused, clients[slot].writesOpen == Self.writesOpenMax / 2 {
            resumeIfDone(connection, writesOpenMax: Self.writesOpenMax / 2)
        }
        closeIfDone(connection)
    }
}
