//  The bounds of reassembly in one place, and what it counts.

/// Which connections are followed, and what may be held for them.
public struct ReassemblyOptions: Sendable {
    /// Ports that servers listen on.
    public var ports: [UInt16] = [8433]
    /// Connections of other ports are followed too if what they say first is Tidemark's protocol.
    public var detectsOtherPorts = false
    /// Connections at a time, 1 to 16,777,216; the least recently active one is forgotten for one more.
    public var connectionsMax = 65_536
    /// Bytes behind a hole of one direction, while the receiver is heard to wait for it.
    public var earlyBytesMax = 1 << 20
    /// Segments behind such a hole.
    public var earlySegmentsMax = 1024
    /// The same when the receiver has said nothing since: a recording's gap, or a capture of one direction.
    public var unwatchedBytesMax = 64 << 10
    public var unwatchedSegmentsMax = 64
    /// Bytes behind holes of all connections.
    public var earlyBytesTotalMax = 64 << 20
    /// Bytes of frames that are not whole, of all connections. Beyond it, such frames are passed over.
    public var frameBytesTotalMax = 256 << 20
    /// How long a hole that the receiver has acknowledged is still waited with: so many segments of its connection (as
    /// many as TCP itself waits with, RFC 5681 section 3.2), or so long, whichever is over first. Captures of several
    /// queues have acknowledgements before what they acknowledge.
    public var graceSegments: UInt32 = 3
    public var graceNanoseconds: Int64 = 2_000_000
    /// For how long after its end a connection's late segments are told from a new connection's.
    public var closedNanoseconds: Int64 = 60_000_000_000

    public init() {}
}

/// What a capture consisted of.
public struct CaptureCounts: Hashable, Sendable {
    public var packets: UInt64 = 0
    /// Segments of connections that are followed.
    public var segments: UInt64 = 0
    /// Bytes of those segments' payloads.
    public var payloadBytes: UInt64 = 0
    /// Packets that are no TCP over IP.
    public var notTCP: UInt64 = 0
    public var fragments: UInt64 = 0
    /// Packets with headers that are cut off or contradict themselves.
    public var malformed: UInt64 = 0
    /// TCP packets of other ports, or of another protocol.
    public var otherPorts: UInt64 = 0
    /// Segments that belong to no connection that is known: acknowledgements of one whose bytes were never seen, SYNs
    /// that nobody answered, what comes after a connection's end, and bytes behind a FIN.
    public var strays: UInt64 = 0
    /// Segments whose bytes had been seen already, all or some.
    public var repeated: UInt64 = 0
    /// Segments that came before the bytes in front of them.
    public var early: UInt64 = 0
    /// Bytes that were sent but not captured.
    public var lostBytes: UInt64 = 0
    /// Packets that the kernel or the interface dropped, of a live capture.
    public var dropped: UInt64 = 0

    public init() {}
}
