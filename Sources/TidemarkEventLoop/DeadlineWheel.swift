// One deadline for each index, as a timing wheel: pure, the time is handed in.
//
//              cursor
//                ▼
//   buckets: [ ][ ][•]─▶7─▶3  [ ][•]─▶12 …   1024 of them, one for each tick; a bitmap says which are used
//
//   set      O(1). Later than before: only the time is written, the index stays in its old bucket …
//   popping  … and when that bucket's tick comes, an index whose time has not come is linked again.
//   next     the first used bucket after the cursor: 16 words to look at.
//
// So extending a deadline with each request is one store, and deadlines beyond the wheel's 1024 ticks simply go round.
// A deadline never fires early, and at most one tick late.

struct DeadlineWheel: ~Copyable {
    static let buckets = 1024
    private static let none = UInt32.max

    private struct Node: BitwiseCopyable {
        /// Nanoseconds; 0: no deadline.
        var at: UInt64
        /// The tick of the bucket that it is linked in; 0: not linked.
        var tick: UInt64
        var next: UInt32
        var previous: UInt32
    }

    private let nodes: Slab<Node>
    private let heads: UnsafeMutablePointer<UInt32>
    private let used: UnsafeMutablePointer<UInt64>
    private let tickNanoseconds: UInt64
    /// Every tick before this one has been popped dry.
    private var cursor: UInt64

    /// A wheel for indices below `capacity`, with `tickNanoseconds` above 0.
    init(capacity: Int, tickNanoseconds: UInt64, now: UInt64) throws(SystemError) {
        precondition(tickNanoseconds > 0)
        let nodes = try Slab<Node>(count: capacity)
        self.nodes = nodes
        heads = .allocate(capacity: DeadlineWheel.buckets)
        heads.initialize(repeating: DeadlineWheel.none, count: DeadlineWheel.buckets)
        used = .allocate(capacity: DeadlineWheel.buckets / 64)
        used.initialize(repeating: 0, count: DeadlineWheel.buckets / 64)
        self.tickNanoseconds = tickNanoseconds
        cursor = now / tickNanoseconds
    }

    deinit {
        heads.deallocate()
        used.deallocate()
    }

    /// Sets or moves the deadline of `index` to `at` nanoseconds, which may be past: then it fires with the next tick.
    mutating func set(_ index: Int, at: UInt64) {
        let node = nodes.base + index
        node.pointee.at = max(at, 1)
        if node.pointee.tick != 0 {
            // Linked early enough: it will be looked at in time. The multiplication spares a division on this path.
            if node.pointee.tick &* tickNanoseconds <= at { return }
            unlink(index)
        }
        link(index)
    }

    /// Removes the deadline of `index`, if it has one.
    mutating func clear(_ index: Int) {
        if nodes[index].tick != 0 { unlink(index) }
        nodes.base[index].at = 0
    }

    /// Takes an index whose deadline has passed at `now` nanoseconds. Call until nil.
    mutating func popExpired(now: UInt64) -> Int? {
        let target = now / tickNanoseconds
        while cursor <= target {
            let head = heads[bucket(cursor)]
            if head == DeadlineWheel.none {
                if cursor == target { return nil }
                cursor = min(nextUsedTick(after: cursor) ?? target, target)
                continue
            }
            let index = Int(head)
            unlink(index)
            if tick(for: nodes[index].at) <= cursor {
                nodes.base[index].at = 0
                return index
            }
            link(index)
        }
        return nil
    }

    /// When `popExpired` has to be called next, in nanoseconds; nil: no deadline is set. It may find nothing then.
    var next: UInt64? {
        let tick = heads[bucket(cursor)] != DeadlineWheel.none ? cursor : nextUsedTick(after: cursor)
        guard let tick else { return nil }
        let (time, overflow) = tick.multipliedReportingOverflow(by: tickNanoseconds)
        return overflow ? .max : time
    }

    /// The first tick that is not before `at`.
    private func tick(for at: UInt64) -> UInt64 {
        at / tickNanoseconds + (at % tickNanoseconds == 0 ? 0 : 1)
    }

    private func bucket(_ tick: UInt64) -> Int {
        Int(truncatingIfNeeded: tick) & (DeadlineWheel.buckets - 1)
    }

    /// Links to the deadline's own tick, but always after the cursor and within one turn of the wheel.
    private mutating func link(_ index: Int) {
        let tick = min(max(tick(for: nodes[index].at), cursor + 1), cursor + UInt64(DeadlineWheel.buckets - 1))
        let bucket = bucket(tick)
        let head = heads[bucket]
        nodes.base[index].tick = tick
        nodes.base[index].previous = DeadlineWheel.none
        nodes.base[index].next = head
        if head != DeadlineWheel.none { nodes.base[Int(head)].previous = UInt32(index) }
        heads[bucket] = UInt32(index)
        used[bucket >> 6] |= 1 << UInt64(bucket & 63)
    }

    private mutating func unlink(_ index: Int) {
        let node = nodes[index]
        if node.next != DeadlineWheel.none { nodes.base[Int(node.next)].previous = node.previous }
        if node.previous != DeadlineWheel.none {
            nodes.base[Int(node.previous)].next = node.next
        } else {
            let bucket = bucket(node.tick)
            heads[bucket] = node.next
            if node.next == DeadlineWheel.none { used[bucket >> 6] &= ~(1 << UInt64(bucket & 63)) }
        }
        nodes.base[index].tick = 0
    }

    /// The first tick after `tick`, within one turn, with a used bucket.
    private func nextUsedTick(after tick: UInt64) -> UInt64? {
        let start = bucket(tick &+ 1)
        var word = start >> 6
        var bits = used[word] & (UInt64.max << UInt64(start & 63))
        // One word more than there are: the first is looked at twice, from `start` on and up to it.
        for _ in 0...DeadlineWheel.buckets / 64 {
            if bits != 0 {
                let found = word << 6 | bits.trailingZeroBitCount
                return tick &+ 1 &+ UInt64((found - start) & (DeadlineWheel.buckets - 1))
            }
            word = (word + 1) & (DeadlineWheel.buckets / 64 - 1)
            bits = used[word]
        }
        return nil
    }
}
