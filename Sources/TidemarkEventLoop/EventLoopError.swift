// What can keep a loop from starting or running. Bad luck of one connection is never here: see `CloseReason`.

import CTidemarkLinux
import Glibc

/// Why a loop could not start, listen or go on.
public enum EventLoopError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kernel (its version as `uname -r` prints it) lacks `missing`.
    case kernelTooOld(kernel: String, missing: String)
    /// The kernel has io_uring, but this process may not use it.
    case ringRefused(kernel: String, SystemError)
    /// Any other failure of the ring's own calls; after one from `wait` the loop cannot go on.
    case ring(SystemError)
    /// A host that is no numeric IPv4 or IPv6 address.
    case notNumericAddress(String)
    /// A Unix socket path that is empty or longer than 107 bytes.
    case badPath(String)
    /// Something answers on that Unix socket path already.
    case pathInUse(String)
    /// A file is at that Unix socket path, and it is no socket.
    case pathIsNoSocket(String)
    /// More than `limit` listeners.
    case tooManyListeners(limit: Int)
    /// The loop holds `limit` connections already.
    case tooManyConnections(limit: Int)
    /// A value of the configuration is out of its range.
    case configuration(field: String, value: Int, allowed: ClosedRange<Int>)
    /// A socket call that failed for the address or path `subject`.
    case socket(subject: String, SystemError)

    public var description: String {
        switch self {
        case .kernelTooOld(let kernel, let missing):
            "Linux \(kernel) lacks \(missing) of io_uring; 6.1 or later is needed. "
                + "In a container, a seccomp profile that hides io_uring looks the same."
        case .ringRefused(let kernel, let error):
            "Linux \(kernel) refuses io_uring (\(error)). In a container the usual cause is the seccomp profile: allow "
                + "io_uring_setup, io_uring_enter and io_uring_register. On the host, see sysctl "
                + "kernel.io_uring_disabled."
        case .ring(let error):
            "io_uring failed: \(error)"
        case .notNumericAddress(let host):
            "\"\(host)\" is no numeric IPv4 or IPv6 address"
        case .badPath(let path):
            "\"\(path)\" cannot be a Unix socket's path: 1 to 107 bytes are allowed"
        case .pathInUse(let path):
            "another process answers on \(path)"
        case .pathIsNoSocket(let path):
            "\(path) exists and is no socket"
        case .tooManyListeners(let limit):
            "at most \(limit) listeners are allowed"
        case .tooManyConnections(let limit):
            "the loop holds its limit of \(limit) connections"
        case .configuration(let field, let value, let allowed):
            "\(field) is \(value); allowed is \(allowed.lowerBound) to \(allowed.upperBound)"
        case .socket(let subject, let error) where error.code == EADDRINUSE:
            "\(subject): \(error): something listens there; stop it, or take another address"
        case .socket(let subject, let error):
            "\(subject): \(error)"
        }
    }
}

/// The running kernel's version, such as "6.18.44".
func kernelVersion() -> String {
    var name = utsname()
    guard uname(&name) == 0 else { return "(unknown)" }
    return withUnsafeBytes(of: &name.release) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// Makes a part of a loop; what the system refuses it is an error of the ring.
func make<Part: ~Copyable>(_ part: () throws(SystemError) -> Part) throws(EventLoopError) -> Part {
    do {
        return try part()
    } catch {
        throw .ring(error)
    }
}
