#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that has its name only once it is whole and on disk; until then it is called NAME.part.
struct PartFile {
    private let name: String
    /// -1 once it is kept or dropped.
    private var descriptor: Int32 = -1

    var path: String { name + ".part" }

    /// Makes it, for its owner's eyes only. The name is an absolute path at which there is nothing; there must be room
    /// for so many bytes.
    init(for name: String, bytes: UInt64) throws(BackupError) {
        self.name = name
        guard name.hasPrefix("/"), !name.utf8.contains(0) else { throw .notAbsolute }
        try checkNameIsFree()
        var room = statvfs()
        guard statvfs(Self.directory(of: name), &room) == 0 else { throw .cannotWrite(operation: "open", code: errno) }
        let free = UInt64(room.f_bavail) * UInt64(room.f_frsize)
        guard free >= bytes else { throw .noRoom(needed: bytes, free: free) }
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw errno == EEXIST ? .unfinished : .cannotWrite(operation: "open", code: errno)
        }
    }

    static func directory(of path: String) -> String {
        let end = path.lastIndex(of: "/")!
        return end == path.startIndex ? "/" : String(path[..<end])
    }

    private func checkNameIsFree() throws(BackupError) {
        var status = stat()
        if lstat(name, &status) == 0 { throw .exists }
    }

    /// Puts bytes at its end.
    func append(_ bytes: UnsafeRawBufferPointer) throws(BackupError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = write(descriptor, rest.baseAddress, rest.count)
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno != EINTR {
                throw errno == ENOSPC ? .diskFull : .cannotWrite(operation: "write", code: errno)
            }
        }
    }

    func sync() throws(BackupError) {
        guard fsync(descriptor) == 0 else {
            throw errno == ENOSPC ? .diskFull : .cannotWrite(operation: "fsync", code: errno)
        }
    }

    /// Puts it on disk, and gives it its name. Returns its size.
    mutating func keep() throws(BackupError) -> UInt64 {
        try sync()
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .cannotWrite(operation: "fstat", code: errno) }
        try checkNameIsFree()
        guard rename(path, name) == 0 else { throw .cannotWrite(operation: "rename", code: errno) }
        close(descriptor)
        descriptor = -1
        do throws(BackupError) {
            try Self.syncDirectory(Self.directory(of: name))
        } catch {
            // Whether a crash would leave it is not known: then it is not one to rely on.
            unlink(name)
            throw error
        }
        return UInt64(status.st_size)
    }

    /// Removes it, unless it is kept.
    mutating func drop() {
        guard descriptor >= 0 else { return }
        unlink(path)
        close(descriptor)
        descriptor = -1
    }

    static func syncDirectory(_ path: String) throws(BackupError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .cannotWrite(operation: "open", code: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .cannotWrite(operation: "fsync", code: errno) }
    }
}
