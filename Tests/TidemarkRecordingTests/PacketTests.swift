import Testing

@testable import TidemarkRecording

/// Packets against bytes that were put together by hand, from RFC 791, 8200 and 9293.
@Suite struct PacketTests {
    private func record(_ packet: Packet, _ payload: [UInt8], at time: UInt64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: packet.bytes(payload: payload.count))
        payload.withUnsafeBytes { payload in bytes.withUnsafeMutableBytes { packet.write(payload, at: time, to: $0) } }
        return bytes
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    @Test func `an IPv4 SYN`() throws {
        let packet = Packet(
            source: try #require(IPEndpoint("192.0.2.1", port: 40_000)),
            destination: try #require(IPEndpoint("198.51.100.7", port: 8433)),
            sequence: 0x0102_0304,
            // Without its flag it is not sent.
            acknowledgement: 0xFFFF_FFFF,
            flags: .syn
        )
        let expected = bytes(
            """
            12D68600 15CD5B07 30000000 30000000
            45000030 00004000 40064E8C C0000201 C6336407
            9C4020F1 01020304 00000000 7002FFFF DE680000 0204FDE8 0103030E
            """
        )
        #expect(record(packet, [], at: 8_836_626_123_456_789) == expected)
    }

    @Test func `IPv6 data with an odd length, between addresses of both families`() throws {
        let packet = Packet(
            source: try #require(IPEndpoint("2001:db8::1%eth0", port: 8433)),
            destination: try #require(IPEndpoint("192.0.2.9", port: 50_123)),
            sequence: 0xFFFF_FFFE,
            acknowledgement: 7,
            flags: [.push, .acknowledge]
        )
        let expected = bytes(
            """
            00000000 00000000 3F000000 3F000000
            60000000 00170640 20010DB8 00000000 00000000 00000001 00000000 00000000 0000FFFF C0000209
            20F1C3CB FFFFFFFE 00000007 5018FFFF D7410000 010203
            """
        )
        #expect(record(packet, [1, 2, 3], at: 0) == expected)
    }

    @Test func `the checksum of RFC 1071's example, whole and in two parts`() {
        let words: [UInt8] = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]
        var whole = Checksum()
        words.withUnsafeBytes { whole.add($0) }
        #expect(whole.value == ~0xDDF2)
        var parts = Checksum()
        words[..<2].withUnsafeBytes { parts.add($0) }
        words[2...].withUnsafeBytes { parts.add($0) }
        #expect(parts.value == whole.value)
        var number = Checksum()
        number.add(0x0001_F203_F4F5_F6F7)
        #expect(number.value == whole.value)
    }

    @Test(arguments: ["", "localhost", "1.2.3", "1.2.3.4:5", "[::1]", ":::1"])
    func `what is no address`(text: String) {
        #expect(IPEndpoint(text, port: 1) == nil)
    }
}
