// Writes the primitives of the protocol into memory of its own, which grows. A loop keeps one and empties it for each
// answer, so that in the steady state nothing is allocated.

public struct ByteWriter: ~Copyable {
    @usableFromInline var base: UnsafeMutableRawPointer
    @usableFromInline var capacity: Int
    @usableFromInline var written: Int

    public init(capacity: Int = 256) {
        precondition(capacity > 0)
        base = .allocate(byteCount: capacity, alignment: 16)
        self.capacity = capacity
        written = 0
    }

    deinit { base.deallocate() }

    @inlinable public var count: Int { written }
    /// Valid until the next write.
    @inlinable public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: written) }
    public var array: [UInt8] { Array(bytes) }

    /// Forgets all from `count` on; keeps the memory.
    @inlinable
    public mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= written)
        written = count
    }

    /// Makes room and returns where the next byte goes; the caller advances `written`.
    @inlinable @inline(__always)
    mutating func room(for more: Int) -> UnsafeMutableRawPointer {
        if written + more > capacity { grow(by: more) }
        return base + written
    }

    @usableFromInline
    mutating func grow(by more: Int) {
        let larger = max(capacity * 2, written + more)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        moved.copyMemory(from: base, byteCount: written)
        base.deallocate()
        base = moved
        capacity = larger
    }

    @inlinable @inline(__always)
    public mutating func u8(_ value: UInt8) {
        room(for: 1).storeBytes(of: value, as: UInt8.self)
        written += 1
    }

    @inlinable @inline(__always) public mutating func u16(_ value: UInt16) { fixed(value) }
    @inlinable @inline(__always) public mutating func u32(_ value: UInt32) { fixed(value) }
    @inlinable @inline(__always) public mutating func u64(_ value: UInt64) { fixed(value) }

    @inlinable @inline(__always)
    mutating func fixed<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        room(for: MemoryLayout<T>.size).storeBytes(of: value.littleEndian, as: T.self)
        written += MemoryLayout<T>.size
    }

    /// An unsigned LEB128 number in its shortest form: 1 to 10 bytes.
    @inlinable @inline(__always)
    public mutating func varint(_ value: UInt64) {
        if value < 0x80 { return u8(UInt8(truncatingIfNeeded: value)) }
        longVarint(value)
    }

    @inlinable
    mutating func longVarint(_ value: UInt64) {
        let to = room(for: 10)
        var rest = value
        var at = 0
        while rest >= 0x80 {
            to.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: at, as: UInt8.self)
            rest &>>= 7
            at += 1
        }
        to.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: at, as: UInt8.self)
        written += at + 1
    }

    @inlinable @inline(__always) public mutating func varint(_ value: Int) { varint(UInt64(value)) }

    @inlinable
    public mutating func bytes(_ source: UnsafeRawBufferPointer) {
        guard let from = source.baseAddress, source.count > 0 else { return }
        room(for: source.count).copyMemory(from: from, byteCount: source.count)
        written += source.count
    }

    public mutating func bytes(_ source: [UInt8]) {
        source.withUnsafeBytes { bytes($0) }
    }

    /// A varint length and as many bytes.
    public mutating func block(_ source: [UInt8]) {
        varint(source.count)
        bytes(source)
    }

    /// A varint length and as many bytes of UTF-8.
    public mutating func text(_ source: String) {
        var copy = source
        copy.withUTF8 {
            varint($0.count)
            bytes(UnsafeRawBufferPointer($0))
        }
    }

    /// Overwrites bytes written before.
    @inlinable
    mutating func patch<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= written)
        (base + offset).storeBytes(of: value.littleEndian, as: T.self)
    }
}

extension ByteWriter {
    /// Leaves `count` bytes to be filled in by `insert(at:reserved:_:)`.
    @inlinable
    public mutating func skip(_ count: Int) {
        _ = room(for: count)
        written += count
    }

    private static let insertedMax = 64

    /// Writes at `start`, where `reserved` bytes were skipped, moving what follows if more or fewer are needed; 64 at most.
    public mutating func insert(at start: Int, reserved: Int, _ body: (inout ByteWriter) -> Void) {
        precondition(start >= 0 && reserved >= 0 && start + reserved <= written)
        // Behind the end first: only then is it known how long it is.
        let end = written
        body(&self)
        let count = written - end
        precondition(count >= 0 && count <= Self.insertedMax)
        let difference = count - reserved
        withUnsafeTemporaryAllocation(byteCount: Self.insertedMax, alignment: 1) { inserted in
            inserted.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[end...]))
            if difference != 0 {
                let from = base + start + reserved
                (from + difference).copyMemory(from: from, byteCount: end - start - reserved)
            }
            (base + start).copyMemory(from: inserted.baseAddress!, byteCount: count)
        }
        written = end + difference
    }
}
