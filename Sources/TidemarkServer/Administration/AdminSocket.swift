import Glibc

/// Where a server meets its administrator: the Unix socket `admin.sock` in the data directory. It is its owner's alone,
/// as all in that directory is.
///
/// A socket's path has at most 107 bytes. To a directory whose own path leaves no room there is another way, by the
/// descriptor of it that this keeps open.
final class AdminSocket: Sendable {
    static let pathBytesMax = 107

    let path: String
    /// -1 where the path is the plain one.
    private let descriptor: Int32

    init(directory: String) throws(AdminError) {
        let plain = directory + "/admin.sock"
        if plain.utf8.count <= Self.pathBytesMax {
            path = plain
            descriptor = -1
        } else {
            descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { throw .cannotConnect(path: plain, code: errno) }
            path = "/proc/self/fd/\(descriptor)/admin.sock"
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}
