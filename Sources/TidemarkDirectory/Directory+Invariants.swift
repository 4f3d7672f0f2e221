// What must hold after every change. Tests call it; a server does not pay for it.

import TidemarkWire

extension Directory {
    /// Stops the process at the first thing that does not hold.
    public func checkInvariants() {
        var entries = 0
        for owner in 0..<accounts.count {
            let roster = accounts[owner].roster
            var live: UInt32 = 0
            var removed: UInt32 = 0
            var digest: UInt64 = 0
            var digestNewestOnly: UInt64 = 0
            for number in 0..<Int(roster.memberCount) where !roster.members[number].isVacant {
                let member = roster.members[number]
                precondition(member.place < Int(roster.orderCount), "a member has a slot")
                precondition(Int(roster.order[member.place].number) == number, "and the slot is its own")
                precondition(roster.effectiveStamp(number) >= member.entryStamp, "an effective stamp covers the entry")
                if member.isRemoved {
                    removed += 1
                    continue
                }
                live += 1
                let contact = accounts[Int(member.contact)]
                let expected =
                    max(member.entryStamp, contact.profile.newest)
                precondition(roster.effectiveStamp(number) == expected, "the newest of the entry and the profile")
                digest &+= Digest.term(user: contact.id, stamp: expected)
                digestNewestOnly &+= Digest.term(user: contact.id)
                precondition(
                    contact.followers.buffer.contains { $0.owner == UInt32(owner) && $0.number == UInt32(number) },
                    "a live entry is followed"
                )
                if number != 0 { entries += 1 }
            }
            precondition(live == roster.liveCount && removed == roster.removedCount, "counts are kept")
            precondition(digest == roster.digest && digestNewestOnly == roster.digestNewestOnly, "digests are kept")
            for slot in 1..<max(1, Int(roster.orderCount)) {
                precondition(roster.order[slot - 1].stamp < roster.order[slot].stamp, "slots rise")
            }
            precondition(
                roster.orderCount == 0 || roster.order[Int(roster.orderCount) - 1].stamp == roster.watermark,
                "the newest is the last"
            )
            precondition(roster.watermark <= published, "nothing is newer than what is published")
        }
        precondition(entries == entryCount, "entries are counted")
    }
}
