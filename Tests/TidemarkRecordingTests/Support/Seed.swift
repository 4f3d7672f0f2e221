import Foundation

/// One seed reproduces a run: TIDEMARK_SEED, or a new one, printed.
struct Seed: CustomStringConvertible {
    let value: UInt64

    init(_ name: String) {
        value =
            ProcessInfo.processInfo.environment["TIDEMARK_SEED"].flatMap(UInt64.init)
            ?? UInt64.random(in: 0...999_999_999)
        print("\(name): \(self)")
    }

    var description: String { "replay with TIDEMARK_SEED=\(value) swift test --filter TidemarkRecordingTests" }
    var generator: SeededGenerator { SeededGenerator(state: value) }
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: next()) }
        return bytes
    }
}
