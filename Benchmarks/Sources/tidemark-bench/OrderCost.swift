//  What an owner's members could be ordered in by stamp, each in its plainest form, one block of memory an owner:
//
//      lazy     appended slots, the old one dead where it stands, dropped when the block is full: the directory's own
//      dense    no dead slots: what is behind the old one moves up
//      linked   a list through the members
//      tree     two levels: leaves of 32, an array of leaves by their first stamps
//
//  A change moves a random member of a random owner to the end. It is given the member's stamp before, which a server
//  knows. Reading gives the numbers of the newest members, the newest last or first as the structure has it.

import Glibc
import TidemarkRandom

protocol MemberOrder {
    static var name: String { get }
    static func blockBytes(_ members: Int) -> Int
    /// Members 0 to `members` - 1 with the stamps 1 and on.
    static func fill(_ block: UnsafeMutableRawPointer, _ members: Int)
    static func move(_ block: UnsafeMutableRawPointer, _ members: Int, _ member: Int, from old: UInt64, to new: UInt64)
    /// The sum of the numbers of the newest `count`.
    static func newest(_ block: UnsafeMutableRawPointer, _ members: Int, _ count: Int) -> Int
}

enum OrderCost {
    struct Series: Encodable {
        var order: String
        var members: Int
        var bytesPerMember: Double
        var nanosecondsPerChange: Double
        var nanosecondsForFiveNewest: Double
        var nanosecondsForAll: Double
    }

    static func run(small: Bool) throws {
        let chase = PointerChase(bytes: small ? 64 << 20 : 1 << 30)
        say("a load from memory: \(chase.nanosecondsPerLoad()) ns")
        var series: [Series] = []
        for (members, owners) in [(100, small ? 2_000 : 200_000), (10_000, small ? 20 : 2_000)] {
            series.append(measure(LazyOrder.self, members, owners, small))
            series.append(measure(DenseOrder.self, members, owners, small))
            series.append(measure(LinkedOrder.self, members, owners, small))
            series.append(measure(TreeOrder.self, members, owners, small))
        }
        for each in series {
            say(
                """
                \(each.order), \(each.members) members: \(each.bytesPerMember) bytes a member, \
                a change \(each.nanosecondsPerChange) ns, the five newest \(each.nanosecondsForFiveNewest) ns, \
                all \(each.nanosecondsForAll) ns
                """
            )
        }
        Report(bench: "orders", machine: .this(), goals: [], series: series).print()
    }

    private static func measure<Order: MemberOrder>(
        _: Order.Type,
        _ members: Int,
        _ owners: Int,
        _ small: Bool
    ) -> Series {
        let bytes = (Order.blockBytes(members) + 63) & ~63
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes * owners, alignment: 64)
        defer { memory.deallocate() }
        for owner in 0..<owners { Order.fill(memory + owner * bytes, members) }

        let changes = small ? 20_000 : 4_000_000
        var random = SplitMix64(seed: 7)
        var stamps = [UInt64](repeating: 0, count: members * owners)
        for owner in 0..<owners {
            for member in 0..<members { stamps[owner * members + member] = UInt64(member + 1) }
        }
        var plan: [(block: Int, member: Int, old: UInt64)] = []
        plan.reserveCapacity(changes)
        for change in 0..<changes {
            let at = Int(random.next() % UInt64(stamps.count))
            plan.append((at / members * bytes, at % members, stamps[at]))
            stamps[at] = UInt64(members + 1 + change)
        }
        var begin = nanoseconds()
        for (change, each) in plan.enumerated() {
            let new = UInt64(members + 1 + change)
            Order.move(memory + each.block, members, each.member, from: each.old, to: new)
        }
        let change = Double(nanoseconds() - begin) / Double(changes)
        verify(Order.self, memory, bytes, members, owners, stamps)

        var sum = 0
        func read(_ count: Int, _ times: Int) -> Double {
            begin = nanoseconds()
            for _ in 0..<times {
                // The block to come depends on what was read.
                let owner = Int((random.next() &+ UInt64(sum & 1)) % UInt64(owners))
                sum &+= Order.newest(memory + owner * bytes, members, count)
            }
            return Double(nanoseconds() - begin) / Double(times)
        }
        let five = read(5, changes / 4)
        let all = read(members, max(1, changes / 4 / members))
        return Series(
            order: Order.name,
            members: members,
            bytesPerMember: (Double(Order.blockBytes(members)) / Double(members) * 10).rounded() / 10,
            nanosecondsPerChange: change.rounded(),
            nanosecondsForFiveNewest: five.rounded(),
            nanosecondsForAll: all.rounded()
        )
    }

    /// All four say the same, so none is fast by being wrong.
    private static func verify<Order: MemberOrder>(
        _: Order.Type,
        _ memory: UnsafeMutableRawPointer,
        _ bytes: Int,
        _ members: Int,
        _ owners: Int,
        _ stamps: [UInt64]
    ) {
        for owner in 0..<min(owners, 50) {
            let own = stamps[owner * members..<(owner + 1) * members]
            let newest = own.indices.sorted { own[$0] > own[$1] }.prefix(5).map { $0 - owner * members }
            precondition(Order.newest(memory + owner * bytes, members, 5) == newest.reduce(0, +), Order.name)
            precondition(Order.newest(memory + owner * bytes, members, members) == members * (members - 1) / 2)
        }
    }
}

enum LazyOrder: MemberOrder {
    static let name = "lazy"
    private static func capacity(_ members: Int) -> Int { members + members / 6 + 2 }
    private static func count(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Int> {
        block.assumingMemoryBound(to: Int.self)
    }
    private static func stamps(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt64> {
        (block + 8).assumingMemoryBound(to: UInt64.self)
    }
    private static func numbers(_ block: UnsafeMutableRawPointer, _ members: Int) -> UnsafeMutablePointer<UInt16> {
        (block + 8 + capacity(members) * 8).assumingMemoryBound(to: UInt16.self)
    }
    private static func places(_ block: UnsafeMutableRawPointer, _ members: Int) -> UnsafeMutablePointer<UInt16> {
        numbers(block, members) + capacity(members)
    }

    static func blockBytes(_ members: Int) -> Int { 8 + capacity(members) * 10 + members * 2 }

    static func fill(_ block: UnsafeMutableRawPointer, _ members: Int) {
        count(block).pointee = members
        for member in 0..<members {
            stamps(block)[member] = UInt64(member + 1)
            numbers(block, members)[member] = UInt16(member)
            places(block, members)[member] = UInt16(member)
        }
    }

    static func move(_ block: UnsafeMutableRawPointer, _ members: Int, _ member: Int, from _: UInt64, to new: UInt64) {
        let (stamps, numbers, places) = (stamps(block), numbers(block, members), places(block, members))
        var end = count(block).pointee
        if end == capacity(members) {
            var kept = 0
            for slot in 0..<end where Int(places[Int(numbers[slot])]) == slot {
                stamps[kept] = stamps[slot]
                numbers[kept] = numbers[slot]
                places[Int(numbers[slot])] = UInt16(kept)
                kept += 1
            }
            end = kept
        }
        stamps[end] = new
        numbers[end] = UInt16(member)
        places[member] = UInt16(end)
        count(block).pointee = end + 1
    }

    static func newest(_ block: UnsafeMutableRawPointer, _ members: Int, _ wanted: Int) -> Int {
        let (numbers, places) = (numbers(block, members), places(block, members))
        var (slot, sum, left) = (count(block).pointee, 0, wanted)
        while left > 0 {
            slot -= 1
            let number = Int(numbers[slot])
            if Int(places[number]) != slot { continue }
            sum += number
            left -= 1
        }
        return sum
    }
}

enum DenseOrder: MemberOrder {
    static let name = "dense"
    private static func stamps(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt64> {
        block.assumingMemoryBound(to: UInt64.self)
    }
    private static func numbers(_ block: UnsafeMutableRawPointer, _ members: Int) -> UnsafeMutablePointer<UInt16> {
        (block + members * 8).assumingMemoryBound(to: UInt16.self)
    }

    static func blockBytes(_ members: Int) -> Int { members * 10 }

    static func fill(_ block: UnsafeMutableRawPointer, _ members: Int) {
        for member in 0..<members {
            stamps(block)[member] = UInt64(member + 1)
            numbers(block, members)[member] = UInt16(member)
        }
    }

    static func move(
        _ block: UnsafeMutableRawPointer,
        _ members: Int,
        _ member: Int,
        from old: UInt64,
        to new: UInt64
    ) {
        let (stamps, numbers) = (stamps(block), numbers(block, members))
        let at = place(of: old, stamps, members)
        memmove(stamps + at, stamps + at + 1, (members - at - 1) * 8)
        memmove(numbers + at, numbers + at + 1, (members - at - 1) * 2)
        stamps[members - 1] = new
        numbers[members - 1] = UInt16(member)
    }

    static func newest(_ block: UnsafeMutableRawPointer, _ members: Int, _ wanted: Int) -> Int {
        let numbers = numbers(block, members)
        return (members - wanted..<members).reduce(0) { $0 + Int(numbers[$1]) }
    }
}

/// Of the first stamp that is `stamp` or newer.
private func place(of stamp: UInt64, _ stamps: UnsafeMutablePointer<UInt64>, _ count: Int) -> Int {
    var (low, high) = (0, count)
    while low < high {
        let middle = (low + high) / 2
        if stamps[middle] < stamp { low = middle + 1 } else { high = middle }
    }
    return low
}

enum LinkedOrder: MemberOrder {
    static let name = "linked"
    private static let none = UInt16.max
    private struct Member {
        var stamp: UInt64
        var newer: UInt16
        var older: UInt16
    }
    /// The newest, then the members.
    private static func first(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt16> {
        block.assumingMemoryBound(to: UInt16.self)
    }
    private static func members(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Member> {
        (block + 8).assumingMemoryBound(to: Member.self)
    }

    static func blockBytes(_ members: Int) -> Int { 8 + members * MemoryLayout<Member>.stride }

    static func fill(_ block: UnsafeMutableRawPointer, _ count: Int) {
        first(block).pointee = UInt16(count - 1)
        for member in 0..<count {
            members(block)[member] = Member(
                stamp: UInt64(member + 1),
                newer: member + 1 < count ? UInt16(member + 1) : none,
                older: member > 0 ? UInt16(member - 1) : none
            )
        }
    }

    static func move(_ block: UnsafeMutableRawPointer, _: Int, _ member: Int, from _: UInt64, to new: UInt64) {
        let members = members(block)
        members[member].stamp = new
        let (newer, older) = (members[member].newer, members[member].older)
        if newer == none { return }
        members[Int(newer)].older = older
        if older != none { members[Int(older)].newer = newer }
        members[member].newer = none
        members[member].older = first(block).pointee
        members[Int(first(block).pointee)].newer = UInt16(member)
        first(block).pointee = UInt16(member)
    }

    static func newest(_ block: UnsafeMutableRawPointer, _: Int, _ wanted: Int) -> Int {
        let members = members(block)
        var (member, sum) = (first(block).pointee, 0)
        for _ in 0..<wanted {
            sum += Int(member)
            member = members[Int(member)].older
        }
        return sum
    }
}

enum TreeOrder: MemberOrder {
    static let name = "tree"
    private static let leafMax = 32
    private struct Leaf {
        var count = 0
        var stamps: InlineArray<32, UInt64> = .init(repeating: 0)
        var numbers: InlineArray<32, UInt16> = .init(repeating: 0)
    }
    /// Neighbours that together fit a leaf become one, so two of them hold more than one leaf: at most so many.
    private static func leavesMax(_ members: Int) -> Int { members / (leafMax / 2) + 3 }

    // leaves in use │ by order: first stamp, leaf │ all leaves; those not in use stand behind the others in the order
    private static func used(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Int> {
        block.assumingMemoryBound(to: Int.self)
    }
    private static func firsts(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt64> {
        (block + 8).assumingMemoryBound(to: UInt64.self)
    }
    private static func order(_ block: UnsafeMutableRawPointer, _ members: Int) -> UnsafeMutablePointer<UInt16> {
        (block + 8 + leavesMax(members) * 8).assumingMemoryBound(to: UInt16.self)
    }
    private static func leaves(_ block: UnsafeMutableRawPointer, _ members: Int) -> UnsafeMutablePointer<Leaf> {
        (block + (8 + leavesMax(members) * 10 + 7) / 8 * 8).assumingMemoryBound(to: Leaf.self)
    }

    static func blockBytes(_ members: Int) -> Int {
        (8 + leavesMax(members) * 10 + 7) / 8 * 8 + leavesMax(members) * MemoryLayout<Leaf>.stride
    }

    static func fill(_ block: UnsafeMutableRawPointer, _ members: Int) {
        used(block).pointee = 0
        for leaf in 0..<leavesMax(members) {
            order(block, members)[leaf] = UInt16(leaf)
            (leaves(block, members) + leaf).initialize(to: Leaf())
        }
        for member in 0..<members { append(block, members, member, UInt64(member + 1)) }
    }

    private static func append(_ block: UnsafeMutableRawPointer, _ members: Int, _ member: Int, _ stamp: UInt64) {
        let order = order(block, members)
        var leaf = leaves(block, members) + Int(order[max(0, used(block).pointee - 1)])
        if used(block).pointee == 0 || leaf.pointee.count == leafMax {
            leaf = leaves(block, members) + Int(order[used(block).pointee])
            leaf.pointee.count = 0
            firsts(block)[used(block).pointee] = stamp
            used(block).pointee += 1
        }
        leaf.pointee.stamps[leaf.pointee.count] = stamp
        leaf.pointee.numbers[leaf.pointee.count] = UInt16(member)
        leaf.pointee.count += 1
    }

    static func move(
        _ block: UnsafeMutableRawPointer,
        _ members: Int,
        _ member: Int,
        from old: UInt64,
        to new: UInt64
    ) {
        let (order, leaves) = (order(block, members), leaves(block, members))
        let at = place(of: old + 1, firsts(block), used(block).pointee) - 1
        let leaf = leaves + Int(order[at])
        var slot = 0
        while leaf.pointee.stamps[slot] != old { slot += 1 }
        for later in slot + 1..<max(slot + 1, leaf.pointee.count) {
            leaf.pointee.stamps[later - 1] = leaf.pointee.stamps[later]
            leaf.pointee.numbers[later - 1] = leaf.pointee.numbers[later]
        }
        leaf.pointee.count -= 1
        if at + 1 < used(block).pointee {
            let next = leaves + Int(order[at + 1])
            if leaf.pointee.count + next.pointee.count <= leafMax {
                for each in 0..<next.pointee.count {
                    leaf.pointee.stamps[leaf.pointee.count + each] = next.pointee.stamps[each]
                    leaf.pointee.numbers[leaf.pointee.count + each] = next.pointee.numbers[each]
                }
                leaf.pointee.count += next.pointee.count
                remove(leafAt: at + 1, block, members)
            }
        } else if leaf.pointee.count == 0 {
            remove(leafAt: at, block, members)
        }
        append(block, members, member, new)
    }

    private static func remove(leafAt at: Int, _ block: UnsafeMutableRawPointer, _ members: Int) {
        let (order, firsts, used) = (order(block, members), firsts(block), used(block))
        let freed = order[at]
        memmove(order + at, order + at + 1, (used.pointee - at - 1) * 2)
        memmove(firsts + at, firsts + at + 1, (used.pointee - at - 1) * 8)
        used.pointee -= 1
        order[used.pointee] = freed
    }

    static func newest(_ block: UnsafeMutableRawPointer, _ members: Int, _ wanted: Int) -> Int {
        let (order, leaves) = (order(block, members), leaves(block, members))
        var (at, sum, left) = (used(block).pointee, 0, wanted)
        while left > 0 {
            at -= 1
            let leaf = leaves + Int(order[at])
            for slot in stride(from: leaf.pointee.count - 1, through: 0, by: -1) where left > 0 {
                sum += Int(leaf.pointee.numbers[slot])
                left -= 1
            }
        }
        return sum
    }
}
