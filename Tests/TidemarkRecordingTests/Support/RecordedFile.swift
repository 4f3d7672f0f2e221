//  A second opinion on recordings: reads a pcap file as its specification says, trusts nothing of what wrote it, and
//  puts each connection's bytes together again. Imports nothing, so that other tests can use it too.

struct RecordedFile {
    struct Mistake: Error {
        var what: String
        var offset: Int
    }

    struct Packet {
        var nanoseconds: UInt64
        /// "127.0.0.1:8433", or 16 hexadecimal groups for IPv6.
        var source: String
        var destination: String
        var sequence: UInt32
        var acknowledgement: UInt32
        var flags: UInt8
        var payload: [UInt8]

        var isSYN: Bool { flags & 0x02 != 0 }
        var isFIN: Bool { flags & 0x01 != 0 }
        var isReset: Bool { flags & 0x04 != 0 }
    }

    struct Connection {
        var client: String
        var server: String
        var packets: [Packet] = []

        var isOpened: Bool { packets.prefix(3).map(\.flags) == [0x02, 0x12, 0x10] }
        var isReset: Bool { packets.contains(where: \.isReset) }
        var isFinished: Bool { packets.filter(\.isFIN).count == 2 && packets.last?.flags == 0x10 }

        /// What one side sent, where its sequence numbers say.
        func pieces(from side: String) -> [(offset: Int, bytes: [UInt8])] {
            guard let first = packets.first(where: { $0.source == side && $0.isSYN }) else { return [] }
            return packets.filter { $0.source == side && !$0.payload.isEmpty }
                .map { (Int($0.sequence &- first.sequence &- 1), $0.payload) }
        }

        /// Nil if some are missing, or come twice.
        func bytes(from side: String) -> [UInt8]? {
            var bytes: [UInt8] = []
            for piece in pieces(from: side) {
                guard piece.offset == bytes.count else { return nil }
                bytes += piece.bytes
            }
            return bytes
        }

        var clientBytes: [UInt8]? { bytes(from: client) }
        var serverBytes: [UInt8]? { bytes(from: server) }
    }

    private(set) var packets: [Packet] = []

    /// - Throws: `Mistake`: no nanosecond pcap of raw IP, a packet cut short, or a wrong length or checksum.
    init(_ bytes: [UInt8]) throws {
        guard Array(bytes.prefix(4)) == [0x4D, 0x3C, 0xB2, 0xA1], bytes.count >= 24, bytes[20] == 101 else {
            throw Mistake(what: "file header", offset: 0)
        }
        var offset = 24
        while offset < bytes.count {
            guard bytes.count - offset >= 16 else { throw Mistake(what: "record header", offset: offset) }
            let numbers = (0..<4).map { Self.little(bytes, offset + 4 * $0) }
            guard numbers[1] < 1_000_000_000, numbers[2] == numbers[3], bytes.count - offset - 16 >= Int(numbers[2])
            else { throw Mistake(what: "record", offset: offset) }
            let time = UInt64(numbers[0]) * 1_000_000_000 + UInt64(numbers[1])
            let packet = Array(bytes[(offset + 16)..<(offset + 16 + Int(numbers[2]))])
            packets.append(try Self.packet(packet, time, offset))
            offset += 16 + Int(numbers[2])
        }
    }

    /// In the order in which they open. A client's port may be used again.
    var connections: [Connection] {
        var connections: [Connection] = []
        var current: [Set<String>: Int] = [:]
        for packet in packets {
            let ends: Set = [packet.source, packet.destination]
            if packet.flags == 0x02 {
                current[ends] = connections.count
                connections.append(Connection(client: packet.source, server: packet.destination))
            }
            if let index = current[ends] { connections[index].packets.append(packet) }
        }
        return connections
    }

    private static func packet(_ ip: [UInt8], _ time: UInt64, _ offset: Int) throws -> Packet {
        let isIPv4 = ip[0] == 0x45
        let addressBytes = isIPv4 ? 4 : 16
        let addresses = isIPv4 ? 12 : 8
        let tcp = Array(ip.dropFirst(addresses + 2 * addressBytes))
        let length = isIPv4 ? Int(big(ip, 2, 2)) : 40 + Int(big(ip, 4, 2))
        guard isIPv4 || ip[0] == 0x60, ip[isIPv4 ? 9 : 6] == 6, length == ip.count, tcp.count >= 20 else {
            throw Mistake(what: "IP header", offset: offset)
        }
        guard !isIPv4 || sum(ip[..<20]) == 0xFFFF else { throw Mistake(what: "IP checksum", offset: offset) }
        let source = ip[addresses..<addresses + addressBytes]
        let destination = ip[addresses + addressBytes..<addresses + 2 * addressBytes]
        let pseudo = source + destination + [0, 0, UInt8(tcp.count >> 8), UInt8(tcp.count & 0xFF), 0, 6]
        guard sum(pseudo + tcp) == 0xFFFF else { throw Mistake(what: "TCP checksum", offset: offset) }
        let header = Int(tcp[12] >> 4) * 4
        guard header >= 20, header <= tcp.count else { throw Mistake(what: "TCP header", offset: offset) }
        return Packet(
            nanoseconds: time,
            source: name(source, big(tcp, 0, 2)),
            destination: name(destination, big(tcp, 2, 2)),
            sequence: big(tcp, 4, 4),
            acknowledgement: big(tcp, 8, 4),
            flags: tcp[13],
            payload: Array(tcp[header...])
        )
    }

    private static func name(_ address: ArraySlice<UInt8>, _ port: UInt32) -> String {
        if address.count == 4 { return address.map { "\($0)" }.joined(separator: ".") + ":\(port)" }
        return "[" + address.map { String($0, radix: 16) }.joined(separator: ":") + "]:\(port)"
    }

    private static func sum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var sum: UInt32 = 0
        for (number, byte) in bytes.enumerated() {
            sum += number % 2 == 0 ? UInt32(byte) << 8 : UInt32(byte)
            if sum > 0xFFFF { sum = sum & 0xFFFF + 1 }
        }
        return sum
    }

    private static func big(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt32 {
        bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func little(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
