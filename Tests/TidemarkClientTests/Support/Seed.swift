import Foundation
import TidemarkWire

/// One seed reproduces a run: TIDEMARK_SEED, or a new one, printed.
struct Seed: CustomStringConvertible {
    let value: UInt64

    init(_ name: String) {
        value =
            ProcessInfo.processInfo.environment["TIDEMARK_SEED"].flatMap(UInt64.init)
            ?? UInt64.random(in: 0...999_999_999)
        print("\(name): \(self)")
    }

    var description: String { "replay with TIDEMARK_SEED=\(value) swift test --filter TidemarkClientTests" }
    var generator: SeededGenerator { SeededGenerator(state: value) }
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Digest.mix(state)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}
