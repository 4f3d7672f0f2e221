// Which tombstones may go. Deciding is here; going is a change of the log like any other.

import TidemarkWire

/// How long tombstones are kept. Whoever has been away for longer gets a full sync.
public struct TombstoneRetention: Sendable {
    /// Tombstones up to this stamp may go.
    public var through: Stamp
    /// An owner with more of them loses the older half, whatever their age. At least 2.
    public var ownerMax: Int

    public init(through: Stamp, ownerMax: Int) {
        self.through = through
        self.ownerMax = ownerMax
    }
}

extension Directory {
    /// The collections that are due among the next `count` accounts behind `cursor`, which moves on and begins anew at the
    /// end. A look at an account without tombstones is one line of the cache.
    public mutating func collections(
        _ retention: TombstoneRetention,
        from cursor: inout Int,
        accounts count: Int
    ) -> [Change] {
        var changes: [Change] = []
        for _ in 0..<min(count, accounts.count) {
            if cursor >= accounts.count { cursor = 0 }
            let account = cursor
            cursor += 1
            guard !accounts[account].isDeleted else { continue }
            accounts[account].roster.refreshPopular(popular)
            let roster = accounts[account].roster
            guard roster.tombstoneCount > 0 else { continue }
            var tombstones = roster.tombstones
            tombstones.sort()
            let tooMany = tombstones.count > retention.ownerMax ? tombstones.count - retention.ownerMax / 2 : 0
            let old = tombstones.prefix { $0 <= retention.through }.count
            let going = max(tooMany, old)
            if going > 0 {
                changes.append(.tombstonesCollected(owner: accounts[account].id, through: tombstones[going - 1]))
            }
        }
        return changes
    }
}
