import TidemarkRandom

/// Damages a body a little: bits, bytes, pieces of another body, and pieces of itself twice.
func mutate(_ body: inout [UInt8], _ other: [UInt8], _ random: inout SplitMix64) {
    let telling: [UInt8] = [0, 1, 2, 3, 4, 0x20, 0x7F, 0x80, 0x81, 0xC3, 0xE2, 0xFE, 0xFF]
    let at = Int.random(in: 0...body.count, using: &random)
    switch Int.random(in: 0..<6, using: &random) {
    case 0 where at < body.count: body[at] ^= 1 << UInt8.random(in: 0...7, using: &random)
    case 1 where at < body.count: body[at] = telling.randomElement(using: &random) ?? 0
    case 2: body.insert(telling.randomElement(using: &random) ?? 0, at: at)
    case 3: body.removeSubrange(at..<min(body.count, at + Int.random(in: 0...4, using: &random)))
    case 4:
        let from = Int.random(in: 0...other.count, using: &random)
        body.insert(contentsOf: other[from..<min(other.count, from + 12)], at: at)
    default: body.insert(contentsOf: body[at..<min(body.count, at + 12)], at: at)
    }
}
