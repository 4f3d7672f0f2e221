//  What the packets of a connection say, from what happened on it:
//
//      begin  ──▶ SYN, SYN-ACK, ACK       written with the first packet that finds room
//      bytes  ──▶ data, data, …           up to 65,000 bytes each; or none, but their sequence numbers are used up
//      end    ──▶ FIN, ACK                one side says no more
//      close  ──▶ FIN, ACK, FIN, ACK      what is left of it, or RST
//
//  Pure: time is handed in, and the packets go into the ring that is handed in.

/// Who sent something.
public enum RecordedSide: UInt8, BitwiseCopyable, Sendable {
    case client
    case server

    var other: RecordedSide { self == .client ? .server : .client }
}

/// How far the packets of one connection have come. Whoever records keeps one for each connection.
public struct RecordedConnection: BitwiseCopyable, Sendable {
    /// One direction.
    private struct Stream: BitwiseCopyable {
        var source: IPEndpoint
        /// Of the next byte.
        var sequence: UInt32
        /// Sequence numbers used up since the last packet, whose bytes no packet has.
        var missing: UInt32 = 0
        var hasEnded = false
    }

    /// A gap is shown no larger than this, 1 GiB: beyond half of all sequence numbers, what follows would look older
    /// than what was before.
    static let gapMax: UInt32 = 1 << 30

    private var client: Stream
    private var server: Stream
    /// Of the three packets that open, those in the file.
    private var opening: UInt8 = 0
    private var isClosed = false

    /// `sequence` is where each side begins to count.
    init(client: IPEndpoint, server: IPEndpoint, sequence: (client: UInt32, server: UInt32)) {
        self.client = Stream(source: client, sequence: sequence.client)
        self.server = Stream(source: server, sequence: sequence.server)
    }

    // MARK: what happened

    /// False if not all of it has found room.
    @discardableResult
    mutating func begin(at time: UInt64, into ring: inout PacketRing) -> Bool {
        while opening < 3 {
            let sent =
                switch opening {
                case 0: send(.syn, from: .client, at: time, into: &ring)
                case 1: send([.syn, .acknowledge], from: .server, at: time, into: &ring)
                default: send(.acknowledge, from: .client, at: time, into: &ring)
                }
            guard sent else { return false }
            opening += 1
        }
        return true
    }

    /// Returns how many of the bytes found no room.
    mutating func append(
        _ bytes: UnsafeRawBufferPointer,
        from side: RecordedSide,
        at time: UInt64,
        into ring: inout PacketRing
    ) -> Int {
        if isClosed || self[side].hasEnded { return 0 }
        var lost = 0
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(Packet.payloadBytesMax))
            rest = rest.dropFirst(piece.count)
            if begin(at: time, into: &ring),
                send([.push, .acknowledge], piece, from: side, at: time, into: &ring)
            {
                continue
            }
            lost += piece.count
            let skipped = min(UInt32(piece.count), Self.gapMax - self[side].missing)
            self[side].missing += skipped
            self[side].sequence &+= skipped
        }
        return lost
    }

    /// `side` sends no more. What finds no room is tried again by `close`.
    mutating func end(_ side: RecordedSide, at time: UInt64, into ring: inout PacketRing) {
        guard !isClosed, !self[side].hasEnded, begin(at: time, into: &ring),
            send([.fin, .acknowledge], from: side, at: time, into: &ring)
        else { return }
        self[side].hasEnded = true
        _ = send(.acknowledge, from: side.other, at: time, into: &ring)
    }

    /// Both sides are done; `first` was the first to say so, unless the other has by `end`.
    mutating func close(first: RecordedSide, at time: UInt64, into ring: inout PacketRing) {
        end(first, at: time, into: &ring)
        end(first.other, at: time, into: &ring)
        isClosed = true
    }

    mutating func reset(by side: RecordedSide, at time: UInt64, into ring: inout PacketRing) {
        if isClosed { return }
        if begin(at: time, into: &ring) { _ = send([.reset, .acknowledge], from: side, at: time, into: &ring) }
        isClosed = true
    }

    // MARK: packets

    private subscript(side: RecordedSide) -> Stream {
        get { side == .client ? client : server }
        set { if side == .client { client = newValue } else { server = newValue } }
    }

    /// False, and nothing has changed, if there is no room.
    private mutating func send(
        _ flags: Packet.Flags,
        _ payload: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        from side: RecordedSide,
        at time: UInt64,
        into ring: inout PacketRing
    ) -> Bool {
        var packet = Packet(
            source: self[side].source,
            destination: self[side.other].source,
            sequence: self[side].sequence,
            acknowledgement: self[side.other].sequence,
            flags: flags
        )
        // A connection may open late, after bytes that found no room. They come after its beginning all the same.
        let isOpening = opening < 3
        if isOpening {
            packet.sequence &-= self[side].missing
            packet.acknowledgement &-= self[side.other].missing
        }
        let bytes = packet.bytes(payload: payload.count)
        guard let space = ring.reserve(bytes) else { return false }
        packet.write(payload, at: time, to: space)
        ring.commit(bytes)
        let own: UInt32 = flags.isDisjoint(with: [.syn, .fin]) ? 0 : 1
        self[side].sequence &+= UInt32(payload.count) + own
        if !isOpening { self[side].missing = 0 }
        return true
    }
}
