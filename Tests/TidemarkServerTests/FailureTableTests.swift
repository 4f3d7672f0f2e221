import Testing
import TidemarkEventLoop
import TidemarkRandom

@testable import TidemarkServer

@Suite struct FailureTableTests {
    private static let minutes: UInt64 = 60_000

    private func table(max: Int = 4, keysMax: Int = 100) -> FailureTable<Int> {
        FailureTable(max: max, waits: FailedLoginPolicy(), keysMax: keysMax)
    }

    @Test func `the first few cost nothing, and then the wait doubles up to five minutes`() {
        var table = table()
        var now: UInt64 = 1_000_000
        var waits: [UInt64] = []
        for _ in 0..<15 {
            table.fail(1, now: now)
            waits.append(table.wait(1, now: now))
            now += waits.last!
            #expect(table.wait(1, now: now) == 0)
            if waits.last! > 0 { #expect(table.wait(1, now: now - 1) == 1) }
        }
        // At the longest wait one is forgiven each time, and the next one is as long again.
        let doubling: [UInt64] = [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
        #expect(waits == doubling.map { $0 * 1_000 })
        #expect(table.wait(2, now: now) == 0)
    }

    @Test func `one is forgiven every five minutes, and a key that is cleared starts over`() {
        var table = table()
        for _ in 0..<3 { table.fail(1, now: 0) }
        table.fail(1, now: 5 * Self.minutes)
        #expect(table.wait(1, now: 5 * Self.minutes) == 0)
        table.fail(1, now: 10 * Self.minutes - 1)
        #expect(table.wait(1, now: 10 * Self.minutes - 1) == 1_000)
        // A century later.
        table.fail(1, now: 52_560_000 * Self.minutes)
        #expect(table.wait(1, now: 52_560_000 * Self.minutes) == 0)
        for now in 0..<4 { table.fail(2, now: UInt64(now)) }
        #expect(table.wait(2, now: 3) > 0)
        table.clear(2)
        #expect(table.wait(2, now: 3) == 0)
    }

    @Test func `a loop whose clock is a little behind counts like any other`() {
        var table = table()
        for now in [1_000, 990, 995, 980] as [UInt64] { table.fail(1, now: now) }
        #expect(table.wait(1, now: 979) == 1_001)
        #expect(table.wait(1, now: 1_980) == 0)
    }

    @Test func `no wait overflows, however often it fails`() {
        var table = table(max: 1)
        for _ in 0..<1_000 {
            table.fail(1, now: 7)
            #expect((1_000...300_000).contains(table.wait(1, now: 7)))
        }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `with more keys than are remembered, those who fail most are`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var table = table(keysMax: 64)
        for _ in 0..<10 { table.fail(-1, now: 0) }
        let wait = table.wait(-1, now: 0)
        // From ever new keys, some twice, which is less often than the one.
        for _ in 0..<10_000 {
            let key = Int.random(in: 0...100_000, using: &random)
            for _ in 0...Int.random(in: 0...1, using: &random) { table.fail(key, now: 0) }
            #expect(table.count <= 64)
        }
        #expect(wait == 64_000 && table.wait(-1, now: 0) == wait)
    }
}
