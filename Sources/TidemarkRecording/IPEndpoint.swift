#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#else
    import Glibc
#endif

/// A numeric address and a port: one end of a recorded connection.
public struct IPEndpoint: Hashable, BitwiseCopyable, Sendable {
    /// The address as 128 bits; an IPv4 address is one of ::ffff:0:0/96, as it is to a socket that serves both.
    public let address: (high: UInt64, low: UInt64)
    public let port: UInt16

    init(address: (high: UInt64, low: UInt64), port: UInt16) {
        self.address = address
        self.port = port
    }

    public init(ipv4 address: UInt32, port: UInt16) {
        self.init(address: (0, 0xFFFF << 32 | UInt64(address)), port: port)
    }

    /// From "192.0.2.1" or "2001:db8::1"; a scope such as "%eth0" may follow. Nil: it is no numeric address.
    public init?(_ text: some StringProtocol, port: UInt16) {
        let text = String(text.prefix { $0 != "%" })
        var ipv4 = in_addr()
        var ipv6 = in6_addr()
        if inet_pton(AF_INET, text, &ipv4) == 1 {
            self.init(ipv4: UInt32(bigEndian: ipv4.s_addr), port: port)
        } else if inet_pton(AF_INET6, text, &ipv6) == 1 {
            let address = withUnsafeBytes(of: &ipv6) {
                (
                    high: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                    low: UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            }
            self.init(address: address, port: port)
        } else {
            return nil
        }
    }

    var isIPv4: Bool { address.high == 0 && address.low >> 32 == 0xFFFF }

    public static func == (a: IPEndpoint, b: IPEndpoint) -> Bool { a.address == b.address && a.port == b.port }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(address.high)
        hasher.combine(address.low)
        hasher.combine(port)
    }
}

extension IPEndpoint {
    /// What stands for an end of a Unix socket. The port is the protocol's usual one, which tools know it by; a
    /// client's is made up.
    static let unix = IPEndpoint(ipv4: 0x7F00_0001, port: 8433)

    /// With a port made up, of those that the kernel chooses from. They repeat after 28,232 connections.
    func withMadeUpPort(_ connection: UInt64) -> IPEndpoint {
        IPEndpoint(address: address, port: UInt16(32_768 + connection % 28_232))
    }
}
