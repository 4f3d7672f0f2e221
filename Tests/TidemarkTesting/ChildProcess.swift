import CSpawn
import Foundation
import Glibc

/// A program, run as a process of its own that may be killed at any moment. Nothing here waits without an end, and no
/// process outlives its object.
public final class ChildProcess {
    public enum End: Equatable, Sendable {
        case exit(Int32)
        case signal(Int32)
    }

    public struct CannotStart: Error { public var code: Int32 }

    /// Of a program that has been run to its end.
    public struct Outcome: Sendable {
        /// Its exit code, or the signal that ended it, negative.
        public var status: Int32
        public var output: String
        public var errors: String
    }

    public let id: pid_t
    private let said: Int32
    private var isOpen = true
    private var received: [UInt8] = []
    private var known: End?

    /// All that it has said so far where no file was named for it.
    public var log: String { String(decoding: received, as: UTF8.self) }

    /// Where a program is that is built beside the tests.
    public static func path(ofBuilt program: String) -> String {
        let tests = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return ((tests ?? CommandLine.arguments[0]) as NSString).deletingLastPathComponent + "/" + program
    }

    /// Starts a program, found on the PATH, with its arguments. Its environment is this process' unless another is given,
    /// and its directory too. It reads the file `input`, and writes over the files `output` and `errors`; what has no
    /// file goes into `log`, of both in one.
    public init(
        _ command: [String],
        environment: [String: String]? = nil,
        directory: String? = nil,
        input: String = "/dev/null",
        output: String? = nil,
        errors: String? = nil
    ) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw CannotStart(code: errno) }
        // Closed in every other child: a kept end would hide that this one has ended.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        said = ends[0]
        var opened = [ends[1]]
        defer { for descriptor in opened { close(descriptor) } }
        var files: [Int32] = []
        for (path, flags) in [(input, O_RDONLY), (output, O_WRONLY), (errors, O_WRONLY)] {
            guard let path else {
                files.append(ends[1])
                continue
            }
            let file = open(path, flags | O_CLOEXEC | (flags == O_WRONLY ? O_CREAT | O_TRUNC : 0), 0o600)
            guard file >= 0 else {
                let code = errno
                close(said)
                throw CannotStart(code: code)
            }
            opened.append(file)
            files.append(file)
        }
        let variables = (environment ?? ProcessInfo.processInfo.environment).map { "\($0.key)=\($0.value)" }
        var child: pid_t = 0
        let code = Self.withPointers(command) { command in
            Self.withPointers(variables) { spawn_child(command, $0, directory, files, &child) }
        }
        guard code == 0 else {
            close(said)
            throw CannotStart(code: code)
        }
        id = child
    }

    deinit {
        if known == nil {
            kill(id, SIGKILL)
            waitpid(id, nil, 0)
        }
        close(said)
    }

    /// Runs a program to its end, which is to come within five minutes. With a sink, a file, its output goes there, and
    /// nothing of it is returned.
    public static func run(
        _ command: [String],
        environment: [String: String]? = nil,
        directory: String? = nil,
        input: String = "/dev/null",
        into sink: String? = nil
    ) throws -> Outcome {
        let output = FileManager.default.temporaryDirectory.path + "/tidemark-output-\(UUID().uuidString)"
        let errors = output + "-errors"
        defer { for path in [output, errors] { try? FileManager.default.removeItem(atPath: path) } }
        let child = try ChildProcess(
            command,
            environment: environment,
            directory: directory,
            input: input,
            output: sink ?? output,
            errors: errors
        )
        let status = child.status()
        return Outcome(status: status, output: sink == nil ? try text(output) : "", errors: try text(errors))
    }

    private static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }

    private static func withPointers<Result>(
        _ texts: [String],
        _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    }

    public func signal(_ number: Int32) {
        if known == nil { kill(id, number) }
    }

    /// Whether it says this before the time is over, or it ends.
    public func says(_ text: String, within seconds: Double = 30) -> Bool {
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
    public func end(within seconds: Double = 30) -> End? {
        if let known { return known }
        let deadline = Deadline(seconds: seconds)
        while read(until: deadline) {}
        var status: Int32 = 0
        while waitpid(id, &status, WNOHANG) != id {
            guard deadline.milliseconds > 0 else { return nil }
            usleep(500)
        }
        known = status & 0x7F == 0 ? .exit(status >> 8 & 0xFF) : .signal(status & 0x7F)
        return known
    }

    /// Its exit code, or the signal that ended it, negative. It is killed if it has not ended after five minutes.
    public func status() -> Int32 {
        if end(within: 300) == nil { signal(SIGKILL) }
        switch end() {
        case .exit(let code): return code
        case .signal(let number): return -number
        case nil: return -SIGKILL
        }
    }

    /// False when there will be no more, or the time is over.
    private func read(until deadline: Deadline) -> Bool {
        guard isOpen else { return false }
        var descriptor = pollfd(fd: said, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, deadline.milliseconds) > 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(said, &buffer, buffer.count)
        isOpen = count > 0
        if count > 0 { received += buffer[..<count] }
        return isOpen
    }
}

/// A moment from now on that waiting ends at.
private struct Deadline {
    private let moment: ContinuousClock.Instant

    init(seconds: Double) { moment = .now + .seconds(seconds) }

    /// Left of it, at least 0.
    var milliseconds: Int32 {
        let left = ContinuousClock.now.duration(to: moment)
        return left > .zero ? Int32(left / .milliseconds(1)) + 1 : 0
    }
}
