import Glibc

/// A file that has no name any more, for what reads a path.
struct MemoryFile: ~Copyable {
    private let descriptor: Int32

    init(_ bytes: UnsafeRawBufferPointer) {
        var name = Array("/dev/shm/tidemark-fuzz-XXXXXX".utf8CString)
        descriptor = mkstemp(&name)
        unlink(name)
        precondition(descriptor >= 0 && write(descriptor, bytes.baseAddress, bytes.count) == bytes.count, "no room")
    }

    deinit { close(descriptor) }

    borrowing func with(_ body: (_ path: String) -> Void) { body("/proc/self/fd/\(descriptor)") }
}
