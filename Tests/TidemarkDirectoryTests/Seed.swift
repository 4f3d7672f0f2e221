import Foundation

/// One seed replays one failure: TIDEMARK_SEED=… swift test --filter …
struct Seed: RandomNumberGenerator {
    let value: UInt64
    private var state: UInt64

    init(default value: UInt64) {
        self.value = ProcessInfo.processInfo.environment["TIDEMARK_SEED"].flatMap(UInt64.init) ?? value
        state = self.value
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
}
