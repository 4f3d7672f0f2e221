// What a durable change costs: acknowledged changes a second through the whole server, folding and checkpoints included,
// against SQLite's bare C API that upserts the same rows of a copy of the same file; how long an acknowledgement takes at
// half of that; what writes do to the syncs beside them; and the bytes that reach the disk for each.

import ClosedLoop
import Foundation
import TidemarkWire

struct WriteCost {
    struct Run: Encodable {
        var program: String
        var changesPerSecond: Double
        /// Of the server: written to disk for each change.
        var bytesPerChange: Double?
        /// Of the server's process, by thread, for each change.
        var loopMicroseconds: Double?
        var logMicroseconds: Double?
    }

    struct Beside: Encodable {
        var syncsPerSecond: Double
        var changesPerSecond: Double
        var loopMicrosecondsPerSync: Double
    }

    /// In microseconds.
    struct Latency: Encodable {
        var p50: Double
        var p99: Double
        var max: Double
        /// Of the cores' time, what the hypervisor gave to others meanwhile.
        var stolenPercent: Double
    }

    struct Series: Encodable {
        var connections: Int
        var pipeline: Int
        /// Bare and tidemark in turn.
        var runs: [Run]
        var halfRate: Double
        var halfRateLatency: [Latency]
        var syncsAlone: [Beside]
        var syncsBesideWrites: [Beside]
    }

    static let connections = 64
    static let pipeline = 16
    /// What the first version of the log wrote to disk for each change in this benchmark (232 to 237 in four runs); it is
    /// to be half of it.
    static let firstBytesPerChange = 236.0
    private static let syncRate = 50_000.0

    static func run(_ programs: Programs, small: Bool) throws {
        let server = try GraphServer(programs, core: nil)
        let copy = server.data + "-bare"
        try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: copy) }
        try server.copyDatabase(to: copy + "/tidemark.db")

        // Many short turns rather than few long ones, and the median of their ratios: what else the machine does comes and
        // goes within seconds.
        let seconds = small ? 0.3 : 2.0
        var runs: [Run] = []
        var ratios: [Double] = []
        for turn in 1...(small ? 1 : 11) {
            let first = turn.isMultiple(of: 2) ? try changes(server, programs, seconds) : nil
            let bare = try bare(copy + "/tidemark.db", programs, seconds)
            let ours = try first ?? changes(server, programs, seconds)
            runs += [bare, ours]
            ratios.append(ours.changesPerSecond / bare.changesPerSecond)
            say(
                "turn \(turn): bare \(Int(bare.changesPerSecond)) changes/s, tidemark \(Int(ours.changesPerSecond)) "
                    + "(\(Int(ours.bytesPerChange ?? 0)) bytes each), ratio \(rounded(ratios.last!))"
            )
        }
        func median(_ program: String, _ figure: (Run) -> Double?) -> Double {
            let values = runs.filter { $0.program == program }.compactMap(figure).sorted()
            return values[values.count / 2]
        }
        // The turn in the middle, with both of its sides.
        let middle = ratios.indices.sorted { ratios[$0] < ratios[$1] }[ratios.count / 2]
        let half = (median("tidemark") { $0.changesPerSecond } / 2).rounded()
        let latency = try acknowledgements(server, programs, rate: half, seconds: seconds, turns: small ? 1 : 9)
        let beside = try syncsBeside(server, programs, writeRate: half, seconds: seconds, turns: small ? 1 : 5)
        func cost(_ runs: [Beside]) -> Double { runs.map(\.loopMicrosecondsPerSync).sorted()[runs.count / 2] }
        let p99 = latency.map(\.p99).sorted()[latency.count / 2]

        Report(
            bench: "writes",
            machine: .this(),
            goals: [
                .ratioAtLeast(
                    1,
                    "acknowledged changes a second against SQLite's C API upserting the same rows",
                    measured: runs[2 * middle + 1].changesPerSecond,
                    against: runs[2 * middle].changesPerSecond,
                    unit: "a second"
                ),
                .atMost(25, "p99 of an acknowledgement at half that rate", p99 / 1000, unit: "ms"),
                .ratioAtMost(
                    1.2,
                    "CPU of the loop for a nothing-new sync while writes run, less what these cost alone",
                    measured: cost(beside.during),
                    against: cost(beside.alone),
                    unit: "µs"
                ),
                .ratioAtMost(
                    0.5,
                    "bytes on disk for a change of a 30-byte field, against the first version",
                    measured: median("tidemark") { $0.bytesPerChange },
                    against: firstBytesPerChange,
                    unit: "bytes"
                ),
            ],
            series: Series(
                connections: connections,
                pipeline: pipeline,
                runs: runs,
                halfRate: half,
                halfRateLatency: latency,
                syncsAlone: beside.alone,
                syncsBesideWrites: beside.during
            )
        ).print()
    }

    // MARK: changes a second

    private static func load(_ workload: String, _ server: GraphServer, seconds: Double, _ more: [String]) -> [String] {
        [
            workload, "--server", "127.0.0.1:\(server.port)", "--key-file", server.keyFile,
            "--connections", String(connections), "--pipeline", String(pipeline),
            "--duration", "\(Int(seconds * 1000))ms", "--warm-up", "200ms",
        ] + more
    }

    private static func changes(_ server: GraphServer, _ programs: Programs, _ seconds: Double) throws -> Run {
        let before = ProcessCost.of(server.process)
        let report = try LoadOutput.of(programs, load("edit", server, seconds: seconds, ["--users", "4039"]))
        let spent = ProcessCost.of(server.process) - before
        // The counters also saw the warm-up, at the same rate.
        let changes = report.total.perSecond * (seconds + 0.2)
        return Run(
            program: "tidemark",
            changesPerSecond: report.total.perSecond.rounded(),
            bytesPerChange: (spent.writtenBytes / changes).rounded(),
            loopMicroseconds: rounded(spent.loopSeconds / changes * 1e6),
            logMicroseconds: rounded(spent.logSeconds / changes * 1e6)
        )
    }

    private static func bare(_ file: String, _ programs: Programs, _ seconds: Double) throws -> Run {
        let users = (0..<connections).map { String(1 + $0 * 4039 / connections) }
        let field = String(FieldNumber.note.rawValue)
        let output = try runToEnd(programs.bareSQLite, ["upsert", file, String(seconds), "1000", field] + users)
        let rate = Double(output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        return Run(program: "bare", changesPerSecond: rate)
    }

    // MARK: latency

    private static func acknowledgements(
        _ server: GraphServer,
        _ programs: Programs,
        rate: Double,
        seconds: Double,
        turns: Int
    ) throws -> [Latency] {
        try (0..<turns).map { _ in
            let before = CoreTime.now()
            let options = ["--users", "4039", "--rate", String(Int(rate))]
            let report = try LoadOutput.of(programs, load("edit", server, seconds: seconds, options)).total.latency
            let latency = Latency(
                p50: report.at(50),
                p99: report.at(99),
                max: report.at(100),
                stolenPercent: rounded(CoreTime.now().stolenPercent(since: before))
            )
            say("half rate, \(Int(rate)) changes/s: p50 \(latency.p50) µs, p99 \(latency.p99) µs")
            return latency
        }
    }

    // MARK: syncs beside writes

    /// Users who sync and users who write do not know each other, so that each sync has nothing new.
    private static func syncsBeside(
        _ server: GraphServer,
        _ programs: Programs,
        writeRate: Double,
        seconds: Double,
        turns: Int
    ) throws -> (alone: [Beside], during: [Beside]) {
        let (syncers, writers) = try server.strangers(connections)
        func users(_ first: UserID) -> [String] { ["--first-user", String(first), "--users", String(connections)] }
        let syncs = load("sync", server, seconds: seconds, users(syncers) + ["--rate", String(Int(syncRate))])
        let writes = load("edit", server, seconds: seconds, users(writers) + ["--rate", String(Int(writeRate))])
        func loopSeconds(_ runs: [[String]]) throws -> Double {
            let before = ProcessCost.of(server.process)
            try LoadOutput.ofAll(programs, runs)
            return (ProcessCost.of(server.process) - before).loopSeconds
        }
        var alone: [Beside] = []
        var during: [Beside] = []
        let count = syncRate * (seconds + 0.2)
        for _ in 0..<turns {
            let quiet = try loopSeconds([syncs])
            let writing = try loopSeconds([writes])
            let both = try loopSeconds([syncs, writes])
            alone.append(
                Beside(
                    syncsPerSecond: syncRate,
                    changesPerSecond: 0,
                    loopMicrosecondsPerSync: rounded(quiet / count * 1e6)
                )
            )
            during.append(
                Beside(
                    syncsPerSecond: syncRate,
                    changesPerSecond: writeRate,
                    loopMicrosecondsPerSync: rounded((both - writing) / count * 1e6)
                )
            )
            say(
                "a sync costs the loop \(alone.last!.loopMicrosecondsPerSync) µs alone, "
                    + "\(during.last!.loopMicrosecondsPerSync) µs beside \(Int(writeRate)) changes/s"
            )
        }
        return (alone, during)
    }

    private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}

/// What a server's process has used, by what its threads are called.
struct ProcessCost {
    var loopSeconds = 0.0
    var logSeconds = 0.0
    /// That the process caused to be written to the disk.
    var writtenBytes = 0.0

    static func of(_ process: pid_t) -> ProcessCost {
        func text(_ path: String) -> String {
            ((try? String(contentsOfFile: "/proc/\(process)/\(path)", encoding: .utf8)) ?? "")
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
        var cost = ProcessCost()
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []
        for thread in threads {
            let nanoseconds = Double(text("task/\(thread)/schedstat").split(separator: " ").first ?? "") ?? 0
            switch text("task/\(thread)/comm") {
            case let name where name.hasPrefix("tidemark-loop"): cost.loopSeconds += nanoseconds / 1e9
            case "tidemark-log": cost.logSeconds += nanoseconds / 1e9
            default: break
            }
        }
        for line in text("io").split(separator: "\n") where line.hasPrefix("write_bytes: ") {
            cost.writtenBytes = Double(line.dropFirst(13)) ?? 0
        }
        return cost
    }

    static func - (after: ProcessCost, before: ProcessCost) -> ProcessCost {
        ProcessCost(
            loopSeconds: after.loopSeconds - before.loopSeconds,
            logSeconds: after.logSeconds - before.logSeconds,
            writtenBytes: after.writtenBytes - before.writtenBytes
        )
    }
}
