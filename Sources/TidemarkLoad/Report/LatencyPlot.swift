import Foundation

extension LoadReport {
    /// Latency by percentile, a line for each kind.
    var latencyPlot: Plot {
        let shown = shownOperations.filter(\.latency.hasValues)
        let values = shown.flatMap { $0.latency.percentiles.map(\.microseconds) + [$0.latency.maximum] }
        let largestCount = shown.map(\.latency.count).max() ?? 0
        var plot = Plot(
            name: "latency",
            summary: Self.latencySummary(shown),
            x: .percentiles(count: largestCount),
            y: .latency(values),
            height: 380
        )
        for kind in shown {
            let colour = colour(of: kind)
            let points = kind.latency.plotted
            plot.lines.append(Plot.Line(colour: colour, runs: [points.map(\.point)], isDashed: isDashed(kind)))
            plot.marks += Self.marks(points, of: kind, colour: colour)
        }
        return plot
    }

    /// One line alone is blue; with several, all together are in the text's colour.
    func colour(of kind: Operations) -> String {
        guard kinds.count > 1 else { return "s1" }
        guard let index = kinds.firstIndex(where: { $0.kind == kind.kind }), kind.kind != total.kind else {
            return "ink"
        }
        return "s\(index % PageColours.kinds.count + 1)"
    }

    /// Every second kind is dashed, so that neighbours differ without colours too.
    func isDashed(_ kind: Operations) -> Bool {
        guard kinds.count > 1, kind.kind != total.kind else { return false }
        return (kinds.firstIndex { $0.kind == kind.kind } ?? 0) % 2 == 1
    }

    private static func marks(_ points: [Latency.Plotted], of kind: Operations, colour: String) -> [Plot.Mark] {
        // More tooltips than this nobody could tell apart.
        let stride = max(points.count / 200, 1)
        return points.enumerated().compactMap { index, plotted in
            let isSeen = plotted.isMaximum || shownPercentiles.contains { abs($0 - plotted.percentile) < 1e-9 }
            guard isSeen || index % stride == 0 else { return nil }
            let name = plotted.isMaximum ? "max" : "p\(Units.plain(plotted.percentile))"
            let latency = Units.duration(microseconds: plotted.point.y)
            let text = "\(kind.kind), \(name): \(latency); \(Units.count(plotted.count)) operations at or below"
            return Plot.Mark(point: plotted.point, colour: colour, text: text, isSeen: isSeen)
        }
    }

    private static func latencySummary(_ kinds: [Operations]) -> String {
        let figures = kinds.map { kind in
            let parts = [50, 99, 99.9].map { percentile in
                let latency = kind.latency.at(percentile) ?? 0
                return "p\(Units.plain(percentile)) \(Units.duration(microseconds: latency))"
            }
            return
                "\(kind.kind) \(parts.joined(separator: ", ")), max \(Units.duration(microseconds: kind.latency.maximum))"
        }
        return "Latency by percentile. " + (figures.isEmpty ? "No data." : figures.joined(separator: "; "))
    }
}

extension LoadReport.Latency {
    struct Plotted {
        var point: Plot.Point
        var percentile: Double
        var count: UInt64
        var isMaximum: Bool
    }

    /// Of all that the percentiles were taken from.
    var count: UInt64 { percentiles.map(\.count).max() ?? 0 }

    /// The listed percentiles up to where only the largest is left, and that one at the end.
    var plotted: [Plotted] {
        let all = count
        let end = 100 * (1 - 1 / Double(max(all, 1)))
        var points = percentiles.filter { $0.percentile < 100 && ($0.percentile <= end || $0.count < all) }
            .map { listed in
                Plotted(
                    point: Plot.Point(x: listed.percentile, y: listed.microseconds),
                    percentile: listed.percentile,
                    count: listed.count,
                    isMaximum: false
                )
            }
        // A run of one operation has its maximum above every percentile; those of larger ones are where they belong.
        let x = max(end, points.last?.percentile ?? 0)
        points.append(Plotted(point: Plot.Point(x: x, y: maximum), percentile: 100, count: all, isMaximum: true))
        return points
    }
}
