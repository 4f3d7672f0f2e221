// The receive buffers that all connections share.
//
//   kernel takes the buffer at the front ──▶ completion names it ──▶ parsed in place
//        ▲                                                              │
//        └── publish: before requests are started        ◀── giveBack ──┘
//
// The ring of free buffers lies in memory shared with the kernel. Whatever is taken in an iteration comes back in the same.
//
// The kernel takes buffers in turn, so it would go through all of them and find each one cold: megabytes, in the place of
// what the connections need in the cache. So it has only some at a time, those that came back last; twice as many each time
// that it found none, and half of them again when it long found some. They begin a line of the cache after one another's
// beginning: a page apart, they would all fall into the same few sets of it.

import CTidemarkLinux
import Glibc

struct ProvidedBuffers: ~Copyable {
    static let group: UInt16 = 0

    private let ring: Slab<io_uring_buf>
    private let bytes: Slab<UInt8>
    private let count: Int
    private let bufferBytes: Int
    private let stride: Int
    /// Those that the kernel has not been given, the one that came back last on top.
    private let free: Slab<UInt16>
    private var freeCount = 0
    /// How many the kernel has, and how many it is to have.
    private var lent = 0
    private var lentMax: Int
    private static let lentAtFirst = 128
    /// The kernel found none since buffers were last published.
    private var hasRunOut = false
    /// Times that buffers were published since the kernel found none, or since `lentMax` was halved.
    private var quiet = 0
    private static let quietBeforeFewer = 4096

    init(count: Int, bufferBytes: Int, on uring: borrowing Ring) throws(EventLoopError) {
        let ring = try make { () throws(SystemError) in try Slab<io_uring_buf>(count: count) }
        let stride = bufferBytes + 64
        let bytes = try make { () throws(SystemError) in try Slab<UInt8>(count: count * stride) }
        let free = try make { () throws(SystemError) in try Slab<UInt16>(count: count) }
        let result = tidemark_buffers_register(uring.pointer, ring.base, UInt32(count), ProvidedBuffers.group)
        if result < 0 {
            let error = SystemError(operation: "io_uring_register", code: -result)
            throw -result == EINVAL
                ? .kernelTooOld(kernel: kernelVersion(), missing: "provided-buffer rings") : .ring(error)
        }
        self.ring = ring
        self.bytes = bytes
        self.count = count
        self.bufferBytes = bufferBytes
        self.stride = stride
        self.free = free
        lentMax = min(count, Self.lentAtFirst)
        for id in (0..<count).reversed() { put(UInt16(truncatingIfNeeded: id)) }
        publish()
    }

    /// The first `count` bytes of buffer `id`.
    func contents(of id: UInt16, count: Int) -> UnsafeRawBufferPointer {
        assert(Int(id) < self.count && count <= bufferBytes)
        return UnsafeRawBufferPointer(start: bytes.base + Int(id) &* stride, count: count)
    }

    private mutating func put(_ id: UInt16) {
        free[freeCount] = id
        freeCount &+= 1
    }

    /// Buffer `id` is no longer read; the kernel gets it with the next `publish`, or later.
    mutating func giveBack(_ id: UInt16) {
        lent &-= 1
        put(id)
    }

    /// The kernel found none.
    mutating func ranOut() { hasRunOut = true }

    mutating func publish() {
        quiet &+= 1
        if hasRunOut {
            lentMax = min(count, 2 * lentMax)
            (hasRunOut, quiet) = (false, 0)
        } else if quiet == Self.quietBeforeFewer {
            lentMax = max(min(count, Self.lentAtFirst), lentMax / 2)
            quiet = 0
        }
        var added: UInt32 = 0
        while lent < lentMax, freeCount > 0 {
            freeCount &-= 1
            let id = free[freeCount]
            let buffer = bytes.base + Int(id) &* stride
            tidemark_buffers_add(ring.base, UInt32(count), buffer, UInt32(bufferBytes), id, added)
            added &+= 1
            lent &+= 1
        }
        if added > 0 { tidemark_buffers_publish(ring.base, added) }
    }
}
