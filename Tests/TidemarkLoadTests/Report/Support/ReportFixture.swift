import Foundation
import Testing
import TidemarkRandom

@testable import TidemarkLoad

extension SplitMix64 {
    /// Normally distributed, by Box and Muller.
    mutating func normal(mean: Double = 0, deviation: Double = 1) -> Double {
        let radius = (-2 * log(Double.random(in: .leastNonzeroMagnitude...1, using: &self))).squareRoot()
        return mean + deviation * radius * cos(2 * .pi * Double.random(in: 0..<1, using: &self))
    }
}

/// Reports as runs could have made them.
enum ReportFixture {
    /// Several kinds, an open loop, errors and a watched server: every key has a value.
    static func full(seed: UInt64 = 1, intervals: Int = 60) -> LoadReport {
        var random = SplitMix64(seed: seed)
        var kinds = [
            operations("sync", count: 4_200_000, seconds: 60, median: 310, tail: 2.1, items: 3.4),
            operations("login", count: 1_200_000, seconds: 60, median: 840, tail: 2.6),
            operations("edit", count: 598_800, seconds: 60, median: 1250, tail: 3.3, failed: 1200),
        ]
        var total = operations("all", count: 5_998_800, seconds: 60, median: 460, tail: 3.0, failed: 1200)
        total.itemsMean = 3.4
        kinds[1].completedLate = 1480
        total.completedLate = 1480
        return LoadReport(
            started: "2026-03-14T09:26:53Z",
            machine: .init(processor: "Example 9000 at 3.4 GHz", cores: 8, kernel: "Linux 6.12.1"),
            configuration: configuration(mix: kinds.map(\.kind), rate: 100_000),
            seconds: 60,
            total: total,
            kinds: kinds,
            errors: [
                .init(code: "retryLater", count: 1100, example: "the log is full; try again in 250 ms"),
                .init(code: "timeout", count: 100, example: "no answer to request 8123 within 5 s"),
            ],
            schedule: .init(asked: 100_000, achieved: 99_980, errorPercent: -0.02, unsent: 41),
            bytesSent: 412_000_000,
            bytesReceived: 7_310_000_000,
            intervals: Self.intervals(intervals, using: &random),
            server: .init(
                pid: 4711,
                cpuSeconds: 41.2,
                cpuMicrosecondsPerOperation: 6.87,
                residentBytesBefore: 182_000_000,
                residentBytesAfter: 221_000_000,
                residentBytesMax: 223_500_000
            ),
            load: .init(cpuSeconds: 55.5)
        )
    }

    /// One kind, as fast as it goes, nobody watched.
    static func closedLoop() -> LoadReport {
        var report = full()
        report.configuration.workload = "sync"
        report.configuration.rate = nil
        report.configuration.mix = [.init(kind: "sync", percent: 100)]
        report.kinds = [report.kinds[0]]
        report.total = report.kinds[0]
        report.total.kind = "all"
        report.schedule = nil
        report.server = nil
        report.errors = []
        for index in report.intervals.indices {
            report.intervals[index].failed = 0
            report.intervals[index].serverCores = nil
            report.intervals[index].serverResidentBytes = nil
            report.intervals[index].p90 = nil
            report.intervals[index].p999 = nil
        }
        return report
    }

    /// A run in which nothing was answered before it was over.
    static func empty() -> LoadReport {
        var report = closedLoop()
        let nothing = LoadReport.Latency(
            mean: 0,
            minimum: 0,
            maximum: 0,
            standardDeviation: 0,
            percentiles: LoadReport.shownPercentiles.map { .init(percentile: $0, microseconds: 0, count: 0) }
        )
        report.total = .init(kind: "all", completed: 0, perSecond: 0, failed: 0, itemsMean: nil, latency: nothing)
        report.kinds = []
        report.seconds = 0
        report.bytesSent = 0
        report.bytesReceived = 0
        report.intervals = []
        return report
    }

    /// Texts that try to leave the place where they are shown.
    static let hostile =
        "</pre><script>alert('x')</script><img src=x onerror=\"y\"> & \u{1B}[31mred\r\n\u{202E}txt\u{0}"

    static func withHostileTexts() -> LoadReport {
        var report = full()
        report.errors[0] = .init(code: hostile, count: 1, example: hostile)
        report.configuration.server = hostile
        report.configuration.workload = hostile
        report.configuration.mix[0].kind = hostile
        report.kinds[0].kind = hostile
        report.machine.processor = hostile
        report.machine.kernel = hostile
        report.started = hostile
        return report
    }
}

extension ReportFixture {
    static func configuration(mix: [String], rate: Double?) -> LoadReport.Configuration {
        .init(
            workload: "mixed",
            mix: zip(mix, [70.0, 20, 10]).map { .init(kind: $0, percent: $1) },
            server: "127.0.0.1:7420",
            connections: 256,
            pipeline: 16,
            threads: 2,
            users: 100_000,
            seed: 42,
            durationSeconds: 60,
            warmUpSeconds: 5,
            rate: rate,
            changed: 4,
            verify: true
        )
    }

    /// Latencies that rise by a power of how few lie above.
    static func operations(
        _ kind: String,
        count: UInt64,
        seconds: Double,
        median: Double,
        tail: Double,
        items: Double? = nil,
        failed: UInt64 = 0
    ) -> LoadReport.Operations {
        let listed: [Double] = [
            0, 10, 25, 50, 62.5, 75, 81.25, 87.5, 90, 93.75, 95, 96.875, 98, 99, 99.5, 99.75, 99.9, 99.95, 99.975,
            99.99,
            99.995, 99.999, 100,
        ]
        let all = Double(count + failed)
        let latencies = listed.map { percentile in
            let nines = -log10(max(1 - percentile / 100, 1 / all))
            return median * pow(tail, nines - 0.3010)
        }
        return .init(
            kind: kind,
            completed: count,
            perSecond: Double(count) / seconds,
            failed: failed,
            itemsMean: items,
            latency: .init(
                mean: median * 1.2,
                minimum: latencies[0],
                maximum: latencies[listed.count - 1],
                standardDeviation: median * 0.6,
                percentiles: zip(listed, latencies).map {
                    .init(percentile: $0, microseconds: $1, count: UInt64((all * $0 / 100).rounded(.up)))
                }
            )
        )
    }

    /// A second each; the server stalls for a moment two thirds through.
    static func intervals(_ count: Int, using random: inout SplitMix64) -> [LoadReport.Interval] {
        (0..<count).map { index in
            let isStalled = count > 10 && index == count * 2 / 3
            let completed = max(0, random.normal(mean: isStalled ? 41_000 : 100_000, deviation: 900))
            let p50 = max(1, random.normal(mean: isStalled ? 2100 : 460, deviation: 12))
            let p99 = max(p50, random.normal(mean: isStalled ? 61_000 : 2900, deviation: 160))
            return LoadReport.Interval(
                start: Double(index),
                seconds: 1,
                completed: UInt64(completed),
                failed: isStalled ? 1200 : 0,
                p50: p50,
                p99: p99,
                p90: p50 * 2,
                p999: p99 * 2,
                maximum: p99 * 3,
                serverCores: isStalled ? 0.2 : max(0, random.normal(mean: 0.69, deviation: 0.01)),
                serverResidentBytes: UInt64(182_000_000 + 650_000 * index)
            )
        }
    }
}

/// A whole report would be the name of each case that takes one.
extension LoadReport: CustomTestStringConvertible {
    public var testDescription: String { "\(kinds.count) kinds, \(intervals.count) intervals, \(total.completed) done" }
}
