//  An owner's table. Two arrays, indices into each other, no object an entry:
//
//      members, by number                      order, by effective stamp
//      ┌─────────┬───────┬────────────┐        ┌───────┬────────┐
//    0 │ contact │ place │ entry stamp│        │ stamp │ number │  dead: members[number].place is elsewhere
//    1 │ contact │ place ┼────────────┼──────▶ │ stamp │ number │
//    2 │   …                          │        │   …            │
//                                              │ stamp │ number │  the newest, always the last
//
//  "Later than T" is a binary search in `order` and the run from there. A change of a contact appends a slot and
//  points its member at it; the old slot is dead by that alone and goes when the array next fills up. Number 0 is the
//  owner's own profile.

import TidemarkWire

struct Roster {
    /// A user by its place in the directory's slab.
    struct Member {
        var contact: UInt32
        /// The index in `order`, and the flags in the top eight bits.
        private var placeAndFlags: UInt32
        /// When the entry itself last changed: added, annotated, removed.
        var entryStamp: Stamp

        static let removed: UInt32 = 1 << 24
        static let favourite: UInt32 = 1 << 25
        static let annotated: UInt32 = 1 << 26
        /// A number that is not given out.
        static let vacant: UInt32 = 1 << 27
        private static let placeMask: UInt32 = (1 << 24) - 1

        init(contact: UInt32, flags: UInt32, entryStamp: Stamp) {
            self.contact = contact
            placeAndFlags = flags
            self.entryStamp = entryStamp
        }

        var place: Int {
            get { Int(placeAndFlags & Self.placeMask) }
            set { placeAndFlags = placeAndFlags & ~Self.placeMask | UInt32(newValue) }
        }
        var flags: UInt32 {
            get { placeAndFlags & ~Self.placeMask }
            set { placeAndFlags = placeAndFlags & Self.placeMask | newValue }
        }
        var isRemoved: Bool { placeAndFlags & Self.removed != 0 }
        var isVacant: Bool { placeAndFlags & Self.vacant != 0 }
        var isLive: Bool { placeAndFlags & (Self.removed | Self.vacant) == 0 }
    }

    struct Slot {
        var stamp: Stamp
        var number: UInt32
    }

    private(set) var order: UnsafeMutablePointer<Slot>
    private(set) var members: UnsafeMutablePointer<Member>
    private(set) var orderCount: UInt32 = 0
    private var orderCapacity: UInt32
    /// The highest number given out, + 1.
    private(set) var memberCount: UInt32 = 0
    private var memberCapacity: UInt32
    /// Items that a client should hold: contacts and the owner's own profile.
    private(set) var liveCount: UInt32 = 0
    private(set) var removedCount: UInt32 = 0
    /// The newest effective stamp, removals included: the patent's third timestamp.
    private(set) var watermark: Stamp = 0
    /// The newest tombstone collected; an older token needs a full sync.
    private(set) var horizon: Stamp = 0
    private(set) var digest: UInt64 = 0
    private(set) var digestNewestOnly: UInt64 = 0

    init(capacity: Int = 2) {
        orderCapacity = UInt32(capacity)
        memberCapacity = UInt32(capacity)
        order = .allocate(capacity: capacity)
        members = .allocate(capacity: capacity)
    }

    func deallocate() {
        order.deallocate()
        members.deallocate()
    }

    // MARK: reading

    /// Where the slots later than `stamp` begin.
    func firstSlot(after stamp: Stamp) -> Int {
        var low = 0
        var high = Int(orderCount)
        while low < high {
            let middle = (low + high) / 2
            if order[middle].stamp > stamp { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Whether the slot still stands for its member.
    func isCurrent(_ slot: Int) -> Bool { members[Int(order[slot].number)].place == slot }

    func effectiveStamp(_ number: Int) -> Stamp { order[members[number].place].stamp }

    /// The number under which the owner keeps a contact, removed or not.
    func number(of contact: UInt32) -> Int? {
        for number in 0..<Int(memberCount) where members[number].contact == contact && !members[number].isVacant {
            return number
        }
        return nil
    }

    // MARK: changing; each stamp is newer than all before

    /// A live member's contact changed.
    mutating func restamp(_ number: Int, user: UserID, at stamp: Stamp) {
        digest &-= Digest.term(user: user, stamp: effectiveStamp(number))
        digest &+= Digest.term(user: user, stamp: stamp)
        append(number, at: stamp)
    }

    /// The entry itself changed, or is new, or is back.
    mutating func set(_ number: Int, contact: UInt32, user: UserID, flags: UInt32, at stamp: Stamp) {
        makeMember(number)
        if members[number].isLive {
            digest &-= Digest.term(user: user, stamp: effectiveStamp(number))
        } else {
            if members[number].isRemoved { removedCount -= 1 }
            liveCount += 1
            digestNewestOnly &+= Digest.term(user: user)
        }
        digest &+= Digest.term(user: user, stamp: stamp)
        members[number].contact = contact
        members[number].flags = flags
        members[number].entryStamp = stamp
        append(number, at: stamp)
    }

    mutating func remove(_ number: Int, user: UserID, at stamp: Stamp) {
        precondition(members[number].isLive)
        digest &-= Digest.term(user: user, stamp: effectiveStamp(number))
        digestNewestOnly &-= Digest.term(user: user)
        liveCount -= 1
        removedCount += 1
        members[number].flags = Member.removed
        members[number].entryStamp = stamp
        append(number, at: stamp)
    }

    /// Puts a member into a table that is being loaded; effective stamps rise from call to call.
    mutating func load(_ number: Int, contact: UInt32, user: UserID, flags: UInt32, entryStamp: Stamp, at stamp: Stamp)
    {
        makeMember(number)
        members[number].contact = contact
        members[number].flags = flags
        members[number].entryStamp = entryStamp
        if flags & Member.removed != 0 {
            removedCount += 1
        } else {
            liveCount += 1
            digest &+= Digest.term(user: user, stamp: stamp)
            digestNewestOnly &+= Digest.term(user: user)
        }
        append(number, at: stamp)
    }

    private mutating func append(_ number: Int, at stamp: Stamp) {
        precondition(stamp > watermark, "the log's stamps rise")
        if orderCount == orderCapacity { makeOrderRoom() }
        order[Int(orderCount)] = Slot(stamp: stamp, number: UInt32(number))
        members[number].place = Int(orderCount)
        orderCount += 1
        watermark = stamp
    }

    private mutating func makeMember(_ number: Int) {
        guard number >= Int(memberCount) else { return }
        if number >= Int(memberCapacity) {
            let capacity = max(number + 1, Int(memberCapacity) * 3 / 2)
            let larger = UnsafeMutablePointer<Member>.allocate(capacity: capacity)
            larger.moveInitialize(from: members, count: Int(memberCount))
            members.deallocate()
            members = larger
            memberCapacity = UInt32(capacity)
        }
        for vacant in Int(memberCount)...number {
            members[vacant] = Member(contact: 0, flags: Member.vacant, entryStamp: 0)
        }
        memberCount = UInt32(number + 1)
    }

    /// Drops dead slots in place; takes more memory only when fewer than a quarter were dead, so that the copying is
    /// paid for by the appends since.
    private mutating func makeOrderRoom() {
        var kept = 0
        for slot in 0..<Int(orderCount) where isCurrent(slot) {
            let moved = order[slot]
            order[kept] = moved
            // A member not yet placed (new) has place 0 or a stale one; only current slots are moved, so this is its own.
            members[Int(moved.number)].place = kept
            kept += 1
        }
        orderCount = UInt32(kept)
        guard kept * 4 > Int(orderCapacity) * 3 else { return }
        let capacity = max(4, Int(orderCapacity) * 3 / 2)
        let larger = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
        larger.moveInitialize(from: order, count: kept)
        order.deallocate()
        order = larger
        orderCapacity = UInt32(capacity)
    }
}
