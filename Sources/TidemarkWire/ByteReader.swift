// Reads the primitives of the protocol from borrowed bytes. Every read is checked against the end, so nothing that a
// peer sends can read beyond its own frame; what is wrong comes back as a rule and an offset.

public struct ByteReader {
    @usableFromInline let start: UnsafeRawPointer
    @usableFromInline let end: UnsafeRawPointer
    @usableFromInline var cursor: UnsafeRawPointer

    /// - Parameter bytes: must outlive the reader.
    @inlinable
    public init(_ bytes: UnsafeRawBufferPointer) {
        start = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!
        end = start + bytes.count
        cursor = start
    }

    @inlinable public var offset: Int { cursor - start }
    @inlinable public var remaining: Int { end - cursor }
    @inlinable public var isAtEnd: Bool { cursor == end }

    @inlinable
    public mutating func u8() throws(DecodeError) -> UInt8 {
        guard cursor < end else { throw DecodeError(.truncated, offset: offset) }
        defer { cursor += 1 }
        return cursor.load(as: UInt8.self)
    }

    @inlinable
    public mutating func u16() throws(DecodeError) -> UInt16 { try fixed(UInt16.self) }
    @inlinable
    public mutating func u32() throws(DecodeError) -> UInt32 { try fixed(UInt32.self) }
    @inlinable
    public mutating func u64() throws(DecodeError) -> UInt64 { try fixed(UInt64.self) }

    @inlinable
    mutating func fixed<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) throws(DecodeError) -> T {
        guard remaining >= MemoryLayout<T>.size else { throw DecodeError(.truncated, offset: offset) }
        defer { cursor += MemoryLayout<T>.size }
        return T(littleEndian: cursor.loadUnaligned(as: T.self))
    }

    /// An unsigned LEB128 number in its shortest form.
    @inlinable
    public mutating func varint() throws(DecodeError) -> UInt64 {
        guard cursor < end else { throw DecodeError(.truncated, offset: offset) }
        let first = cursor.load(as: UInt8.self)
        if first < 0x80 {
            cursor += 1
            return UInt64(first)
        }
        return try longVarint()
    }

    @usableFromInline
    mutating func longVarint() throws(DecodeError) -> UInt64 {
        let begin = offset
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard cursor < end else { throw DecodeError(.truncated, offset: begin) }
            let byte = cursor.load(as: UInt8.self)
            cursor += 1
            // The tenth byte holds the 64th bit alone.
            if shift == 63, byte > 1 { throw DecodeError(.varint, offset: begin) }
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 {
                if byte == 0 { throw DecodeError(.varint, offset: begin) }
                return value
            }
            shift += 7
        }
    }

    /// A varint of at most `limit`.
    @inlinable
    public mutating func count(upTo limit: Int) throws(DecodeError) -> Int {
        let begin = offset
        let value = try varint()
        guard value <= UInt64(limit) else { throw DecodeError(.tooLong, offset: begin) }
        return Int(value)
    }

    @inlinable
    public mutating func bytes(_ count: Int) throws(DecodeError) -> UnsafeRawBufferPointer {
        guard remaining >= count else { throw DecodeError(.truncated, offset: offset) }
        defer { cursor += count }
        return UnsafeRawBufferPointer(start: cursor, count: count)
    }

    /// A varint length of at most `limit`, and as many bytes.
    @inlinable
    public mutating func block(upTo limit: Int) throws(DecodeError) -> UnsafeRawBufferPointer {
        let count = try count(upTo: limit)
        return try bytes(count)
    }

    /// A length and as many bytes of UTF-8 without control characters.
    public mutating func text(upTo limit: Int) throws(DecodeError) -> String {
        let begin = offset
        let raw = try block(upTo: limit)
        guard let text = Text.validated(raw) else { throw DecodeError(.text, offset: begin) }
        return text
    }

    /// The end of a message: nothing, or extensions, each a tag, a length and as many bytes, tags rising.
    /// Unknown extensions are passed over, which is how a later version adds to a message.
    public mutating func finish() throws(DecodeError) {
        try extensions { _, _ in }
    }

    public mutating func extensions(_ visit: (UInt64, UnsafeRawBufferPointer) -> Void) throws(DecodeError) {
        var previous: UInt64 = 0
        while !isAtEnd {
            let begin = offset
            do {
                let tag = try varint()
                guard tag > previous else { throw DecodeError(.extensions, offset: begin) }
                previous = tag
                visit(tag, try block(upTo: Limits.bodyBytesMax))
            } catch {
                throw DecodeError(.extensions, offset: begin)
            }
        }
    }
}
