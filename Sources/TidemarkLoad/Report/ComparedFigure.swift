/// A figure of a run that can be compared with another run's.
struct ComparedFigure {
    enum Unit: String, Codable, Sendable {
        case perSecond
        case microseconds
        case percent
        case bytes
    }

    var name: String
    var unit: Unit
    /// What to say where it grew, and where it shrank.
    var grown: ReportComparison.Verdict
    var shrunk: ReportComparison.Verdict
    /// Nil where the run has no such figure.
    var value: (LoadReport) -> Double?
    /// The same in each interval of a run; empty where intervals say nothing about it.
    var series: (LoadReport) -> [Double] = { _ in [] }
    /// Differences below it are the histogram's, in percent.
    var resolution = 0.0

    /// In the order in which they are shown.
    static var all: [ComparedFigure] {
        [
            ComparedFigure(
                name: "rate",
                unit: .perSecond,
                grown: .faster,
                shrunk: .slower,
                value: { $0.total.perSecond },
                series: { $0.wholeIntervals.map(\.completedPerSecond) }
            ),
            latency("p50", { $0.at(50) }, { $0.p50 }),
            latency("p90", { $0.at(90) }, { $0.p90 }),
            latency("p99", { $0.at(99) }, { $0.p99 }),
            latency("p99.9", { $0.at(99.9) }, { $0.p999 }),
            latency("max", { $0.hasValues ? $0.maximum : nil }, { _ in nil }),
            ComparedFigure(
                name: "errors",
                unit: .percent,
                grown: .more,
                shrunk: .fewer,
                value: { $0.total.ended > 0 ? $0.total.failedPercent : nil },
                series: {
                    $0.wholeIntervals.filter(\.hasLatency)
                        .map { Double($0.failed) / (Double($0.failed) + Double($0.completed)) * 100 }
                }
            ),
            ComparedFigure(
                name: "CPU per operation",
                unit: .microseconds,
                grown: .slower,
                shrunk: .faster,
                value: { $0.server?.cpuMicrosecondsPerOperation },
                series: {
                    $0.wholeIntervals.compactMap { interval in
                        guard interval.completed > 0, let cores = interval.serverCores else { return nil }
                        return cores * 1e6 / interval.completedPerSecond
                    }
                }
            ),
            ComparedFigure(
                name: "memory",
                unit: .bytes,
                grown: .more,
                shrunk: .fewer,
                value: { $0.server.map { Double($0.residentBytesMax) } }
            ),
        ]
    }

    /// Shorter is faster. Histograms keep three digits, hence the resolution.
    private static func latency(
        _ name: String,
        _ value: @escaping (LoadReport.Latency) -> Double?,
        _ interval: @escaping (LoadReport.Interval) -> Double?
    ) -> ComparedFigure {
        ComparedFigure(
            name: name,
            unit: .microseconds,
            grown: .slower,
            shrunk: .faster,
            value: { value($0.total.latency) },
            series: { $0.wholeIntervals.filter(\.hasLatency).compactMap(interval) },
            resolution: 0.1
        )
    }

    func text(_ value: Double) -> String {
        switch unit {
        case .perSecond: "\(Units.rate(value))/s"
        case .microseconds: Units.duration(microseconds: value)
        case .percent: Units.percent(value)
        case .bytes: Units.bytes(value)
        }
    }
}

extension LoadReport {
    /// Without a last one that the end cut short.
    var wholeIntervals: [Interval] {
        let longest = intervals.map(\.seconds).max() ?? 0
        return intervals.filter { $0.seconds > 0 && $0.seconds >= longest / 2 }
    }
}
