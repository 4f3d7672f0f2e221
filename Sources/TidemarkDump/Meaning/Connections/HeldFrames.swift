import TidemarkWire

/// A frame on its way through an interpreter.
struct Passage: BitwiseCopyable {
    /// Counts all frames from 1, shown or not.
    var number: UInt64
    var time: CaptureTime
    /// From its request, in nanoseconds; negative where that is not known.
    var elapsedNanoseconds: Int64
    /// The largest body allowed at this point.
    var bodyBytesMax: Int
    var direction: Direction
    /// The type of the request that it answers; 0 for none.
    var request: UInt8
}

/// The frames of a connection whose user is not known yet, for as long as a filter asks for one user.
struct HeldFrames: BitwiseCopyable {
    /// Frames and what is noted of each, for one connection. A hello and an authentication are at most 2060.
    static let bytesMax = 8192

    private var memory: UnsafeMutableRawPointer?
    private var used = 0
    /// Frames that found no room.
    private(set) var dropped = 0

    private static let noteBytes = MemoryLayout<Passage>.stride

    /// Owned by whoever holds this; `deallocate` at the end.
    init() {}

    mutating func deallocate() {
        memory?.deallocate()
        self = HeldFrames()
    }

    mutating func add(_ passage: Passage, _ frame: UnsafeRawBufferPointer) {
        let needed = Self.noteBytes + frame.count
        guard used + needed <= Self.bytesMax else {
            dropped += 1
            return
        }
        let memory = self.memory ?? .allocate(byteCount: Self.bytesMax, alignment: 16)
        self.memory = memory
        withUnsafeBytes(of: passage) { (memory + used).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        if let from = frame.baseAddress {
            (memory + used + Self.noteBytes).copyMemory(from: from, byteCount: frame.count)
        }
        used += needed
    }

    /// The frame at `position`, which then stands behind it; nil at the end.
    func next(_ position: inout Int) -> (Passage, UnsafeRawBufferPointer)? {
        guard let memory, position < used else { return nil }
        let passage = (memory + position).loadUnaligned(as: Passage.self)
        let frame = memory + position + Self.noteBytes
        let header = FrameHeader(parsing: UnsafeRawBufferPointer(start: frame, count: Limits.headerBytes))
        let bytes = Limits.headerBytes + header.bodyBytes
        position += Self.noteBytes + bytes
        return (passage, UnsafeRawBufferPointer(start: frame, count: bytes))
    }
}
