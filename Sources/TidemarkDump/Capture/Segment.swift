//  One TCP segment out of one captured packet.
//
//      link ─▶ IPv4 (options) or IPv6 (extension headers) ─▶ TCP (options) ─▶ payload
//
//  Every read is checked against what was captured. Lengths are those that IP declares, not those of the capture:
//  Ethernet pads, and a capture may cut off.

import TidemarkWire

/// An address and a port.
struct SocketAddress: BitwiseCopyable {
    /// The bytes of the address as they were on the wire, the first ones in the lowest bits.
    var high: UInt64 = 0
    var low: UInt64 = 0
    var port: UInt16 = 0
}

/// What became of a captured packet.
enum PacketKind: UInt8, BitwiseCopyable {
    case tcp
    case other
    case fragment
    /// A header that is cut off, or that contradicts itself.
    case malformed
}

struct Segment: BitwiseCopyable {
    /// The largest packet that a sender's network card is given to cut up. Such a packet declares no length, and what
    /// the capture says of it need not be true.
    static let unsplitBytesMax = 1 << 19
    static let fin: UInt8 = 0x01
    static let syn: UInt8 = 0x02
    static let rst: UInt8 = 0x04
    static let ack: UInt8 = 0x10

    var source = SocketAddress()
    var destination = SocketAddress()
    var isIPv6 = false
    var flags: UInt8 = 0
    var sequence: UInt32 = 0
    var acknowledgement: UInt32 = 0
    /// What was captured of the payload.
    var payload = UnsafeRawBufferPointer(start: nil, count: 0)
    /// What was sent of it: `payload.count`, or more.
    var length = 0

    @inline(__always)
    func has(_ flag: UInt8) -> Bool { flags & flag != 0 }

    /// Reads a packet. `wireBytes`: its size before the capture cut it.
    @inline(__always)
    mutating func read(_ bytes: UnsafeRawBufferPointer, wireBytes: Int, link: LinkLayer) -> PacketKind {
        guard let offset = link.networkOffset(bytes), bytes.count > offset else { return .other }
        let packet = UnsafeRawBufferPointer(start: bytes.baseAddress! + offset, count: bytes.count &- offset)
        let wire = max(wireBytes, bytes.count) &- offset
        switch packet[0] >> 4 {
        case 4: return readIPv4(packet, wire)
        case 6: return readIPv6(packet, wire)
        default: return .other
        }
    }

    @inline(__always)
    private mutating func readIPv4(_ packet: UnsafeRawBufferPointer, _ wire: Int) -> PacketKind {
        guard packet.count >= 20 else { return .malformed }
        let headerBytes = Int(packet[0] & 0xF) &* 4
        guard headerBytes >= 20 else { return .malformed }
        guard packet[9] == 6 else { return .other }
        // More fragments, or an offset: the flow's bytes cannot be placed without the other fragments.
        if packet.bigEndian16(6) & 0x3FFF != 0 { return .fragment }
        // A length of 0 stands in packets that the network card was to cut up.
        let declared = Int(packet.bigEndian16(2))
        let total = declared == 0 ? min(wire, Segment.unsplitBytesMax) : declared
        guard total >= headerBytes, packet.count > headerBytes else { return .malformed }
        let base = packet.baseAddress!
        isIPv6 = false
        source.high = UInt64(base.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
        source.low = 0
        destination.high = UInt64(base.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
        destination.low = 0
        return readTCP(packet, at: headerBytes, end: total)
    }

    private mutating func readIPv6(_ packet: UnsafeRawBufferPointer, _ wire: Int) -> PacketKind {
        guard packet.count >= 40 else { return .malformed }
        let declared = Int(packet.bigEndian16(4))
        let end = declared == 0 ? min(wire, Segment.unsplitBytesMax) : 40 + declared
        let base = packet.baseAddress!
        isIPv6 = true
        source.high = base.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        source.low = base.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        destination.high = base.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
        destination.low = base.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
        var next = packet[6]
        var offset = 40
        while next != 6 {
            guard packet.count >= offset + 8 else { return IPv6Extension.isOne(next) ? .malformed : .other }
            switch next {
            case IPv6Extension.hopByHop, IPv6Extension.routing, IPv6Extension.destination, IPv6Extension.mobility:
                next = packet[offset]
                offset += (Int(packet[offset + 1]) + 1) * 8
            case IPv6Extension.authentication:
                next = packet[offset]
                offset += (Int(packet[offset + 1]) + 2) * 4
            case IPv6Extension.fragment:
                // An atomic fragment is a whole packet.
                guard packet.bigEndian16(offset + 2) & 0xFFF9 == 0 else {
                    return packet[offset] == 6 ? .fragment : .other
                }
                next = packet[offset]
                offset += 8
            default:
                return .other
            }
            guard offset < min(end, packet.count) else { return .malformed }
        }
        return readTCP(packet, at: offset, end: end)
    }

    @inline(__always)
    private mutating func readTCP(_ packet: UnsafeRawBufferPointer, at start: Int, end: Int) -> PacketKind {
        guard end &- start >= 20, packet.count &- start >= 20 else { return .malformed }
        let headerBytes = Int(packet[start + 12] >> 4) &* 4
        let payloadStart = start &+ headerBytes
        guard headerBytes >= 20, payloadStart <= end else { return .malformed }
        source.port = packet.bigEndian16(start)
        destination.port = packet.bigEndian16(start + 2)
        sequence = packet.bigEndian32(start + 4)
        acknowledgement = packet.bigEndian32(start + 8)
        flags = packet[start + 13]
        length = end &- payloadStart
        let captured = max(0, min(end, packet.count) &- payloadStart)
        payload = UnsafeRawBufferPointer(start: packet.baseAddress! + min(payloadStart, packet.count), count: captured)
        return .tcp
    }
}

private enum IPv6Extension {
    static let hopByHop: UInt8 = 0
    static let routing: UInt8 = 43
    static let fragment: UInt8 = 44
    static let authentication: UInt8 = 51
    static let destination: UInt8 = 60
    static let mobility: UInt8 = 135

    static func isOne(_ number: UInt8) -> Bool {
        [hopByHop, routing, fragment, authentication, destination, mobility].contains(number)
    }
}
