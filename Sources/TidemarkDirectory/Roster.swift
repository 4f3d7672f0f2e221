//  An owner's table: one block of memory, five arrays, indices into each other, no object an entry.
//
//      order, by effective stamp               members, by number                       0: the owner's own profile
//      stamps  [ u64 u64 u64 … ]               contacts [ u32 … ]
//      numbers [ u16 u16 u16 … ] ──number──▶   entries  [ flags 8 bits, stamp 56 … ]
//                     ▲                        places   [ u16 … ]
//                     └───────────────────────────┘
//
//  "Later than T" is a binary search in the stamps and the run from there. A change of a contact appends a slot and
//  points its member at it; the old slot is dead by that alone, and goes when the arrays next fill up. Who is online is
//  looked up for all contacts in a row, so these are an array of their own, a quarter of the lines. 24 bytes an entry, and
//  room for a few more. docs/decisions/owner-table.md has what else was tried.

import CPrefetch
import TidemarkWire

/// What of a roster answers "nothing new" stands first: with the account's id and profile it is one line of the cache.
struct Roster {
    /// The newest effective stamp, removals included: the patent's third timestamp. Of popular contacts, as of
    /// `popularAt`; so are the other totals.
    private(set) var watermark: Stamp = 0
    /// Up to where tombstones were collected; an older token needs a full sync.
    private(set) var horizon: Stamp = 0
    /// The shard's newest popular change that is in the totals; the largest where no contact is popular.
    private var popularAt = Stamp.max
    /// Over all live items with their effective stamps.
    private(set) var digest: UInt64 = 0
    private var base: UnsafeMutableRawPointer?
    /// Items that a client should hold: contacts and the owner's own profile.
    private var liveItems: UInt16 = 0
    private var members16: UInt16 = 0
    private var slots16: UInt16 = 0
    private var slotCapacity: UInt16 = 0

    /// Contacts whose changes are merged when they are read.
    private(set) var popular = PopularPart()
    /// Over all live items, whatever their stamps.
    private(set) var digestNewestOnly: UInt64 = 0
    private var removed16: UInt16 = 0
    /// Popular contacts whose accounts are gone, as of `popularAt`.
    private var deleted16: UInt16 = 0
    /// The first of the numbers that can be given out again; 0 for none. Each member that is vacant has the next.
    private(set) var firstVacant: UInt16 = 0
    /// From a contact to its number, where there are too many to look through.
    private var index: ContactIndex?

    /// A member as it is read.
    struct Member {
        /// When the entry itself last changed: added, annotated, removed.
        var entryStamp: Stamp
        /// A user by its place in the directory's slab; of a vacant number the next vacant one.
        var contact: UInt32
        /// The index of its slot; `nowhere` where the member has none.
        var place: UInt16
        var flags: Flags
    }

    struct Flags: OptionSet {
        let rawValue: UInt8
        static let removed = Flags(rawValue: 1)
        static let favourite = Flags(rawValue: 2)
        static let annotated = Flags(rawValue: 4)
        /// A number that is not given out.
        static let vacant = Flags(rawValue: 8)
        /// It is in the popular part, and not in the order.
        static let popular = Flags(rawValue: 16)
        /// The contact has not agreed, or is nobody: its name is seen, and nothing else.
        static let pending = Flags(rawValue: 32)
        /// The contact blocks the owner.
        static let hidden = Flags(rawValue: 64)
        /// No change of the contact moves it, and its presence is not seen.
        static let still: Flags = [.pending, .hidden]
    }

    private static let nowhere = UInt16.max
    /// In the place of a contact whose account is gone, whose tombstone may still be told of; and of one that never was.
    static let noContact = UInt32.max
    /// Above this many members a contact is found by hash; below, by looking at each: a few cache lines in a row.
    private static let scannedMax = 256

    // MARK: reading

    var liveCount: Int { Int(liveItems) }
    var removedCount: Int { Int(removed16) }
    /// Items that a client may have to be told are gone.
    var tombstoneCount: Int { Int(removed16) + Int(deleted16) }
    /// The highest number given out, + 1.
    var memberCount: Int { Int(members16) }
    /// Slots, dead ones included.
    var slotCount: Int { Int(slots16) }

    var stamps: UnsafeMutablePointer<Stamp> { base.unsafelyUnwrapped.assumingMemoryBound(to: Stamp.self) }
    var numbers: UnsafeMutablePointer<UInt16> {
        (base.unsafelyUnwrapped + Int(slotCapacity) * 8).assumingMemoryBound(to: UInt16.self)
    }
    /// A user by its place in the directory's slab; of a vacant number the next vacant one.
    var contacts: UnsafeMutablePointer<UInt32> {
        (base.unsafelyUnwrapped + Self.contactsOffset(slots: Int(slotCapacity))).assumingMemoryBound(to: UInt32.self)
    }
    private var entries: UnsafeMutablePointer<UInt64> {
        let offset = Self.contactsOffset(slots: Int(slotCapacity)) + 4 * memberCapacity
        return (base.unsafelyUnwrapped + offset).assumingMemoryBound(to: UInt64.self)
    }
    private var places: UnsafeMutablePointer<UInt16> {
        let offset = Self.contactsOffset(slots: Int(slotCapacity)) + 12 * memberCapacity
        return (base.unsafelyUnwrapped + offset).assumingMemoryBound(to: UInt16.self)
    }

    private static func contactsOffset(slots: Int) -> Int { (slots * 10 + 7) & ~7 }
    private static func byteCount(slots: Int, members: Int) -> Int { contactsOffset(slots: slots) + 14 * members }

    /// Room for so many members: a multiple of 4, up to an eighth more than there are. That it follows from their number
    /// spares a place to keep it, where a sync would look for it.
    private var memberCapacity: Int { Self.capacity(members: memberCount) }

    private static func capacity(members count: Int) -> Int {
        let step = max(4, 1 << max(0, Int.bitWidth - 1 - count.leadingZeroBitCount - 3))
        return (count + step - 1) & ~(step - 1)
    }

    @inline(__always)
    func contact(_ number: Int) -> UInt32 { contacts[number] }
    @inline(__always)
    func entryStamp(_ number: Int) -> Stamp { entries[number] & .largest }
    @inline(__always)
    func flags(_ number: Int) -> Flags { Flags(rawValue: UInt8(truncatingIfNeeded: entries[number] >> 56)) }
    @inline(__always)
    func place(_ number: Int) -> Int { Int(places[number]) }

    @inline(__always)
    func member(_ number: Int) -> Member {
        Member(
            entryStamp: entryStamp(number),
            contact: contacts[number],
            place: places[number],
            flags: flags(number)
        )
    }

    private func put(_ member: Member, at number: Int) {
        contacts[number] = member.contact
        places[number] = member.place
        set(number, member.flags, entryStamp: member.entryStamp)
    }

    @inline(__always)
    private func set(_ number: Int, _ flags: Flags, entryStamp: Stamp) {
        entries[number] = entryStamp | UInt64(flags.rawValue) << 56
    }

    private func setFlags(_ number: Int, _ flags: Flags) { set(number, flags, entryStamp: entryStamp(number)) }

    /// Where the slots later than `stamp` begin. Looks at the newest first, which most tokens are near.
    func firstSlot(after stamp: Stamp) -> Int {
        var high = slotCount
        var low = 0
        var step = 1
        while high - step >= 0 {
            if stamps[high - step] <= stamp {
                low = high - step + 1
                break
            }
            high -= step
            step *= 2
        }
        while low < high {
            let middle = (low + high) / 2
            if stamps[middle] > stamp { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Brings the popular part and the totals up to date. Returns how many of its items were looked at.
    @discardableResult @inline(__always)
    mutating func refreshPopular(_ contacts: PopularContacts) -> Int {
        popularAt < contacts.newestChange ? refreshStale(contacts) : 0
    }

    @inline(never)
    private mutating func refreshStale(_ contacts: PopularContacts) -> Int {
        let effect = popular.refresh(contacts)
        popularAt = contacts.newestChange
        digest &+= effect.digest
        watermark = max(watermark, effect.newest)
        liveItems -= effect.deleted
        deleted16 += effect.deleted
        digestNewestOnly &-= effect.deletedDigestNewestOnly
        return popular.count
    }

    /// Whether the slot still stands for its member.
    func isCurrent(_ slot: Int) -> Bool { place(Int(numbers[slot])) == slot }

    /// The stamp at which a member stands in the order.
    /// - Precondition: it is in the order.
    func placedStamp(_ number: Int) -> Stamp { stamps[place(number)] }

    func isVacant(_ number: Int) -> Bool { flags(number).contains(.vacant) }

    /// Whether the entry is there: given out, and not removed.
    func isLive(_ number: Int) -> Bool { flags(number).isDisjoint(with: [.removed, .vacant]) }

    /// Whether the owner may see the contact's presence.
    func showsPresence(_ number: Int) -> Bool {
        flags(number).isDisjoint(with: [.removed, .vacant, .pending, .hidden])
    }

    /// As whom the owner's clients know the contact: one that has not agreed has no number but that of its entry.
    @inline(__always)
    static func knownUser(_ number: Int, _ flags: Flags, _ user: UserID) -> UserID {
        flags.contains(.pending) ? Limits.pendingUser(number) : user
    }

    /// The number under which the owner keeps a contact, removed or not.
    func number(of contact: UInt32) -> Int? {
        if let index { return index.find(contact, in: contacts) }
        let contacts = memberCount > 0 ? contacts : nil
        for number in 0..<memberCount
        where contacts.unsafelyUnwrapped[number] == contact && !isVacant(number) { return number }
        return nil
    }

    /// When each removed item went, those of deleted popular contacts included; in no order.
    func forEachTombstone(_ body: (Stamp) -> Void) {
        for number in 0..<memberCount where flags(number).contains(.removed) {
            body(entryStamp(number))
        }
        for item in 0..<popular.count where popular.items[item].isDeleted { body(popular.items[item].stamp) }
    }

    var allocatedBytes: Int {
        guard base != nil else { return 0 }
        let bytes = Self.byteCount(slots: Int(slotCapacity), members: memberCapacity)
        return bytes + (index?.allocatedBytes ?? 0)
    }

    // MARK: changing; each stamp is newer than all before

    /// A live member's contact changed: its newest change before was `previous`, and `term` is its `Digest.term(user:)`.
    /// Returns whether that is anything to the owner.
    @inline(__always)
    mutating func restamp(_ number: Int, from previous: Stamp, term: UInt64, at stamp: Stamp) -> Bool {
        let entry = entries[number]
        if entry & Self.stillBits != 0 { return false }
        digest &-= Digest.mix(term ^ max(entry & .largest, previous))
        digest &+= Digest.mix(term ^ stamp)
        append(number, at: stamp)
        return true
    }

    private static let stillBits = UInt64(Flags.still.rawValue) << 56

    /// A request or a block of the owner's has changed: its table has something newer.
    mutating func noteAside(at stamp: Stamp) { watermark = max(watermark, stamp) }

    /// The contact of a live member blocks the owner from now on, which moves nothing.
    mutating func hide(_ number: Int) {
        setFlags(number, flags(number).union(.hidden))
        markStill(number)
    }

    /// A pending member's contact blocks the owner no longer, which moves nothing either.
    mutating func show(_ number: Int) {
        setFlags(number, flags(number).subtracting(.hidden))
        markStill(number)
    }

    private func markStill(_ number: Int) {
        let flags = flags(number)
        if flags.contains(.popular) { popular.set(number, Self.stillness(flags)) }
    }

    private static func stillness(_ flags: Flags) -> PopularPart.Stillness {
        flags.contains(.pending) ? .pending : flags.contains(.hidden) ? .hidden : .none
    }

    /// The entry itself changed, or is new, or is back. Its contact is not popular, and changed last at `previous`, as far as
    /// the owner may know.
    mutating func set(
        _ number: Int,
        contact: UInt32,
        user: UserID,
        flags: Flags,
        previous: Stamp,
        at stamp: Stamp
    ) {
        makeMember(number, contact)
        if isLive(number) {
            forget(number, user: user, effective: max(entryStamp(number), previous))
        } else {
            revive(number)
        }
        know(number, flags, user: user, at: stamp)
        set(number, flags, entryStamp: stamp)
        append(number, at: stamp)
    }

    /// Takes a live item out of the digests.
    private mutating func forget(_ number: Int, user: UserID, effective: Stamp) {
        let known = Self.knownUser(number, flags(number), user)
        digest &-= Digest.term(user: known, stamp: effective)
        digestNewestOnly &-= Digest.term(user: known)
    }

    private mutating func know(_ number: Int, _ flags: Flags, user: UserID, at stamp: Stamp) {
        let known = Self.knownUser(number, flags, user)
        digest &+= Digest.term(user: known, stamp: stamp)
        digestNewestOnly &+= Digest.term(user: known)
    }

    /// The same for an entry whose contact is popular, as `slot` of the shard's popular contacts.
    mutating func setPopular(
        _ number: Int,
        contact: UInt32,
        user: UserID,
        slot: UInt32,
        flags: Flags,
        at stamp: Stamp,
        _ contacts: PopularContacts
    ) {
        makeMember(number, contact)
        if isLive(number) {
            forget(number, user: user, effective: popular.restamp(number, at: stamp))
        } else {
            revive(number)
            places[number] = Self.nowhere
            insertPopular(number, slot: slot, at: stamp, contacts)
        }
        know(number, flags, user: user, at: stamp)
        set(number, flags.union(.popular), entryStamp: stamp)
        markStill(number)
        watermark = stamp
    }

    private mutating func insertPopular(_ number: Int, slot: UInt32, at stamp: Stamp, _ contacts: PopularContacts) {
        // What there is of the part is older than the newest change, or there is none.
        if popular.isEmpty { popularAt = contacts.newestChange }
        popular.insert(number, slot: slot, at: stamp)
    }

    /// Returns the stamp that the item had.
    private mutating func removePopular(_ number: Int) -> Stamp {
        let stamp = popular.remove(number)
        if popular.isEmpty { popularAt = .max }
        return stamp
    }

    private mutating func revive(_ number: Int) {
        if flags(number).contains(.removed) { removed16 -= 1 }
        liveItems += 1
    }

    /// Leaves a tombstone, of a contact that has not agreed without saying whose. The contact changed last at `previous`, as far as the owner may know.
    mutating func remove(_ number: Int, user: UserID, previous: Stamp, at stamp: Stamp) {
        precondition(isLive(number))
        let isPopular = flags(number).contains(.popular)
        let effective = isPopular ? removePopular(number) : max(entryStamp(number), previous)
        forget(number, user: user, effective: effective)
        liveItems -= 1
        removed16 += 1
        if flags(number).contains(.pending), contacts[number] != Self.noContact {
            index?.remove(number, in: contacts)
            contacts[number] = Self.noContact
        }
        set(number, .removed, entryStamp: stamp)
        append(number, at: stamp)
    }

    /// A live member's contact has become popular; the item stays as it is. `newest` is the contact's newest change, as far as
    /// the owner may know.
    mutating func makePopular(
        _ number: Int,
        slot: UInt32,
        newest: Stamp,
        _ contacts: PopularContacts
    ) {
        places[number] = Self.nowhere
        setFlags(number, flags(number).union(.popular))
        insertPopular(number, slot: slot, at: max(entryStamp(number), newest), contacts)
        markStill(number)
    }

    /// A popular member's contact is so no longer, and has changed.
    mutating func makeOrdinary(_ number: Int, user: UserID, at stamp: Stamp) {
        let before = removePopular(number)
        setFlags(number, flags(number).subtracting(.popular))
        guard flags(number).isDisjoint(with: .still) else { return insert(number, at: before) }
        digest &-= Digest.term(user: user, stamp: before)
        digest &+= Digest.term(user: user, stamp: stamp)
        append(number, at: stamp)
    }

    /// Puts a member among the slots where its stamp belongs.
    private mutating func insert(_ number: Int, at stamp: Stamp) {
        if slots16 == slotCapacity { makeSlotRoom() }
        let at = firstSlot(after: stamp)
        // The one that it had.
        if at > 0, stamps[at - 1] == stamp { return places[number] = UInt16(at - 1) }
        for slot in stride(from: slotCount, to: at, by: -1) {
            let moved = Int(numbers[slot - 1])
            if Int(places[moved]) == slot - 1 { places[moved] = UInt16(slot) }
            stamps[slot] = stamps[slot - 1]
            numbers[slot] = UInt16(moved)
        }
        stamps[at] = stamp
        numbers[at] = UInt16(number)
        places[number] = UInt16(at)
        slots16 += 1
    }

    /// Forgets what was removed up to `stamp`, and gives those numbers free. `body` hears of contacts whose accounts went
    /// while they were popular: these are still followed.
    /// - Precondition: the popular part is up to date.
    mutating func collect(
        through stamp: Stamp,
        _ body: (_ number: Int, _ contact: UInt32) -> Void
    ) {
        for number in 0..<memberCount where flags(number).contains(.removed) {
            guard entryStamp(number) <= stamp else { continue }
            removed16 -= 1
            vacate(number)
        }
        var part = popular
        part.collect(through: stamp) { number in
            deleted16 -= 1
            let contact = contacts[number]
            vacate(number)
            body(number, contact)
        }
        popular = part
        if popular.isEmpty { popularAt = .max }
        horizon = max(horizon, stamp)
    }

    private mutating func vacate(_ number: Int) {
        if contacts[number] != Self.noContact { index?.remove(number, in: contacts) }
        put(Self.vacantMember(next: firstVacant), at: number)
        firstVacant = UInt16(number)
    }

    // MARK: loading

    /// Remembers when the account was created, until its table is loaded.
    mutating func begin(at created: Stamp) { watermark = created }

    /// Makes room for a table of `owner` that is then loaded, whose tombstones were collected up to `horizon` before.
    mutating func reserve(owner: UInt32, members count: Int, slots: Int, horizon: Stamp) {
        precondition(base == nil)
        watermark = 0
        self.horizon = horizon
        move(members: count, slots: slots + Self.slack(slots, of: owner))
        for number in 0..<count { put(Self.vacantMember(next: 0), at: number) }
    }

    /// Puts a member into a table that is being loaded; effective stamps rise from call to call, numbers need not.
    mutating func load(
        _ number: Int,
        contact: UInt32,
        user: UserID,
        flags: Flags,
        entryStamp: Stamp,
        at stamp: Stamp
    ) {
        put(Member(entryStamp: entryStamp, contact: contact, place: Self.nowhere, flags: flags), at: number)
        if flags.contains(.removed) {
            removed16 += 1
        } else {
            liveItems += 1
            know(number, flags, user: user, at: stamp)
        }
        append(number, at: stamp)
    }

    /// Once all members are loaded: finds what can be given out again, the lowest first, and indexes the others.
    mutating func finishLoading() {
        for number in stride(from: memberCount - 1, to: 0, by: -1) where isVacant(number) {
            put(Self.vacantMember(next: firstVacant), at: number)
            firstVacant = UInt16(number)
        }
        if memberCount > Self.scannedMax { makeIndex(of: memberCount) }
    }

    /// Once all is loaded, and popular contacts are out of the order: gives back what they took there.
    mutating func fit() {
        dropDeadSlots()
        move(members: memberCount, slots: slotCount + Self.slack(slotCount, of: owner))
    }

    mutating func deallocate() {
        base?.deallocate()
        index?.deallocate()
        popular.deallocate()
        self = Roster()
    }

    // MARK: memory

    /// Room for appends before the dead slots are dropped, from a twelfth to a quarter of the slots. Each append then pays
    /// for copying about seven slots, in a row; less room would be more copying, more room more memory. Each owner has
    /// its own share: tables with the same contacts would all be full at the same change otherwise.
    private static func slack(_ slots: Int, of owner: UInt32) -> Int {
        let share = UInt64(slots / 12) * 2
        return max(4, slots / 12 + Int((share * (Digest.mix(UInt64(owner)) >> 32)) >> 32))
    }

    /// A table's first row is its owner's own.
    private var owner: UInt32 { contacts[0] }

    private static func vacantMember(next: UInt16) -> Member {
        Member(entryStamp: 0, contact: UInt32(next), place: nowhere, flags: .vacant)
    }

    private mutating func append(_ number: Int, at stamp: Stamp) {
        precondition(stamp > watermark, "the log's stamps rise")
        if slots16 == slotCapacity { makeSlotRoom() }
        let slot = Int(slots16)
        stamps[slot] = stamp
        numbers[slot] = UInt16(number)
        places[number] = slots16
        slots16 += 1
        watermark = stamp
    }

    /// Asks for the first contacts: 64 of them, as many as most have. The processor guesses the rest.
    @inline(__always)
    func prefetchContacts() {
        guard base != nil else { return }
        for line in 0..<4 { prefetch_line(UnsafeRawPointer(contacts) + 64 * line) }
    }

    /// Asks for the lines that restamping a member writes to.
    @inline(__always)
    func prefetchAppend(_ number: Int) {
        guard base != nil else { return }
        prefetch_line(entries + number)
        prefetch_line(places + number)
        prefetch_line(stamps + slotCount)
        prefetch_line(numbers + slotCount)
    }

    /// Gives a number to a contact, or leaves it with the contact that has it.
    private mutating func makeMember(_ number: Int, _ contact: UInt32) {
        if number >= memberCount {
            let first = memberCount
            move(members: number + 1, slots: Int(slotCapacity))
            // Numbers that are passed over are vacant, the lowest first.
            for each in stride(from: number, through: first, by: -1) {
                put(Self.vacantMember(next: firstVacant), at: each)
                firstVacant = UInt16(each)
            }
        }
        guard isVacant(number) else { return }
        unlinkVacant(number)
        put(Member(entryStamp: 0, contact: contact, place: Self.nowhere, flags: .vacant), at: number)
        if index == nil, memberCount > Self.scannedMax { makeIndex(of: memberCount) }
        if contact != Self.noContact { index?.insert(number, in: contacts) }
    }

    private mutating func unlinkVacant(_ number: Int) {
        if Int(firstVacant) == number {
            firstVacant = UInt16(contacts[number])
            return
        }
        var before = Int(firstVacant)
        while Int(contacts[before]) != number { before = Int(contacts[before]) }
        contacts[before] = contacts[number]
    }

    /// Of the first so many members; with room for as many as the table has.
    private mutating func makeIndex(of count: Int) {
        index = ContactIndex(capacity: memberCapacity)
        for number in 0..<count where !isVacant(number) && contacts[number] != Self.noContact {
            index!.insert(number, in: contacts)
        }
    }

    /// Drops dead slots in place; takes more memory only when few were dead, so that the copying is paid for by the
    /// appends since.
    private mutating func makeSlotRoom() {
        dropDeadSlots()
        let wanted = slotCount + Self.slack(slotCount, of: owner)
        if wanted > Int(slotCapacity) { move(members: memberCount, slots: wanted) }
    }

    private mutating func dropDeadSlots() {
        guard slotCount > 0 else { return }
        let (stamps, numbers, places) = (stamps, numbers, places)
        var kept = 0
        for slot in 0..<slotCount {
            let number = Int(numbers[slot])
            guard Int(places[number]) == slot else { continue }
            stamps[kept] = stamps[slot]
            numbers[kept] = UInt16(number)
            places[number] = UInt16(kept)
            kept += 1
        }
        slots16 = UInt16(kept)
    }

    /// Makes room for so many members, the first of them those that there are, and for so many slots. What the others are is
    /// for the caller to say.
    private mutating func move(members count: Int, slots newSlots: Int) {
        precondition(count <= Limits.rosterEntriesMax)
        let capacity = Self.capacity(members: count)
        let hasOtherCapacity = capacity != memberCapacity
        guard base == nil || hasOtherCapacity || newSlots != Int(slotCapacity) else {
            members16 = UInt16(count)
            return
        }
        let before = self
        base = .allocate(byteCount: Self.byteCount(slots: newSlots, members: capacity), alignment: 8)
        slotCapacity = UInt16(newSlots)
        members16 = UInt16(count)
        bindArrays(members: capacity)
        if let old = before.base {
            stamps.update(from: before.stamps, count: slotCount)
            numbers.update(from: before.numbers, count: slotCount)
            contacts.update(from: before.contacts, count: before.memberCount)
            entries.update(from: before.entries, count: before.memberCount)
            places.update(from: before.places, count: before.memberCount)
            old.deallocate()
        }
        if hasOtherCapacity, index != nil {
            index!.deallocate()
            makeIndex(of: before.memberCount)
        }
    }

    private func bindArrays(members capacity: Int) {
        UnsafeMutableRawPointer(stamps).bindMemory(to: Stamp.self, capacity: Int(slotCapacity))
        UnsafeMutableRawPointer(numbers).bindMemory(to: UInt16.self, capacity: Int(slotCapacity))
        UnsafeMutableRawPointer(contacts).bindMemory(to: UInt32.self, capacity: capacity)
        UnsafeMutableRawPointer(entries).bindMemory(to: UInt64.self, capacity: capacity)
        UnsafeMutableRawPointer(places).bindMemory(to: UInt16.self, capacity: capacity)
    }
}
