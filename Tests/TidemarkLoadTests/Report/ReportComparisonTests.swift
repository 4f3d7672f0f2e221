import Foundation
import Testing
import TidemarkRandom

@testable import TidemarkLoad

@Suite("Comparing runs")
struct ReportComparisonTests {
    /// A run with every figure at `level` times its usual, each interval off by so much of it.
    private static func run(
        level: Double = 1,
        noise: Double,
        correlation: Double = 0,
        intervals: Int = 60,
        _ random: inout SplitMix64
    ) -> LoadReport {
        var report = ReportFixture.full(intervals: intervals)
        let rate = EstimateTests.series(intervals, correlation: correlation, &random)
        let latency = EstimateTests.series(intervals, correlation: correlation, &random)
        for index in report.intervals.indices {
            report.intervals[index].completed = UInt64(100_000 * level * max(0, 1 + noise * rate[index]))
            report.intervals[index].failed = 0
            report.intervals[index].p50 = 460 * level * max(0, 1 + noise * latency[index])
            report.intervals[index].p99 = report.intervals[index].p50 * 5
            report.intervals[index].serverCores = 0.69 * level
        }
        let completed = report.intervals.reduce(0) { $0 + $1.completed }
        report.total.completed = completed
        report.total.failed = 0
        report.total.perSecond = Double(completed) / Double(intervals)
        let p50 = report.intervals.map(\.p50).reduce(0, +) / Double(intervals)
        for index in report.total.latency.percentiles.indices {
            report.total.latency.percentiles[index].microseconds = p50
        }
        return report
    }

    private static func file(_ name: String, _ runs: [LoadReport]) throws -> ReportFile {
        let lines = try runs.map { try $0.json() }.joined(separator: "\n")
        return try ReportFile(name: name, json: Data(lines.utf8))
    }

    private static func compare(_ a: [LoadReport], _ b: [LoadReport]) throws -> ReportComparison {
        ReportComparison(try file("a.json", a), try file("b.json", b))
    }

    private static func row(_ comparison: ReportComparison, _ name: String) throws -> ReportComparison.Row {
        try #require(comparison.rows.first { $0.name == name })
    }

    @Test("a file is within noise of itself in every figure", arguments: [1, 2, 3, 5])
    func equal(runs: Int) throws {
        var random = SplitMix64(seed: 3)
        let runs = (0..<runs).map { _ in Self.run(noise: 0.01, &random) }
        let comparison = try Self.compare(runs, runs)
        #expect(comparison.method == (runs.count < 3 ? .intervals : .runs))
        #expect(comparison.rows.count == 9)
        let hasCaveat = comparison.warnings.contains { $0.hasPrefix("fewer than three runs a side cannot prove") }
        #expect(hasCaveat == (runs.count < 3))
        #expect(comparison.warnings.last == "an open loop's rate is what was asked for; compare the latencies")
        #expect(comparison.warnings.count == (hasCaveat ? 2 : 1))
        for row in comparison.rows {
            #expect(row.verdict == .withinNoise, "\(row)")
            #expect(row.differencePercent ?? 0 == 0)
        }
    }

    @Test(
        "a shift by a fifth is found in noise of a hundredth, in either direction; one run proves none",
        arguments: [1, 3]
    )
    func shift(count: Int) throws {
        var random = SplitMix64(seed: 4)
        let usual = (0..<count).map { _ in
            Self.run(level: Double.random(in: 0.99...1.01, using: &random), noise: 0.01, &random)
        }
        let higher = (0..<count).map { _ in
            Self.run(level: 1.2 * Double.random(in: 0.99...1.01, using: &random), noise: 0.01, &random)
        }
        let up = try Self.compare(usual, higher)
        let isProven = count >= 3
        #expect(try Self.row(up, "rate").verdict == (isProven ? .faster : .unproven))
        #expect(try Self.row(up, "p50").verdict == (isProven ? .slower : .unproven))
        #expect(try Self.row(up, "p99").verdict == (isProven ? .slower : .unproven))
        let change = try #require(try Self.row(up, "p50").differencePercent)
        #expect(abs(change - 20) < 3)
        #expect(try #require(try Self.row(up, "p50").noisePercent) < 5)
        let down = try Self.compare(higher, usual)
        #expect(try Self.row(down, "rate").verdict == (isProven ? .slower : .unproven))
        #expect(try Self.row(down, "p50").verdict == (isProven ? .faster : .unproven))
    }

    /// Of 200 pairs of files with nothing between them but chance: the verdicts on the rate.
    private static func verdictsOnEqual(
        runs count: Int,
        intervals: Int,
        correlation: Double,
        betweenRuns: Double,
        seed: UInt64
    ) throws -> [ReportComparison.Verdict] {
        var random = SplitMix64(seed: seed)
        func file() -> ReportFile {
            let runs = (0..<count).map { _ in
                Self.run(
                    level: random.normal(mean: 1, deviation: betweenRuns),
                    noise: 0.02,
                    correlation: correlation,
                    intervals: intervals,
                    &random
                )
            }
            return ReportFile(name: "made up", runs: runs)
        }
        return try (0..<200).map { _ in try Self.row(ReportComparison(file(), file()), "rate").verdict }
    }

    @Test(
        "equal distributions raise few false alarms, with what differs from run to run and without",
        arguments: [(3, 8, 0.0, 0.02), (5, 8, 0, 0.02), (3, 20, 0.5, 0.05), (3, 8, 0, 0)]
    )
    func falseAlarms(count: Int, intervals: Int, correlation: Double, betweenRuns: Double) throws {
        let seed: UInt64 = 20_260_314
        let verdicts = try Self.verdictsOnEqual(
            runs: count,
            intervals: intervals,
            correlation: correlation,
            betweenRuns: betweenRuns,
            seed: seed
        )
        let share = Double(verdicts.count { $0 != .withinNoise }) / Double(verdicts.count)
        #expect(share < 0.09, "seed \(seed)")
        #expect(share > 0.002, "noise so large that nothing would be found; seed \(seed)")
    }

    @Test("one or two runs never prove anything, however much runs differ", arguments: [1, 2], [0.0, 0.02, 0.1])
    func fewRuns(count: Int, betweenRuns: Double) throws {
        let seed: UInt64 = 20_260_315
        let verdicts = try Self.verdictsOnEqual(
            runs: count,
            intervals: 60,
            correlation: 0,
            betweenRuns: betweenRuns,
            seed: seed
        )
        #expect(Set(verdicts).isSubset(of: [.withinNoise, .unproven]), "seed \(seed)")
        // What the intervals show is right for runs that do not differ, and far too little for those that do.
        let share = Double(verdicts.count { $0 == .unproven }) / Double(verdicts.count)
        #expect(betweenRuns == 0 ? (0.002..<0.09).contains(share) : share > 0.4, "\(share), seed \(seed)")
    }

    @Test("the noise within a run allows for how alike neighbours are", arguments: [(60, 0.5), (20, 0.5)])
    func alikeNeighbours(intervals: Int, correlation: Double) throws {
        let seed: UInt64 = 20_260_316
        let verdicts = try Self.verdictsOnEqual(
            runs: 1,
            intervals: intervals,
            correlation: correlation,
            betweenRuns: 0,
            seed: seed
        )
        let share = Double(verdicts.count { $0 == .unproven }) / Double(verdicts.count)
        #expect((0.002..<0.09).contains(share), "\(share), seed \(seed)")
    }

    @Test("what one run cannot tell is said to be unknown")
    func unknown() throws {
        let a = ReportFixture.full()
        var b = a
        b.total.latency.maximum *= 3
        b.server?.residentBytesMax *= 2
        let comparison = try Self.compare([a], [b])
        for name in ["max", "memory"] {
            let row = try Self.row(comparison, name)
            #expect(row.verdict == .noiseUnknown && row.noisePercent == nil)
        }
        b.intervals = Array(b.intervals.prefix(5))
        b.total.perSecond *= 2
        #expect(try Self.row(Self.compare([a], [b]), "rate").verdict == .noiseUnknown)
    }

    @Test("noise too large for a number is unknown, and nothing in the comparison is infinite")
    func overflow() throws {
        let rates = [[1e308, 1.2e308, 1.4e308], [1.1e308, 1.5e308, 1.7e308]]
        let files = rates.map { values in
            values.map { rate in
                var run = ReportFixture.full()
                run.total.perSecond = rate
                return run
            }
        }
        let comparison = try Self.compare(files[0], files[1])
        let row = try Self.row(comparison, "rate")
        #expect(row.verdict == .noiseUnknown && row.noisePercent == nil)
        #expect(abs(try #require(row.differencePercent) - 19.444) < 0.01)
        #expect(try comparison.json().contains("noiseUnknown"))
        #expect(comparison.text(isColoured: false).contains("1.20e+308/s"))
    }

    @Test("errors from none have no percentage and are seen all the same")
    func errorsFromNone() throws {
        var random = SplitMix64(seed: 8)
        let clean = (0..<3).map { _ in Self.run(noise: 0.01, &random) }
        var failing = clean
        for index in failing.indices { failing[index].total.failed = 90_000 + UInt64(index) }
        let row = try Self.row(Self.compare(clean, failing), "errors")
        #expect(row.verdict == .more && row.differencePercent == nil && row.noisePercent == nil)
        let comparison = try Self.compare(failing, clean)
        #expect(try Self.row(comparison, "errors").verdict == .fewer)
        #expect(comparison.warnings.contains { $0.hasPrefix("A failed 1.5 % of its operations") })
    }

    @Test("a figure that one file lacks is missing, one that both lack is not shown; no operations, no latencies")
    func missing() throws {
        let watched = ReportFixture.full()
        let alone = ReportFixture.closedLoop()
        #expect(try Self.row(Self.compare([watched], [alone]), "memory").verdict == .missing)
        #expect(try Self.compare([alone], [alone]).rows.map(\.name).contains("memory") == false)
        let nothing = try Self.compare([ReportFixture.empty()], [ReportFixture.empty()])
        #expect(nothing.rows.map(\.name) == ["rate"])
        #expect(nothing.rows[0].verdict == .withinNoise)
    }

    @Test("keys of the configuration and the machine that differ are named, the seed is not")
    func warnings() throws {
        let a = ReportFixture.full()
        var b = a
        b.configuration.seed = 7
        #expect(try Self.compare([a], [b]).warnings.count == 2)
        b.configuration.connections = 64
        b.configuration.rate = nil
        b.machine.kernel = "Linux 6.13.0"
        let warnings = try Self.compare([a], [b]).warnings
        #expect(warnings.contains("configuration.connections differs: 256 in A, 64 in B"))
        #expect(warnings.contains("configuration.rate differs: 100000 in A, none in B"))
        #expect(warnings.contains("machine.kernel differs: \"Linux 6.12.1\" in A, \"Linux 6.13.0\" in B"))
        let mixed = try Self.compare([a, b], [a, b]).warnings
        #expect(mixed.contains("configuration.connections differs: 256 or 64 in A, 256 or 64 in B"))
        b = a
        b.schedule?.errorPercent = -12
        #expect(try Self.compare([a], [b]).warnings.contains { $0.contains("missed by 12.0 %") })
    }

    @Test("the text says what was compared, how, and what came out, in 80 columns")
    func text() throws {
        let a = ReportFixture.full(seed: 1)
        var b = ReportFixture.full(seed: 2)
        b.total.perSecond *= 1.25
        let text = try Self.compare([a], [b]).text(isColoured: false)
        for words in [
            "A  a.json, 1 run", "99,980/s", "124,975/s", "+25.0 %", "unproven", "within noise", "true noise",
            "three times",
        ] {
            #expect(text.contains(words), "\(words)")
        }
        for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
        let coloured = try Self.compare([a], [b]).text(isColoured: true)
        #expect(coloured.replacing(/\u{1B}\[[0-9]*m/, with: "") == text)
        for words in ["faster", "slower"] { #expect(!text.contains(words)) }
        let proven = try Self.compare([a, a, a], [b, b, b]).text(isColoured: false)
        for words in ["Welch's t", "faster"] { #expect(proven.contains(words)) }
        #expect(!proven.contains("unproven") && !proven.contains("three times"))
    }

    @Test("the JSON comes back as it was")
    func json() throws {
        let comparison = try Self.compare([ReportFixture.full()], [ReportFixture.closedLoop()])
        let json = try comparison.json()
        #expect(!json.contains("\n"))
        #expect(json.contains("\"schema\":\"tidemark-load-comparison/1\""))
        #expect(try JSONDecoder().decode(ReportComparison.self, from: Data(json.utf8)) == comparison)
    }
}
