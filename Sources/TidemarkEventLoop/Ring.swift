// One io_uring: requests go in, completions come out.
//
//   prepare… ──▶ submission queue ──┐ submitAndWait: one system call an iteration
//                                   ▼
//                                kernel
//                                   │
//   nextCompletion ◀── completion queue       read up to `limit`, as it stood when the wait ended;
//                                             the places go back to the kernel at the next wait
//
// user_data says whom a completion is for:   63       60 59                 32 31                  0
//                                            ├ operation ┼ slot (28 bits) ───┼ generation (32 bits) ┤

import CTidemarkLinux
import Glibc

/// What a request does, and the slot and generation of what it does that for.
struct RequestTag {
    enum Operation: UInt64 {
        case accept, connect, receive, send, cancel, wake
    }

    let bits: UInt64

    init(bits: UInt64) {
        self.bits = bits
    }

    init(_ operation: Operation, slot: UInt32 = 0, generation: UInt32 = 0) {
        bits = operation.rawValue &<< 60 | UInt64(slot) &<< 32 | UInt64(generation)
    }

    var operation: Operation? { Operation(rawValue: bits &>> 60) }
    var slot: UInt32 { UInt32(truncatingIfNeeded: bits &>> 32) & 0x0fff_ffff }
    var generation: UInt32 { UInt32(truncatingIfNeeded: bits) }
}

/// One completion: `result` is bytes or a descriptor, or minus an `errno` value.
struct Completion {
    let tag: RequestTag
    let result: Int32
    private let flags: UInt32

    init(_ completion: tidemark_completion) {
        tag = RequestTag(bits: completion.user_data)
        result = completion.result
        flags = completion.flags
    }

    /// Whether the same request will complete again. If not, it has to be made anew.
    var more: Bool { flags & UInt32(TIDEMARK_COMPLETION_MORE) != 0 }

    /// The provided buffer that holds the bytes.
    var buffer: UInt16? {
        if flags & UInt32(TIDEMARK_COMPLETION_HAS_BUFFER) == 0 { return nil }
        return UInt16(truncatingIfNeeded: flags &>> UInt32(TIDEMARK_COMPLETION_BUFFER_SHIFT))
    }
}

struct Ring: ~Copyable {
    let pointer: UnsafeMutablePointer<io_uring>
    /// To wait for fewer than so many together would not pay for the timer.
    private static let fewest: UInt32 = 4
    /// Where there is so much to do at a time, waiting for more spares hardly anything; and the kernel would run as much
    /// at a time as is waited for, each with a receive buffer of its own, so a storm of logins would touch all of them.
    private static let most: UInt32 = 64
    /// An hour: as good as for ever.
    private static let longest: UInt64 = 3_600_000_000_000

    /// Sends prepared since the last wait, and before it.
    var sends: UInt32 = 0
    private var sendsBefore: UInt32 = 0
    /// Completions of other requests that a wait has brought, of late.
    private var busyness: UInt32 = 0

    private var read: UInt32 = 0
    private var limit: UInt32 = 0
    private let isRegistered: Bool
    /// Whether the kernel can wait for several completions for a short time: it can since Linux 6.12.
    private let canGather: Bool

    init(submissions: Int, completions: Int) throws(EventLoopError) {
        // A local until nothing can throw any more: once `pointer` is set the value is whole, and a throw takes it down as well.
        let ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
        ring.initialize(to: io_uring())
        let result = tidemark_ring_open(ring, UInt32(submissions), UInt32(completions))
        if result < 0 {
            ring.deallocate()
            throw Ring.openError(code: -result)
        }
        do {
            try Ring.probe(ring)
        } catch {
            io_uring_queue_exit(ring)
            ring.deallocate()
            throw error
        }
        // Spares the kernel a descriptor look-up a call; works without.
        isRegistered = io_uring_register_ring_fd(ring) == 1
        canGather = tidemark_ring_can_gather(ring)
        pointer = ring
    }

    deinit {
        io_uring_queue_exit(pointer)
        pointer.deallocate()
    }

    static func openError(code: Int32) -> EventLoopError {
        let error = SystemError(operation: "io_uring_setup", code: code)
        switch code {
        case ENOSYS: return .kernelTooOld(kernel: kernelVersion(), missing: "io_uring_setup")
        case EINVAL: return .kernelTooOld(kernel: kernelVersion(), missing: "DEFER_TASKRUN")
        case EPERM, EACCES: return .ringRefused(kernel: kernelVersion(), error)
        default: return .ring(error)
        }
    }

    /// A kernel that has DEFER_TASKRUN (6.1) has multishot accept (5.19) and receive (6.0) as well, which no probe
    /// shows; operations can still be missing where they are filtered.
    private static func probe(_ ring: UnsafeMutablePointer<io_uring>) throws(EventLoopError) {
        guard tidemark_ring_has_needed_features(ring) else {
            throw .kernelTooOld(kernel: kernelVersion(), missing: "EXT_ARG or NODROP")
        }
        let operations = 256
        let bytes = MemoryLayout<io_uring_probe>.size + operations * MemoryLayout<io_uring_probe_op>.stride
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 8)
        defer { memory.deallocate() }
        memset(memory, 0, bytes)
        let probe = memory.bindMemory(to: io_uring_probe.self, capacity: 1)
        let result = io_uring_register_probe(ring, probe, UInt32(operations))
        guard result >= 0 else {
            let error = SystemError(operation: "io_uring_register", code: -result)
            throw [EPERM, EACCES].contains(-result) ? .ringRefused(kernel: kernelVersion(), error) : .ring(error)
        }
        try Ring.check { io_uring_opcode_supported(probe, Int32($0.rawValue)) != 0 }
    }

    /// Throws for the first operation that the loop needs and the kernel does not have.
    static func check(_ isSupported: (io_uring_op) -> Bool) throws(EventLoopError) {
        let needed: [(io_uring_op, String)] = [
            (IORING_OP_ACCEPT, "ACCEPT"), (IORING_OP_CONNECT, "CONNECT"), (IORING_OP_RECV, "RECV"),
            (IORING_OP_SEND, "SEND"), (IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"), (IORING_OP_READ, "READ"),
        ]
        for (operation, name) in needed where !isSupported(operation) {
            throw .kernelTooOld(kernel: kernelVersion(), missing: name)
        }
    }

    /// Submits what is prepared, and waits for a completion for at most `timeout` nanoseconds (`.max`: for ever; 0:
    /// not at all). Then the completions that there are can be read.
    ///
    /// Where waits have brought several, half as many are waited for, for at most `gathering` microseconds: under load
    /// others are about to come, and to enter the kernel for each costs more than all else that is done for it. Sends come
    /// on top: most have completed when they are submitted, and to have done so is nothing to return for.
    mutating func submitAndWait(timeout: UInt64, gathering: UInt32) throws(EventLoopError) {
        busyness = max(limit &- min(limit, sendsBefore), busyness / 2)
        let wanted = sends &+ busyness / 2
        sendsBefore = sends
        sends = 0
        giveBack()
        let result =
            if canGather, timeout > 0, gathering > 0, busyness >= Ring.fewest, wanted <= Ring.most {
                // The kernel takes no "for ever" here.
                tidemark_ring_submit_and_gather(pointer, isRegistered, wanted, gathering, min(timeout, Ring.longest))
            } else {
                tidemark_ring_submit_and_wait(pointer, timeout == 0 ? 0 : 1, timeout)
            }
        limit = tidemark_ring_ready(pointer)
        try check(result)
    }

    /// Submits what is prepared. The completions of this iteration stay those that there are.
    func submit() throws(EventLoopError) { try check(io_uring_submit(pointer)) }

    private func check(_ result: Int32) throws(EventLoopError) {
        // ETIME: nothing came. EBUSY, EAGAIN: the kernel wants completions read, or memory; what was prepared stays.
        guard result < 0, ![ETIME, EINTR, EBUSY, EAGAIN].contains(-result) else { return }
        throw .ring(SystemError(operation: "io_uring_enter", code: -result))
    }

    /// The next completion of this iteration.
    mutating func nextCompletion() -> Completion? {
        if read == limit { return nil }
        let completion = Completion(tidemark_ring_completion(pointer, read))
        read &+= 1
        return completion
    }

    /// Whom the completion so many after the next is for.
    @inline(__always)
    func tagAhead(_ count: Int) -> RequestTag? {
        let at = read &+ UInt32(truncatingIfNeeded: count)
        return at < limit ? RequestTag(bits: tidemark_ring_completion(pointer, at).user_data) : nil
    }

    /// Whether completions of this iteration are still unread.
    var hasCompletions: Bool { read != limit }

    /// Whether the kernel keeps completions for which there was no place; they come with the next wait.
    @inline(__always)
    var hasOverflown: Bool { tidemark_ring_has_overflown(pointer) }

    private mutating func giveBack() {
        tidemark_ring_advance(pointer, read)
        limit &-= read
        read = 0
    }

    /// Makes room for `count` requests, by submitting if need be. False: the kernel takes none now; try again after
    /// reading completions.
    mutating func makeSpace(_ count: UInt32) -> Bool {
        if tidemark_ring_submission_space(pointer) >= count { return true }
        _ = io_uring_submit(pointer)
        return tidemark_ring_submission_space(pointer) >= count
    }

    /// Cancels all requests and waits until none touches memory any more.
    func cancelAll() {
        tidemark_ring_cancel_all(pointer)
    }
}
