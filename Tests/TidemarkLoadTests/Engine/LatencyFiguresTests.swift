import Histogram
import Testing
import TidemarkRandom

@testable import TidemarkLoad

@Suite struct LatencyFiguresTests {
    /// The same answers as the histogram itself gives, within its own precision.
    @Test func figuresAreTheHistogramsOwn() {
        var random = SplitMix64(seed: 11)
        var histogram = Tally.empty()
        for _ in 0..<20_000 { histogram.record(1_000 + random.next() % (1 << (random.next() % 30))) }
        let figures = LatencyFigures(histogram)
        #expect(figures.count == 20_000)
        #expect(abs(figures.mean / histogram.mean - 1) < 0.002)
        #expect(abs(figures.standardDeviation / histogram.stdDeviation - 1) < 0.002)
        for percent in [0.01, 1, 10, 50, 90, 99, 99.9, 99.99, 100] {
            let (value, count) = figures.percentile(percent)
            let own = min(histogram.valueAtPercentile(percent), histogram.maxRecorded)
            #expect(value == Double(own) / 1e3, "\(percent), seed 11")
            #expect(Double(count) >= 20_000 * percent / 100 - 0.001)
        }
    }

    @Test func nothingIsZeros() {
        let figures = LatencyFigures(Tally.empty())
        #expect(figures.count == 0 && figures.mean == 0 && figures.percentile(99) == (0, 0))
    }

    @Test func aSecondTallyOfAnOldIntervalIsStillCounted() {
        let control = RunControl(kinds: [.sync])
        for interval in 0..<12 {
            var tally = Tally(kinds: [.sync])
            tally.complete(.sync, nanoseconds: UInt64(interval + 1) * 1_000, count: 10)
            control.deliver(tally, interval: interval)
            _ = control.settledInterval(interval)
        }
        var late = Tally(kinds: [.sync])
        late.complete(.sync, nanoseconds: 5_000, count: 3)
        control.deliver(late, interval: 0)
        let all = control.allIntervals(count: 13)
        #expect(all.map(\.completed) == [13] + [UInt64](repeating: 10, count: 11) + [0])
        #expect(all[3].figures.p50 > 3.9 && all[3].figures.p50 < 4.1)
        #expect(all[12].figures.isEmpty)
        #expect(control.total.completed[0] == 123)
    }
}
