//  How connections begin and end.
//
//      SYN, SYN-ACK, or bytes of one unknown ──▶ undecided or open ──▶ both FINs: closed · RST: reset
//                                                    table full: forgotten · new on its ports: replaced · end of capture
//  A closed flow keeps its place for a while, so that what is repeated late does not look like a new connection.

extension Reassembler {
    /// For a segment that is not simply one of an open connection: the slot of its flow, or none to pass it over.
    mutating func admit<Observer: FrameObserver & ~Copyable>(
        _ segment: Segment,
        _ key: FlowKey,
        _ hash: UInt64,
        _ found: UInt32,
        sender: Int,
        isKnownPort: Bool,
        _ observer: inout Observer
    ) -> UInt32 {
        var slot = found
        if slot != FlowTable.none {
            slot = leave(slot, segment, key, hash, sender: sender, isKnownPort: isKnownPort, &observer)
        }
        if segment.has(Segment.rst) { return FlowTable.none }
        if slot == FlowTable.none {
            if found != FlowTable.none, table.find(key, hash) != FlowTable.none { return FlowTable.none }
            guard segment.has(Segment.syn) || segment.length > 0 else {
                counts.strays &+= 1
                return FlowTable.none
            }
            slot = begin(segment, key, hash, sender: sender, isKnownPort: isKnownPort, &observer)
        }
        if segment.has(Segment.syn) { synchronise(slot, sender, segment) }
        return slot
    }

    /// What a segment means for a flow that exists. None: it is not the flow's. If the flow is to make way for a new
    /// one, it is gone then.
    private mutating func leave<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ segment: Segment,
        _ key: FlowKey,
        _ hash: UInt64,
        sender: Int,
        isKnownPort: Bool,
        _ observer: inout Observer
    ) -> UInt32 {
        let flow = table.flow(slot)
        let half = table.half(slot, sender)
        switch flow.pointee.phase {
        case .closed:
            let isRepeated = half.pointee.flags.contains(.begun) && half.pointee.initial == segment.sequence
            let isNew = segment.has(Segment.syn) && !segment.has(Segment.rst) && !isRepeated
            let isLate = now.nanoseconds &- flow.pointee.closedAt.nanoseconds <= options.closedNanoseconds
            if isNew || !isLate { removeClosed(slot) } else { counts.strays &+= 1 }
            return FlowTable.none
        case .foreign:
            counts.otherPorts &+= 1
            if segment.has(Segment.syn | Segment.rst) {
                release(slot)
                table.removeLive(slot)
            }
            return FlowTable.none
        case .open, .undecided:
            break
        }
        if segment.has(Segment.rst) {
            if half.pointee.accepts(reset: segment) { close(slot, .reset, &observer) }
            return FlowTable.none
        }
        guard segment.has(Segment.syn), !fits(slot, sender, segment) else { return slot }
        if hasBothFINs(slot) {
            close(slot, .closed, &observer)
            removeClosed(slot)
            return FlowTable.none
        }
        let other = table.half(slot, 1 - sender)
        if segment.has(Segment.ack), other.pointee.flags.contains(.contested),
            HalfStream.isAnswer(segment.acknowledgement, to: other.pointee.candidate)
        {
            return replace(slot, by: segment, key, hash, sender: sender, isKnownPort: isKnownPort, &observer)
        }
        // Anyone can send a SYN. On a live connection it is answered with an acknowledgement, and all goes on; so it
        // takes the other end's answer, or bytes at its place, to make a connection of it.
        contest(slot, sender, segment)
        counts.strays &+= 1
        return FlowTable.none
    }

    /// Whether a SYN is this flow's own: its first one, repeated, or the answer to that.
    private func fits(_ slot: UInt32, _ sender: Int, _ segment: Segment) -> Bool {
        let half = table.half(slot, sender)
        guard !half.pointee.flags.contains(.placed) else { return half.pointee.hasBegun(with: segment) }
        let other = table.half(slot, 1 - sender)
        return !segment.has(Segment.ack) || !other.pointee.flags.contains(.begun)
            || HalfStream.isAnswer(segment.acknowledgement, to: other.pointee.initial)
    }

    private func contest(_ slot: UInt32, _ sender: Int, _ segment: Segment) {
        let half = table.half(slot, sender)
        let other = table.half(slot, 1 - sender)
        if segment.has(Segment.ack) {
            other.pointee.contest(segment.acknowledgement &- 1)
        } else if !half.pointee.flags.contains(.contested) || half.pointee.candidate != segment.sequence {
            // What was remembered of the other end was of another attempt.
            other.pointee.flags.subtract(.contested)
        }
        half.pointee.contest(segment.sequence)
    }

    /// Ends a flow, and begins the one that was remembered as a candidate: its answer has come, or bytes that fit.
    mutating func replace<Observer: FrameObserver & ~Copyable>(
        _ old: UInt32,
        by segment: Segment,
        _ key: FlowKey,
        _ hash: UInt64,
        sender: Int,
        isKnownPort: Bool,
        _ observer: inout Observer
    ) -> UInt32 {
        let candidates = (0...1).map { side in
            table.half(old, side).pointee.flags.contains(.contested) ? table.half(old, side).pointee.candidate : nil
        }
        close(old, .replaced, &observer)
        removeClosed(old)
        let slot = begin(segment, key, hash, sender: sender, isKnownPort: isKnownPort, &observer)
        // A SYN says itself where its sender's stream begins.
        for side in 0...1 where side != sender || !segment.has(Segment.syn) {
            if let candidate = candidates[side] { table.half(slot, side).pointee.begin(candidate) }
        }
        return slot
    }

    private mutating func begin<Observer: FrameObserver & ~Copyable>(
        _ segment: Segment,
        _ key: FlowKey,
        _ hash: UInt64,
        sender: Int,
        isKnownPort: Bool,
        _ observer: inout Observer
    ) -> UInt32 {
        if table.live.count == table.liveMax { forget(table.live.last, &observer) }
        let slot = table.insert(key, hash)
        let flow = table.flow(slot)
        flow.pointee.movedAt = counts.packets
        flow.pointee.hasKnownPort = isKnownPort
        // A port that is known for a server's says more than who sent the first SYN: both ends may.
        if ports.contains(segment.destination.port) != ports.contains(segment.source.port) {
            flow.pointee.server = UInt8(ports.contains(segment.source.port) ? sender : 1 - sender)
        } else if segment.has(Segment.syn) {
            flow.pointee.server = UInt8(segment.has(Segment.ack) ? sender : 1 - sender)
        }
        if isKnownPort, flow.pointee.server != Flow.unknownSide { open(slot, &observer) }
        return slot
    }

    mutating func open<Observer: FrameObserver & ~Copyable>(_ slot: UInt32, _ observer: inout Observer) {
        let flow = table.flow(slot)
        flow.pointee.phase = .open
        flow.pointee.number = nextNumber
        nextNumber += 1
        let server = Int(flow.pointee.server)
        observer.opened(
            ConnectionName(slot: slot, number: flow.pointee.number),
            client: flow.pointee.key.endpoint(1 - server),
            server: flow.pointee.key.endpoint(server),
            at: now
        )
    }

    /// A SYN: where the sender's stream begins; with an ACK also where the other one did.
    private mutating func synchronise(_ slot: UInt32, _ sender: Int, _ segment: Segment) {
        table.half(slot, sender).pointee.begin(segment.sequence)
        if segment.has(Segment.ack) { table.half(slot, 1 - sender).pointee.begin(segment.acknowledgement &- 1) }
    }

    /// After a segment of a stream whose end is known, or that ends with it.
    mutating func end<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ sender: Int,
        _ segment: Segment,
        _ observer: inout Observer
    ) {
        let half = table.half(slot, sender)
        guard table.flow(slot).pointee.phase != .foreign else { return }
        if segment.has(Segment.fin), !half.pointee.flags.contains(.ended) {
            let syn: UInt32 = segment.has(Segment.syn) ? 1 : 0
            let end = segment.sequence &+ UInt32(truncatingIfNeeded: segment.length) &+ syn
            if !half.pointee.flags.contains(.placed) {
                half.pointee.next = end
                half.pointee.flags.insert(.placed)
                half.pointee.cutter.search()
            }
            // Of two ends the nearer one: a forged FIN may be anywhere.
            let isNearer = !half.pointee.flags.contains(.ending) || distance(from: end, to: half.pointee.end) > 0
            if isNearer, distance(from: half.pointee.next, to: end) >= 0 {
                half.pointee.end = end
                half.pointee.flags.insert(.ending)
                releaseBehindEnd(half)
            }
        }
        half.pointee.noteEnd()
        // In a grace, this segment has been counted with its bytes.
        if !half.pointee.flags.contains(.inGrace) { countGrace(slot, sender, &observer) }
        endIfBothEnded(slot, &observer)
    }

    mutating func endIfBothEnded<Observer: FrameObserver & ~Copyable>(_ slot: UInt32, _ observer: inout Observer) {
        guard table.half(slot, 0).pointee.flags.contains(.ended), table.half(slot, 1).pointee.flags.contains(.ended),
            table.flow(slot).pointee.phase != .closed
        else { return }
        close(slot, .closed, &observer)
    }

    /// Ends a connection: gives its holes up, reports what is left, and frees what it holds.
    private mutating func close<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ end: ConnectionEnd,
        _ observer: inout Observer
    ) {
        let flow = table.flow(slot)
        let client = flow.pointee.server == 0 ? 1 : 0
        for side in [client, 1 - client] {
            let half = table.half(slot, side)
            while half.pointee.hasHole, flow.pointee.phase == .open { giveUpHole(slot, side, &observer) }
            releaseEarly(half)
            if flow.pointee.phase == .open {
                half.pointee.cutter.finish(at: place(slot, side), pool: &frames, observer: &observer)
            } else {
                half.pointee.cutter.discard(pool: &frames)
            }
        }
        if flow.pointee.phase == .open {
            observer.closed(ConnectionName(slot: slot, number: flow.pointee.number), end, at: now)
        }
        for side in 0...1 { table.half(slot, side).pointee.flags.subtract(.inGrace) }
        flow.pointee.phase = .closed
        flow.pointee.closedAt = now
        table.retire(slot)
        while table.closed.count > table.closedMax { removeClosed(table.closed.last) }
    }

    private mutating func forget<Observer: FrameObserver & ~Copyable>(_ slot: UInt32, _ observer: inout Observer) {
        close(slot, hasBothFINs(slot) ? .closed : .forgotten, &observer)
    }

    private func hasBothFINs(_ slot: UInt32) -> Bool {
        table.half(slot, 0).pointee.flags.contains(.ending) && table.half(slot, 1).pointee.flags.contains(.ending)
    }

    private mutating func removeClosed(_ slot: UInt32) {
        release(slot)
        table.removeClosed(slot)
    }

    /// Whatever a flow still holds goes back to the pools before its place is given away.
    private mutating func release(_ slot: UInt32) {
        for side in 0...1 {
            let half = table.half(slot, side)
            releaseEarly(half)
            half.pointee.cutter.discard(pool: &frames)
        }
    }

    /// The capture is over: ends all connections, in the order of their numbers.
    public mutating func finish<Observer: FrameObserver & ~Copyable>(to observer: inout Observer) {
        var slots: [(number: UInt64, slot: UInt32)] = []
        table.forEachLive { slots.append((table.flow($0).pointee.number, $0)) }
        slots.sort { $0.number < $1.number }
        for (_, slot) in slots {
            close(slot, hasBothFINs(slot) ? .closed : .captureEnded, &observer)
        }
    }
}

extension HalfStream {
    /// The stream begins behind this SYN. Nothing if that is known.
    mutating func begin(_ sequence: UInt32) {
        guard !flags.contains(.placed) else { return }
        initial = sequence
        next = sequence &+ 1
        flags.insert([.begun, .placed])
    }

    /// Whether this SYN is the one that the stream began with, repeated, or captured behind the first bytes.
    func hasBegun(with segment: Segment) -> Bool {
        if flags.contains(.begun) { return initial == segment.sequence }
        return 0...65536 ~= distance(from: segment.sequence &+ 1, to: next)
    }

    /// Whether a SYN-ACK with this number answers a SYN with that one, which may have had bytes with it.
    static func isAnswer(_ acknowledgement: UInt32, to sequence: UInt32) -> Bool {
        0..<65536 ~= distance(from: sequence &+ 1, to: acknowledgement)
    }

    mutating func contest(_ sequence: UInt32) {
        candidate = sequence
        flags.insert(.contested)
    }

    /// Whether bytes at `sequence` fit the candidate, and not this stream.
    func isOfCandidate(_ sequence: UInt32) -> Bool {
        guard flags.contains(.contested), 0..<65536 ~= distance(from: candidate &+ 1, to: sequence) else {
            return false
        }
        return abs(distance(from: next, to: sequence)) > 1 << 20
    }

    /// Whether a reset is near where the stream is; others are forged, or very late. A receiver takes only what its
    /// window has room for, which is not known here.
    func accepts(reset segment: Segment) -> Bool {
        guard flags.contains(.placed) else { return true }
        if flags.contains(.acknowledged), acknowledged == segment.sequence { return true }
        return -65536..<1 << 20 ~= distance(from: next, to: segment.sequence)
    }
}
