//  What sources tell and outputs hear.
//
//      pcap, live, hex, proxy ──▶ reassembly ──▶ whole frames ──▶ a FrameObserver: lines, JSON, statistics
//
//  Sources know segments and addresses and nothing of contacts; observers know messages and nothing of packets.

import TidemarkWire

/// Which way bytes went.
public enum Direction: UInt8, BitwiseCopyable, Sendable {
    case toServer = 0
    case toClient = 1
}

/// When something was captured, in nanoseconds since the Unix epoch; 0 where the source has no clock.
public struct CaptureTime: Hashable, Comparable, BitwiseCopyable, Sendable {
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    @inlinable public static func < (a: CaptureTime, b: CaptureTime) -> Bool { a.nanoseconds < b.nanoseconds }
}

/// The name of a connection.
public struct ConnectionName: Hashable, BitwiseCopyable, Sendable {
    /// Small and reused once the connection is closed: an index into an observer's own slab.
    public var slot: UInt32
    /// Counts from 1 in order of appearance, as people see it; never reused.
    public var number: UInt64

    @inlinable
    public init(slot: UInt32, number: UInt64) {
        self.slot = slot
        self.number = number
    }
}

/// One end of a connection.
public struct Endpoint: Hashable, BitwiseCopyable, Sendable {
    public enum Family: UInt8, BitwiseCopyable, Sendable {
        /// The source has no addresses: raw bytes, or a Unix socket.
        case none
        case ipv4
        case ipv6
    }

    public var family: Family
    public var port: UInt16
    /// In network order; IPv4 uses the first four bytes, the rest is zero.
    public var address: (high: UInt64, low: UInt64)

    @inlinable
    public init(family: Family = .none, address: (high: UInt64, low: UInt64) = (0, 0), port: UInt16 = 0) {
        self.family = family
        self.address = address
        self.port = port
    }

    @inlinable
    public static func == (a: Endpoint, b: Endpoint) -> Bool {
        a.family == b.family && a.port == b.port && a.address == b.address
    }

    @inlinable
    public func hash(into hasher: inout Hasher) {
        hasher.combine(family)
        hasher.combine(port)
        hasher.combine(address.high)
        hasher.combine(address.low)
    }
}

/// What keeps a stretch of a connection from being read as frames.
public enum StreamAnomaly: Hashable, Sendable {
    /// Bytes that the capture never saw. `count` is nil where it cannot be told.
    case lost(count: UInt64?)
    /// Bytes passed over before a frame's beginning was found again, after a loss or where a capture begins in the
    /// middle of a connection.
    case skipped(count: UInt64)
    /// The stream ends inside a frame: so many of its bytes are there.
    case cutShort(have: Int, of: Int?)
}

/// How a connection ended.
public enum ConnectionEnd: Sendable {
    /// Both sides said that they are done.
    case closed
    case reset
    /// It was silent while others needed its place in the bounded table.
    case forgotten
    /// A new connection on the same ports took its place; the capture did not see it end.
    case replaced
    /// The capture ended first.
    case captureEnded
}

/// Hears what happens on all connections, in the order of capture. Between `opened` and `closed` a slot is one
/// connection's. `closed` comes for every connection, also when the capture ends.
public protocol FrameObserver: ~Copyable {
    mutating func opened(_ connection: ConnectionName, client: Endpoint, server: Endpoint, at time: CaptureTime)
    /// `frame` is the whole frame, header and body, valid during the call. Its body is as long as its header says;
    /// nothing else has been checked, the limits of the protocol included.
    mutating func frame(
        _ frame: UnsafeRawBufferPointer,
        _ header: FrameHeader,
        of connection: ConnectionName,
        _ direction: Direction,
        at time: CaptureTime
    )
    mutating func anomaly(
        _ anomaly: StreamAnomaly,
        of connection: ConnectionName,
        _ direction: Direction,
        at time: CaptureTime
    )
    mutating func closed(_ connection: ConnectionName, _ end: ConnectionEnd, at time: CaptureTime)
}
