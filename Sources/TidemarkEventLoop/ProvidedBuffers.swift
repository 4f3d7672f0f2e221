// The receive buffers that all connections share.
//
//   kernel takes the buffer at the front ──▶ completion names it ──▶ parsed in place
//        ▲                                                              │
//        └── publish: before requests are started        ◀── giveBack ──┘
//
// The ring of free buffers lies in memory shared with the kernel. Whatever is taken in an iteration comes back in the
// same, so at its end the kernel has every buffer but those of completions not yet read.

import CTidemarkLinux
import Glibc

struct ProvidedBuffers: ~Copyable {
    static let group: UInt16 = 0

    private let ring: Slab<io_uring_buf>
    private let bytes: Slab<UInt8>
    private let count: Int
    private let bufferBytes: Int
    private var unpublished: UInt32 = 0

    init(count: Int, bufferBytes: Int, on uring: borrowing Ring) throws(EventLoopError) {
        let ring = try make { () throws(SystemError) in try Slab<io_uring_buf>(count: count) }
        let bytes = try make { () throws(SystemError) in try Slab<UInt8>(count: count * bufferBytes) }
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
        for id in 0..<count { giveBack(UInt16(truncatingIfNeeded: id)) }
        publish()
    }

    /// The first `count` bytes of buffer `id`.
    func contents(of id: UInt16, count: Int) -> UnsafeRawBufferPointer {
        assert(Int(id) < self.count && count <= bufferBytes)
        return UnsafeRawBufferPointer(start: bytes.base + Int(id) &* bufferBytes, count: count)
    }

    /// Buffer `id` is no longer read; the kernel gets it with the next `publish`.
    mutating func giveBack(_ id: UInt16) {
        let buffer = bytes.base + Int(id) &* bufferBytes
        tidemark_buffers_add(ring.base, UInt32(count), buffer, UInt32(bufferBytes), id, unpublished)
        unpublished &+= 1
    }

    mutating func publish() {
        if unpublished == 0 { return }
        tidemark_buffers_publish(ring.base, unpublished)
        unpublished = 0
    }
}
