//  What a proxy says of a connection before anything else: the PROXY protocol's version 2, by HAProxy's specification
//  (proxy-protocol.txt, section 2.2).
//
//      signature, 12 bytes | version and command u8 | family and protocol u8 | length u16, big-endian | addresses | TLVs

import Glibc

/// Who a proxy says that its client is.
public struct ProxyHeader: Equatable, Sendable {
    /// As bytes, 4 or 16, and its port; nil where the proxy speaks for itself, or does not know.
    public var source: (address: [UInt8], port: UInt16)?
    /// Of the header.
    public var byteCount: Int

    public enum Parsed: Equatable, Sendable {
        case incomplete
        case header(ProxyHeader)
        case invalid
    }

    /// With as much room for TLVs as a body has before authentication.
    public static let bytesMax = 1_040
    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]
    private static let fixedBytes = 16

    public static func == (a: ProxyHeader, b: ProxyHeader) -> Bool {
        a.byteCount == b.byteCount && a.source?.address == b.source?.address && a.source?.port == b.source?.port
    }

    /// As much as there is of the connection's bytes so far.
    public static func parse(_ bytes: UnsafeRawBufferPointer) -> Parsed {
        guard bytes.prefix(signature.count).elementsEqual(signature.prefix(bytes.count)) else { return .invalid }
        guard bytes.count >= fixedBytes else { return .incomplete }
        // Version 2; LOCAL or PROXY.
        guard bytes[12] == 0x20 || bytes[12] == 0x21 else { return .invalid }
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        let end = fixedBytes + length
        guard end <= bytesMax else { return .invalid }
        // A stream over IPv4 or IPv6; of anything else the addresses are passed over, as the specification says.
        let addressBytes: Int? =
            switch bytes[13] {
            case 0x11: 4
            case 0x21: 16
            default: nil
            }
        guard bytes[12] == 0x21, let addressBytes else {
            return bytes.count < end ? .incomplete : .header(ProxyHeader(source: nil, byteCount: end))
        }
        guard length >= 2 * addressBytes + 4 else { return .invalid }
        guard bytes.count >= end else { return .incomplete }
        let address = Array(bytes[fixedBytes..<fixedBytes + addressBytes])
        let port = fixedBytes + 2 * addressBytes
        let source = (address, UInt16(bytes[port]) << 8 | UInt16(bytes[port + 1]))
        return .header(ProxyHeader(source: source, byteCount: end))
    }

    /// "192.0.2.7:49152", "[2001:db8::7]:49152"
    var sourceText: String? {
        guard let (address, port) = source else { return nil }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = address.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, address, &text, socklen_t(text.count)) != nil else { return nil }
        let host = text.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return ListenAddress.tcp(host: host, port: port).description
    }
}

/// Addresses that begin alike: "10.0.0.0/8", "2001:db8::/32", or one address.
public struct AddressBlock: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16.
    private let bytes: [UInt8]
    private let bits: Int

    /// Nil for what is none, and where bits behind the prefix are set.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = Self.address(String(parts[0])) else { return nil }
        let most = 8 * address.count
        guard let bits = parts.count == 1 ? most : Int(parts[1]), (0...most).contains(bits) else { return nil }
        self.bytes = address
        self.bits = bits
        for bit in bits..<most {
            let mask: UInt8 = 0x80 >> UInt8(bit % 8)
            if address[bit / 8] & mask != 0 { return nil }
        }
    }

    /// Of a numeric address; nil for what is none.
    static func address(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes[..<4]) }
        guard inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
        // An IPv4 address on a socket for both.
        let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        return isMapped ? Array(bytes[12...]) : bytes
    }

    func contains(_ address: [UInt8]) -> Bool {
        guard address.count == bytes.count else { return false }
        guard address.prefix(bits / 8).elementsEqual(bytes.prefix(bits / 8)) else { return false }
        guard bits % 8 > 0 else { return true }
        let differs = address[bits / 8] ^ bytes[bits / 8]
        return differs >> UInt8(8 - bits % 8) == 0
    }

    public var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
        let host = text.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return bits == 8 * bytes.count ? host : "\(host)/\(bits)"
    }
}
