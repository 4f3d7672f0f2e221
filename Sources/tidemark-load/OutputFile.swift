import Foundation

/// A file for a result. It is opened before the run, so that a path that cannot be written costs nobody a run; what it
/// held stays until there is a result.
struct OutputFile {
    private let path: String
    private let descriptor: Int32
    /// It did not exist before.
    private let isNew: Bool

    /// - Throws: `CannotWrite` with the system's reason.
    init(_ path: String) throws(CannotWrite) {
        self.path = path
        let made = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        isNew = made >= 0
        descriptor = isNew ? made : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
        if descriptor < 0 { throw Self.failure(path) }
    }

    /// Puts the text in the place of what the file holds, and closes it.
    func write(_ text: String) throws(CannotWrite) {
        defer { close(descriptor) }
        // Pipes and devices have no length to take away.
        ftruncate(descriptor, 0)
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure(path) }
            rest = rest.dropFirst(count)
        }
    }

    /// There is no result: leaves the file as it was, or none.
    func discard() {
        close(descriptor)
        if isNew { unlink(path) }
    }

    private static func failure(_ path: String) -> CannotWrite {
        CannotWrite(path: path, reason: String(cString: strerror(errno)))
    }
}

struct CannotWrite: Error, CustomStringConvertible {
    var path: String
    var reason: String
    var description: String { "cannot write \(path): \(reason)" }
}
