//  From what was counted to the report.

import Foundation
import Histogram

extension LoadReport {
    init(
        _ run: LoadConfiguration,
        total counted: Tally,
        _ intervals: [RunControl.Interval],
        _ times: LoadRun.Times,
        _ samples: ServerSamples,
        own: ServerSamples,
        started: Date
    ) {
        let seconds = times.seconds
        let completed = counted.completed.reduce(0, +)
        let late = counted.late.reduce(0, +)
        self.init(
            started: ISO8601DateFormatter().string(from: started),
            machine: Machine.this,
            configuration: Configuration(run),
            seconds: seconds,
            total: Operations(
                kind: "all",
                completed: completed,
                perSecond: Double(completed - late) / seconds,
                failed: counted.failed.reduce(0, +),
                completedLate: late > 0 ? late : nil,
                itemsMean: nil,
                latency: Latency(counted.together)
            ),
            kinds: run.shares.map { Operations($0.kind, counted, seconds: seconds) },
            errors: counted.errors.map { ErrorCount(code: $0.name, count: $1.count, example: $1.example) }
                .sorted { ($1.count, $0.code) < ($0.count, $1.code) },
            schedule: run.rate.map { Schedule(asked: $0, counted, seconds: seconds) },
            bytesSent: counted.bytesSent,
            bytesReceived: counted.bytesReceived,
            // A remainder of less than half a second says too little.
            intervals: intervals.enumerated().filter { $0.offset == 0 || seconds - Double($0.offset) >= 0.5 }
                .map { Interval($0, of: seconds, $1, samples) },
            server: samples.use(operations: completed - late),
            load: own.use(operations: 0).map { LoadUse(cpuSeconds: $0.cpuSeconds) }
        )
    }
}

extension LoadReport.Configuration {
    init(_ run: LoadConfiguration) {
        self.init(
            workload: run.workload.rawValue,
            mix: run.shares.map { LoadReport.Share(kind: $0.kind.name, percent: $0.percent) },
            server: "\(run.target)",
            connections: run.connections,
            pipeline: run.pipeline,
            threads: run.threads,
            users: run.users,
            seed: run.seed,
            durationSeconds: run.duration.seconds,
            warmUpSeconds: run.warmUp.seconds,
            rate: run.rate,
            changed: run.changed,
            verify: run.verify
        )
    }
}

extension LoadReport.Operations {
    fileprivate init(_ kind: OperationKind, _ counted: Tally, seconds: Double) {
        let index = Int(kind.rawValue)
        let completed = counted.completed[index]
        let late = counted.late[index]
        let isSync = kind == .sync || kind == .firstSync
        self.init(
            kind: kind.name,
            completed: completed,
            perSecond: Double(completed - late) / seconds,
            failed: counted.failed[index],
            completedLate: late > 0 ? late : nil,
            itemsMean: isSync && completed > 0 ? Double(counted.items[index]) / Double(completed) : nil,
            latency: LoadReport.Latency(counted.latencies[index])
        )
    }
}

extension LoadReport.Schedule {
    fileprivate init(asked: Double, _ counted: Tally, seconds: Double) {
        let achieved = Double(counted.sent) / seconds
        self.init(
            asked: asked,
            achieved: achieved,
            errorPercent: (achieved - asked) / asked * 100,
            unsent: counted.unsent
        )
    }
}

extension LoadReport.Interval {
    fileprivate init(_ index: Int, of total: Double, _ counted: RunControl.Interval, _ samples: ServerSamples) {
        let seconds = min(1, total - Double(index))
        let use = samples.use(in: index)
        self.init(
            start: Double(index),
            seconds: seconds,
            completed: counted.completed,
            failed: counted.failed,
            p50: counted.figures.p50,
            p99: counted.figures.p99,
            p90: counted.figures.isEmpty ? nil : counted.figures.p90,
            p999: counted.figures.isEmpty ? nil : counted.figures.p999,
            maximum: counted.figures.maximum,
            serverCores: use.map { $0.cpuSeconds / seconds },
            serverResidentBytes: use?.residentBytes
        )
    }
}

extension LoadReport.Latency {
    /// Of nanoseconds.
    init(_ histogram: Histogram<UInt64>) {
        let figures = LatencyFigures(histogram)
        self.init(
            mean: figures.mean / 1e3,
            minimum: Double(figures.minimum) / 1e3,
            maximum: Double(figures.maximum) / 1e3,
            standardDeviation: figures.standardDeviation / 1e3,
            percentiles: Self.levels(count: figures.count).map { level in
                let (value, count) = figures.percentile(level)
                return LoadReport.Percentile(percentile: level, microseconds: value, count: count)
            }
        )
    }

    /// Five steps for each halving of what is left of 100, as far as so many values can tell apart.
    private static func levels(count: UInt64) -> [Double] {
        var levels: Set<Double> = [0, 50, 75, 90, 95, 99, 99.9, 99.99, 100]
        var left = 100.0
        while left > 100 / Double(max(count, 1)), left > 1e-6 {
            for step in 0..<5 { levels.insert(100 - left * (1 - Double(step) / 10)) }
            left /= 2
        }
        return levels.sorted()
    }
}

extension LoadReport.Machine {
    static var this: LoadReport.Machine {
        var name = utsname()
        uname(&name)
        func text(_ field: some Any) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        let information = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = information.split(separator: "\n").first { $0.hasPrefix("model name") }
        return LoadReport.Machine(
            processor: model?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
                ?? text(name.machine),
            cores: ProcessInfo.processInfo.activeProcessorCount,
            kernel: "\(text(name.sysname)) \(text(name.release))"
        )
    }
}
