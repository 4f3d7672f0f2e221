import TidemarkWire

@testable import TidemarkDump

/// One TCP segment as a test wants it.
struct TestSegment {
    var toServer: Bool
    var sequence: UInt32
    var acknowledgement: UInt32 = 0
    var flags: UInt8 = Segment.ack
    var payload: [UInt8] = []
    var client: UInt16 = 40000
    var server: UInt16 = 8433
    /// The bytes of the payload that were captured; nil: all.
    var captured: Int?

    /// As an IPv4 packet.
    var ipv4: [UInt8] {
        let tcp = tcpHeader
        let total = UInt16(20 + tcp.count + payload.count)
        let addresses: [UInt8] = toServer ? [10, 0, 0, 1, 10, 0, 0, 2] : [10, 0, 0, 2, 10, 0, 0, 1]
        return [0x45, 0] + bytes(total) + [0, 0, 0x40, 0, 64, 6, 0, 0] + addresses + tcp + shown
    }

    /// As an IPv6 packet, with extension headers in front of TCP.
    func ipv6(extensions: [UInt8] = [], first: UInt8 = 6) -> [UInt8] {
        let tcp = tcpHeader
        let length = UInt16(extensions.count + tcp.count + payload.count)
        let client: [UInt8] = [0xfd] + [UInt8](repeating: 0, count: 14) + [1]
        let server: [UInt8] = [0xfd] + [UInt8](repeating: 0, count: 14) + [2]
        let addresses = toServer ? client + server : server + client
        return [0x60, 0, 0, 0] + bytes(length) + [first, 64] + addresses + extensions + tcp + shown
    }

    private var shown: [UInt8] { Array(payload.prefix(captured ?? payload.count)) }

    private var tcpHeader: [UInt8] {
        let ports = toServer ? bytes(client) + bytes(server) : bytes(server) + bytes(client)
        // A timestamp option, as most segments have one.
        return ports + bytes(sequence) + bytes(acknowledgement) + [0x80, flags, 0xff, 0xff, 0, 0, 0, 0]
            + [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]
    }
}

/// Big-endian.
func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
}

func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}

/// A reassembler and what it told.
struct Bench: ~Copyable {
    var reassembler: Reassembler
    var sink = CollectingSink()
    var clock: Int64 = 1_700_000_000_000_000_000

    init(_ adjust: (inout ReassemblyOptions) -> Void = { _ in }) {
        var options = ReassemblyOptions()
        adjust(&options)
        reassembler = Reassembler(options)
    }

    mutating func packet(_ bytes: [UInt8], link: LinkLayer = .raw, wireBytes: Int? = nil) {
        clock += 1000
        bytes.withUnsafeBytes {
            reassembler.packet(
                $0,
                wireBytes: wireBytes ?? bytes.count,
                link: link,
                at: CaptureTime(nanoseconds: clock),
                to: &sink
            )
        }
    }

    mutating func send(_ segment: TestSegment) {
        let missing = segment.payload.count - (segment.captured ?? segment.payload.count)
        let packet = segment.ipv4
        self.packet(packet, wireBytes: packet.count + missing)
    }

    /// SYN and SYN-ACK; the first bytes have the sequence numbers after these.
    mutating func open(client: UInt16 = 40000, server: UInt16 = 8433, sequences: (UInt32, UInt32) = (1000, 2000)) {
        send(TestSegment(toServer: true, sequence: sequences.0, flags: Segment.syn, client: client, server: server))
        send(
            TestSegment(
                toServer: false,
                sequence: sequences.1,
                acknowledgement: sequences.0 &+ 1,
                flags: Segment.syn | Segment.ack,
                client: client,
                server: server
            )
        )
    }

    mutating func finish() { reassembler.finish(to: &sink) }
}
