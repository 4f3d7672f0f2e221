//  What comes out of order, twice, or not at all.
//
//      next                        ┌────────┐   ┌────────┐
//   ────┤        the hole          │ early  │ … │ early  │     the bytes between are waited for
//       └──────────────────────────┴────────┘   └────────┘
//
//  A hole is filled by what comes late, or given up: when the receiver has acknowledged what is in it (it was sent, and the
//  capture missed it) and a grace has passed (+Grace.swift), when too much waits behind it, or when the connection or the capture ends.

extension Reassembler {
    /// Farther back no repeated segment comes from: no window is as large. It is another connection's, whose beginning
    /// was not captured.
    private static let repeatedDistanceMax = 1 << 26

    /// Takes a segment that is not simply the next one.
    mutating func order<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        _ sequence: UInt32,
        _ bytes: UnsafeRawBufferPointer,
        _ length: Int,
        _ observer: inout Observer
    ) {
        let half = table.half(slot, side)
        let room = half.pointee.room(from: sequence, for: length)
        if room < length {
            // Nothing of the stream comes behind its end.
            counts.strays &+= 1
            guard room > 0 else { return }
            let inside = UnsafeRawBufferPointer(rebasing: bytes.prefix(room))
            return order(slot, side, sequence, inside, room, &observer)
        }
        if !half.pointee.flags.contains(.placed) {
            half.pointee.next = sequence
            half.pointee.flags.insert(.placed)
            half.pointee.cutter.search()
        }
        let ahead = distance(from: half.pointee.next, to: sequence)
        if ahead > 0 {
            counts.early &+= 1
            keepEarly(slot, side, sequence, bytes, length, &observer)
        } else if ahead < -Reassembler.repeatedDistanceMax {
            // One segment could be forged; the next one that fits behind it makes it another connection.
            half.pointee.contest(sequence &- 1)
            counts.strays &+= 1
        } else {
            if ahead < 0 { counts.repeated &+= 1 }
            takeBehind(slot, side, -ahead, bytes, length, &observer)
            drain(slot, side, &observer)
        }
    }

    /// Takes what is new of a segment, without its first `overlap` bytes, which are not.
    private mutating func takeBehind<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        _ overlap: Int,
        _ bytes: UnsafeRawBufferPointer,
        _ length: Int,
        _ observer: inout Observer
    ) {
        let half = table.half(slot, side)
        // What waited may reach beyond an end that was not known then.
        let count = half.pointee.room(from: half.pointee.next, for: length - overlap)
        guard count > 0 else { return }
        let fresh = UnsafeRawBufferPointer(rebasing: bytes[min(overlap, bytes.count)...].prefix(count))
        accept(slot, side, fresh, count, &observer)
    }

    /// Hands on what is no longer behind a hole, each segment with the time `now`, or with the later one of its own.
    private mutating func drain<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        _ observer: inout Observer
    ) {
        let half = table.half(slot, side)
        while let segment = half.pointee.early {
            let ahead = distance(from: half.pointee.next, to: segment.pointee.sequence)
            if ahead > 0 { return }
            half.pointee.unlinkFirst()
            now = max(now, segment.pointee.time)
            let bytes = UnsafeRawBufferPointer(
                start: UnsafeRawPointer(segment + 1),
                count: Int(segment.pointee.captured)
            )
            takeBehind(slot, side, -ahead, bytes, Int(segment.pointee.length), &observer)
            var block = segment.block
            early.give(&block)
        }
        half.pointee.flags.remove(.watched)
    }

    private mutating func keepEarly<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        _ sequence: UInt32,
        _ bytes: UnsafeRawBufferPointer,
        _ length: Int,
        _ observer: inout Observer
    ) {
        let half = table.half(slot, side)
        if half.pointee.holdsEarly(sequence, captured: bytes.count, length: length) { return }
        guard var block = early.take(MemoryLayout<EarlySegment>.stride + bytes.count) else {
            // No memory for it: so nothing waits here any more.
            while half.pointee.early != nil { giveUpHole(slot, side, &observer) }
            let ahead = distance(from: half.pointee.next, to: sequence)
            if ahead > 0 { lose(slot, side, ahead, &observer) }
            if ahead > 0 { half.pointee.next = sequence }
            takeBehind(slot, side, max(0, -ahead), bytes, length, &observer)
            return
        }
        block.count = UInt32(bytes.count)
        half.pointee.linkEarly(block, sequence, bytes, length, now)
        countGrace(slot, side, &observer)
        let isWatched = half.pointee.flags.contains(.watched)
        let bytesMax = isWatched ? options.earlyBytesMax : options.unwatchedBytesMax
        let segmentsMax = isWatched ? options.earlySegmentsMax : options.unwatchedSegmentsMax
        while half.pointee.early != nil,
            Int(half.pointee.earlyBytes) > bytesMax || Int(half.pointee.earlyCount) > segmentsMax
        {
            giveUpHole(slot, side, &observer)
        }
    }

    /// Gives up the first hole, or the first bytes of it, and hands on what is behind it.
    mutating func giveUpHole<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        atMost limit: Int = .max,
        _ observer: inout Observer
    ) {
        let half = table.half(slot, side)
        guard half.pointee.hasHole else { return }
        let holeEnd = half.pointee.early?.pointee.sequence ?? half.pointee.end
        let count = min(limit, distance(from: half.pointee.next, to: holeEnd))
        // What waited has been with its receiver since it came, not since this was found out.
        let read = now
        now = half.pointee.early?.pointee.time ?? now
        if count > 0 {
            half.pointee.next &+= UInt32(count)
            lose(slot, side, count, &observer)
        }
        drain(slot, side, &observer)
        now = read
        half.pointee.noteEnd()
    }

    /// `count` bytes in front of `next` were not captured.
    mutating func lose<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        _ count: Int,
        _ observer: inout Observer
    ) {
        counts.lostBytes &+= UInt64(count)
        let half = table.half(slot, side)
        switch table.flow(slot).pointee.phase {
        case .open:
            half.pointee.cutter.lose(UInt64(count), at: place(slot, side), pool: &frames, observer: &observer)
        case .undecided:
            half.pointee.cutter.search()
        case .foreign, .closed:
            break
        }
    }

    /// The end of the stream has become known: what waits behind it is not the stream's.
    mutating func releaseBehindEnd(_ half: UnsafeMutablePointer<HalfStream>) {
        var last: UnsafeMutablePointer<EarlySegment>?
        var each = half.pointee.early
        while let segment = each, distance(from: segment.pointee.sequence, to: half.pointee.end) > 0 {
            last = segment
            each = segment.pointee.next
        }
        while let segment = each {
            each = segment.pointee.next
            half.pointee.earlyCount &-= 1
            half.pointee.earlyBytes &-= UInt32(BytePool.byteCount(of: segment.pointee.sizeClass))
            counts.strays &+= 1
            var block = segment.block
            early.give(&block)
        }
        half.pointee.lastEarly = last
        if let last {
            last.pointee.next = nil
        } else {
            half.pointee.early = nil
            half.pointee.flags.subtract(.watched)
        }
    }

    mutating func releaseEarly(_ half: UnsafeMutablePointer<HalfStream>) {
        while let segment = half.pointee.early {
            half.pointee.unlinkFirst()
            var block = segment.block
            early.give(&block)
        }
    }
}

extension UnsafeMutablePointer<EarlySegment> {
    /// The block that the segment lies in.
    var block: ByteBlock {
        ByteBlock(base: UnsafeMutableRawPointer(self), count: pointee.captured, sizeClass: pointee.sizeClass)
    }
}

extension HalfStream {
    /// How many of `length` bytes at `sequence` lie in front of the stream's end; all where that is not known.
    func room(from sequence: UInt32, for length: Int) -> Int {
        flags.contains(.ending) ? min(length, max(0, distance(from: sequence, to: end))) : length
    }

    mutating func unlinkFirst() {
        guard let segment = early else { return }
        early = segment.pointee.next
        if early == nil { lastEarly = nil }
        earlyCount &-= 1
        earlyBytes &-= UInt32(BytePool.byteCount(of: segment.pointee.sizeClass))
    }

    /// Whether an early segment has all of these bytes.
    func holdsEarly(_ sequence: UInt32, captured: Int, length: Int) -> Bool {
        var each = early
        while let segment = each {
            let offset = distance(from: segment.pointee.sequence, to: sequence)
            if offset < 0 { return false }
            if offset + captured <= Int(segment.pointee.captured), offset + length <= Int(segment.pointee.length) {
                return true
            }
            each = segment.pointee.next
        }
        return false
    }

    /// Puts `bytes` into `block`, and the block among the early segments. Most come behind all others.
    mutating func linkEarly(
        _ block: ByteBlock,
        _ sequence: UInt32,
        _ bytes: UnsafeRawBufferPointer,
        _ length: Int,
        _ time: CaptureTime
    ) {
        let segment = block.base!.bindMemory(to: EarlySegment.self, capacity: 1)
        segment.initialize(
            to: EarlySegment(
                next: nil,
                time: time,
                sequence: sequence,
                length: UInt32(length),
                captured: UInt32(bytes.count),
                sizeClass: block.sizeClass
            )
        )
        UnsafeMutableRawBufferPointer(start: segment + 1, count: bytes.count).copyMemory(from: bytes)
        earlyCount &+= 1
        earlyBytes &+= UInt32(BytePool.byteCount(of: block.sizeClass))
        guard let last = lastEarly else {
            (early, lastEarly) = (segment, segment)
            return
        }
        if distance(from: last.pointee.sequence, to: sequence) >= 0 {
            last.pointee.next = segment
            lastEarly = segment
            return
        }
        var before: UnsafeMutablePointer<EarlySegment>?
        var after = early
        while let each = after, distance(from: each.pointee.sequence, to: sequence) >= 0 {
            before = each
            after = each.pointee.next
        }
        segment.pointee.next = after
        if let before { before.pointee.next = segment } else { early = segment }
    }

    /// Whether all up to the FIN has been handed on.
    mutating func noteEnd() {
        if flags.contains(.ending), early == nil, distance(from: next, to: end) <= 0 { flags.insert(.ended) }
    }
}
