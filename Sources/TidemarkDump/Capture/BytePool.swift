//  Memory for bytes that have to wait: the tail of a frame that is not whole, a segment that came too early.
//
//      class 0: 256 B ─▶ □ ─▶ □      one free list for each power of two; the link lies in the free block itself
//      class 1: 512 B ─▶ □
//      …
//      class 13: 2 MiB
//
//  The pool refuses rather than grow beyond its bound: what a capture holds cannot make the program large.

import Glibc

/// `count` bytes wait at the front of a block. All zeros: no block.
struct ByteBlock: BitwiseCopyable {
    var base: UnsafeMutableRawPointer?
    var count: UInt32 = 0
    var sizeClass: UInt8 = 0

    var capacity: Int { base == nil ? 0 : BytePool.byteCount(of: sizeClass) }
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base.map { UnsafeRawPointer($0) }, count: Int(count))
    }
}

struct BytePool: ~Copyable {
    private static let smallest = 256
    private static let classes = 14
    static let byteCountMax = smallest << (classes - 1)

    private let free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    /// Bytes of the blocks that are in use, and the most that may be.
    private(set) var usedBytes = 0
    let usedBytesMax: Int
    /// Bytes of free blocks that are kept, and the most that are: of one size they may be in nobody's way for ever.
    private(set) var freeBytes = 0
    static let freeBytesMax = 8 << 20

    init(usedBytesMax: Int) {
        self.usedBytesMax = usedBytesMax
        free = .allocate(capacity: BytePool.classes)
        free.initialize(repeating: nil, count: BytePool.classes)
    }

    deinit {
        for sizeClass in 0..<BytePool.classes {
            while let block = free[sizeClass] {
                free[sizeClass] = block.load(as: UnsafeMutableRawPointer?.self)
                Glibc.free(block)
            }
        }
        free.deallocate()
    }

    static func byteCount(of sizeClass: UInt8) -> Int { smallest &<< Int(sizeClass) }

    static func sizeClass(for count: Int) -> UInt8 {
        if count <= smallest { return 0 }
        return UInt8(truncatingIfNeeded: Int.bitWidth - (count - 1).leadingZeroBitCount - smallest.trailingZeroBitCount)
    }

    /// An empty block of at least `count` bytes; nil when the bound is reached.
    mutating func take(_ count: Int) -> ByteBlock? {
        precondition(count <= BytePool.byteCountMax)
        let sizeClass = BytePool.sizeClass(for: count)
        let byteCount = BytePool.byteCount(of: sizeClass)
        guard usedBytes &+ byteCount <= usedBytesMax else { return nil }
        usedBytes &+= byteCount
        if let base = free[Int(sizeClass)] {
            free[Int(sizeClass)] = base.load(as: UnsafeMutableRawPointer?.self)
            freeBytes &-= byteCount
            return ByteBlock(base: base, sizeClass: sizeClass)
        }
        guard let base = malloc(byteCount) else { fatalError("out of memory") }
        return ByteBlock(base: base, sizeClass: sizeClass)
    }

    /// Takes `block` back; it is then no block. Large ones, and too many, go back to the system: a burst does not stay.
    mutating func give(_ block: inout ByteBlock) {
        guard let base = block.base else { return }
        let byteCount = BytePool.byteCount(of: block.sizeClass)
        usedBytes &-= byteCount
        if byteCount <= 65536, freeBytes &+ byteCount <= BytePool.freeBytesMax {
            freeBytes &+= byteCount
            base.storeBytes(of: free[Int(block.sizeClass)], as: UnsafeMutableRawPointer?.self)
            free[Int(block.sizeClass)] = base
        } else {
            Glibc.free(base)
        }
        block = ByteBlock()
    }

    /// Appends `bytes`, in a larger block if need be. False, and nothing done, when the bound is reached.
    mutating func append(_ bytes: UnsafeRawBufferPointer, to block: inout ByteBlock) -> Bool {
        let needed = Int(block.count) + bytes.count
        if needed > block.capacity {
            guard var larger = take(needed) else { return false }
            if let old = block.base { memcpy(larger.base!, old, Int(block.count)) }
            larger.count = block.count
            give(&block)
            block = larger
        }
        if let source = bytes.baseAddress { memcpy(block.base! + Int(block.count), source, bytes.count) }
        block.count = UInt32(needed)
        return true
    }
}
