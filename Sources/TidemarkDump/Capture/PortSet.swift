//  The ports that servers listen on.

/// Some TCP ports.
struct PortSet: ~Copyable {
    private let bits: UnsafeMutablePointer<UInt64>

    init(_ ports: [UInt16]) {
        bits = .allocate(capacity: 1024)
        bits.initialize(repeating: 0, count: 1024)
        for port in ports { bits[Int(port >> 6)] |= 1 << UInt64(port & 63) }
    }

    deinit { bits.deallocate() }

    @inline(__always)
    func contains(_ port: UInt16) -> Bool { bits[Int(port >> 6)] & (1 << UInt64(port & 63)) != 0 }
}
