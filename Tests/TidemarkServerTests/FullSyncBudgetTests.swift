import Testing
import TidemarkTesting

@testable import TidemarkServer

@Suite struct FullSyncBudgetTests {
    @Test func `what a second has may be begun at once, and then what is earned`() {
        var budget = FullSyncBudget(bytesPerSecond: 1_000_000)
        var now: UInt64 = 5_000
        #expect(budget.wait(now: now) == nil)
        budget.spend(999_999, now: now)
        #expect(budget.wait(now: now) == nil)
        // The last one took more than there was.
        budget.spend(500_001, now: now)
        let wait = budget.wait(now: now)
        #expect(wait == 501)
        now += UInt64(wait!) - 2
        #expect(budget.wait(now: now) != nil)
        now += 2
        #expect(budget.wait(now: now) == nil)
    }

    @Test func `a long time earns no more than a second, however long`() {
        for pause in [1_001, 86_400_000, UInt64.max / 2] {
            var budget = FullSyncBudget(bytesPerSecond: 1 << 40)
            _ = budget.wait(now: 1)
            budget.spend(1 << 39, now: 1)
            #expect(budget.wait(now: 1 + pause) == nil)
            budget.spend(1 << 40, now: 1 + pause)
            #expect(budget.wait(now: 1 + pause) == 1)
        }
    }

    @Test func `nobody waits for longer than a minute for what another has begun`() {
        var budget = FullSyncBudget(bytesPerSecond: 1_000)
        for _ in 0..<100 { budget.spend(1 << 20, now: 1) }
        #expect(budget.wait(now: 1) == 60_001)
        #expect(budget.wait(now: 60_002) == nil)
    }

    @Test func `seeded: over any time no more is sent than earned, and one full more`() {
        var seed = Seed(default: 5)
        var budget = FullSyncBudget(bytesPerSecond: 10_000)
        var (now, sent, largest) = (UInt64(100), 0, 0)
        _ = budget.wait(now: now)
        for _ in 0..<10_000 {
            now += UInt64(seed.below(200))
            guard budget.wait(now: now) == nil else { continue }
            let bytes = seed.below(3_000)
            budget.spend(bytes, now: now)
            (sent, largest) = (sent + bytes, max(largest, bytes))
            #expect(sent <= 10_000 + Int(now - 100) * 10 + largest, "\(seed)")
        }
        // And what is earned can be sent.
        #expect(sent > Int(now - 100) * 5)
    }
}
