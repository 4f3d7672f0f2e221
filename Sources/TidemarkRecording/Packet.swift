//  One packet as its record in a pcap file:
//
//      | 16 record header | 20 IPv4 or 40 IPv6 | 20 TCP, 28 with SYN | payload |
//
//  The record header is little-endian as the file is, the rest in network order.

struct Packet {
    struct Flags: OptionSet {
        var rawValue: UInt8
        static let fin = Flags(rawValue: 0x01)
        static let syn = Flags(rawValue: 0x02)
        static let reset = Flags(rawValue: 0x04)
        static let push = Flags(rawValue: 0x08)
        static let acknowledge = Flags(rawValue: 0x10)
    }

    /// With its headers a packet stays below the 65,535 bytes that IP can say.
    static let payloadBytesMax = 65_000
    static let recordHeaderBytes = 16
    /// Of a whole record.
    static let bytesMax = recordHeaderBytes + 40 + 20 + payloadBytesMax
    /// 2 to this power is the unit of the windows: 1 GiB fits, so that no window ever looks full.
    private static let windowScale: UInt8 = 14

    var source: IPEndpoint
    var destination: IPEndpoint
    var sequence: UInt32
    /// Sent only with `.acknowledge`.
    var acknowledgement: UInt32
    var flags: Flags

    private var isIPv4: Bool { source.isIPv4 && destination.isIPv4 }
    private var ipBytes: Int { isIPv4 ? 20 : 40 }
    private var tcpBytes: Int { flags.contains(.syn) ? 28 : 20 }

    /// Of the whole record.
    func bytes(payload: Int) -> Int { Self.recordHeaderBytes + ipBytes + tcpBytes + payload }

    /// `space` is exactly as large as the record; `time` is in nanoseconds since the Unix epoch.
    func write(_ payload: UnsafeRawBufferPointer, at time: UInt64, to space: UnsafeMutableRawBufferPointer) {
        precondition(payload.count <= Self.payloadBytesMax && space.count == bytes(payload: payload.count))
        let captured = space.count - Self.recordHeaderBytes
        space.storeLittle(UInt32(truncatingIfNeeded: time / 1_000_000_000), at: 0)
        space.storeLittle(UInt32(time % 1_000_000_000), at: 4)
        space.storeLittle(UInt32(captured), at: 8)
        space.storeLittle(UInt32(captured), at: 12)
        let ip = UnsafeMutableRawBufferPointer(rebasing: space[Self.recordHeaderBytes...])
        let tcp = UnsafeMutableRawBufferPointer(rebasing: ip[ipBytes...])
        UnsafeMutableRawBufferPointer(rebasing: tcp[tcpBytes...]).copyMemory(from: payload)
        if isIPv4 { writeIPv4(to: ip) } else { writeIPv6(to: ip) }
        writeTCP(to: tcp)
    }

    private func writeIPv4(to ip: UnsafeMutableRawBufferPointer) {
        ip.storeBig(UInt16(0x4500), at: 0)
        ip.storeBig(UInt16(ip.count), at: 2)
        ip.storeBig(UInt16(0), at: 4)
        // Don't fragment.
        ip.storeBig(UInt16(0x4000), at: 6)
        // 64 hops, TCP.
        ip.storeBig(UInt16(64 << 8 | 6), at: 8)
        ip.storeBig(UInt16(0), at: 10)
        ip.storeBig(UInt32(truncatingIfNeeded: source.address.low), at: 12)
        ip.storeBig(UInt32(truncatingIfNeeded: destination.address.low), at: 16)
        var sum = Checksum()
        sum.add(UnsafeRawBufferPointer(rebasing: ip[..<20]))
        ip.storeBig(sum.value, at: 10)
    }

    private func writeIPv6(to ip: UnsafeMutableRawBufferPointer) {
        ip.storeBig(UInt32(6) << 28, at: 0)
        ip.storeBig(UInt16(ip.count - 40), at: 4)
        ip.storeBig(UInt16(6 << 8 | 64), at: 6)
        ip.storeBig(source.address.high, at: 8)
        ip.storeBig(source.address.low, at: 16)
        ip.storeBig(destination.address.high, at: 24)
        ip.storeBig(destination.address.low, at: 32)
    }

    /// The payload is there already.
    private func writeTCP(to tcp: UnsafeMutableRawBufferPointer) {
        tcp.storeBig(source.port, at: 0)
        tcp.storeBig(destination.port, at: 2)
        tcp.storeBig(sequence, at: 4)
        tcp.storeBig(flags.contains(.acknowledge) ? acknowledgement : 0, at: 8)
        tcp.storeBig(UInt16(tcpBytes / 4) << 12 | UInt16(flags.rawValue), at: 12)
        tcp.storeBig(UInt16.max, at: 14)
        // Checksum and urgent pointer.
        tcp.storeBig(UInt32(0), at: 16)
        if flags.contains(.syn) {
            // Segments of so many bytes at most; nothing; the window's unit.
            tcp.storeBig(UInt32(0x0204_0000) | UInt32(Self.payloadBytesMax), at: 20)
            tcp.storeBig(UInt32(0x0103_0300) | UInt32(Self.windowScale), at: 24)
        }
        var sum = Checksum()
        sum.add(UnsafeRawBufferPointer(tcp))
        // The pseudo header: both addresses (of a mapped one its IPv4 part), the length, the protocol.
        sum.add(isIPv4 ? source.address.low & 0xFFFF_FFFF : source.address.low)
        sum.add(isIPv4 ? destination.address.low & 0xFFFF_FFFF : destination.address.low)
        if !isIPv4 {
            sum.add(source.address.high)
            sum.add(destination.address.high)
        }
        sum.add(UInt64(tcp.count))
        sum.add(6)
        tcp.storeBig(sum.value, at: 16)
    }
}

/// The Internet's checksum (RFC 1071): the complement of the sum of all 16-bit words, carries added back in.
struct Checksum {
    private var sum: UInt64 = 0

    var value: UInt16 { ~UInt16(Self.folded(sum)) }

    /// The four words of `number`.
    mutating func add(_ number: UInt64) {
        sum += number >> 48 + number >> 32 & 0xFFFF + number >> 16 & 0xFFFF + number & 0xFFFF
    }

    /// An odd last byte counts as if a zero followed.
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        // In this machine's byte order, which the sum does not mind, and 32 bits at a time.
        var native: UInt64 = 0
        let whole = bytes.count & ~3
        for offset in stride(from: 0, to: whole, by: 4) {
            native &+= UInt64(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        var rest: UInt32 = 0
        withUnsafeMutableBytes(of: &rest) {
            $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[whole...]))
        }
        native &+= UInt64(rest)
        sum += UInt64(UInt16(bigEndian: UInt16(Self.folded(native))))
    }

    private static func folded(_ sum: UInt64) -> UInt64 {
        var sum = sum
        while sum > 0xFFFF { sum = sum >> 16 + sum & 0xFFFF }
        return sum
    }
}

extension UnsafeMutableRawBufferPointer {
    func storeBig<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
        storeBytes(of: number.bigEndian, toByteOffset: offset, as: Number.self)
    }

    func storeLittle<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
        storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
    }
}
