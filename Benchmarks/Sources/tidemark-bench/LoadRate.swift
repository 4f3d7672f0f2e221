// What the load generator itself can do: syncs a second that one core of it drives, against a raw load in C that drives
// the same bytes and looks at nothing; and how well an open loop keeps its rate.
//
//   raw load ──▶ echo          zeros of the same sizes
//   tidemark-load ──▶ echo     the same echo, whose answers are those that a server would give to the same requests
//
// The two take turns. Echo and server on core 0, load on core 1. The echo's core is as full as the load's, or fuller, so
// the rates say that the load keeps up with it; what an answer costs the load itself, its CPU time says.

import ClosedLoop
import Foundation
import TidemarkWire

struct LoadRate {
    struct Run: Encodable {
        var program: String
        var requestsPerSecond: Double
        /// Of the load's process, for each request; start and warm-up included.
        var cpuMicroseconds: Double
    }

    struct OpenLoop: Encodable {
        var capacity: Double
        var asked: Double
        var achieved: Double
        var errorPercent: Double
        var p50: Double
        var p99: Double
        /// Of the cores' time, what the hypervisor gave to others meanwhile.
        var stolenPercent: Double
    }

    struct Series: Encodable {
        var connections: Int
        var pipeline: Int
        var requestBytes: Int
        var responseBytes: Int
        var runs: [Run]
        var openLoop: [OpenLoop]
    }

    static let connections = 64
    static let pipeline = 16

    static func run(_ programs: Programs, small: Bool) throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "tidemark-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: place) }
        let canned = CannedAnswers(connections: connections, pipeline: pipeline)
        let answers = place.appending(path: "answers").path
        try Data(canned.bytes).write(to: URL(fileURLWithPath: answers))
        let keys = place.appending(path: "keys").path
        try Data("1 \(String(repeating: "5a", count: 32))\n".utf8).write(to: URL(fileURLWithPath: keys))

        let seconds = small ? 0.3 : 3.0
        // Many short turns rather than few long ones: what else the machine does comes and goes within seconds.
        let runs = try against(
            programs,
            canned,
            answers: answers,
            keys: keys,
            seconds: small ? 0.3 : 1.5,
            turns: small ? 1 : 15
        )
        func median(_ program: String) -> Double {
            let values = runs.filter { $0.program == program }.map(\.requestsPerSecond).sorted()
            return values[values.count / 2]
        }
        let openLoop = try keptRate(programs, seconds: seconds, turns: small ? 1 : 3)
        // A core that is taken away for a while sends nothing and then more: that says nothing of the load. So the three
        // runs count that were disturbed least; all of them are in the series.
        let least = openLoop.sorted { $0.stolenPercent < $1.stolenPercent }.prefix(3)
        let worst = least.map { abs($0.errorPercent) }.max() ?? .infinity
        Report(
            bench: "load",
            machine: .this(),
            goals: [
                .ratioAtLeast(
                    1,
                    "syncs a second that one core drives against a raw echo, pipeline \(pipeline)",
                    measured: median("tidemark-load"),
                    against: median("raw load"),
                    unit: "a second"
                ),
                .atMost(1, "error of the open loop's rate at half of the server's capacity", worst, unit: "percent"),
            ],
            series: Series(
                connections: connections,
                pipeline: pipeline,
                requestBytes: canned.requestBytes,
                responseBytes: canned.responseBytes,
                runs: runs,
                openLoop: openLoop
            )
        ).print()
    }

    private static func against(
        _ programs: Programs,
        _ canned: CannedAnswers,
        answers: String,
        keys: String,
        seconds: Double,
        turns: Int
    ) throws -> [Run] {
        let sizes = [String(canned.requestBytes), String(canned.responseBytes)]
        let zerosPort = try freePort()
        let zeros = try ServerProcess(path: programs.echo, arguments: [String(zerosPort)] + sizes, core: 0)
        try zeros.waitUntilListening(on: zerosPort)
        let cannedPort = try freePort()
        let server = try ServerProcess(
            path: programs.echo,
            arguments: [String(cannedPort)] + sizes + [answers, String(CannedAnswers.firstFrames)],
            core: 0
        )
        try server.waitUntilListening(on: cannedPort)
        try pinCurrentThread(toCore: 1)
        var runs: [Run] = []
        func add(_ program: String, _ rate: Double, over seconds: Double, cpuBefore: Double) {
            let microseconds = (childrenCPUSeconds() - cpuBefore) / (rate * seconds) * 1e6
            runs.append(
                Run(
                    program: program,
                    requestsPerSecond: rate.rounded(),
                    cpuMicroseconds: (microseconds * 1000).rounded() / 1000
                )
            )
        }
        func raw() throws {
            let cpu = childrenCPUSeconds()
            let output = try runToEnd(
                programs.rawLoad,
                [String(zerosPort)] + sizes + [String(connections), String(pipeline), String(seconds)]
            )
            let rate = Double(output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
            add("raw load", rate, over: seconds, cpuBefore: cpu)
        }
        func tidemark() throws {
            let cpu = childrenCPUSeconds()
            let report = try LoadOutput.of(
                programs,
                [
                    "sync", "--server", "127.0.0.1:\(cannedPort)", "--key-file", keys, "--users", "1",
                    "--connections", String(connections), "--pipeline", String(pipeline),
                    "--duration", "\(Int(seconds * 1000))ms", "--warm-up", "100ms",
                ]
            )
            add("tidemark-load", report.total.perSecond, over: seconds + 0.1, cpuBefore: cpu)
        }
        for turn in 1...turns {
            // Who goes first alternates.
            if turn.isMultiple(of: 2) { try tidemark() }
            try raw()
            if !turn.isMultiple(of: 2) { try tidemark() }
            let costs = runs.suffix(2).map {
                "\($0.program) \(Int($0.requestsPerSecond)) requests/s (\($0.cpuMicroseconds) µs each)"
            }
            say("turn \(turn): \(costs[0]), \(costs[1])")
        }
        return runs
    }

    /// An open loop at half of what the real server can do.
    private static func keptRate(_ programs: Programs, seconds: Double, turns: Int) throws -> [OpenLoop] {
        let server = try GraphServer(programs)
        try pinCurrentThread(toCore: 1)
        let common = [
            "sync", "--server", "127.0.0.1:\(server.port)", "--key-file", server.keyFile, "--users", "4039",
            "--connections", String(connections), "--pipeline", String(pipeline),
            "--duration", "\(Int(seconds * 1000))ms", "--warm-up", "200ms",
        ]
        let capacity = try LoadOutput.of(programs, common).total.perSecond
        var runs: [OpenLoop] = []
        while runs.count < turns || (runs.count < 4 * turns && runs.count(where: { $0.stolenPercent < 1 }) < turns) {
            let before = CoreTime.now()
            let report = try LoadOutput.of(programs, common + ["--rate", String(Int(capacity / 2))])
            let stolen = CoreTime.now().stolenPercent(since: before)
            guard let schedule = report.schedule else { throw BenchError("an open loop reports its schedule") }
            say(
                """
                capacity \(Int(capacity)), asked \(Int(schedule.asked)), achieved \(Int(schedule.achieved)); \
                stolen \(Int(stolen.rounded())) %
                """
            )
            runs.append(
                OpenLoop(
                    capacity: capacity.rounded(),
                    asked: schedule.asked,
                    achieved: schedule.achieved,
                    errorPercent: schedule.errorPercent,
                    p50: report.total.latency.at(50),
                    p99: report.total.latency.at(99),
                    stolenPercent: (stolen * 100).rounded() / 100
                )
            )
        }
        return runs
    }
}

/// What all cores have done since the start, in ticks of the kernel's clock.
struct CoreTime {
    private var all = 0
    private var stolen = 0

    /// proc(5): user, nice, system, idle, iowait, irq, softirq, steal; the rest is counted among these.
    static func now() -> CoreTime {
        let text = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? ""
        let ticks = text.prefix { $0 != "\n" }.split(separator: " ").dropFirst().prefix(8).compactMap { Int($0) }
        return CoreTime(all: ticks.reduce(0, +), stolen: ticks.count == 8 ? ticks[7] : 0)
    }

    func stolenPercent(since before: CoreTime) -> Double {
        Double(stolen - before.stolen) * 100 / Double(max(1, all - before.all))
    }
}

/// What the benchmarks read of the load generator's report; docs/load-report.schema.json describes it.
struct LoadOutput: Decodable {
    struct Operations: Decodable {
        var perSecond: Double
        var latency: Latency
    }

    struct Latency: Decodable {
        struct Percentile: Decodable {
            var percentile: Double
            var microseconds: Double
        }

        var percentiles: [Percentile]

        func at(_ percentile: Double) -> Double {
            percentiles.first { $0.percentile >= percentile }?.microseconds ?? 0
        }
    }

    struct Schedule: Decodable {
        var asked: Double
        var achieved: Double
        var errorPercent: Double
    }

    var total: Operations
    var schedule: Schedule?

    /// Runs the load generator to its end. An error or a wrong answer makes it exit with 1, and so this throws.
    @discardableResult
    static func of(_ programs: Programs, _ arguments: [String]) throws -> LoadOutput {
        let text = try runToEnd(programs.load, arguments + ["--json", "--quiet"])
        return try JSONDecoder().decode(LoadOutput.self, from: Data(text.utf8))
    }
    /// Several at once, each to its end.
    static func ofAll(_ programs: Programs, _ runs: [[String]]) throws {
        let processes = try runs.map { arguments in
            let process = Process()
            process.executableURL = URL(fileURLWithPath: programs.load)
            process.arguments = arguments + ["--json", "--quiet"]
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            return process
        }
        for process in processes { process.waitUntilExit() }
        guard processes.allSatisfy({ $0.terminationStatus == 0 }) else { throw BenchError("a load failed") }
    }
}
