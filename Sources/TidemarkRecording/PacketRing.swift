//  Bounded memory between those who record and the thread that writes:
//
//      |  free  | oldest … | … newest |  free  |          tail ≤ head: one stretch
//      | … newest |    free    | oldest … |////|          head < tail: two; //// was too short for the next packet
//
//  A packet lies in one piece, and so what is taken to be written is always whole packets.

struct PacketRing: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    /// Where the oldest packet begins, and where the next one will.
    private var tail = 0
    private var head = 0
    /// The end of the packets before the jump back to 0; meaningful while `head < tail`.
    private var end = 0
    private var isWrapped = false
    /// Of the packets inside.
    private(set) var byteCount = 0

    /// Room for the largest packet, at least.
    init(capacity: Int) {
        precondition(capacity >= Packet.bytesMax)
        memory = .allocate(byteCount: capacity, alignment: 64)
    }

    deinit { memory.deallocate() }

    /// Room for a packet of `count` bytes, which `commit` puts into the ring; nil if there is none now.
    mutating func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer? {
        if byteCount == 0 { (head, tail, isWrapped) = (0, 0, false) }
        if isWrapped {
            guard tail - head >= count else { return nil }
        } else if memory.count - head < count {
            guard tail >= count else { return nil }
            (end, head, isWrapped) = (head, 0, true)
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[head..<head + count])
    }

    mutating func commit(_ count: Int) {
        head += count
        byteCount += count
    }

    /// The oldest packets that lie behind one another; they stay in the ring until `release`.
    func oldest() -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: memory[tail..<(isWrapped ? end : head)])
    }

    /// Gives back what `oldest` returned.
    mutating func release(_ count: Int) {
        precondition(count <= byteCount)
        tail += count
        byteCount -= count
        if isWrapped, tail == end { (tail, isWrapped) = (0, false) }
    }

    /// How many of the first `count` bytes of `packets` are whole packets.
    static func wholePackets(in packets: UnsafeRawBufferPointer, first count: Int) -> Int {
        var whole = 0
        while count - whole >= Packet.recordHeaderBytes {
            let captured = packets.loadUnaligned(fromByteOffset: whole + 8, as: UInt32.self)
            let next = whole + Packet.recordHeaderBytes + Int(UInt32(littleEndian: captured))
            if next > count { break }
            whole = next
        }
        return whole
    }
}
