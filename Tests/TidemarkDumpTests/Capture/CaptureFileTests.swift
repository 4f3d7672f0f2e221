//  Captures made byte by byte: each link type, pcap of both byte orders and precisions, pcapng.

import Foundation
import Testing

@testable import TidemarkDump

/// A file that is gone after the test.
struct TemporaryFile: ~Copyable {
    let path: String

    init(_ bytes: [UInt8]) throws {
        path = FileManager.default.temporaryDirectory.appending(path: "tidemark-dump-\(UUID().uuidString)").path
        try Data(bytes).write(to: URL(filePath: path))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

enum CaptureFile {
    static func pcap(_ packets: [[UInt8]], link: UInt32, cutAt snapLength: Int = 65535) -> [UInt8] {
        var file = littleEndian(0xa1b2_3c4d as UInt32) + littleEndian(2 as UInt16) + littleEndian(4 as UInt16)
        file += littleEndian(0 as UInt64) + littleEndian(UInt32(snapLength)) + littleEndian(link)
        for (index, packet) in packets.enumerated() {
            let shown = packet.prefix(snapLength)
            file += littleEndian(1_700_000_000 as UInt32) + littleEndian(UInt32(index))
            file += littleEndian(UInt32(shown.count)) + littleEndian(UInt32(packet.count)) + shown
        }
        return file
    }

    /// Microseconds, big-endian: as another machine writes it.
    static func bigEndianPcap(_ packets: [[UInt8]], link: UInt32) -> [UInt8] {
        var file = bytes(0xa1b2_c3d4 as UInt32) + bytes(2 as UInt16) + bytes(4 as UInt16)
        file += bytes(0 as UInt64) + bytes(65535 as UInt32) + bytes(link)
        for packet in packets {
            file += bytes(1_700_000_000 as UInt32) + bytes(1 as UInt32)
            file += bytes(UInt32(packet.count)) + bytes(UInt32(packet.count)) + packet
        }
        return file
    }

    static func pcapng(_ packets: [[UInt8]], link: UInt16) -> [UInt8] {
        func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
            let padded = body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
            let length = littleEndian(UInt32(padded.count + 12))
            return littleEndian(type) + length + padded + length
        }
        var file = block(
            0x0A0D_0D0A,
            littleEndian(0x1A2B_3C4D as UInt32) + littleEndian(1 as UInt32) + littleEndian(UInt64.max)
        )
        file += block(1, littleEndian(link) + [0, 0] + littleEndian(65535 as UInt32))
        for packet in packets {
            let size = littleEndian(UInt32(packet.count))
            let time = littleEndian(0x0006_0A24 as UInt32) + littleEndian(0x1812_4000 as UInt32)
            file += block(6, littleEndian(0 as UInt32) + time + size + size + packet)
        }
        return file
    }
}

@Suite struct CaptureFileTests {
    private static let sync = TestFrames.sync(1)

    /// A connection of one request and one answer, with an end.
    private static let segments: [TestSegment] = [
        TestSegment(toServer: true, sequence: 10, flags: Segment.syn),
        TestSegment(toServer: false, sequence: 20, acknowledgement: 11, flags: Segment.syn | Segment.ack),
        TestSegment(toServer: true, sequence: 11, acknowledgement: 21, payload: sync),
        TestSegment(toServer: false, sequence: 21, acknowledgement: 36, payload: TestFrames.pong()),
        TestSegment(toServer: true, sequence: 36, acknowledgement: 27, flags: Segment.ack | Segment.fin),
        TestSegment(toServer: false, sequence: 27, acknowledgement: 37, flags: Segment.ack | Segment.fin),
    ]

    /// The link types, with what stands before an IPv4 and an IPv6 packet.
    private static let links: [(number: UInt32, ipv4: [UInt8], ipv6: [UInt8])] = {
        let macs = [UInt8](repeating: 2, count: 12)
        let cooked = [UInt8](repeating: 0, count: 14)
        let cooked2 = [UInt8](repeating: 0, count: 18)
        let tag: [UInt8] = [0x81, 0, 0, 5]
        return [
            (1, macs + [8, 0], macs + [0x86, 0xDD]),
            (1, macs + tag + [8, 0], macs + [0x88, 0xA8, 0, 1] + tag + [0x86, 0xDD]),
            (113, cooked + [8, 0], cooked + [0x86, 0xDD]),
            (276, [8, 0] + cooked2, [0x86, 0xDD] + cooked2),
            (101, [], []),
            (228, [], []),
            (229, [], []),
            (0, [2, 0, 0, 0], [10, 0, 0, 0]),
            (108, [0, 0, 0, 2], [0, 0, 0, 24]),
        ]
    }()

    private func read(_ bytes: [UInt8], filter: String? = nil) throws -> CollectingSink {
        let file = try TemporaryFile(bytes)
        let source = try PacketSource(file: file.path, filter: filter)
        var reassembler = Reassembler()
        var sink = CollectingSink()
        try source.read(into: &reassembler, &sink)
        return sink
    }

    private func check(_ sink: consuming CollectingSink, _ family: Endpoint.Family, _ what: String) {
        #expect(sink.heard.count == 1, "\(what)")
        let heard = sink.heard[1]
        #expect(heard?.frames == [[Self.sync], [TestFrames.pong()]], "\(what)")
        #expect(heard?.client.family == family && heard?.client.port == 40000, "\(what)")
        #expect(heard?.server.port == 8433, "\(what)")
        #expect(heard?.end?.word == "closed", "\(what)")
        #expect(heard?.anomalies.isEmpty == true, "\(what)")
    }

    @Test func eachLinkType() throws {
        for (number, before4, before6) in Self.links {
            if number != 229 {
                // Ethernet pads to 60 bytes; the padding is no payload.
                let packets = Self.segments.map { segment in
                    let packet = before4 + segment.ipv4
                    return packet + [UInt8](repeating: 0xAA, count: max(0, 60 - packet.count) + 3)
                }
                check(try read(CaptureFile.pcap(packets, link: number)), .ipv4, "IPv4, link type \(number)")
            }
            if number != 228 {
                let packets = Self.segments.map { before6 + $0.ipv6() }
                check(try read(CaptureFile.pcap(packets, link: number)), .ipv6, "IPv6, link type \(number)")
            }
        }
    }

    @Test func eachFileFormat() throws {
        let packets = Self.segments.map(\.ipv4)
        check(try read(CaptureFile.pcapng(packets, link: 101)), .ipv4, "pcapng")
        check(try read(CaptureFile.bigEndianPcap(packets, link: 101)), .ipv4, "big-endian")
        check(try read(CaptureFile.pcap(packets, link: 101), filter: "tcp port 8433"), .ipv4, "filtered")
        let none = try read(CaptureFile.pcap(packets, link: 101), filter: "udp")
        #expect(none.heard.isEmpty)
    }

    @Test func extensionHeadersArePassedOver() throws {
        let hop: [UInt8] = [60, 0, 1, 4, 0, 0, 0, 0]
        let destination: [UInt8] = [44, 1] + [UInt8](repeating: 0, count: 14)
        let atomic: [UInt8] = [6, 0, 0, 0, 0, 0, 0, 1]
        let packets = Self.segments.map { $0.ipv6(extensions: hop + destination + atomic, first: 0) }
        check(try read(CaptureFile.pcap(packets, link: 101)), .ipv6, "extension headers")
    }

    @Test func optionsAndFragments() {
        var bench = Bench()
        bench.open()
        var packet = TestSegment(toServer: true, sequence: 1001, payload: Self.sync).ipv4
        // Two words of options, and the length that counts them.
        packet[0] = 0x47
        packet[3] += 8
        packet.insert(contentsOf: [1, 1, 1, 1, 1, 1, 1, 0], at: 20)
        bench.packet(packet)
        #expect(bench.sink.heard[1]?.frames[0] == [Self.sync])
        packet[6] = 0x20
        bench.packet(packet)
        #expect(bench.reassembler.counts.fragments == 1)
    }

    @Test func aPacketWithoutALengthIsAsLongAsItsCapture() {
        var bench = Bench()
        bench.open()
        var packet = TestSegment(toServer: true, sequence: 1001, payload: Self.sync).ipv4
        (packet[2], packet[3]) = (0, 0)
        bench.packet(packet)
        #expect(bench.sink.heard[1]?.frames[0] == [Self.sync])
    }

    @Test func aCutOffFileIsToldAndReadUntilThere() throws {
        let whole = CaptureFile.pcap(Self.segments.map(\.ipv4), link: 101)
        let file = try TemporaryFile(Array(whole.dropLast(10)))
        let source = try PacketSource(file: file.path)
        var reassembler = Reassembler()
        var sink = CollectingSink()
        do throws(CaptureError) {
            try source.read(into: &reassembler, &sink)
            Issue.record("a cut-off file was read to its end")
        } catch {
            guard case .cutShort(_, packets: 5, _) = error else {
                Issue.record("\(error)")
                return
            }
        }
        #expect(sink.heard[1]?.frames[0] == [Self.sync])
        #expect(sink.heard[1]?.end?.word == "captureEnded")
    }

    @Test func whatIsNoCaptureIsNamed() throws {
        let text = try TemporaryFile(Array("this is no capture file, not at all".utf8))
        #expect(throws: CaptureError.self) { try Self.open(text.path) }
        #expect(throws: CaptureError.self) { try Self.open("/nonexistent/capture.pcap") }
        let usb = try TemporaryFile(CaptureFile.pcap([], link: 189))
        #expect(throws: CaptureError.self) { try Self.open(usb.path) }
        let good = try TemporaryFile(CaptureFile.pcap([], link: 101))
        #expect(throws: CaptureError.self) { try Self.open(good.path, filter: "tcp prot 8433") }
    }

    private static func open(_ path: String, filter: String? = nil) throws {
        _ = try PacketSource(file: path, filter: filter)
    }
}
