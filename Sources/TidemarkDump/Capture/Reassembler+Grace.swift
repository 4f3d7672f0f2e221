//  The grace of an acknowledged hole.
//
//  Captures of several queues or interfaces have acknowledgements in front of the bytes that they acknowledge. So an
//  acknowledged hole is waited with a little longer, until any of these:
//
//      its bytes come ───────────────────────▶ nothing was lost
//      so many segments of its connection ──┐
//      so much time, by any packet ─────────┼▶ the acknowledged part of it is given up
//      half of the queue is full ───────────┘
//
//  Time is the packets' own. Where it steps back, the segments still count.

extension Reassembler {
    /// Called for each segment of a stream that has a hole, or of its acknowledgements.
    mutating func countGrace<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        _ observer: inout Observer
    ) {
        let half = table.half(slot, side)
        guard half.pointee.flags.isSuperset(of: [.acknowledged, .placed]) else { return }
        guard half.pointee.isAwaitingAcknowledged else {
            half.pointee.flags.subtract(.inGrace)
            return
        }
        guard half.pointee.flags.contains(.inGrace) else { return beginGrace(slot, side) }
        half.pointee.graceSegments &+= 1
        if half.pointee.graceSegments >= options.graceSegments { endGrace(slot, side, &observer) }
    }

    /// Ends the graces whose time is over. Called before each packet, which begins a few at most.
    mutating func endGraces<Observer: FrameObserver & ~Copyable>(_ observer: inout Observer) {
        while let grace = graces.first,
            now.nanoseconds &- grace.since.nanoseconds >= options.graceNanoseconds || graces.isHalfFull
        {
            endFirstGrace(&observer)
        }
    }

    private mutating func endFirstGrace<Observer: FrameObserver & ~Copyable>(_ observer: inout Observer) {
        let grace = graces.removeFirst()
        let (slot, side) = (grace.slot, Int(grace.side))
        let half = table.half(slot, side)
        // It may have ended otherwise since, and another one begun.
        guard half.pointee.flags.contains(.inGrace), half.pointee.graceSince == grace.since,
            table.flow(slot).pointee.isFollowed
        else { return }
        endGrace(slot, side, &observer)
        endIfBothEnded(slot, &observer)
    }

    private mutating func beginGrace(_ slot: UInt32, _ side: Int) {
        let half = table.half(slot, side)
        half.pointee.flags.insert(.inGrace)
        half.pointee.graceAcknowledged = half.pointee.acknowledged
        half.pointee.graceSince = now
        half.pointee.graceSegments = 0
        graces.append(GraceQueue.Grace(since: now, slot: slot, side: UInt8(side)))
    }

    private mutating func endGrace<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        _ observer: inout Observer
    ) {
        let half = table.half(slot, side)
        half.pointee.flags.subtract(.inGrace)
        while half.pointee.hasHole {
            let received = distance(from: half.pointee.next, to: half.pointee.graceAcknowledged)
            guard received > 0, received < HalfStream.windowMax else { break }
            giveUpHole(slot, side, atMost: received, &observer)
        }
        // Another hole may have been acknowledged since: it has its own grace.
        if half.pointee.isAwaitingAcknowledged { beginGrace(slot, side) }
    }
}

extension HalfStream {
    /// TCP's largest window.
    static let windowMax = 1 << 30

    /// The receiver has acknowledged bytes of a hole.
    var isAwaitingAcknowledged: Bool {
        guard hasHole else { return false }
        let received = distance(from: next, to: acknowledged)
        return received > 0 && received < HalfStream.windowMax
    }
}

/// The graces that have begun, the oldest first, in a ring of fixed size.
struct GraceQueue: ~Copyable {
    struct Grace: BitwiseCopyable {
        var since: CaptureTime
        var slot: UInt32
        /// The end of the connection whose bytes are missing.
        var side: UInt8
    }

    static let capacity = 1024

    private let ring = UnsafeMutablePointer<Grace>.allocate(capacity: GraceQueue.capacity)
    private var start = 0
    private var count = 0

    deinit { ring.deallocate() }

    var isEmpty: Bool { count == 0 }
    var isHalfFull: Bool { count > Self.capacity / 2 }
    var first: Grace? { count == 0 ? nil : ring[start] }

    mutating func append(_ grace: Grace) {
        precondition(count < Self.capacity)
        ring[(start + count) % Self.capacity] = grace
        count += 1
    }

    mutating func removeFirst() -> Grace {
        precondition(!isEmpty)
        let grace = ring[start]
        start = (start + 1) % Self.capacity
        count -= 1
        return grace
    }
}
