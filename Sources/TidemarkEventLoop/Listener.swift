// Listening sockets: opening one, and what a listener's state is.
//
//   armed ──accept error: no descriptors──▶ resting until `retryAt`, or until a connection of ours closes ──▶ armed
//     └──stopAccepting──▶ cancelled ──last completion──▶ closed
//
// A resting listener makes no request at all: running out of descriptors must not become a busy loop.
//
// A request is for one connection, so that an iteration has one of each listener: a multishot accept takes all that wait, and an
// iteration is then as long as whoever comes likes.

import CTidemarkLinux
import Glibc

struct Listener: BitwiseCopyable {
    var descriptor: Int32
    /// An accept request is with the kernel.
    var armed: Bool
    /// The caller stopped it: not armed again, closed when no longer armed.
    var stopping: Bool
    var cancelling: Bool
    /// Not armed before this time, in nanoseconds, unless a connection closes: there were no descriptors.
    var retryAt: UInt64
    /// Nor before this one: the caller wants no more until then.
    var wantedAt: UInt64
    /// The socket's file, to be unlinked; allocated, nil for TCP.
    var path: UnsafeMutablePointer<CChar>?

    var armsAt: UInt64 { max(retryAt, wantedAt) }

    static let countMax = 16
    static let backlog: Int32 = 4096

    /// Opens a TCP listener. Options are set here because accepted sockets inherit them: no system call for each. A peer
    /// that is gone without a word is found out after two minutes, by the kernel's own probes.
    static func open(host: String, port: UInt16, sharingPort: Bool) throws(EventLoopError) -> Int32 {
        var address = sockaddr_storage()
        let bytes = tidemark_parse_address(host, port, &address)
        guard bytes > 0 else { throw .notNumericAddress(host) }
        let subject = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        return try open(family: Int32(address.ss_family), subject: subject) { descriptor throws(SystemError) in
            try set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
            if sharingPort { try set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
            try set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            try set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
            try set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
            try set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15)
            try set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
            try set(descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 120_000)
            // "::" then serves IPv4 as well, whatever the system's default.
            if address.ss_family == AF_INET6 { try set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
            try systemCall("bind") { tidemark_bind(descriptor, &address, bytes) }
        }
    }

    /// Fails where somebody listens, who may share the port with others of his own, but not with us.
    static func checkFree(host: String, port: UInt16) throws(EventLoopError) {
        if port != 0 { closeDescriptor(try open(host: host, port: port, sharingPort: false)) }
    }

    /// Opens a Unix listener at `path`, for this user only. The file of a server that is gone is replaced.
    static func open(path: String) throws(EventLoopError) -> Int32 {
        var address = sockaddr_storage()
        let bytes = tidemark_unix_address(path, &address)
        guard bytes > 0, !path.utf8.contains(0) else { throw .badPath(path) }
        try removeStaleSocket(path: path, &address, bytes)
        return try open(family: AF_UNIX, subject: path) { descriptor throws(SystemError) in
            // Before `bind`: the file then has this mode from its first moment, and no umask has to be changed.
            try systemCall("fchmod") { fchmod(descriptor, 0o600) }
            try systemCall("bind") { tidemark_bind(descriptor, &address, bytes) }
        }
    }

    private static func open(
        family: Int32,
        subject: String,
        bind: (Int32) throws(SystemError) -> Void
    ) throws(EventLoopError) -> Int32 {
        do throws(SystemError) {
            let descriptor = try systemCall("socket") {
                socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            }
            do throws(SystemError) {
                try bind(descriptor)
                try systemCall("listen") { Glibc.listen(descriptor, backlog) }
                return descriptor
            } catch {
                closeDescriptor(descriptor)
                throw error
            }
        } catch {
            throw .socket(subject: subject, error)
        }
    }

    private static func removeStaleSocket(
        path: String,
        _ address: inout sockaddr_storage,
        _ bytes: socklen_t
    ) throws(EventLoopError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .pathIsNoSocket(path) }
        do throws(SystemError) {
            // Non-blocking: a live server with a full backlog must not hold us up; its EAGAIN counts as an answer.
            let descriptor = try systemCall("socket") {
                let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
                return socket(AF_UNIX, Int32(kind), 0)
            }
            defer { closeDescriptor(descriptor) }
            try systemCall("connect") { tidemark_connect(descriptor, &address, bytes) }
        } catch {
            if error.code == ECONNREFUSED {
                unlink(path)
                return
            }
            if error.code == ENOENT { return }
            if error.code != EAGAIN { throw .socket(subject: path, error) }
        }
        throw .pathInUse(path)
    }

    private static func set(
        _ descriptor: Int32,
        _ level: Int32,
        _ option: Int32,
        _ value: Int32
    ) throws(SystemError) {
        try systemCall("setsockopt") { tidemark_set_option(descriptor, level, option, value) }
    }
}
