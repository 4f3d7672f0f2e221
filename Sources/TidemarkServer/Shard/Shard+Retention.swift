// Old tombstones go, and old messages.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkStore
import TidemarkWire

extension Shard {
    /// In how many accounts tombstones are looked for at once, at most.
    private static let collectionAccounts = 4_096

    /// Now and then a few accounts, so that all have had their turn after some minutes.
    mutating func collectTombstones() {
        nextCollection = loop.now + Self.collectionInterval
        let now = conditions.look(at: changeLog, log)
        conditions.tellOfAccepting(pauses: loop.statistics.acceptPauses, log)
        conditions.tellOfRefusals(admission, log)
        conditions.tellOfGuessing(failedLogins, log)
        sendSomeAway()
        guard submissions.isEmpty, changeLog.hasRoom else { return }
        // Nothing for its age while the clock is not believed.
        func through(_ retention: Duration) -> Stamp {
            let age = UInt64(retention.components.seconds) * 1_000_000
            return conditions.clockJump == nil ? min(now > age ? now - age : 0, directory.published) : 0
        }
        let retention = TombstoneRetention(
            through: through(configuration.tombstoneRetention),
            ownerMax: configuration.tombstonesMax
        )
        let changes = directory.collections(
            retention,
            messagesThrough: through(configuration.messageRetention),
            from: &collectionCursor,
            accounts: Self.collectionAccounts
        )
        guard !changes.isEmpty else { return }
        for change in changes.prefix(configuration.changeLog.groupMax) {
            acknowledgements.append(Acknowledgement())
            submissions.append(Submission(change: change, origin: index))
            counters.countCollection()
        }
        log.info("collecting old tombstones and messages", metadata: ["changes": "\(submissions.count)"])
        submit()
    }
}
