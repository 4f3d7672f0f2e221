//  What is known of one TCP connection: a flow, and for each of its two ends the stream of bytes that it sends.
//
//      FlowKey (both ends, in an order of their own) ──▶ Flow ──▶ HalfStream of end 0, HalfStream of end 1
//
//  All of it is plain memory in slabs (FlowTable.swift).

import TidemarkWire

/// The two ends of a connection, the smaller one first, so that both directions have the same key.
struct FlowKey: BitwiseCopyable {
    var first: SocketAddress
    var second: SocketAddress
    var isIPv6: Bool

    /// The key, and which of its ends sent this segment.
    @inline(__always)
    static func of(_ segment: borrowing Segment) -> (key: FlowKey, sender: Int) {
        let (a, b) = (segment.source, segment.destination)
        if precedes(b, a) { return (FlowKey(first: b, second: a, isIPv6: segment.isIPv6), 1) }
        return (FlowKey(first: a, second: b, isIPv6: segment.isIPv6), 0)
    }

    @inline(__always)
    private static func precedes(_ a: SocketAddress, _ b: SocketAddress) -> Bool {
        if a.high != b.high { return a.high < b.high }
        if a.low != b.low { return a.low < b.low }
        return a.port < b.port
    }

    @inline(__always)
    static func == (a: FlowKey, b: FlowKey) -> Bool {
        a.first.high == b.first.high && a.second.high == b.second.high
            && a.first.port == b.first.port && a.second.port == b.second.port
            && a.first.low == b.first.low && a.second.low == b.second.low && a.isIPv6 == b.isIPv6
    }

    /// Two multiplications for IPv4, four for IPv6, with numbers that nobody outside knows: whoever sends packets
    /// cannot choose what collides.
    @inline(__always)
    func hash(_ secret: (UInt64, UInt64)) -> UInt64 {
        let ports = UInt64(first.port) << 48 | UInt64(second.port) << 32
        var hash = FlowKey.fold(first.high ^ secret.0, second.high ^ ports ^ secret.1)
        if isIPv6 {
            hash = FlowKey.fold(hash ^ FlowKey.fold(first.low ^ secret.1, second.low ^ secret.0), secret.1 | 1)
        }
        return FlowKey.fold(hash ^ ports ^ secret.0, 0x9E37_79B9_7F4A_7C15)
    }

    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    func end(_ side: Int) -> SocketAddress { side == 0 ? first : second }

    func endpoint(_ side: Int) -> Endpoint {
        let end = end(side)
        return Endpoint(family: isIPv6 ? .ipv6 : .ipv4, address: (end.high, end.low), port: end.port)
    }
}

/// A segment that came before the bytes in front of it. It lies at the beginning of a block, its bytes behind it.
struct EarlySegment: BitwiseCopyable {
    var next: UnsafeMutablePointer<EarlySegment>?
    var time: CaptureTime
    var sequence: UInt32
    /// As sent, and as captured.
    var length: UInt32
    var captured: UInt32
    var sizeClass: UInt8
}

/// What one end sends.
struct HalfStream: BitwiseCopyable {
    struct Flags: OptionSet, BitwiseCopyable {
        let rawValue: UInt8
        /// `next` is known.
        static let placed = Flags(rawValue: 1)
        /// `initial` is known: the SYN was seen.
        static let begun = Flags(rawValue: 2)
        /// `end` is known: the FIN was seen.
        static let ending = Flags(rawValue: 4)
        /// Everything up to the FIN has been handed on.
        static let ended = Flags(rawValue: 8)
        /// The receiver has acknowledged something since the hole opened.
        static let watched = Flags(rawValue: 16)
        /// `acknowledged` is known.
        static let acknowledged = Flags(rawValue: 32)
        /// `candidate` is known: a SYN that may be of another connection on the same ports.
        static let contested = Flags(rawValue: 64)
        /// An acknowledged hole is given a little longer.
        static let inGrace = Flags(rawValue: 128)
    }

    /// The sequence number of the next byte to hand on.
    var next: UInt32 = 0
    /// How far the receiver says it has got.
    var acknowledged: UInt32 = 0
    var flags: Flags = []
    var cutter = FrameCutter()
    /// Segments behind a hole, by their sequence numbers.
    var early: UnsafeMutablePointer<EarlySegment>?
    var lastEarly: UnsafeMutablePointer<EarlySegment>?
    var earlyBytes: UInt32 = 0
    var earlyCount: UInt32 = 0
    var initial: UInt32 = 0
    var end: UInt32 = 0
    /// The number of a SYN that does not fit this stream.
    var candidate: UInt32 = 0
    /// What was acknowledged when the grace began, when that was, and the segments since.
    var graceAcknowledged: UInt32 = 0
    var graceSince = CaptureTime(nanoseconds: 0)
    var graceSegments: UInt32 = 0

    /// Something behind a hole is known: bytes, or the end.
    @inline(__always)
    var hasHole: Bool { early != nil || (flags.contains(.ending) && !flags.contains(.ended)) }
}

struct Flow: BitwiseCopyable {
    enum Phase: UInt8, BitwiseCopyable {
        /// Which end is the server, or whether this is Tidemark's protocol at all, is not known yet.
        case undecided
        /// Reported as opened.
        case open
        /// Another protocol: kept so that it is not looked at again.
        case foreign
        /// Over; kept for a while, because segments may still be repeated.
        case closed
    }

    static let unknownSide: UInt8 = 2

    var key: FlowKey
    var phase: Phase = .undecided
    /// The end that listens: 0, 1 or `unknownSide`.
    var server: UInt8 = Flow.unknownSide
    /// A port says that it is Tidemark's protocol.
    var hasKnownPort = false
    /// Segments with bytes that could not decide.
    var attempts: UInt8 = 0
    var hash: UInt64
    /// 0: not reported.
    var number: UInt64 = 0
    /// The lists by activity, and of the closed.
    var newer: UInt32 = FlowTable.none
    var older: UInt32 = FlowTable.none
    /// The count of packets when it last moved to the front.
    var movedAt: UInt64 = 0
    var closedAt = CaptureTime(nanoseconds: 0)

    /// Its bytes are looked at.
    var isFollowed: Bool { phase == .open || phase == .undecided }

    func direction(ofSender side: Int) -> Direction { side == Int(server) ? .toClient : .toServer }
}

/// Sequence numbers wrap around; the distance is what counts.
@inline(__always)
func distance(from a: UInt32, to b: UInt32) -> Int { Int(Int32(bitPattern: b &- a)) }
