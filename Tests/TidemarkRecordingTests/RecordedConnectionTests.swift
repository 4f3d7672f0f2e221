import Testing

@testable import TidemarkRecording

/// What the packets of one connection say.
@Suite struct RecordedConnectionTests {
    private static let client = IPEndpoint(ipv4: 0x0A00_0001, port: 50_000)
    private static let server = IPEndpoint(ipv4: 0x0A00_0002, port: 8433)

    private func make(_ client: UInt32 = 1000, _ server: UInt32 = 2000) -> RecordedConnection {
        RecordedConnection(client: Self.client, server: Self.server, sequence: (client, server))
    }

    /// What the ring holds, read again.
    private func read(_ ring: inout PacketRing) throws -> RecordedFile {
        var bytes = RecordingFile.header
        while ring.byteCount > 0 {
            let oldest = ring.oldest()
            bytes += oldest
            ring.release(oldest.count)
        }
        return try RecordedFile(bytes)
    }

    private func append(
        _ bytes: [UInt8],
        _ side: RecordedSide,
        _ connection: inout RecordedConnection,
        _ ring: inout PacketRing
    ) -> Int {
        bytes.withUnsafeBytes { connection.append($0, from: side, at: 5, into: &ring) }
    }

    @Test func `a conversation`() throws {
        var ring = PacketRing(capacity: 1 << 17)
        var connection = make()
        connection.begin(at: 1, into: &ring)
        #expect(append([1, 2, 3], .client, &connection, &ring) == 0)
        #expect(append([4, 5], .server, &connection, &ring) == 0)
        connection.end(.client, at: 6, into: &ring)
        #expect(append([6], .server, &connection, &ring) == 0)
        connection.close(first: .client, at: 7, into: &ring)
        // Nothing follows.
        #expect(append([7], .server, &connection, &ring) == 0)
        connection.close(first: .server, at: 8, into: &ring)
        connection.reset(by: .client, at: 9, into: &ring)

        let packets = try read(&ring).packets
        #expect(packets.map(\.flags) == [0x02, 0x12, 0x10, 0x18, 0x18, 0x11, 0x10, 0x18, 0x11, 0x10])
        #expect(packets.map(\.sequence) == [1000, 2000, 1001, 1001, 2001, 1004, 2003, 2003, 2004, 1005])
        #expect(packets.map(\.acknowledgement) == [0, 1001, 2001, 2001, 1004, 2003, 1005, 1005, 1005, 2005])
        #expect(packets.map(\.nanoseconds) == [1, 1, 1, 5, 5, 6, 6, 5, 7, 7])
        let sources = packets.map { $0.source == "10.0.0.1:50000" ? "c" : $0.source == "10.0.0.2:8433" ? "s" : "?" }
        #expect(sources.joined() == "cscc" + "scss" + "sc")
    }

    @Test func `sequence numbers go on from zero behind 2^32`() throws {
        var ring = PacketRing(capacity: 1 << 17)
        var connection = make(UInt32.max, UInt32.max - 2)
        let words = (0..<10).map { [UInt8](repeating: $0, count: 3) }
        for word in words {
            #expect(append(word, .client, &connection, &ring) == 0)
            #expect(append(word, .server, &connection, &ring) == 0)
        }
        connection.close(first: .server, at: 7, into: &ring)
        let recorded = try read(&ring).connections[0]
        #expect(recorded.packets[0].sequence == .max && recorded.packets[2].sequence == 0)
        #expect(recorded.clientBytes == words.flatMap(\.self) && recorded.serverBytes == words.flatMap(\.self))
        #expect(recorded.isOpened && recorded.isFinished)
        #expect(recorded.packets.last?.sequence == 29 && recorded.packets.last?.acknowledgement == 31)
    }

    @Test func `bytes are cut into packets of 65,000 at most`() throws {
        var ring = PacketRing(capacity: 1 << 20)
        var connection = make()
        let bytes = (0..<195_001).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        #expect(append(bytes, .server, &connection, &ring) == 0)
        let recorded = try read(&ring).connections[0]
        #expect(recorded.packets.dropFirst(3).map(\.payload.count) == [65_000, 65_000, 65_000, 1])
        #expect(recorded.serverBytes == bytes && recorded.clientBytes == [])
    }

    @Test func `bytes without room are missing in the numbers`() throws {
        var ring = PacketRing(capacity: 100_000)
        var connection = make()
        let large = [UInt8](repeating: 1, count: 130_000)
        // The second packet of them has no room, small ones still have.
        #expect(append(large, .server, &connection, &ring) == 65_000)
        #expect(append([7, 8], .server, &connection, &ring) == 0)
        #expect(append([1], .client, &connection, &ring) == 0)
        let recorded = try read(&ring).connections[0]
        #expect(recorded.pieces(from: recorded.server).map(\.offset) == [0, 130_000])
        #expect(recorded.packets.last?.acknowledgement == 132_003)
    }

    @Test func `a connection that found no room at first opens late, and what came before is missing`() throws {
        var ring = PacketRing(capacity: 100_000)
        var other = make()
        let fill = [UInt8](repeating: 1, count: 65_000)
        #expect(append(fill, .client, &other, &ring) == 0)
        // As large as what is left: even a SYN finds no room.
        let left = 100_000 - ring.byteCount
        #expect(append([UInt8](repeating: 1, count: left - 56), .client, &other, &ring) == 0)
        var connection = make(10, 20)
        #expect(!connection.begin(at: 1, into: &ring))
        #expect(append([1, 2, 3], .client, &connection, &ring) == 3)
        #expect(append([1, 2], .server, &connection, &ring) == 2)
        connection.end(.client, at: 2, into: &ring)
        _ = try read(&ring)

        #expect(append([4], .client, &connection, &ring) == 0)
        connection.close(first: .client, at: 3, into: &ring)
        let recorded = try read(&ring).connections[0]
        #expect(recorded.isOpened && recorded.isFinished)
        #expect(recorded.packets.map(\.sequence) == [10, 20, 11, 14, 15, 23, 23, 16])
        #expect(recorded.packets.map(\.acknowledgement) == [0, 11, 21, 23, 23, 16, 16, 24])
    }

    @Test func `a gap is never shown larger than half of the numbers allow`() throws {
        var ring = PacketRing(capacity: 1 << 17)
        var connection = make()
        #expect(append([1], .client, &connection, &ring) == 0)
        // Nothing reads them: one page of zeros stands for 3 GiB.
        var full = PacketRing(capacity: Packet.bytesMax)
        _ = full.reserve(Packet.bytesMax)
        full.commit(Packet.bytesMax)
        let bytes = [UInt8](repeating: 0, count: 64 << 20)
        var lost = 0
        for _ in 0..<48 {
            lost += bytes.withUnsafeBytes { connection.append($0, from: .client, at: 1, into: &full) }
        }
        #expect(lost == 48 * bytes.count)
        #expect(append([2], .client, &connection, &ring) == 0)
        let recorded = try read(&ring).connections[0]
        #expect(recorded.pieces(from: recorded.client).map(\.offset) == [0, 1 + Int(RecordedConnection.gapMax)])
    }

    @Test(arguments: [RecordedSide.client, .server])
    func `a reset ends it`(side: RecordedSide) throws {
        var ring = PacketRing(capacity: 1 << 17)
        var connection = make()
        #expect(append([1], .client, &connection, &ring) == 0)
        connection.reset(by: side, at: 9, into: &ring)
        connection.close(first: side, at: 9, into: &ring)
        let recorded = try read(&ring).connections[0]
        #expect(recorded.packets.map(\.flags) == [0x02, 0x12, 0x10, 0x18, 0x14])
        #expect(recorded.packets.last?.source == (side == .client ? recorded.client : recorded.server))
        #expect(recorded.packets.last?.sequence == (side == .client ? 1002 : 2001))
    }
}
