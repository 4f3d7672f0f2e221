import Foundation
import Glibc
import TidemarkTesting

/// The program `tidemark-server`, built beside these tests, as a process that may be killed at any moment. Nothing
/// here waits without an end, and no process outlives its object.
final class ChildProcess {
    enum End: Equatable {
        case exit(Int32)
        case signal(Int32)
    }

    struct CannotStart: Error { var code: Int32 }

    private let process: pid_t
    private let output: Int32
    private var isOutputOpen = true
    private var received: [UInt8] = []
    private var known: End?

    /// All that it has said so far, on both of its outputs.
    var log: String { String(decoding: received, as: UTF8.self) }

    private static let program: String = {
        let tests = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return ((tests ?? CommandLine.arguments[0]) as NSString).deletingLastPathComponent + "/tidemark-server"
    }()

    /// `launcher` is a command that runs the program, in place of this process doing so.
    init(_ arguments: [String], launcher: [String] = []) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw CannotStart(code: errno) }
        // Closed in every other child: a kept end would hide that this one has ended.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        output = ends[0]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        // Nothing of this process' environment. A trap must end it at once, not after a backtrace of seconds.
        let environment =
            ["HOME=/nonexistent", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SWIFT_BACKTRACE=enable=no"]
            + sanitizerOptions.map { "\($0.key)=\($0.value)" }
        let command = launcher + [Self.program] + arguments
        var child: pid_t = 0
        let code = Self.withPointers(command) { command in
            Self.withPointers(environment) { posix_spawnp(&child, command[0]!, &actions, nil, command, $0) }
        }
        close(ends[1])
        guard code == 0 else {
            close(output)
            throw CannotStart(code: code)
        }
        process = child
    }

    deinit {
        if known == nil {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        close(output)
    }

    private static func withPointers<Result>(
        _ texts: [String],
        _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    }

    func signal(_ number: Int32) {
        if known == nil { kill(process, number) }
    }

    /// Whether it says this before the time is over, or it ends.
    func says(_ text: String, within seconds: Double = 30) -> Bool {
        let wanted = Array(text.utf8)
        let deadline = Deadline(seconds: seconds)
        var searched = 0
        while true {
            // Only what is new, and what a text across two reads would begin with.
            let from = max(0, searched - wanted.count)
            if received[from...].firstRange(of: wanted) != nil { return true }
            searched = received.count
            guard read(until: deadline) else { return false }
        }
    }

    /// How it ended; nil when it has not by then.
    func end(within seconds: Double = 30) -> End? {
        if let known { return known }
        let deadline = Deadline(seconds: seconds)
        while read(until: deadline) {}
        var status: Int32 = 0
        while waitpid(process, &status, WNOHANG) != process {
            guard deadline.milliseconds > 0 else { return nil }
            usleep(500)
        }
        known = status & 0x7F == 0 ? .exit(status >> 8 & 0xFF) : .signal(status & 0x7F)
        return known
    }

    /// False when there will be no more, or the time is over.
    private func read(until deadline: Deadline) -> Bool {
        guard isOutputOpen else { return false }
        var descriptor = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, deadline.milliseconds) > 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(output, &buffer, buffer.count)
        isOutputOpen = count > 0
        if count > 0 { received += buffer[..<count] }
        return isOutputOpen
    }
}

/// A moment from now on that waiting ends at.
struct Deadline {
    private let moment: ContinuousClock.Instant

    init(seconds: Double) { moment = .now + .seconds(seconds) }

    /// Left of it, at least 0.
    var milliseconds: Int32 {
        let left = ContinuousClock.now.duration(to: moment)
        return left > .zero ? Int32(left / .milliseconds(1)) + 1 : 0
    }
}
