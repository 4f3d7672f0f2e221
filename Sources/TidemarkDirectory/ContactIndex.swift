import TidemarkWire

/// From a contact to its number in a large roster: numbers under their contacts' hashes, with open addressing.
struct ContactIndex {
    /// A secret, so that nobody outside can choose contacts that collide; the number of slots as a power of two; the
    /// slots.
    private let base: UnsafeMutableRawPointer
    private static let headerBytes = 16
    private static let empty = UInt16.max

    /// Room for so many numbers, two thirds full at most.
    init(capacity: Int) {
        var bits = 4
        while 1 << bits < capacity + capacity / 2 { bits += 1 }
        base = .allocate(byteCount: Self.headerBytes + 2 << bits, alignment: 8)
        base.storeBytes(of: UInt64.random(in: 0 ... .max), as: UInt64.self)
        base.storeBytes(of: bits, toByteOffset: 8, as: Int.self)
        (base + Self.headerBytes).initializeMemory(as: UInt16.self, repeating: Self.empty, count: 1 << bits)
    }

    private var slots: UnsafeMutablePointer<UInt16> {
        (base + Self.headerBytes).assumingMemoryBound(to: UInt16.self)
    }
    private var secret: UInt64 { base.load(as: UInt64.self) }
    private var mask: Int { 1 << base.load(fromByteOffset: 8, as: Int.self) - 1 }

    var allocatedBytes: Int { Self.headerBytes + (mask + 1) * 2 }

    func deallocate() { base.deallocate() }

    private func home(_ contact: UInt32) -> Int { Int(truncatingIfNeeded: Digest.mix(UInt64(contact) ^ secret)) & mask }

    func find(_ contact: UInt32, in contacts: UnsafeMutablePointer<UInt32>) -> Int? {
        var place = home(contact)
        while slots[place] != Self.empty {
            if contacts[Int(slots[place])] == contact { return Int(slots[place]) }
            place = (place + 1) & mask
        }
        return nil
    }

    /// - Precondition: its contact is not there under another number.
    func insert(_ number: Int, in contacts: UnsafeMutablePointer<UInt32>) {
        var place = home(contacts[number])
        while slots[place] != Self.empty { place = (place + 1) & mask }
        slots[place] = UInt16(number)
    }

    func remove(_ number: Int, in contacts: UnsafeMutablePointer<UInt32>) {
        var hole = home(contacts[number])
        while slots[hole] != UInt16(number) { hole = (hole + 1) & mask }
        var next = (hole + 1) & mask
        while slots[next] != Self.empty {
            let home = home(contacts[Int(slots[next])])
            if (next - home) & mask >= (next - hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = Self.empty
    }
}
