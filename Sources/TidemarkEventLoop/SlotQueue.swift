// A queue of slots in fixed memory.
//
//      first ─▶ [ 7 | 3 | 12 | … ] ◀─ last          a ring; each slot is in it at most once, so it never overflows
//
// The caller keeps "is in the queue" as a flag of its own.

struct SlotQueue: ~Copyable {
    private let slots: Slab<UInt32>
    private let mask: Int
    private var first = 0
    private var last = 0

    init(capacity: Int) throws(SystemError) {
        var places = 1
        while places < capacity { places *= 2 }
        slots = try Slab(count: places)
        mask = places - 1
    }

    var count: Int { last &- first }

    mutating func append(_ slot: UInt32) {
        assert(count <= mask)
        slots[last & mask] = slot
        last &+= 1
    }

    mutating func popFirst() -> UInt32? {
        if first == last { return nil }
        let slot = slots[first & mask]
        first &+= 1
        return slot
    }
}
