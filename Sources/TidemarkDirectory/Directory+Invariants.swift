// What must hold after every change. Tests call it; a server does not pay for it.

import TidemarkWire

extension Directory {
    /// Stops the process at the first thing that does not hold.
    public mutating func checkInvariants() {
        finishChanges()
        var entries = 0
        for owner in 0..<accounts.count where accounts[owner].isOwn && !accounts[owner].isDeleted {
            entries += checkRoster(UInt32(owner))
        }
        for index in 0..<accounts.count where !accounts[index].isDeleted { checkFollowers(UInt32(index)) }
        if dismantling.first == nil { precondition(entries == entryCount, "entries are counted") }
    }

    /// Returns how many entries are live.
    private mutating func checkRoster(_ owner: UInt32) -> Int {
        accounts[Int(owner)].roster.refreshPopular(popular)
        let roster = accounts[Int(owner)].roster
        var live = 0
        var removed = 0
        var populars = 0
        var digest: UInt64 = 0
        var digestNewestOnly: UInt64 = 0
        var vacant: Set<Int> = []
        for number in 0..<roster.memberCount {
            let member = roster.member(number)
            if roster.isVacant(number) {
                vacant.insert(number)
                continue
            }
            let hasContact = roster.isLive(number) && member.contact != Roster.noContact
            let contact = accounts[hasContact ? Int(member.contact) : Int(owner)]
            if member.flags.contains(.popular) {
                populars += 1
                precondition(roster.isLive(number) && contact.isPopular, "a popular member's contact is")
                if contact.isDeleted { continue }
            } else {
                precondition(Int(member.place) < roster.slotCount, "a member has a slot")
                precondition(Int(roster.numbers[Int(member.place)]) == number, "and the slot is its own")
                if member.flags.contains(.removed) {
                    precondition(roster.placedStamp(number) == member.entryStamp, "a removal stays where it was")
                    removed += 1
                    continue
                }
                precondition(
                    number == 0 || !hasContact || !contact.isPopular,
                    "a popular contact is merged, not placed"
                )
            }
            live += 1
            let seen =
                number == 0
                ? ownNewest(owner) : hasContact ? visibleNewest(owner, member.contact, member.flags) : 0
            precondition(
                !hasContact || number == 0 || member.flags.contains(.hidden) == isFrozen(member.contact, for: owner),
                "who is blocked sees what it saw"
            )
            let expected = max(member.entryStamp, seen)
            let known = Roster.knownUser(number, member.flags, contact.id)
            digest &+= Digest.term(user: known, stamp: expected)
            digestNewestOnly &+= Digest.term(user: known)
            if number == 0 || !member.flags.contains(.popular) {
                precondition(roster.placedStamp(number) == expected, "the newest of the entry and the profile")
            }
            precondition(!hasContact || roster.number(of: member.contact) == number, "a contact is found")
        }
        let part = roster.popular
        precondition(populars == part.count, "the popular part is the popular members")
        var each = Int(roster.firstVacant)
        while each != 0 {
            precondition(vacant.remove(each) != nil, "a number is vacant once")
            each = Int(roster.contact(each))
        }
        precondition(vacant.isEmpty, "vacant numbers are linked")
        precondition(live == roster.liveCount && removed == roster.removedCount, "counts are kept")
        precondition(digest == roster.digest, "the digest is kept")
        precondition(digestNewestOnly == roster.digestNewestOnly, "and that without stamps")
        for slot in 1..<max(1, roster.slotCount) {
            precondition(roster.stamps[slot - 1] < roster.stamps[slot], "slots rise")
        }
        for item in 1..<max(1, part.count) {
            precondition(part.items[item - 1].stamp < part.items[item].stamp, "popular items rise")
        }
        precondition(
            roster.slotCount == 0 || roster.stamps[roster.slotCount - 1] <= roster.watermark,
            "nothing is newer than the watermark"
        )
        precondition(part.count == 0 || part.items[part.count - 1].stamp <= roster.watermark, "nor popular items")
        precondition(roster.watermark <= published, "nor it than what is published")
        return live - 1
    }

    /// Each live entry is followed, once, and nothing else is.
    private func checkFollowers(_ index: UInt32) {
        let contact = accounts[Int(index)]
        var owners: Set<UInt32> = []
        contact.followers.forEach { follower in
            precondition(owners.insert(follower.owner).inserted, "a follower is there once")
            let owner = accounts[Int(follower.owner)]
            precondition(owner.isOwn, "a follower is this shard's")
            // A deleted account's roster is taken apart step by step.
            guard !owner.isDeleted else { return }
            precondition(owner.roster.isLive(Int(follower.number)), "a follower has a live entry")
            precondition(owner.roster.contact(Int(follower.number)) == index, "of this contact")
        }
        precondition(owners.count == contact.followers.count, "followers are counted")
        let roster = contact.roster
        for number in 1..<max(1, roster.memberCount)
        where roster.isLive(number) && roster.contact(number) != Roster.noContact {
            let followed = accounts[Int(roster.contact(number))]
            precondition(followed.followers.has(Follower(owner: index, number: UInt16(number))), "an entry is followed")
        }
    }
}
