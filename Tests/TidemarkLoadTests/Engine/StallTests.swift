import Testing

@testable import TidemarkLoad

/// A server that does nothing for 300 ms shows in an open loop's histogram, and hides in a closed loop's.
@Suite(.serialized) struct StallTests {
    private static let stallMS: UInt32 = 300

    private func report(rate: Double?) throws -> LoadReport {
        let server = try ScriptedServer { $0.number == 200 ? .stall(milliseconds: Self.stallMS) : .right }
        defer { server.stop() }
        var configuration = LoadConfiguration(workload: .sync, target: .unix(path: server.path))
        (configuration.connections, configuration.pipeline) = (4, 1)
        (configuration.duration, configuration.warmUp) = (.seconds(1), .zero)
        configuration.rate = rate
        return try LoadRun(configuration).run()
    }

    /// Operations that took longer than so many milliseconds.
    private func slower(than milliseconds: Double, _ report: LoadReport) -> UInt64 {
        let all = report.total.latency.percentiles.last!.count
        let below = report.total.latency.percentiles.filter { $0.microseconds <= milliseconds * 1000 }
        return all - (below.last?.count ?? 0)
    }

    @Test func anOpenLoopShowsIt() throws {
        let report = try report(rate: 1000)
        #expect(report.errors.isEmpty)
        #expect(report.total.completed == 1000)
        #expect(report.schedule?.unsent == 0)
        #expect(report.total.latency.maximum >= 295_000)
        // Of the 300 that were due in the stall, all but the last few waited for the rest of it. The listed percentiles
        // are steps, so the counts are bounds from above.
        #expect(slower(than: 50, report) >= 240)
        #expect(slower(than: 150, report) >= 140)
        #expect(slower(than: 250, report) >= 40)
    }

    @Test func aClosedLoopHidesIt() throws {
        // A machine that itself stands still for a while adds stalls of its own; it is given three chances not to.
        var report = try report(rate: nil)
        for _ in 0..<2 where slower(than: 250, report) > 8 || report.total.completed <= 1000 {
            report = try self.report(rate: nil)
        }
        #expect(report.errors.isEmpty)
        // One for each connection, however many there could have been.
        #expect(slower(than: 250, report) <= 8)
        #expect(report.total.completed > 1000)
    }

    @Test func moreThanTheServerCanDoIsNotItsRate() throws {
        // At most 500 a second, for each takes two milliseconds.
        let server = try ScriptedServer { $0.number > 0 ? .stall(milliseconds: 2) : .right }
        defer { server.stop() }
        var configuration = LoadConfiguration(workload: .sync, target: .unix(path: server.path))
        configuration.connections = 2
        (configuration.duration, configuration.warmUp) = (.milliseconds(300), .zero)
        configuration.rate = 2000
        let report = try LoadRun(configuration).run()
        #expect(report.total.completed == 600 && report.total.failed == 0)
        #expect(report.total.perSecond <= 510)
        #expect(report.total.completedLate ?? 0 >= 450)
        #expect(report.kinds[0].perSecond == report.total.perSecond)
        #expect(report.intervals.map(\.completed).reduce(0, +) + (report.total.completedLate ?? 0) == 600)
        // What was due last has waited for all before it.
        #expect(report.total.latency.maximum >= 800_000)
    }

    @Test func whatCouldNotBeSentIsCountedWithItsAge() throws {
        // It never answers the first operation of each connection, so the rest stays due.
        let server = try ScriptedServer { $0.number > 0 ? .nothing : .right }
        defer { server.stop() }
        var configuration = LoadConfiguration(workload: .sync, target: .unix(path: server.path))
        configuration.connections = 2
        (configuration.duration, configuration.warmUp) = (.milliseconds(300), .zero)
        (configuration.timeout, configuration.rate) = (.milliseconds(600), 1000)
        let report = try LoadRun(configuration).run()
        #expect(report.total.completed == 0)
        #expect(report.total.failed == 300)
        #expect(report.schedule?.unsent == 298)
        #expect(report.errors.map(\.code) == ["timeout"] && report.errors[0].count == 300)
        #expect(report.total.latency.maximum >= 300_000)
    }
}
