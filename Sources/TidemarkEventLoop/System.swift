// The one place for the system calls that are not io_uring's: sockets at start, a close at the end, memory.
//
//   systemCall("bind") { bind(…) } ──▶ EINTR: again
//                                  ──▶ below zero: throws SystemError("bind", errno)
//                                  ──▶ otherwise the result
//
// A `Slab` is address space that costs nothing until it is touched: it is reserved for the largest count
// that the configuration allows, never moves and starts as zeros.

import CTidemarkLinux
import Glibc

/// A system call that failed: what was attempted and the kernel's error number.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was attempted, as the system call's name.
    public let operation: String
    /// The `errno` value, above zero.
    public let code: Int32

    public var description: String {
        "\(operation): \(String(cString: strerror(code))) (errno \(code))"
    }
}

/// Runs `call`, again whenever a signal interrupted it.
@discardableResult
func systemCall(_ operation: StaticString, _ call: () -> Int32) throws(SystemError) -> Int32 {
    while true {
        let result = call()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw SystemError(operation: operation.description, code: code) }
    }
}

/// Of a peer that reads nothing: else the kernel would keep megabytes for it, for minutes.
func resetWhenClosed(_ descriptor: Int32) {
    var now = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
}

/// Closes `descriptor`. Linux frees the number whatever `close` returns, so it is never tried again.
func closeDescriptor(_ descriptor: Int32) {
    _ = Glibc.close(descriptor)
}

/// `count` values in zeroed pages, which become real when they are touched. All-zero bytes must be a valid `Element`.
struct Slab<Element: BitwiseCopyable>: ~Copyable {
    /// The first value, page-aligned.
    let base: UnsafeMutablePointer<Element>
    private let byteCount: Int

    init(count: Int) throws(SystemError) {
        precondition(count > 0)
        let byteCount = count * MemoryLayout<Element>.stride
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0), memory != MAP_FAILED else {
            throw SystemError(operation: "mmap", code: errno)
        }
        self.byteCount = byteCount
        base = memory.bindMemory(to: Element.self, capacity: count)
    }

    deinit {
        munmap(base, byteCount)
    }

    subscript(index: Int) -> Element {
        get { base[index] }
        nonmutating set { base[index] = newValue }
    }
}
