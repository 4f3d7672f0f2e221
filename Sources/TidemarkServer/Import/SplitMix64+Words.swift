import TidemarkRandom
import TidemarkWire

extension SplitMix64 {
    /// Of a seed and a name, so that what is made for a name does not depend on what was made before it.
    init(seed: UInt64, name: String) {
        // FNV-1a; String's own hash differs from run to run.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        self.init(seed: Digest.mix(seed) ^ hash)
    }

    /// A number from 0 to `bound` - 1. The bias of the remainder is below 2^-50 for the small bounds asked for here.
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func isTrue(percent: Int) -> Bool { below(100) < percent }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

    /// The text with each `#` replaced by a digit.
    mutating func digits(in pattern: String) -> String {
        String(pattern.map { $0 == "#" ? Character(String(below(10))) : $0 })
    }
}
