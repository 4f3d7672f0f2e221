import Testing
import TidemarkTesting

@testable import TidemarkServer

@Suite("What a proxy says of a connection") struct ProxyHeaderTests {
    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]
    /// By the specification's layout: 192.0.2.7:49152 to 198.51.100.1:443.
    static let ipv4: [UInt8] =
        signature + [0x21, 0x11, 0, 12] + [192, 0, 2, 7] + [198, 51, 100, 1] + [0xC0, 0x00, 0x01, 0xBB]
    /// [2001:db8::7]:49152, with a TLV of two bytes behind.
    static let ipv6: [UInt8] =
        signature + [0x21, 0x21, 0, 41] + [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [7]
        + [UInt8](repeating: 0, count: 16) + [0xC0, 0x00, 0x01, 0xBB] + [0x04, 0, 2, 1, 2]
    static let local: [UInt8] = signature + [0x20, 0x00, 0, 0]

    private func parse(_ bytes: [UInt8]) -> ProxyHeader.Parsed { bytes.withUnsafeBytes { ProxyHeader.parse($0) } }

    private func header(_ bytes: [UInt8]) -> ProxyHeader? {
        if case .header(let header) = parse(bytes) { header } else { nil }
    }

    @Test("an address of either family, and none where the proxy speaks for itself") func sources() {
        #expect(header(Self.ipv4)?.sourceText == "192.0.2.7:49152" && header(Self.ipv4)?.byteCount == 28)
        #expect(header(Self.ipv6)?.sourceText == "[2001:db8::7]:49152" && header(Self.ipv6)?.byteCount == 57)
        #expect(header(Self.local)?.byteCount == 16 && header(Self.local)?.source == nil)
        // A family that is not that of a stream over IP: the addresses are passed over.
        let unix = Self.signature + [0x21, 0x31, 0, 216] + [UInt8](repeating: 1, count: 216)
        #expect(header(unix)?.byteCount == 232 && header(unix)?.source == nil)
        // LOCAL with addresses, which do not count.
        var local = Self.ipv4
        local[12] = 0x20
        #expect(header(local)?.byteCount == 28 && header(local)?.source == nil)
    }

    @Test("what follows is not its own, and with a byte less it is incomplete", arguments: [ipv4, ipv6, local])
    func cut(bytes: [UInt8]) {
        #expect(header(bytes + [1, 2, 3])?.byteCount == bytes.count)
        for count in 0..<bytes.count { #expect(parse(Array(bytes[..<count])) == .incomplete, "\(count)") }
    }

    @Test("what is no header is refused as soon as that shows") func invalid() {
        #expect(parse([1]) == .invalid)
        #expect(parse(Array(Self.signature[..<11]) + [11]) == .invalid)
        #expect(parse(Array("PROXY TCP4 192.0.2.7 198.51.100.1 49152 443\r\n".utf8)) == .invalid)
        for command: UInt8 in [0x11, 0x22, 0x31, 0x2F] {
            var bytes = Self.ipv4
            bytes[12] = command
            #expect(parse(bytes) == .invalid)
        }
        // Too short for its addresses; and longer than anybody has to say.
        #expect(parse(Self.signature + [0x21, 0x11, 0, 11]) == .invalid)
        #expect(parse(Self.signature + [0x21, 0x21, 0, 35]) == .invalid)
        #expect(parse(Self.signature + [0x20, 0x00, 0x04, 0x01]) == .invalid)
        #expect(parse(Self.signature + [0x20, 0x00, 0x04, 0x00]) == .incomplete)
    }

    @Test("networks have the addresses that begin as they do") func networks() throws {
        func contains(_ block: String, _ address: String) throws -> Bool {
            try #require(AddressBlock(block)).contains(try #require(AddressBlock.address(address)))
        }
        #expect(try contains("10.0.0.0/8", "10.255.0.1") && contains("10.0.0.0/9", "10.127.255.255"))
        #expect(try !contains("10.0.0.0/9", "10.128.0.0") && !contains("10.0.0.0/8", "11.0.0.0"))
        #expect(try contains("127.0.0.1", "127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"))
        #expect(try contains("0.0.0.0/0", "203.0.113.9") && !contains("0.0.0.0/0", "2001:db8::1"))
        #expect(try contains("2001:db8::/33", "2001:db8:7fff::1") && !contains("2001:db8::/33", "2001:db8:8000::1"))
        #expect(try contains("10.0.0.0/8", "::ffff:10.1.2.3"))
        for text in ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0/8", "localhost", "::/129", "10.0.0.0/8/8"] {
            #expect(AddressBlock(text) == nil, "\(text)")
        }
        #expect(AddressBlock("10.0.0.0/8")?.description == "10.0.0.0/8")
        #expect(AddressBlock("2001:db8::1")?.description == "2001:db8::1")
    }
}
