//  All flows: slabs, an index with open addressing over them, and two lists.
//
//      index  [ tag │ slot + 1 ]…   linear probing, at most half full, no tombstones: what follows moves back
//      flows  [ Flow ]…             slots handed out from the front, so that unused memory is never touched
//      halves [ HalfStream, HalfStream ]…
//      live   newest ◀─▶ … ◀─▶ least recently active ─▶ forgotten when the table is full
//      closed newest ◀─▶ … ◀─▶ oldest ─▶ its slot is free again

struct FlowTable: ~Copyable {
    static let none = UInt32.max

    private var index: UnsafeMutablePointer<UInt64>
    private var mask: Int
    private let flows: UnsafeMutablePointer<Flow>
    private let halves: UnsafeMutablePointer<HalfStream>
    private let secret: (UInt64, UInt64)
    private var freeSlot = FlowTable.none
    private var everUsed: UInt32 = 0
    private(set) var live = FlowList()
    private(set) var closed = FlowList()
    let liveMax: Int
    let closedMax: Int

    /// The index begins with so many places, and doubles: a small one stays in the processor's caches.
    private static let indexSizeAtFirst = 1024

    /// - Parameter liveMax: connections at a time, 1 to 2^24. Unused ones cost address space only.
    init(liveMax: Int) {
        precondition((1...1 << 24).contains(liveMax))
        self.liveMax = liveMax
        closedMax = max(1, min(4096, liveMax / 16))
        let slots = liveMax + closedMax + 1
        mask = FlowTable.indexSizeAtFirst - 1
        index = .allocate(capacity: FlowTable.indexSizeAtFirst)
        index.initialize(repeating: 0, count: FlowTable.indexSizeAtFirst)
        flows = .allocate(capacity: slots)
        halves = .allocate(capacity: slots * 2)
        var generator = SystemRandomNumberGenerator()
        secret = (generator.next(), generator.next())
    }

    deinit {
        index.deallocate()
        flows.deallocate()
        halves.deallocate()
    }

    @inline(__always)
    func flow(_ slot: UInt32) -> UnsafeMutablePointer<Flow> { flows + Int(slot) }

    /// What end `side` of the flow sends.
    @inline(__always)
    func half(_ slot: UInt32, _ side: Int) -> UnsafeMutablePointer<HalfStream> { halves + (Int(slot) &* 2 &+ side) }

    @inline(__always)
    func hash(_ key: FlowKey) -> UInt64 { key.hash(secret) }

    @inline(__always)
    func find(_ key: FlowKey, _ hash: UInt64) -> UInt32 {
        var place = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = index[place]
            if entry == 0 { return FlowTable.none }
            if entry >> 32 == hash >> 32 {
                let slot = UInt32(truncatingIfNeeded: entry) &- 1
                if flows[Int(slot)].key == key { return slot }
            }
            place = (place &+ 1) & mask
        }
    }

    /// A new flow, the most recently active one. The caller has made room.
    mutating func insert(_ key: FlowKey, _ hash: UInt64) -> UInt32 {
        precondition(live.count < liveMax && closed.count <= closedMax)
        let slot: UInt32
        if freeSlot != FlowTable.none {
            slot = freeSlot
            freeSlot = flows[Int(slot)].older
        } else {
            slot = everUsed
            everUsed += 1
        }
        (flows + Int(slot)).initialize(to: Flow(key: key, hash: hash))
        reset(slot)
        if (live.count + closed.count + 1) * 2 > mask { growIndex() }
        enter((hash & ~0xFFFF_FFFF) | UInt64(slot + 1), hash)
        live.pushFront(slot, flows)
        return slot
    }

    private func enter(_ entry: UInt64, _ hash: UInt64) {
        var place = Int(truncatingIfNeeded: hash) & mask
        while index[place] != 0 { place = (place &+ 1) & mask }
        index[place] = entry
    }

    private mutating func growIndex() {
        let old = UnsafeMutableBufferPointer(start: index, count: mask + 1)
        mask = old.count * 2 - 1
        index = .allocate(capacity: mask + 1)
        index.initialize(repeating: 0, count: mask + 1)
        for entry in old where entry != 0 {
            enter(entry, flows[Int(UInt32(truncatingIfNeeded: entry) &- 1)].hash)
        }
        old.deallocate()
    }

    /// Both streams as they are at a connection's beginning. They hold no blocks.
    func reset(_ slot: UInt32) {
        half(slot, 0).initialize(to: HalfStream())
        half(slot, 1).initialize(to: HalfStream())
    }

    mutating func moveToFront(_ slot: UInt32) {
        live.remove(slot, flows)
        live.pushFront(slot, flows)
    }

    /// From the live ones to the closed ones.
    mutating func retire(_ slot: UInt32) {
        live.remove(slot, flows)
        closed.pushFront(slot, flows)
    }

    /// Frees the slot of a closed flow.
    mutating func removeClosed(_ slot: UInt32) {
        closed.remove(slot, flows)
        free(slot)
    }

    mutating func removeLive(_ slot: UInt32) {
        live.remove(slot, flows)
        free(slot)
    }

    private mutating func free(_ slot: UInt32) {
        unindex(slot)
        flows[Int(slot)].older = freeSlot
        freeSlot = slot
    }

    private func unindex(_ slot: UInt32) {
        var hole = Int(truncatingIfNeeded: flows[Int(slot)].hash) & mask
        while UInt32(truncatingIfNeeded: index[hole]) != slot + 1 { hole = (hole &+ 1) & mask }
        var place = hole
        while true {
            place = (place &+ 1) & mask
            let entry = index[place]
            if entry == 0 { break }
            let home = Int(truncatingIfNeeded: flows[Int(UInt32(truncatingIfNeeded: entry) &- 1)].hash) & mask
            // It may move back to the hole only if its home is not between the two.
            if (place &- home) & mask >= (place &- hole) & mask {
                index[hole] = entry
                hole = place
            }
        }
        index[hole] = 0
    }

    /// Live flows, the least recently active one first.
    func forEachLive(_ body: (UInt32) -> Void) {
        var slot = live.last
        while slot != FlowTable.none {
            let next = flows[Int(slot)].newer
            body(slot)
            slot = next
        }
    }
}

/// A list through `newer` and `older` of the flows.
struct FlowList {
    private(set) var first = FlowTable.none
    private(set) var last = FlowTable.none
    private(set) var count = 0

    mutating func pushFront(_ slot: UInt32, _ flows: UnsafeMutablePointer<Flow>) {
        flows[Int(slot)].newer = FlowTable.none
        flows[Int(slot)].older = first
        if first != FlowTable.none { flows[Int(first)].newer = slot } else { last = slot }
        first = slot
        count += 1
    }

    mutating func remove(_ slot: UInt32, _ flows: UnsafeMutablePointer<Flow>) {
        let (newer, older) = (flows[Int(slot)].newer, flows[Int(slot)].older)
        if newer != FlowTable.none { flows[Int(newer)].older = older } else { first = older }
        if older != FlowTable.none { flows[Int(older)].newer = newer } else { last = newer }
        count -= 1
    }
}
