// How fast a data directory becomes a directory in memory again, with what the log of a killed server has beyond its state
// tables, against a bare scan of the tables through SQLite's C API. The two take turns over the same file, which is in the
// page cache for both. What a start does before it listens is counted: opening, the log's tail, a checkpoint, loading.

import ClosedLoop
import Foundation
import Glibc

struct RecoveryCost {
    struct Run: Encodable {
        var program: String
        var entriesPerSecond: Double
        var seconds: Double
    }

    struct Series: Encodable {
        var users: Int
        var entries: Int
        var fileBytes: Int
        var runs: [Run]
    }

    /// What `serve --log-level info` says of its loading, read from its line.
    private static let loadedMark = "loaded in "

    static func run(_ programs: Programs, small: Bool) throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "tidemark-bench-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: place) }
        let users = small ? 1_000 : 50_000
        say("making \(users) users with 100 contacts each")
        try runToEnd(programs.load, ["--provision", place, "--users", String(users), "--contacts", "100", "--quiet"])
        let file = place + "/tidemark.db"
        let size = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0

        var runs: [Run] = []
        var entries = 0
        for turn in 1...(small ? 1 : 5) {
            try leaveTail(programs, place, seconds: small ? 0.2 : 1)
            let words = try runToEnd(programs.bareSQLite, ["scan", file]).split(separator: " ").compactMap {
                Double($0)
            }
            guard words.count >= 2 else { throw BenchError("the bare scan said nothing") }
            entries = Int(words[0])
            runs.append(Run(program: "bare", entriesPerSecond: (words[0] / words[1]).rounded(), seconds: words[1]))
            let seconds = try loadSeconds(programs, place)
            runs.append(
                Run(program: "tidemark", entriesPerSecond: (words[0] / seconds).rounded(), seconds: seconds)
            )
            say("turn \(turn): bare \(words[1]) s, tidemark \(seconds) s, for \(entries) entries")
        }
        func median(_ program: String) -> Double {
            let values = runs.filter { $0.program == program }.map(\.entriesPerSecond).sorted()
            return values[values.count / 2]
        }
        Report(
            bench: "recovery",
            machine: .this(),
            goals: [
                .ratioAtLeast(
                    0.5,
                    "entries loaded a second against a bare scan of the same tables",
                    measured: median("tidemark"),
                    against: median("bare"),
                    unit: "a second"
                ),
                .ratioAtLeast(
                    1,
                    "entries loaded a second against a million",
                    measured: median("tidemark"),
                    against: 1_000_000,
                    unit: "a second"
                ),
            ],
            series: Series(users: users, entries: entries, fileBytes: size, runs: runs)
        ).print()
    }

    /// Has a server's log hold changes that are not folded: it is killed under load.
    private static func leaveTail(_ programs: Programs, _ data: String, seconds: Double) throws {
        let port = try freePort()
        let server = try ServerProcess(
            path: programs.server,
            arguments: ["serve", "--data", data, "--listen", "127.0.0.1:\(port)", "--log-level", "error"]
        )
        try server.waitUntilListening(on: port, seconds: 60)
        let load = Process()
        load.executableURL = URL(fileURLWithPath: programs.load)
        load.arguments = [
            "edit", "--server", "127.0.0.1:\(port)", "--key-file", data + "/ticket.keys", "--users", "1000",
            "--connections", "1000", "--duration", "60s", "--json", "--quiet",
        ]
        load.standardOutput = FileHandle.nullDevice
        load.standardError = FileHandle.nullDevice
        try load.run()
        usleep(UInt32((seconds + 1) * 1e6))
        kill(server.id, SIGKILL)
        kill(load.processIdentifier, SIGKILL)
        load.waitUntilExit()
    }

    /// Starts a server, reads how long it says it loaded, and ends it.
    private static func loadSeconds(_ programs: Programs, _ data: String) throws -> Double {
        let process = Process()
        let errors = Pipe()
        process.executableURL = URL(fileURLWithPath: programs.server)
        process.arguments = ["serve", "--data", data, "--listen", "127.0.0.1:0"]
        process.standardError = errors
        try process.run()
        defer {
            process.terminate()
            process.waitUntilExit()
        }
        var log = ""
        while true {
            let bytes = errors.fileHandleForReading.availableData
            if bytes.isEmpty { throw BenchError("the server did not start: \(log)") }
            log += String(decoding: bytes, as: UTF8.self)
            guard let mark = log.range(of: loadedMark), let end = log[mark.upperBound...].firstIndex(of: "\n") else {
                continue
            }
            let text = log[mark.upperBound..<end].prefix { $0 != " " }
            guard let seconds = Double(text) else { throw BenchError("no seconds: \(log)") }
            return max(seconds, 0.001)
        }
    }
}
