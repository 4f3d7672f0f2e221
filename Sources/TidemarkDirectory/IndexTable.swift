//  From a hash to an index, where the indexed things know their own keys.
//
//      hash ─ top byte ──▶ one of 256 segments ─ low 32 bits ──▶ [ tag │ index + 1 ] …   linear probing
//
//  A lookup is one slot and the thing itself. Segments grow one at a time, from the tags alone, so that no insertion
//  among millions takes longer than moving one segment does.

import CPrefetch

struct IndexTable {
    private struct Segment {
        var slots: UnsafeMutablePointer<UInt64>?
        var count: UInt32 = 0
        /// Slots - 1; the number of slots is a power of two.
        var mask: UInt32 = 0
    }

    private static let segmentCount = 256
    private let segments: UnsafeMutablePointer<Segment>

    init() {
        segments = .allocate(capacity: Self.segmentCount)
        segments.initialize(repeating: Segment(), count: Self.segmentCount)
    }

    func deallocate() {
        for segment in 0..<Self.segmentCount { segments[segment].slots?.deallocate() }
        segments.deallocate()
    }

    var allocatedBytes: Int {
        (0..<Self.segmentCount).reduce(0) { $0 + (segments[$1].slots == nil ? 0 : (Int(segments[$1].mask) + 1) * 8) }
    }

    /// The index under this hash that `isIt` confirms.
    @inline(__always)
    func find(_ hash: UInt64, where isIt: (UInt32) -> Bool) -> UInt32? {
        let segment = segments[Int(hash >> 56)]
        guard let slots = segment.slots else { return nil }
        let tag = UInt32(truncatingIfNeeded: hash)
        var place = tag & segment.mask
        while true {
            let slot = slots[Int(place)]
            if slot == 0 { return nil }
            if UInt32(slot >> 32) == tag {
                let index = UInt32(truncatingIfNeeded: slot) - 1
                if isIt(index) { return index }
            }
            place = (place &+ 1) & segment.mask
        }
    }

    /// Asks for the line that a search begins at.
    @inline(__always)
    func prefetch(_ hash: UInt64) {
        let segment = segments[Int(hash >> 56)]
        guard let slots = segment.slots else { return }
        prefetch_line(slots + Int(UInt32(truncatingIfNeeded: hash) & segment.mask))
    }

    /// An index under this hash: most likely the one sought, and never looked at.
    @inline(__always)
    func guess(_ hash: UInt64) -> UInt32? { find(hash) { _ in true } }

    /// - Precondition: the key is not there.
    func insert(_ hash: UInt64, _ index: UInt32) {
        let segment = segments + Int(hash >> 56)
        if segment.pointee.slots == nil || segment.pointee.count * 4 >= segment.pointee.mask * 3 { grow(segment) }
        place(UInt64(UInt32(truncatingIfNeeded: hash)) << 32 | UInt64(index + 1), in: segment.pointee)
        segment.pointee.count += 1
    }

    /// - Precondition: the index is there, under this hash.
    func remove(_ hash: UInt64, _ index: UInt32) {
        let segment = segments + Int(hash >> 56)
        let (slots, mask) = (segment.pointee.slots.unsafelyUnwrapped, segment.pointee.mask)
        let wanted = UInt64(UInt32(truncatingIfNeeded: hash)) << 32 | UInt64(index + 1)
        var hole = UInt32(truncatingIfNeeded: hash) & mask
        while slots[Int(hole)] != wanted {
            precondition(slots[Int(hole)] != 0, "what is removed is there")
            hole = (hole &+ 1) & mask
        }
        // What follows moves back into the hole, unless it would come before its own place.
        var next = (hole &+ 1) & mask
        while slots[Int(next)] != 0 {
            let home = UInt32(slots[Int(next)] >> 32) & mask
            if (next &- home) & mask >= (next &- hole) & mask {
                slots[Int(hole)] = slots[Int(next)]
                hole = next
            }
            next = (next &+ 1) & mask
        }
        slots[Int(hole)] = 0
        segment.pointee.count -= 1
    }

    private func place(_ slot: UInt64, in segment: Segment) {
        let slots = segment.slots.unsafelyUnwrapped
        var place = UInt32(slot >> 32) & segment.mask
        while slots[Int(place)] != 0 { place = (place &+ 1) & segment.mask }
        slots[Int(place)] = slot
    }

    private func grow(_ segment: UnsafeMutablePointer<Segment>) {
        let old = segment.pointee
        let capacity = old.slots == nil ? 8 : (Int(old.mask) + 1) * 2
        let slots = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity)
        slots.initialize(repeating: 0, count: capacity)
        segment.pointee.slots = slots
        segment.pointee.mask = UInt32(capacity - 1)
        guard let before = old.slots else { return }
        for slot in 0...Int(old.mask) where before[slot] != 0 { place(before[slot], in: segment.pointee) }
        before.deallocate()
    }
}
