#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Keeps two servers off one data directory. The kernel lets go of it when the process ends, however it ends.
final class DataDirectoryLock: Sendable {
    let descriptor: Int32

    init(directory: String) throws(StoreError) {
        let path = directory + "/lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .cannotOpen(path: path, reason: String(cString: strerror(errno)))
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            close(descriptor)
            throw reason == EWOULDBLOCK
                ? .inUse(path: directory) : .cannotOpen(path: path, reason: String(cString: strerror(reason)))
        }
    }

    deinit {
        // Closing alone would leave it to a child that was forked just now and has yet to begin its program.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
