// How fast the dump reads a large capture, against tcpdump on the same file: one line a message against tcpdump's line a
// packet, and statistics against tcpdump copying the file to nowhere. The capture is made first, by tcpdump on loopback
// while the load generator drives a real server. The programs take turns on one core; the file is in the page cache.

import ClosedLoop
import Foundation
import Glibc

struct DumpSpeed {
    struct Run: Encodable {
        var program: String
        var seconds: Double
        var megabytesPerSecond: Double
    }

    struct Series: Encodable {
        var captureBytes: Int
        /// Messages in it, as the dump counts them.
        var lines: Int
        /// The dump's largest resident sizes: on the capture, with and without `--stats`, and on its first tenth.
        var residentMegabytes: Double
        var residentMegabytesOfStatistics: Double
        var residentMegabytesOfTenth: Double
        var runs: [Run]
    }

    static func run(_ programs: Programs, small: Bool) throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "tidemark-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: place) }
        let capture = place.appending(path: "capture.pcap").path
        let port = try makeCapture(programs, capture, bytes: small ? 10_000_000 : 1_000_000_000)
        let size = try fileSize(capture)
        let tenth = place.appending(path: "tenth.pcap").path
        try copyTenth(capture, to: tenth)

        try pinCurrentThread(toCore: 1)
        let read = ["-r", capture, "--port", String(port)]
        let commands: [(String, String, [String])] = [
            ("tcpdump -nr", "tcpdump", ["-nr", capture]),
            ("tidemark-dump", programs.dump, read),
            ("tcpdump -w", "tcpdump", ["-r", capture, "-w", "/dev/null"]),
            ("tidemark-dump --stats", programs.dump, read + ["--stats"]),
        ]
        var runs: [Run] = []
        for turn in 1...(small ? 1 : 3) {
            for (name, program, arguments) in commands {
                let seconds = try Timed.seconds(program, arguments)
                say("turn \(turn), \(name): \(rounded(seconds)) s")
                runs.append(
                    Run(
                        program: name,
                        seconds: rounded(seconds),
                        megabytesPerSecond: rounded(Double(size) / 1e6 / seconds)
                    )
                )
            }
        }
        func median(_ program: String) -> Double {
            let values = runs.filter { $0.program == program }.map(\.megabytesPerSecond).sorted()
            return values[values.count / 2]
        }
        let resident = rounded(try Timed.residentMegabytes(programs.dump, read))
        let ofStatistics = rounded(try Timed.residentMegabytes(programs.dump, read + ["--stats"]))
        let ofTenth = rounded(try Timed.residentMegabytes(programs.dump, ["-r", tenth, "--port", String(port)]))
        Report(
            bench: "dump",
            machine: .this(),
            goals: [
                .ratioAtLeast(
                    1,
                    "one line a message, against tcpdump -nr",
                    measured: median("tidemark-dump"),
                    against: median("tcpdump -nr"),
                    unit: "MB/s"
                ),
                .ratioAtLeast(
                    1.0 / 3,
                    "--stats, against tcpdump -w /dev/null",
                    measured: median("tidemark-dump --stats"),
                    against: median("tcpdump -w"),
                    unit: "MB/s"
                ),
                .ratioAtMost(
                    1.1,
                    "resident size on the whole capture, against on a tenth of it",
                    measured: resident,
                    against: ofTenth,
                    unit: "MB"
                ),
            ],
            series: Series(
                captureBytes: size,
                lines: try Timed.lines(programs.dump, read),
                residentMegabytes: resident,
                residentMegabytesOfStatistics: ofStatistics,
                residentMegabytesOfTenth: ofTenth,
                runs: runs
            )
        ).print()
    }

    /// Returns the server's port.
    private static func makeCapture(_ programs: Programs, _ path: String, bytes: Int) throws -> UInt16 {
        let server = try GraphServer(programs)
        say("capturing \(bytes / 1_000_000) MB on loopback")
        let capture = Process()
        capture.executableURL = try Timed.find("tcpdump")
        capture.arguments = [
            "-i", "lo", "-s", "0", "-B", "65536", "-Z", "root", "-w", path, "tcp port \(server.port)",
        ]
        capture.standardError = FileHandle.nullDevice
        try capture.run()
        defer {
            capture.interrupt()
            capture.waitUntilExit()
        }
        // Re-logins and syncs as a day brings them; at a rate that the capture can follow.
        let deadline = Date().addingTimeInterval(600)
        var seed = 1
        while (try? fileSize(path)) ?? 0 < bytes {
            guard Date() < deadline, capture.isRunning else { throw BenchError("tcpdump captured too little") }
            _ = try runToEnd(
                programs.load,
                [
                    "mixed", "--mix", "sync=60,login=25,edit=13,first-sync=2", "--server", "127.0.0.1:\(server.port)",
                    "--key-file", server.keyFile, "--users", "4039", "--connections", "256", "--rate", "20000",
                    "--duration", bytes < 100_000_000 ? "500ms" : "5s", "--warm-up", "0s", "--seed", String(seed),
                    "--quiet",
                ]
            )
            seed += 1
        }
        return server.port
    }

    private static func fileSize(_ path: String) throws -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else { throw BenchError("cannot read \(path)") }
        return Int(status.st_size)
    }

    /// The first tenth, cut anywhere: what is cut off is one packet.
    private static func copyTenth(_ path: String, to other: String) throws {
        let size = try fileSize(path)
        let source = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        guard FileManager.default.createFile(atPath: other, contents: nil) else {
            throw BenchError("cannot write \(other)")
        }
        let target = try FileHandle(forWritingTo: URL(fileURLWithPath: other))
        var left = size / 10
        while left > 0, let part = try source.read(upToCount: min(left, 1 << 22)), !part.isEmpty {
            try target.write(contentsOf: part)
            left -= part.count
        }
        try target.close()
    }

    private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}

/// A program run to its end with its output thrown away.
enum Timed {
    static func find(_ program: String) throws -> URL {
        for directory in [program.hasPrefix("/") ? "" : "/usr/bin/", "/usr/sbin/", "/usr/local/bin/"] {
            if access(directory + program, X_OK) == 0 { return URL(fileURLWithPath: directory + program) }
        }
        throw BenchError("\(program) is not installed; run tools/setup --tests")
    }

    static func seconds(_ program: String, _ arguments: [String]) throws -> Double {
        let begin = DispatchTime.now()
        let child = try spawn(program, arguments)
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return Double(DispatchTime.now().uptimeNanoseconds - begin.uptimeNanoseconds) / 1e9
    }

    /// At its largest, looked at each millisecond; 0 for a program that ends before. The kernel's own figure for an
    /// ended child begins with the size of the process that it was spawned from.
    static func residentMegabytes(_ program: String, _ arguments: [String]) throws -> Double {
        let child = try spawn(program, arguments)
        var most = 0.0
        var status: Int32 = 0
        while waitpid(child, &status, WNOHANG) == 0 {
            let text = (try? String(contentsOfFile: "/proc/\(child)/status", encoding: .utf8)) ?? ""
            if let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
                let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Double($0) }),
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(child)/exe")) == program
            {
                most = max(most, kilobytes / 1024)
            }
            usleep(1000)
        }
        return most
    }

    private static func spawn(_ program: String, _ arguments: [String]) throws -> pid_t {
        let path = try find(program).path
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var strings: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var child = pid_t()
        let code = posix_spawn(&child, path, &actions, nil, &strings, environ)
        guard code == 0 else { throw BenchError("cannot start \(path): errno \(code)") }
        return child
    }

    /// How many lines the program prints.
    static func lines(_ program: String, _ arguments: [String]) throws -> Int {
        let process = Process()
        let output = Pipe()
        process.executableURL = try find(program)
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        var count = 0
        while true {
            let part = output.fileHandleForReading.availableData
            if part.isEmpty { break }
            count += part.count { $0 == UInt8(ascii: "\n") }
        }
        process.waitUntilExit()
        return count
    }
}
