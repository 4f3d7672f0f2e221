/// Two files of runs side by side: what differs, and whether by more than chance explains.
public struct ReportComparison: Equatable, Codable, Sendable {
    public static let schemaName = "tidemark-load-comparison/1"

    public enum Verdict: String, Codable, Sendable {
        case faster
        case slower
        case more
        case fewer
        /// More than the noise within the runs, but too few runs to tell how much runs differ by themselves.
        case unproven
        /// No more than the noise.
        case withinNoise
        /// Different, and nothing tells how much the figure varies by itself.
        case noiseUnknown
        /// One of the files has no such figure.
        case missing
    }

    /// Where the noise comes from.
    public enum Method: String, Codable, Sendable {
        /// The spread between three or more runs in each file.
        case runs
        /// The spread between the intervals within the runs, which leaves out what differs from run to run; hence no
        /// verdict is firmer than `unproven`.
        case intervals
    }

    public struct Side: Equatable, Codable, Sendable {
        public var file: String
        public var runs: Int
    }

    public struct Row: Equatable, Codable, Sendable {
        public var name: String
        /// "perSecond", "microseconds", "percent" or "bytes".
        public var unit: String
        /// Means over a file's runs.
        public var a: Double?
        public var b: Double?
        /// Of B from A, in percent of A; nil where A is 0.
        public var differencePercent: Double?
        /// Half of the 95 % interval of the difference, in percent of A; nil where it is unknown or A is 0.
        public var noisePercent: Double?
        public var verdict: Verdict
    }

    public var schema = ReportComparison.schemaName
    public var a: Side
    public var b: Side
    public var method: Method
    public var rows: [Row]
    /// What makes the two hard to compare, each in a line.
    public var warnings: [String]

    public init(_ a: ReportFile, _ b: ReportFile) {
        self.a = Side(file: a.name, runs: a.runs.count)
        self.b = Side(file: b.name, runs: b.runs.count)
        let method: Method = min(a.runs.count, b.runs.count) >= 3 ? .runs : .intervals
        self.method = method
        rows = ComparedFigure.all.compactMap { Self.row($0, a.runs, b.runs, method) }
        warnings = ComparisonWarnings.all(a, b, method)
    }

    /// One JSON object on one line; throws `ReportError.notFinite` as a report does.
    public func json() throws(ReportError) -> String { try ReportJSON.text(self, isLaidOut: false) }
}

extension ReportComparison {
    /// Nil where neither file has the figure.
    private static func row(_ figure: ComparedFigure, _ a: [LoadReport], _ b: [LoadReport], _ method: Method) -> Row? {
        let values = (a: a.compactMap(figure.value), b: b.compactMap(figure.value))
        let means = (a: mean(values.a), b: mean(values.b))
        guard means.a != nil || means.b != nil else { return nil }
        var row = Row(name: figure.name, unit: figure.unit.rawValue, a: means.a, b: means.b, verdict: .missing)
        guard let meanA = means.a, let meanB = means.b else { return row }

        let difference = meanB - meanA
        row.differencePercent = percent(difference, of: meanA)
        var noise: Double?
        if let estimateA = estimate(figure, a, method), let estimateB = estimate(figure, b, method) {
            // Squares of very large values overflow, and what is infinite tells nothing.
            let width = Estimate.halfWidth(estimateA, estimateB)
            noise = width.isFinite ? max(width, abs(meanA) * figure.resolution / 100) : nil
        }
        row.noisePercent = noise.flatMap { percent($0, of: abs(meanA)) }
        row.verdict = verdict(figure, difference, noise, method)
        return row
    }

    private static func percent(_ part: Double, of whole: Double) -> Double? {
        let percent = part / whole * 100
        return percent.isFinite ? percent : nil
    }

    private static func verdict(
        _ figure: ComparedFigure,
        _ difference: Double,
        _ noise: Double?,
        _ method: Method
    ) -> Verdict {
        if difference == 0 { return .withinNoise }
        guard let noise else { return .noiseUnknown }
        if abs(difference) <= noise { return .withinNoise }
        if method == .intervals { return .unproven }
        return difference > 0 ? figure.grown : figure.shrunk
    }

    private static func estimate(_ figure: ComparedFigure, _ runs: [LoadReport], _ method: Method) -> Estimate? {
        switch method {
        case .runs:
            return Estimate(runs: runs.compactMap(figure.value))
        case .intervals:
            let parts = runs.compactMap { run -> Estimate? in
                guard let value = figure.value(run) else { return nil }
                return Estimate(series: figure.series(run))?.moved(to: value)
            }
            return parts.count == runs.count ? Estimate(meanOf: parts) : nil
        }
    }

    private static func mean(_ values: [Double]) -> Double? {
        let count = Double(values.count)
        let sum = values.reduce(0, +)
        if values.isEmpty { return nil }
        return sum.isFinite ? sum / count : values.reduce(0) { $0 + $1 / count }
    }
}
