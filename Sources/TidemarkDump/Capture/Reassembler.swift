//  From packets to whole frames.
//
//      packet ─▶ Segment ─▶ FlowTable ─▶ the sender's HalfStream ──in order──▶ FrameCutter ─▶ observer
//                                            │        ▲
//                                            └─ early ┘   behind a hole, until it is filled or given up
//
//  This file is the way of a segment that nothing is wrong with. +Holes.swift has what comes out of order or not at
//  all, +Grace.swift for how long an acknowledged hole is waited with, +Lifetime.swift how connections begin and end, +Deciding.swift how it is found out who is the server.
//  Nothing here allocates, but for a partial frame and for bytes behind a hole.

/// Follows TCP connections through captured packets, and hands an observer their frames. In constant memory.
public struct Reassembler: ~Copyable {
    let options: ReassemblyOptions
    let ports: PortSet
    var table: FlowTable
    /// For segments behind holes, and for frames that are not whole.
    var early: BytePool
    var frames: BytePool
    /// Packets between two moves of a flow to the front of its list, which is exact to that many packets.
    let moveInterval: UInt64
    var graces = GraceQueue()
    var nextNumber: UInt64 = 1
    var now = CaptureTime(nanoseconds: 0)
    /// Counts since the start.
    public internal(set) var counts = CaptureCounts()

    public init(_ options: ReassemblyOptions = ReassemblyOptions()) {
        self.options = options
        ports = PortSet(options.ports)
        table = FlowTable(liveMax: options.connectionsMax)
        early = BytePool(usedBytesMax: options.earlyBytesTotalMax)
        frames = BytePool(usedBytesMax: options.frameBytesTotalMax)
        moveInterval = UInt64(options.connectionsMax / 8)
    }

    /// Connections that are followed now.
    public var connectionCount: Int { table.live.count }

    /// Bytes held now: of frames that are not whole, and behind holes.
    public var heldBytes: Int { early.usedBytes + frames.usedBytes }

    /// A captured packet. `wireBytes`: its size before the capture cut it off.
    @inline(__always)
    public mutating func packet<Observer: FrameObserver & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        wireBytes: Int,
        link: LinkLayer,
        at time: CaptureTime,
        to observer: inout Observer
    ) {
        counts.packets &+= 1
        now = time
        if !graces.isEmpty { endGraces(&observer) }
        var segment = Segment()
        switch segment.read(bytes, wireBytes: wireBytes, link: link) {
        case .tcp:
            let isKnownPort = ports.contains(segment.destination.port) || ports.contains(segment.source.port)
            if isKnownPort || options.detectsOtherPorts {
                receive(segment, isKnownPort: isKnownPort, &observer)
            } else {
                counts.otherPorts &+= 1
            }
        case .other: counts.notTCP &+= 1
        case .fragment: counts.fragments &+= 1
        case .malformed: counts.malformed &+= 1
        }
    }

    /// No packet has come until `time`: what waits for so long is given up.
    public mutating func quiet<Observer: FrameObserver & ~Copyable>(
        until time: CaptureTime,
        _ observer: inout Observer
    ) {
        guard !graces.isEmpty, time > now else { return }
        now = time
        endGraces(&observer)
    }

    @inline(__always)
    private mutating func receive<Observer: FrameObserver & ~Copyable>(
        _ segment: Segment,
        isKnownPort: Bool,
        _ observer: inout Observer
    ) {
        let (key, sender) = FlowKey.of(segment)
        let hash = table.hash(key)
        var slot = table.find(key, hash)
        if slot == FlowTable.none || table.flow(slot).pointee.phase != .open || segment.has(Segment.syn | Segment.rst) {
            slot = admit(segment, key, hash, slot, sender: sender, isKnownPort: isKnownPort, &observer)
            if slot == FlowTable.none { return }
        }
        counts.segments &+= 1
        let flow = table.flow(slot)
        if counts.packets &- flow.pointee.movedAt > moveInterval {
            flow.pointee.movedAt = counts.packets
            table.moveToFront(slot)
        }
        if segment.has(Segment.ack), !acknowledge(slot, 1 &- sender, segment.acknowledgement, &observer) {
            // What else the segment carries belongs to nobody.
            return
        }
        var half = table.half(slot, sender)
        if segment.length > 0 {
            counts.payloadBytes &+= UInt64(segment.length)
            // A SYN takes the first sequence number.
            let sequence = segment.has(Segment.syn) ? segment.sequence &+ 1 : segment.sequence
            if half.pointee.next == sequence, half.pointee.early == nil,
                half.pointee.flags.intersection([.placed, .ending]) == .placed,
                segment.payload.count == segment.length
            {
                accept(slot, sender, segment.payload, segment.length, &observer)
            } else {
                if half.pointee.isOfCandidate(sequence) {
                    slot = replace(slot, by: segment, key, hash, sender: sender, isKnownPort: isKnownPort, &observer)
                    half = table.half(slot, sender)
                }
                order(slot, sender, sequence, segment.payload, segment.length, &observer)
            }
        }
        if segment.has(Segment.fin) || half.pointee.flags.contains(.ending) {
            end(slot, sender, segment, &observer)
        }
    }

    /// Takes bytes that are next in their stream, of which the last ones may not have been captured.
    @inline(__always)
    mutating func accept<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        _ bytes: UnsafeRawBufferPointer,
        _ length: Int,
        _ observer: inout Observer
    ) {
        let flow = table.flow(slot)
        let half = table.half(slot, side)
        half.pointee.next &+= UInt32(truncatingIfNeeded: length)
        if flow.pointee.phase != .open, !decide(slot, side, bytes, &observer) { return }
        let place = StreamPlace(
            connection: ConnectionName(slot: slot, number: flow.pointee.number),
            direction: flow.pointee.direction(ofSender: side),
            time: now
        )
        half.pointee.cutter.take(bytes, at: place, pool: &frames, observer: &observer)
        if bytes.count < length { lose(slot, side, length &- bytes.count, &observer) }
    }

    /// What the receiver of this side's bytes has acknowledged. False: with that, the connection is closed, or found to
    /// be of another protocol.
    @inline(__always)
    private mutating func acknowledge<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        _ number: UInt32,
        _ observer: inout Observer
    ) -> Bool {
        let half = table.half(slot, side)
        // An older one, captured late. From farther back it corrects one that was forged.
        if half.pointee.flags.contains(.acknowledged),
            -(1 << 20)..<0 ~= distance(from: half.pointee.acknowledged, to: number)
        {
            return true
        }
        half.pointee.acknowledged = number
        half.pointee.flags.insert(.acknowledged)
        if half.pointee.hasHole {
            half.pointee.flags.insert(.watched)
            countGrace(slot, side, &observer)
            endIfBothEnded(slot, &observer)
            return table.flow(slot).pointee.isFollowed
        }
        return true
    }

    func place(_ slot: UInt32, _ side: Int) -> StreamPlace {
        let flow = table.flow(slot)
        return StreamPlace(
            connection: ConnectionName(slot: slot, number: flow.pointee.number),
            direction: flow.pointee.direction(ofSender: side),
            time: now
        )
    }
}
