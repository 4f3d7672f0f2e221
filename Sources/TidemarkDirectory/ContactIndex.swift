import TidemarkWire

/// From a contact to its number in a large roster: numbers under their contacts' hashes, with open addressing.
struct ContactIndex {
    /// The number of slots as a power of two, and the slots.
    private let base: UnsafeMutablePointer<UInt16>
    private static let empty = UInt16.max

    /// Room for so many numbers, two thirds full at most.
    init(capacity: Int) {
        var bits = 4
        while 1 << bits < capacity + capacity / 2 { bits += 1 }
        base = .allocate(capacity: 1 + 1 << bits)
        base.initialize(to: UInt16(bits))
        (base + 1).initialize(repeating: Self.empty, count: 1 << bits)
    }

    private var slots: UnsafeMutablePointer<UInt16> { base + 1 }
    private var mask: Int { 1 << Int(base.pointee) - 1 }

    var allocatedBytes: Int { (mask + 2) * 2 }

    func deallocate() { base.deallocate() }

    private func home(_ contact: UInt32) -> Int { Int(truncatingIfNeeded: Digest.mix(UInt64(contact))) & mask }

    func find(_ contact: UInt32, in members: UnsafeMutablePointer<Roster.Member>) -> Int? {
        var place = home(contact)
        while slots[place] != Self.empty {
            if members[Int(slots[place])].contact == contact { return Int(slots[place]) }
            place = (place + 1) & mask
        }
        return nil
    }

    /// - Precondition: its contact is not there under another number.
    func insert(_ number: Int, in members: UnsafeMutablePointer<Roster.Member>) {
        var place = home(members[number].contact)
        while slots[place] != Self.empty { place = (place + 1) & mask }
        slots[place] = UInt16(number)
    }

    func remove(_ number: Int, in members: UnsafeMutablePointer<Roster.Member>) {
        var hole = home(members[number].contact)
        while slots[hole] != UInt16(number) { hole = (hole + 1) & mask }
        var next = (hole + 1) & mask
        while slots[next] != Self.empty {
            let home = home(members[Int(slots[next])].contact)
            if (next - home) & mask >= (next - hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = Self.empty
    }
}
