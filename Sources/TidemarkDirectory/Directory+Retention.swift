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
    /// So much of one owner's goes by one change.
    private static let collectedMax = 1_024
    /// Members that one call looks at, give or take a roster.
    private static let membersMax = 65_536

    /// The collections that are due, of tombstones and of messages up to a stamp, among the next `count` accounts behind
    /// `cursor`, which moves on and begins anew at the end. A look at an account without tombstones is two lines of the cache,
    /// at one with some all its members.
    public mutating func collections(
        _ retention: TombstoneRetention,
        messagesThrough: Stamp = 0,
        from cursor: inout Int,
        accounts count: Int
    ) -> [Change] {
        finishChanges()
        var changes: [Change] = []
        var members = 0
        // Looked at once: to look at a dictionary is to retain it.
        let (hasAsides, hasMessages) = (!asides.isEmpty, !boxes.isEmpty && messagesThrough > 0)
        for _ in 0..<min(count, accounts.count) {
            if members > Self.membersMax { break }
            if cursor >= accounts.count { cursor = 0 }
            let account = cursor
            cursor += 1
            guard accounts[account].isOwn, !accounts[account].isDeleted else { continue }
            if hasMessages, let change = messagesToDrop(of: account, through: messagesThrough) {
                changes.append(change)
            }
            accounts[account].roster.refreshPopular(popular)
            let roster = accounts[account].roster
            let asideCount = hasAsides ? asideTombstoneCount(of: account) : 0
            let count = roster.tombstoneCount + asideCount
            guard count > 0 else { continue }
            members += roster.memberCount
            let tooMany = count > retention.ownerMax ? count - retention.ownerMax / 2 : 0
            var tombstones: [Stamp] = []
            roster.forEachTombstone { tombstones.append($0) }
            if asideCount > 0 {
                for item in asides[UInt32(account)]!.items where item.kind == .gone { tombstones.append(item.stamp) }
            }
            let old = tombstones.count { $0 <= retention.through }
            let going = min(max(tooMany, old), Self.collectedMax)
            guard going > 0 else { continue }
            tombstones.sort()
            changes.append(.tombstonesCollected(owner: accounts[account].id, through: tombstones[going - 1]))
        }
        return changes
    }

    @inline(never)
    private func asideTombstoneCount(of account: Int) -> Int { asides[UInt32(account)]?.tombstoneCount ?? 0 }
}
