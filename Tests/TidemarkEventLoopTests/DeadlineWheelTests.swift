// The wheel against a dictionary: whatever is set, cleared and popped at whatever times, each deadline fires once, never
// early and at most one tick late. No clock is read.

import Testing
import TidemarkRandom

@testable import TidemarkEventLoop

@Suite struct DeadlineWheelTests {
    @Test func firesNotEarlyAndAtMostOneTickLate() throws {
        var wheel = try DeadlineWheel(capacity: 4, tickNanoseconds: 10, now: 1000)
        wheel.set(2, at: 1025)
        #expect(wheel.popExpired(now: 1024) == nil)
        #expect(wheel.popExpired(now: 1029) == nil)
        #expect(wheel.next == 1030)
        #expect(wheel.popExpired(now: 1030) == 2)
        #expect(wheel.popExpired(now: 1030) == nil)
        #expect(wheel.next == nil)
    }

    @Test func pastDeadlineFiresWithTheNextTick() throws {
        var wheel = try DeadlineWheel(capacity: 4, tickNanoseconds: 10, now: 1000)
        wheel.set(0, at: 0)
        wheel.set(1, at: 1000)
        #expect(wheel.next == 1010)
        let fired = [wheel.popExpired(now: 1010), wheel.popExpired(now: 1010)]
        #expect(Set(fired) == [0, 1])
    }

    @Test func extendingAndShortening() throws {
        var wheel = try DeadlineWheel(capacity: 4, tickNanoseconds: 10, now: 0)
        wheel.set(0, at: 100)
        wheel.set(0, at: 500)
        #expect(wheel.popExpired(now: 499) == nil)
        wheel.set(0, at: 900)
        wheel.set(0, at: 600)
        #expect(wheel.popExpired(now: 599) == nil)
        #expect(wheel.popExpired(now: 600) == 0)
        wheel.set(0, at: 700)
        wheel.clear(0)
        wheel.clear(0)
        #expect(wheel.popExpired(now: 10_000) == nil)
    }

    @Test func farBeyondOneTurn() throws {
        var wheel = try DeadlineWheel(capacity: 2, tickNanoseconds: 10, now: 0)
        wheel.set(0, at: 1_000_000)
        wheel.set(1, at: .max)
        var time: UInt64 = 0
        var looks = 0
        while let next = wheel.next, next <= 1_000_000 {
            time = next
            looks += 1
            if let fired = wheel.popExpired(now: time) {
                #expect(fired == 0)
                break
            }
        }
        #expect(time == 1_000_000)
        #expect(looks <= 2 * (1_000_000 / 10 / (DeadlineWheel.buckets - 1) + 1))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func againstModel(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let capacity = 50
        let tick: UInt64 = [1, 7, 1000][Int(seed % 3)]
        var now = UInt64.random(in: 0...1_000_000, using: &random)
        var wheel = try DeadlineWheel(capacity: capacity, tickNanoseconds: tick, now: now)
        // When it may fire first, and from when on it counts as late: a time already past is set too.
        var model: [Int: (at: UInt64, from: UInt64)] = [:]
        for _ in 0..<5000 {
            let index = Int.random(in: 0..<capacity, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let reach = tick * [3, 100, 1023, 1024, 5000].randomElement(using: &random)!
                let at = now - min(now, tick * 2) + UInt64.random(in: 0...reach, using: &random)
                wheel.set(index, at: at)
                model[index] = (at, max(at, now))
            case 5:
                wheel.clear(index)
                model[index] = nil
            default:
                let reach = tick * [1, 10, 600, 3000].randomElement(using: &random)!
                now += UInt64.random(in: 0...reach, using: &random)
                while let fired = wheel.popExpired(now: now) {
                    let deadline = try #require(model[fired], "seed \(seed): \(fired) fired without a deadline")
                    #expect(deadline.at <= now, "seed \(seed): early")
                    model[fired] = nil
                }
                for (index, deadline) in model where deadline.from + tick <= now {
                    Issue.record("seed \(seed): \(index) is late")
                }
            }
            // Nobody is told to come later than a tick after the earliest deadline.
            if let earliest = model.values.map(\.from).min() {
                let told = wheel.next
                let next = try #require(told, "seed \(seed): a deadline is set, but no next time")
                #expect(next <= max(earliest + tick, now), "seed \(seed)")
            } else {
                #expect(wheel.next == nil, "seed \(seed)")
            }
        }
    }
}
