//  Whatever comes, nothing is read that is not there, and nothing grows.

import Testing
import TidemarkTesting

@testable import TidemarkDump

@Suite struct HostileInputTests {
    private static let links: [LinkLayer] = [.ethernet, .linuxCooked, .linuxCooked2, .raw, .null]

    /// Gives a packet in memory of exactly its size, so that a sanitizer sees a read behind it.
    private func give(_ packet: some Collection<UInt8>, _ link: LinkLayer, wireBytes: Int, to bench: inout Bench) {
        let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: packet.count, alignment: 1)
        defer { exact.deallocate() }
        exact.copyBytes(from: packet)
        bench.reassembler.packet(
            UnsafeRawBufferPointer(exact),
            wireBytes: wireBytes,
            link: link,
            at: CaptureTime(nanoseconds: 1),
            to: &bench.sink
        )
    }

    @Test func headersCutOffAnywhere() {
        let segment = TestSegment(toServer: true, sequence: 1001, payload: TestFrames.sync())
        let extensions: [UInt8] =
            [43, 0, 0, 0, 0, 0, 0, 0, 51, 0, 0, 0, 0, 0, 0, 0, 6, 2] + [UInt8](repeating: 0, count: 14)
        let ethernet: [UInt8] = [UInt8](repeating: 0, count: 12) + [0x81, 0, 0, 1, 0x86, 0xDD]
        let packets: [(LinkLayer, [UInt8])] = [
            (.raw, segment.ipv4), (.raw, segment.ipv6()), (.raw, segment.ipv6(extensions: extensions, first: 0)),
            (.ethernet, ethernet + segment.ipv6()),
            (.linuxCooked, [UInt8](repeating: 0, count: 14) + [8, 0] + segment.ipv4),
            (.null, [2, 0, 0, 0] + segment.ipv4),
        ]
        for (link, packet) in packets {
            for count in 0...packet.count {
                var bench = Bench()
                give(packet.prefix(count), link, wireBytes: packet.count, to: &bench)
                bench.finish()
                #expect(bench.sink.faults.isEmpty)
                #expect((bench.sink.heard[1]?.frames[0].count ?? 0) <= (count == packet.count ? 1 : 0))
            }
        }
    }

    @Test func randomPackets() {
        var dice = Seed(default: 99)
        var bench = Bench {
            $0.connectionsMax = 32
            $0.detectsOtherPorts = true
            $0.earlyBytesTotalMax = 1 << 20
            $0.frameBytesTotalMax = 1 << 20
        }
        for _ in 0..<20_000 {
            let packet = (0..<dice.below(200)).map { _ in UInt8.random(in: 0...255, using: &dice) }
            give(packet, Self.links[dice.below(5)], wireBytes: dice.below(1 << 32), to: &bench)
        }
        bench.finish()
        #expect(bench.reassembler.counts.packets == 20_000)
        #expect(bench.sink.faults.isEmpty)
        #expect(bench.reassembler.heldBytes == 0)
    }

    /// Good packets with some bytes changed get deeper than random ones.
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func damagedPackets(seed: UInt64) {
        var dice = Seed(default: seed)
        var bench = Bench {
            $0.connectionsMax = 16
            $0.detectsOtherPorts = seed % 2 == 0
            $0.ports = [8433, 40001]
            $0.earlyBytesTotalMax = 256 << 10
            $0.frameBytesTotalMax = 256 << 10
        }
        var sequences: [UInt32] = [0, 0]
        for _ in 0..<20_000 {
            let side = dice.below(2)
            let payload = (0..<dice.below(4)).flatMap { _ in TestFrames.sync(UInt16(dice.below(9))) }
            let common: [UInt8] = [
                Segment.ack, Segment.ack, Segment.ack, Segment.syn, Segment.ack | Segment.fin, Segment.rst,
            ]
            let segment = TestSegment(
                toServer: side == 0,
                sequence: sequences[side] &+ (dice.chance(20) ? UInt32.random(in: 0...(.max), using: &dice) >> 12 : 0),
                acknowledgement: sequences[1 - side] &+ UInt32(dice.below(200)),
                flags: common[dice.below(dice.chance(90) ? 3 : 6)],
                payload: payload,
                client: UInt16(40000 + dice.below(40))
            )
            sequences[side] &+= UInt32(payload.count)
            var packet = dice.chance(50) ? segment.ipv4 : segment.ipv6()
            if dice.chance(30) {
                for _ in 0...dice.below(3) {
                    packet[dice.below(packet.count)] = UInt8.random(in: 0...255, using: &dice)
                }
            }
            let shown = dice.chance(20) ? dice.below(packet.count + 1) : packet.count
            give(packet.prefix(shown), .raw, wireBytes: dice.chance(5) ? dice.below(1 << 32) : packet.count, to: &bench)
            #expect(bench.reassembler.heldBytes <= 512 << 10)
        }
        bench.finish()
        #expect(bench.sink.faults.isEmpty, "\(dice)")
        #expect(bench.sink.slots.isEmpty)
        #expect(bench.reassembler.heldBytes == 0)
    }

    @Test func damagedFiles() throws {
        var dice = Seed(default: 7)
        let packets = (0..<20).map {
            TestSegment(toServer: true, sequence: 1 + UInt32($0) * 25, payload: TestFrames.sync()).ipv4
        }
        let files = [CaptureFile.pcap(packets, link: 101), CaptureFile.pcapng(packets, link: 101)]
        for round in 0..<400 {
            var bytes = files[round % 2]
            for _ in 0...dice.below(4) { bytes[dice.below(bytes.count)] = UInt8.random(in: 0...255, using: &dice) }
            let file = try TemporaryFile(Array(bytes.prefix(dice.chance(50) ? bytes.count : dice.below(bytes.count))))
            var sink = CollectingSink()
            var reassembler = Reassembler()
            do throws(CaptureError) {
                try PacketSource(file: file.path).read(into: &reassembler, &sink)
            } catch {
                #expect(!"\(error)".isEmpty)
            }
            #expect(sink.faults.isEmpty && sink.slots.isEmpty, "round \(round), \(dice)")
        }
    }
}
