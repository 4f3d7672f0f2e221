import Foundation
import Testing
import TidemarkRandom

@testable import TidemarkLoad

@Suite("Axes and plots")
struct PlotTests {
    @Test("every further nine takes the same room")
    func nines() {
        let axis = Axis.percentiles(count: 1_000_000)
        let places = [0, 90, 99, 99.9, 99.99, 99.999, 99.9999].map(axis.fraction)
        for (index, place) in places.enumerated() { #expect(abs(place - Double(index) / 6) < 1e-9) }
        #expect(axis.fraction(100) == 1)
        #expect(axis.ticks.map(\.label) == ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "max"])
    }

    @Test("latency is linear while the largest is near the smallest, else logarithmic")
    func latency() {
        #expect(Axis.latency([100, 1900]).scale == .linear)
        #expect(Axis.latency([100, 1900]).ticks.map(\.label) == ["0", "0.5 ms", "1 ms", "1.5 ms", "2 ms"])
        let wide = Axis.latency([0, 120, 40_000])
        #expect(wide.scale == .logarithmic)
        #expect(wide.lower == 100 && wide.upper == 50_000)
        #expect(wide.ticks.first?.label == "100 µs" && wide.ticks.last?.label == "50 ms")
        #expect(abs(wide.fraction(1000) - 1 / log10(500)) < 1e-9)
        #expect(wide.fraction(0) == 0)
    }

    @Test(
        "ticks lie on the axis, rise, are few, and differ",
        arguments: [
            [], [0], [1], [5, 5, 5], [0.003], [1e-9, 1e12], [1, 1e300], [.infinity, 7], [.nan], [999, 1001], [3, 61],
        ]
    )
    func ticks(values: [Double]) {
        let axes = [
            Axis.latency(values), .fromZero("", values: values, units: Units.sizes), .time(upTo: values.first ?? 0),
            .percentiles(count: UInt64(min(values.first { $0 > 1 } ?? 0, 1e18))),
        ]
        for axis in axes {
            #expect((2...30).contains(axis.ticks.count) || axis.upper > 1e30, "\(axis)")
            #expect(Set(axis.ticks.map(\.label)).count == axis.ticks.count, "\(axis)")
            #expect(axis.ticks.map(\.value) == axis.ticks.map(\.value).sorted(), "\(axis)")
            for tick in axis.ticks { #expect((0...1).contains(axis.fraction(tick.value))) }
            for value in values + [-1, 0, .infinity, .nan] { #expect((0...1).contains(axis.fraction(value))) }
        }
    }

    @Test(
        "time is labelled in what suits its length",
        arguments: [(30.0, "30 s"), (3600, "60:00 min"), (86400, "24:00 h")]
    )
    func time(seconds: Double, last: String) {
        #expect(Axis.time(upTo: seconds).ticks.last?.label == last)
    }

    @Test("memory is read off in binary units")
    func memory() {
        let ticks = ReportFixture.full().memoryPlot?.y.ticks.map(\.label)
        #expect(ticks == ["0", "50 MiB", "100 MiB", "150 MiB", "200 MiB", "250 MiB"])
    }

    @Test("any number of intervals is drawn within its box", arguments: [0, 1, 2, 59, 5000, 20_000])
    func manyIntervals(count: Int) throws {
        let report = ReportFixture.full(intervals: count)
        for plot in [report.ratePlot, report.intervalLatencyPlot, report.processorPlot, report.memoryPlot] {
            guard let plot else {
                #expect(count == 0)
                continue
            }
            let drawn = try Drawn(plot)
            #expect(plot.isEmpty == (count == 0))
            #expect(drawn.text.contains("no data") == (count == 0))
            #expect(drawn.areWithin(width: Plot.width, height: plot.height))
            #expect(drawn.text.utf8.count < 600_000)
            if count > 1 { #expect(drawn.lines >= 1) }
            if count == 1 { #expect(drawn.lines == 0 && drawn.text.contains("<circle class=\"dot s")) }
        }
    }

    @Test("a line that is thinned keeps its ends and its extremes, in their order")
    func thinned() {
        var random = SplitMix64(seed: 5)
        let points = (0..<50_000).map { Plot.Point(x: Double($0) / 100, y: random.normal()) }
        let thinned = Plot.thinned(points)
        #expect(thinned.count < 5000)
        #expect(thinned.first == points.first && thinned.last == points.last)
        #expect(thinned.map(\.y).max() == points.map(\.y).max())
        #expect(thinned.map(\.y).min() == points.map(\.y).min())
        #expect(thinned.map(\.x) == thinned.map(\.x).sorted())
    }

    @Test("a line breaks where nothing was answered")
    func gaps() throws {
        var report = ReportFixture.full(intervals: 30)
        for index in 10..<15 {
            report.intervals[index].completed = 0
            report.intervals[index].failed = 0
            report.intervals[index].p50 = 0
            report.intervals[index].p99 = 0
        }
        #expect(report.intervalLatencyPlot.lines.map { $0.runs.map(\.count) } == [[10, 15], [10, 15]])
        #expect(report.ratePlot.lines[0].runs.map(\.count) == [30])
    }

    @Test("the latency plot has a line for each kind that was measured, and a tooltip at each shown percentile")
    func kinds() throws {
        var report = ReportFixture.full()
        #expect(report.latencyPlot.lines.map(\.colour) == ["ink", "s1", "s2", "s3"])
        let seen = report.latencyPlot.marks.filter(\.isSeen).map(\.text)
        #expect(seen.contains("sync, p99: 1.09 ms; 4,158,000 operations at or below"))
        #expect(seen.filter { $0.hasPrefix("login, ") }.count == LoadReport.shownPercentiles.count + 1)
        report.kinds[1].latency = ReportFixture.empty().total.latency
        #expect(report.latencyPlot.lines.map(\.colour) == ["ink", "s1", "s3"])
        #expect(ReportFixture.closedLoop().latencyPlot.lines.map(\.colour) == ["s1"])
    }

    @Test("one operation, equal latencies and huge ranges are drawn within the box", arguments: [1, 7, 1_000_000])
    func latencies(count: UInt64) throws {
        for (median, tail) in [(5.0, 1.0), (0.001, 1), (1, 40), (1e6, 9)] {
            var report = ReportFixture.closedLoop()
            report.kinds = [ReportFixture.operations("sync", count: count, seconds: 1, median: median, tail: tail)]
            let drawn = try Drawn(report.latencyPlot)
            #expect(drawn.areWithin(width: Plot.width, height: report.latencyPlot.height))
            #expect(drawn.lines == 1)
        }
    }
}

/// The coordinates of an SVG text.
private struct Drawn {
    let text: String
    let lines: Int
    private let numbers: [(x: Double, y: Double)]

    init(_ plot: Plot) throws {
        text = plot.svg()
        lines = text.components(separatedBy: "<path class=\"line ").count - 1
        numbers = try text.matches(of: /[ML](-?[0-9][^ "MLZ]*) (-?[0-9][^ "MLZ]*)/).map {
            (try #require(Double($0.1)), try #require(Double($0.2)))
        }
    }

    func areWithin(width: Double, height: Double) -> Bool {
        // An infinite coordinate would be written as a dash.
        !text.contains("–") && !numbers.isEmpty
            && numbers.allSatisfy { (0...width).contains($0.x) && (0...height).contains($0.y) }
    }
}
