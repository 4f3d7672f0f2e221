import Testing
import TidemarkTesting

@testable import TidemarkServer

@Suite("How often something may be done") struct RateLimitTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("so many at once, and as many again in each period, evenly") func bucket() {
        let limit = RateLimit(6, per: .seconds(60))
        var full: UInt64 = 0
        let start: UInt64 = 500 * Self.second
        for _ in 0..<6 { #expect(limit.take(from: &full, now: start) == nil) }
        #expect(limit.take(from: &full, now: start) == 10 * Self.second)
        #expect(limit.take(from: &full, now: start + 4 * Self.second) == 6 * Self.second)
        #expect(limit.take(from: &full, now: start + 10 * Self.second) == nil)
        #expect(limit.take(from: &full, now: start + 10 * Self.second) == 10 * Self.second)
        // A clock that is a little behind another loop's is no reason to fall over.
        #expect(limit.take(from: &full, now: start)! >= 10 * Self.second)
        for _ in 0..<6 { #expect(limit.take(from: &full, now: start + 200 * Self.second) == nil) }
        #expect(limit.take(from: &full, now: start + 200 * Self.second) != nil)
    }

    @Test("without a limit there is none, and nothing is kept") func none() {
        var buckets = Buckets<Int>(.none, keysMax: 10)
        for _ in 0..<100 { #expect(buckets.take(1, now: 0) == nil) }
        #expect(buckets.count == 0)
    }

    @Test("no more is let through than a count over each period, however it comes", arguments: 1...4) func model(
        seed: Int
    ) {
        var random = Seed(default: UInt64(seed))
        let limit = RateLimit(1 + random.below(40), per: .seconds(1 + random.below(100)))
        var full: UInt64 = 0
        var now: UInt64 = 7 * Self.second
        var taken: [UInt64] = []
        for _ in 0..<4_000 {
            now += UInt64(random.below(Int(limit.periodNanoseconds) / limit.count * 2))
            let wait = limit.take(from: &full, now: now)
            if wait == nil { taken.append(now) }
            if let wait { #expect(wait <= limit.periodNanoseconds / UInt64(limit.count)) }
            // In any period there are at most those that a full bucket has, and those that come into it meanwhile.
            let recent = taken.reversed().prefix { now - $0 < limit.periodNanoseconds }
            #expect(recent.count <= 2 * limit.count, "TIDEMARK_SEED=\(random.value)")
        }
        let most = Double(now) / Double(limit.periodNanoseconds) * Double(limit.count) + Double(limit.count)
        #expect(Double(taken.count) <= most)
    }

    @Test("buckets that are full are forgotten, and there are never too many") func forgetting() {
        var buckets = Buckets<Int>(RateLimit(10, per: .seconds(10)), keysMax: 1_000)
        for key in 0..<5_000 { #expect(buckets.take(key, now: UInt64(key)) == nil) }
        #expect(buckets.count == 1_000)
        // All of them are full by then.
        for key in 0..<200 { _ = buckets.take(10_000 + key, now: 100 * Self.second) }
        #expect(buckets.count <= 264)
    }
}
