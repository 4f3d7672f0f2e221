import Foundation
import TidemarkRandom

/// What a test draws from. One seed replays one failure: TIDEMARK_SEED=… tools/test --filter …
public struct Seed: RandomNumberGenerator, CustomStringConvertible, Sendable {
    public let value: UInt64
    private var generator: SplitMix64

    /// TIDEMARK_SEED, or this one.
    public init(default value: UInt64) {
        self.value = ProcessInfo.processInfo.environment["TIDEMARK_SEED"].flatMap(UInt64.init) ?? value
        generator = SplitMix64(seed: self.value)
    }

    /// TIDEMARK_SEED, or a new one, printed beside the test's name.
    public init(anyFor test: String) {
        self.init(default: .random(in: 0...999_999_999))
        print("\(test): \(self)")
    }

    public var description: String { "replay with TIDEMARK_SEED=\(value)" }

    public mutating func next() -> UInt64 { generator.next() }
}

extension RandomNumberGenerator {
    public mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    public mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    public mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
