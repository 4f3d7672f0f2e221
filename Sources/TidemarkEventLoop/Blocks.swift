// Memory for bytes that wait: unsent output, and the tail of a frame that is not complete yet.
//
//   class 0: 128 bytes ─▶ □ ─▶ □     a free list for each power of two; the link is in the free block itself
//   class 1: 256 bytes ─▶ □
//   class 2: 512 bytes               empty: from malloc
//   …
//
// A connection holds a block only while bytes wait in it, so an idle connection costs none. The lists keep at most
// `cachedBytesMax`; what comes back beyond that is freed.

import Glibc

/// Bytes `start..<end` of one block wait. All zeros: no block.
struct Block: BitwiseCopyable {
    /// The address, and in the byte above it the size class: no address of a process has more than 56 bits.
    private var bits: UInt = 0
    var start: UInt32 = 0
    var end: UInt32 = 0

    init() {}

    init(base: UnsafeMutableRawPointer, sizeClass: UInt8) {
        precondition(UInt(bitPattern: base) >> 56 == 0, "an allocator that tags addresses in their top byte")
        bits = UInt(bitPattern: base) | UInt(sizeClass) << 56
    }

    var base: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: bits & (1 << 56 - 1)) }
    var sizeClass: UInt8 { UInt8(truncatingIfNeeded: bits >> 56) }

    var count: Int { Int(end &- start) }
    var isEmpty: Bool { start == end }
    var space: Int { base == nil ? 0 : BlockPool.byteCount(of: sizeClass) &- Int(end) }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base.map { UnsafeRawPointer($0 + Int(start)) }, count: count)
    }
}

struct BlockPool: ~Copyable {
    /// Two lines of the cache: most answers fit, and those of some hundred connections stay in it together.
    private static let smallest = 128
    private static let classes = 25
    /// The largest block: 2 GiB.
    static let byteCountMax = smallest << (classes - 1)
    private static let cachedBytesMax = 64 << 20

    private let free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private var cachedBytes = 0
    /// Blocks that were taken and are not given back.
    private(set) var takenCount = 0

    init() {
        free = .allocate(capacity: BlockPool.classes)
        free.initialize(repeating: nil, count: BlockPool.classes)
    }

    deinit {
        for sizeClass in 0..<BlockPool.classes {
            while let block = free[sizeClass] {
                free[sizeClass] = block.load(as: UnsafeMutableRawPointer?.self)
                Glibc.free(block)
            }
        }
        free.deallocate()
    }

    static func byteCount(of sizeClass: UInt8) -> Int {
        smallest &<< Int(sizeClass)
    }

    /// Gives `block` room for `count` bytes more after its end: as it is, by moving its bytes to the front, or by
    /// moving them to a larger block. To the front only when that frees as much as it moves, so that each byte moves
    /// a bounded number of times.
    mutating func makeSpace(_ count: Int, in block: inout Block) {
        if block.space >= count { return }
        let needed = block.count + count
        precondition(needed <= BlockPool.byteCountMax, "2 GiB wait on one connection: see outputBytes")
        if let base = block.base, Int(block.start) >= block.count, BlockPool.byteCount(of: block.sizeClass) >= needed {
            memmove(base, base + Int(block.start), block.count)
            (block.start, block.end) = (0, UInt32(block.count))
            return
        }
        var larger = take(needed)
        if let base = block.base {
            memcpy(larger.base!, base + Int(block.start), block.count)
            larger.end = UInt32(block.count)
            give(&block)
        }
        block = larger
    }

    /// Takes `block` back, with what is in it; it is then no block.
    mutating func give(_ block: inout Block) {
        guard let base = block.base else { return }
        takenCount &-= 1
        let byteCount = BlockPool.byteCount(of: block.sizeClass)
        if cachedBytes + byteCount <= BlockPool.cachedBytesMax {
            base.storeBytes(of: free[Int(block.sizeClass)], as: UnsafeMutableRawPointer?.self)
            free[Int(block.sizeClass)] = base
            cachedBytes &+= byteCount
        } else {
            Glibc.free(base)
        }
        block = Block()
    }

    /// Adds `bytes` at the end of what waits in it.
    mutating func append(_ bytes: UnsafeRawBufferPointer, to block: inout Block) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        makeSpace(bytes.count, in: &block)
        memcpy(block.base! + Int(block.end), source, bytes.count)
        block.end &+= UInt32(bytes.count)
    }

    private mutating func take(_ count: Int) -> Block {
        takenCount &+= 1
        let sizeClass = BlockPool.sizeClass(for: count)
        if let base = free[Int(sizeClass)] {
            free[Int(sizeClass)] = base.load(as: UnsafeMutableRawPointer?.self)
            cachedBytes &-= BlockPool.byteCount(of: sizeClass)
            return Block(base: base, sizeClass: sizeClass)
        }
        guard let base = malloc(BlockPool.byteCount(of: sizeClass)) else { fatalError("out of memory") }
        return Block(base: base, sizeClass: sizeClass)
    }

    static func sizeClass(for count: Int) -> UInt8 {
        if count <= smallest { return 0 }
        return UInt8(truncatingIfNeeded: Int.bitWidth - (count - 1).leadingZeroBitCount - smallest.trailingZeroBitCount)
    }
}
