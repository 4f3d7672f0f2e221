// The server under load: started on a core of its own, its CPU time read, ended with the value.

import CClosedLoop
import Glibc

/// A child process pinned to one core, killed and reaped when the value goes away.
public struct ServerProcess: ~Copyable {
    public let id: pid_t

    /// Starts `path` with `arguments` (without the name). On `core`, all its threads included; nil: wherever.
    public init(path: String, arguments: [String], core: Int? = nil) throws(ClosedLoopError) {
        // The child inherits this thread's core, so it never runs elsewhere, not even before its first thread starts.
        let before = closed_loop_cores()
        if let core { try pinCurrentThread(toCore: core) }
        var strings: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var child = pid_t()
        let code = posix_spawn(&child, path, nil, nil, &strings, environ)
        for string in strings { free(string) }
        _ = closed_loop_set_cores(before)
        if code != 0 { throw .system("posix_spawn \(path)", code) }
        id = child
    }

    deinit {
        kill(id, SIGKILL)
        waitpid(id, nil, 0)
    }

    /// Waits until the server accepts connections on `port`, for at most `seconds`.
    public func waitUntilListening(on port: UInt16, seconds: Double = 10) throws(ClosedLoopError) {
        let end = secondsNow() + seconds
        while true {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            let result = connectToLoopback(descriptor, port: port)
            let code = errno
            close(descriptor)
            if result == 0 { return }
            if kill(id, 0) != 0 || waitpid(id, nil, WNOHANG) == id { throw .noProcess(id) }
            if secondsNow() > end { throw .system("connect to port \(port)", code) }
            usleep(10_000)
        }
    }
}

/// User and system time that `process` has used with all its threads, in seconds.
public func cpuSeconds(of process: pid_t) throws(ClosedLoopError) -> Double {
    var clock = clockid_t()
    var time = timespec()
    guard clock_getcpuclockid(process, &clock) == 0, clock_gettime(clock, &time) == 0 else { throw .noProcess(process) }
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Has the calling thread run on `core` (0 to 63) only, and what it starts from now on.
public func pinCurrentThread(toCore core: Int) throws(ClosedLoopError) {
    if closed_loop_set_cores(1 << UInt64(core)) != 0 { throw .system("sched_setaffinity", errno) }
}
