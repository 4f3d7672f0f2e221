// What happened when: the rate, the latency and the server, an interval after the other.

extension LoadReport {
    /// What was completed and what failed a second.
    var ratePlot: Plot {
        let completed = points { $0.completedPerSecond }
        let failed = points { $0.failedPerSecond }
        let hasFailed = intervals.contains { $0.failed > 0 }
        let asked = configuration.rate
        var plot = timePlot(
            "rate",
            "Operations a second over time.",
            .fromZero(
                "operations a second",
                values: completed.joined().map(\.y) + failed.joined().map(\.y) + [asked ?? 0],
                units: Units.thousands
            )
        )
        plot.lines = [Plot.Line(colour: "s1", runs: completed, isFilled: true)]
        if hasFailed { plot.lines.append(Plot.Line(colour: "bad", runs: failed)) }
        if let asked, !intervals.isEmpty { plot.level = (asked, "dashed: \(Units.rate(asked)) asked for") }
        plot.bands = bands { group in
            var dots = [(group.point { $0.completedPerSecond }, "s1")]
            if hasFailed { dots.append((group.point { $0.failedPerSecond }, "bad")) }
            let rates = Self.range(group.intervals.map(\.completedPerSecond), Units.rate)
            let count = Units.count(group.intervals.reduce(0) { $0 &+ $1.failed })
            return (dots, "\(rates) completed a second, \(count) failed")
        }
        return plot
    }

    /// p50 and p99 of each interval.
    var intervalLatencyPlot: Plot {
        let p50 = points { $0.hasLatency ? $0.p50 : nil }
        let p99 = points { $0.hasLatency ? $0.p99 : nil }
        var plot = timePlot(
            "p99",
            "Latency over time: p50 and p99 of each interval.",
            .latency(p50.joined().map(\.y) + p99.joined().map(\.y))
        )
        plot.lines = [Plot.Line(colour: "s2", runs: p99), Plot.Line(colour: "s1", runs: p50, isDashed: true)]
        plot.bands = bands { group in
            let measured = group.intervals.filter(\.hasLatency)
            guard !measured.isEmpty else { return ([], "nothing answered") }
            let name = { (value: Double) in Units.duration(microseconds: value) }
            return (
                [(group.point { $0.p99 }, "s2"), (group.point { $0.p50 }, "s1")],
                "p50 \(Self.range(measured.map(\.p50), name)), p99 \(Self.range(measured.map(\.p99), name)), "
                    + "max \(name(measured.map(\.maximum).max() ?? 0))"
            )
        }
        return plot
    }

    /// Cores that the server used; nil where it was not watched.
    var processorPlot: Plot? {
        sampled("cpu", "server CPU", "s4", units: [Units.Unit(size: 1, name: "")], axis: "cores in use") {
            $0.serverCores
        }
    }

    /// Resident memory of the server; nil where it was not watched.
    var memoryPlot: Plot? {
        sampled("memory", "server memory", "s3", units: Units.sizes, axis: "resident memory") {
            $0.serverResidentBytes.map { Double($0) }
        }
    }

    private func sampled(
        _ name: String,
        _ meaning: String,
        _ colour: String,
        units: [Units.Unit],
        axis: String,
        _ value: (Interval) -> Double?
    ) -> Plot? {
        let runs = points(value)
        guard !runs.isEmpty else { return nil }
        var plot = timePlot(
            name,
            "\(meaning) over time",
            .fromZero(axis, values: runs.joined().map(\.y), units: units)
        )
        plot.height = 210
        plot.lines = [Plot.Line(colour: colour, runs: runs, isFilled: true)]
        plot.bands = bands { group in
            let values = group.intervals.compactMap(value)
            guard !values.isEmpty else { return ([], "not sampled") }
            let text = Self.range(values) { units.count > 1 ? Units.bytes($0) : "\(Units.threeDigits($0)) cores" }
            return ([(group.point { value($0) ?? 0 }, colour)], text)
        }
        return plot
    }
}

// MARK: intervals on the axis of time

extension LoadReport {
    /// Consecutive intervals that share a tooltip.
    private struct Group {
        var intervals: ArraySlice<Interval>

        /// The middle one, of which there always is one.
        func point(_ value: (Interval) -> Double) -> Plot.Point {
            let middle = intervals[(intervals.startIndex + intervals.endIndex - 1) / 2]
            return Plot.Point(x: middle.start + middle.seconds / 2, y: value(middle))
        }
    }

    private func timePlot(_ name: String, _ summary: String, _ y: Axis) -> Plot {
        let end = intervals.map { $0.start + $0.seconds }.max() ?? configuration.durationSeconds
        return Plot(name: name, summary: summary, x: .time(upTo: end), y: y, height: 250)
    }

    /// The middles of the intervals that have the value, cut where one has not.
    private func points(_ value: (Interval) -> Double?) -> [[Plot.Point]] {
        var runs: [[Plot.Point]] = [[]]
        for interval in intervals {
            if let y = value(interval) {
                runs[runs.count - 1].append(Plot.Point(x: interval.start + interval.seconds / 2, y: y))
            } else {
                runs.append([])
            }
        }
        return runs.filter { !$0.isEmpty }
    }

    private func bands(
        _ describe: (Group) -> (dots: [(point: Plot.Point, colour: String)], text: String)
    ) -> [Plot.Band] {
        // A band narrower than two pixels could not be pointed at.
        let size = max((intervals.count + 399) / 400, 1)
        return stride(from: 0, to: intervals.count, by: size).map { start in
            let group = Group(intervals: intervals[start..<min(start + size, intervals.count)])
            let from = group.intervals.first?.start ?? 0
            let to = group.intervals.last.map { $0.start + $0.seconds } ?? from
            let (dots, text) = describe(group)
            return Plot.Band(
                from: from,
                to: to,
                dots: dots,
                text: "\(Units.threeDigits(from)) to \(Units.threeDigits(to)) s: \(text)"
            )
        }
    }

    /// "12" or "12 to 19".
    private static func range(_ values: [Double], _ name: (Double) -> String) -> String {
        let least = name(values.min() ?? 0)
        let largest = name(values.max() ?? 0)
        return least == largest ? least : "\(least) to \(largest)"
    }
}
