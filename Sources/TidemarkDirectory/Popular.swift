//  Contacts with so many followers that a change is not written into each follower's table, but merged when a table is
//  read. Which they are shows nowhere on the wire.
//
//      change of a popular contact ──▶ PopularContacts: its newest stamp, and the shard's newest such change
//                                                                   │ later than what the part was computed at?
//      owner's table: order ──┐                                     ▼
//                             ├── merged by stamp ──▶ a page    Roster.refreshPopular: moves what changed to the end,
//      PopularPart: items ────┘                                 and adds what that comes to to the table's totals
//
//  A contact becomes popular when it gets one follower more than the limit, and ordinary again with its first change
//  at half the limit or below. Either costs as much as one change that is written to each follower, and for each follower
//  moving the items of its part that are newer: 160 KB where an owner has 10,000 popular contacts.

import TidemarkWire

/// All popular contacts of a shard, by slot; what a refresh reads, and nothing else, so that it stays in the cache.
struct PopularContacts {
    struct Contact {
        var user: UserID
        /// Its newest change that contacts see; of a deleted one its deletion.
        var newest: Stamp
        var isDeleted = false
        /// Of a slot that is free: the next free one.
        var nextFree: UInt32 = none
    }

    static let none = UInt32.max

    private var contacts = RawList<Contact>()
    private var firstFree = none
    /// The newest change of any: a part computed at or after it is as it should be.
    private(set) var newestChange: Stamp = 0

    subscript(slot: UInt32) -> Contact { contacts[Int(slot)] }

    mutating func add(_ user: UserID, newest: Stamp) -> UInt32 {
        let contact = Contact(user: user, newest: newest)
        guard firstFree != Self.none else {
            contacts.append(contact)
            return UInt32(contacts.count - 1)
        }
        let slot = firstFree
        firstFree = contacts[Int(slot)].nextFree
        contacts[Int(slot)] = contact
        return slot
    }

    /// - Precondition: no part has it any more.
    mutating func remove(_ slot: UInt32) {
        contacts[Int(slot)].nextFree = firstFree
        firstFree = slot
    }

    mutating func change(_ slot: UInt32, at stamp: Stamp, isDeletion: Bool = false) {
        contacts[Int(slot)].newest = stamp
        if isDeletion { contacts[Int(slot)].isDeleted = true }
        newestChange = stamp
    }

    func deallocate() { contacts.deallocate() }
}

/// The popular contacts of one owner, by effective stamp. Nothing, and eight bytes, for an owner who has none.
struct PopularPart {
    struct Item {
        var stamp: Stamp
        /// Of `PopularContacts`.
        var slot: UInt32
        var number: UInt16
        /// The contact's account is gone: a tombstone, until it is collected.
        var isDeleted = false
        var stillness = Stillness.none
    }

    /// Why the contact's changes are nothing to the owner.
    enum Stillness: UInt8 {
        case none, pending, hidden
    }

    private struct Header {
        var count: UInt16 = 0
        var capacity: UInt16
    }

    private var header: UnsafeMutablePointer<Header>?

    var isEmpty: Bool { header == nil }
    var count: Int { header.map { Int($0.pointee.count) } ?? 0 }
    var items: UnsafeMutablePointer<Item> {
        (UnsafeMutableRawPointer(header.unsafelyUnwrapped) + Self.headerBytes).assumingMemoryBound(to: Item.self)
    }

    private static let headerBytes = 8

    var allocatedBytes: Int {
        header.map { Self.headerBytes + Int($0.pointee.capacity) * MemoryLayout<Item>.stride } ?? 0
    }

    func firstItem(after stamp: Stamp) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if items[middle].stamp > stamp { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// What a refresh or a change does to the totals of the table that the part belongs to.
    struct Effect {
        /// To be added.
        var digest: UInt64 = 0
        var newest: Stamp = 0
        /// To be taken away: items of accounts that are gone.
        var deleted: UInt16 = 0
        var deletedDigestNewestOnly: UInt64 = 0
    }

    /// Moves what changed to its place, and says what that comes to.
    func refresh(_ contacts: PopularContacts) -> Effect {
        var effect = Effect()
        let items = items
        let count = count
        withUnsafeTemporaryAllocation(of: Item.self, capacity: count) { changed in
            var kept = 0
            var changes = 0
            for at in 0..<count {
                var item = items[at]
                let contact = contacts[item.slot]
                guard contact.newest > item.stamp, item.stillness == .none || contact.isDeleted else {
                    items[kept] = item
                    kept += 1
                    continue
                }
                let user = item.stillness == .pending ? Limits.pendingUser(Int(item.number)) : contact.user
                effect.digest &-= Digest.term(user: user, stamp: item.stamp)
                item.stamp = contact.newest
                effect.newest = max(effect.newest, item.stamp)
                if contact.isDeleted {
                    item.isDeleted = true
                    effect.deleted += 1
                    effect.deletedDigestNewestOnly &+= Digest.term(user: user)
                } else {
                    effect.digest &+= Digest.term(user: user, stamp: item.stamp)
                }
                changed.initializeElement(at: changes, to: item)
                changes += 1
            }
            var sorted = UnsafeMutableBufferPointer(rebasing: changed[..<changes])
            sorted.sort { $0.stamp < $1.stamp }
            merge(kept, UnsafeBufferPointer(sorted))
        }
        return effect
    }

    /// Puts sorted items among the first `kept`, which are sorted: most of what changed is later than all of these, but
    /// for entries that changed since the part was last computed.
    private func merge(_ kept: Int, _ changed: UnsafeBufferPointer<Item>) {
        let items = items
        var (low, high, to) = (kept - 1, changed.count - 1, kept + changed.count - 1)
        while high >= 0 {
            if low >= 0, items[low].stamp > changed[high].stamp {
                items[to] = items[low]
                low -= 1
            } else {
                items[to] = changed[high]
                high -= 1
            }
            to -= 1
        }
    }

    mutating func insert(_ number: Int, slot: UInt32, at stamp: Stamp) {
        if header == nil {
            resize(to: 4)
        } else if count == Int(header.unsafelyUnwrapped.pointee.capacity) {
            resize(to: count + max(4, count / 4))
        }
        let at = firstItem(after: stamp)
        (items + at + 1).update(from: items + at, count: count - at)
        items[at] = Item(stamp: stamp, slot: slot, number: UInt16(number))
        header.unsafelyUnwrapped.pointee.count += 1
    }

    func set(_ number: Int, _ stillness: Stillness) { items[place(of: number)].stillness = stillness }

    /// The entry itself changed. Returns the stamp that it had.
    func restamp(_ number: Int, at stamp: Stamp) -> Stamp {
        let at = place(of: number)
        var item = items[at]
        let previous = item.stamp
        item.stamp = stamp
        (items + at).update(from: items + at + 1, count: count - at - 1)
        items[count - 1] = item
        return previous
    }

    /// Returns the stamp that the item had.
    mutating func remove(_ number: Int) -> Stamp {
        let at = place(of: number)
        let stamp = items[at].stamp
        removeItem(at)
        return stamp
    }

    /// Drops the tombstones up to `stamp`, and says which they were.
    mutating func collect(through stamp: Stamp, _ body: (_ number: Int) -> Void) {
        guard let header else { return }
        var kept = 0
        for at in 0..<count {
            let item = items[at]
            if item.isDeleted, item.stamp <= stamp {
                body(Int(item.number))
            } else {
                items[kept] = item
                kept += 1
            }
        }
        header.pointee.count = UInt16(kept)
        if kept == 0 { deallocate() }
    }

    mutating func deallocate() {
        header?.deallocate()
        header = nil
    }

    private func place(of number: Int) -> Int {
        var at = 0
        while Int(items[at].number) != number { at += 1 }
        return at
    }

    private mutating func removeItem(_ at: Int) {
        let header = header.unsafelyUnwrapped
        (items + at).update(from: items + at + 1, count: count - at - 1)
        header.pointee.count -= 1
        if header.pointee.count == 0 { deallocate() }
    }

    private mutating func resize(to capacity: Int) {
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: Self.headerBytes + capacity * MemoryLayout<Item>.stride,
            alignment: 8
        )
        let larger = block.bindMemory(to: Header.self, capacity: 1)
        let room = (block + Self.headerBytes).bindMemory(to: Item.self, capacity: capacity)
        if let header {
            larger.initialize(to: header.pointee)
            room.update(from: items, count: count)
            header.deallocate()
        } else {
            larger.initialize(to: Header(capacity: 0))
        }
        larger.pointee.capacity = UInt16(capacity)
        header = larger
    }
}
