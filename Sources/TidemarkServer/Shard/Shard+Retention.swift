// Old tombstones go.

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
        guard submissions.isEmpty, changeLog.hasRoom else { return }
        let age = UInt64(configuration.tombstoneRetention.components.seconds) * 1_000_000
        let retention = TombstoneRetention(
            // Nothing for its age while the clock is not believed.
            through: conditions.clockJump == nil ? min(now > age ? now - age : 0, directory.published) : 0,
            ownerMax: configuration.tombstonesMax
        )
        let changes = directory.collections(retention, from: &collectionCursor, accounts: Self.collectionAccounts)
        guard !changes.isEmpty else { return }
        for change in changes.prefix(configuration.changeLog.groupMax) {
            acknowledgements.append(Acknowledgement())
            submissions.append(Submission(change: change, origin: index))
        }
        log.info("collecting tombstones", metadata: ["owners": "\(submissions.count)"])
        submit()
    }
}
