//  A frame is a header and a body. The header, 6 bytes, little-endian:
//
//      byte 0        1        2             3        4        5
//      ┌─────────────────────┬──────┐ ┌────────┐ ┌─────────────────┐
//      │ body length, 20 bits│flags4│ │  type  │ │   request id    │
//      └─────────────────────┴──────┘ └────────┘ └─────────────────┘
//
//  The flags are the high half of byte 2. A reply carries its request's id; what the server says unasked carries 0.

public struct FrameHeader: Equatable, Sendable {
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt8
        @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// A receiver that does not know the type passes the frame over instead of closing.
        @inlinable public static var ignorable: Flags { Flags(rawValue: 1) }
        /// The other three bits: zero in version 1.
        @inlinable public static var known: Flags { [.ignorable] }
    }

    public var bodyBytes: Int
    public var flags: Flags
    /// As on the wire; `MessageType(rawValue:)` tells whether this version knows it.
    public var type: UInt8
    public var request: UInt16

    @inlinable
    public init(type: UInt8, request: UInt16, flags: Flags = [], bodyBytes: Int) {
        self.bodyBytes = bodyBytes
        self.flags = flags
        self.type = type
        self.request = request
    }

    /// The header at the start of `bytes`, which holds at least `Limits.headerBytes`.
    @inlinable
    public init(parsing bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count >= Limits.headerBytes)
        let base = bytes.baseAddress!
        let low = UInt32(littleEndian: base.loadUnaligned(as: UInt32.self))
        self.init(
            type: UInt8(truncatingIfNeeded: low >> 24),
            request: UInt16(littleEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt16.self)),
            flags: Flags(rawValue: UInt8(truncatingIfNeeded: (low >> 20) & 0xF)),
            bodyBytes: Int(low & 0xF_FFFF)
        )
    }
}

/// The frame at the start of some received bytes. Invariant: of `.frame`, `body.count == header.bodyBytes`.
public enum FrameParse {
    /// More bytes are needed to tell; nothing is wrong so far.
    case incomplete
    case frame(FrameHeader, body: UnsafeRawBufferPointer)
    /// The header announces a body over the limit; known as soon as the header is there.
    case tooLarge(FrameHeader)

    @inlinable
    public static func first(in bytes: UnsafeRawBufferPointer, bodyBytesMax: Int) -> FrameParse {
        guard bytes.count >= Limits.headerBytes else { return .incomplete }
        let header = FrameHeader(parsing: bytes)
        guard header.bodyBytes <= bodyBytesMax else { return .tooLarge(header) }
        let end = Limits.headerBytes + header.bodyBytes
        guard bytes.count >= end else { return .incomplete }
        return .frame(header, body: UnsafeRawBufferPointer(rebasing: bytes[Limits.headerBytes..<end]))
    }
}

extension ByteWriter {
    /// Begins a frame; the body follows, then `endFrame` with what this returned.
    @inlinable @inline(__always)
    public mutating func beginFrame(_ type: MessageType, request: UInt16, flags: FrameHeader.Flags = []) -> Int {
        let mark = written
        u32(UInt32(type.rawValue) << 24 | UInt32(flags.rawValue) << 20)
        u16(request)
        return mark
    }

    /// Fills in the length of the frame begun at `mark`.
    @inlinable @inline(__always)
    public mutating func endFrame(_ mark: Int) {
        let body = written - mark - Limits.headerBytes
        precondition(body >= 0 && body <= Limits.bodyBytesMax, "a frame's body is bounded by what builds it")
        let low = (base + mark).loadUnaligned(as: UInt32.self)
        patch(UInt32(littleEndian: low) | UInt32(body), at: mark)
    }
}
