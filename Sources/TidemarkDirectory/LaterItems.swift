import TidemarkWire

/// What is later than a position in an owner's table, by stamp: the order and the popular part, merged. The table must
/// not change meanwhile.
struct LaterItems {
    struct Item {
        var stamp: Stamp
        var number: Int
        /// A popular contact whose account was deleted.
        var isDeleted: Bool
    }

    private let roster: Roster
    private var slot: Int
    private let slots: Int
    private var popular: Int
    private let populars: Int
    /// Slots and popular items that were looked at.
    private(set) var read = 0

    /// - Precondition: the popular part is up to date.
    init(in roster: Roster, after stamp: Stamp) {
        self.roster = roster
        slot = roster.firstSlot(after: stamp)
        slots = roster.slotCount
        popular = roster.popular.firstItem(after: stamp)
        populars = roster.popular.count
    }

    @inline(__always)
    mutating func next() -> Item? {
        while slot < slots {
            let stamp = roster.stamps[slot]
            if popular < populars, roster.popular.items[popular].stamp < stamp { return nextPopular() }
            let isCurrent = roster.isCurrent(slot)
            read += 1
            slot += 1
            if isCurrent { return Item(stamp: stamp, number: Int(roster.numbers[slot - 1]), isDeleted: false) }
        }
        return popular < populars ? nextPopular() : nil
    }

    private mutating func nextPopular() -> Item {
        let item = roster.popular.items[popular]
        popular += 1
        read += 1
        return Item(stamp: item.stamp, number: Int(item.number), isDeleted: item.isDeleted)
    }
}
