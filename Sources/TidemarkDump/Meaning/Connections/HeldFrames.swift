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
    /// What every connection gets at first: room for a hello and an authentication of the usual size.
    static let bytesMin = 256
    /// For all connections, in bytes. The first piece of each counts, and is given beyond it too.
    static let totalBytesMax = 32 << 20

    private var memory: UnsafeMutableRawPointer?
    private var capacity = 0
    private var used = 0
    /// Frames that found no room.
    private(set) var dropped = 0

    private static let noteBytes = MemoryLayout<Passage>.stride

    /// Owned by whoever holds this; `deallocate` at the end.
    init() {}

    mutating func deallocate(_ budget: inout MemoryBudget) {
        memory?.deallocate()
        budget.giveBack(capacity)
        self = HeldFrames()
    }

    mutating func add(_ passage: Passage, _ frame: UnsafeRawBufferPointer, _ budget: inout MemoryBudget) {
        let needed = Self.noteBytes + frame.count
        guard dropped == 0, used + needed <= capacity || grow(to: used + needed, &budget), let memory else {
            // What follows a frame that is missing is not shown either, so that what is shown has no gap.
            dropped += 1
            return
        }
        withUnsafeBytes(of: passage) { (memory + used).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        if let from = frame.baseAddress {
            (memory + used + Self.noteBytes).copyMemory(from: from, byteCount: frame.count)
        }
        used += needed
    }

    private mutating func grow(to bytes: Int, _ budget: inout MemoryBudget) -> Bool {
        guard bytes <= Self.bytesMax else { return false }
        var larger = max(Self.bytesMin, capacity)
        while larger < bytes { larger *= 2 }
        if larger == Self.bytesMin {
            budget.takeAlways(larger)
        } else if !budget.take(larger - capacity) {
            return false
        }
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        if let memory {
            moved.copyMemory(from: memory, byteCount: used)
            memory.deallocate()
        }
        memory = moved
        capacity = larger
        return true
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
