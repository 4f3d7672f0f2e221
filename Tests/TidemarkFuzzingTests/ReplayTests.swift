// Every decoder on where fuzzers begin, on what was found, on each of these cut short, and on what they are mutated to.

import Testing
import TidemarkFuzzing
import TidemarkTesting

@Suite struct ReplayTests {
    @Test(arguments: FuzzTarget.all.map(\.name))
    func `seeds and what was found hold, whole and cut`(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let inputs = try target.seeds() + target.found()
        #expect(!inputs.isEmpty)
        for input in inputs {
            target.run(input)
            for step in 1...16 { target.run(Array(input.prefix(input.count * step / 17))) }
        }
    }

    /// Where something does not hold it traps; the seed has been printed.
    @Test(arguments: FuzzTarget.all.map(\.name))
    func `so do mutations`(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let inputs = try target.seeds() + target.found()
        var random = Seed(anyFor: "mutations of \(name)")
        for _ in 0..<1_000 {
            var input = try #require(inputs.randomElement(using: &random))
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                input.mutate(with: inputs.randomElement(using: &random) ?? [], using: &random)
            }
            target.run(Array(input.prefix(target.bytesMax)))
        }
    }

    @Test func `each has a name of its own`() {
        #expect(Set(FuzzTarget.all.map(\.name)).count == FuzzTarget.all.count)
    }
}

extension [UInt8] {
    fileprivate mutating func mutate(with other: [UInt8], using random: inout Seed) {
        let begin = Int.random(in: 0...count, using: &random)
        let end = Swift.min(count, begin + Int.random(in: 0...8, using: &random))
        switch Int.random(in: 0..<4, using: &random) {
        case 0 where begin < count: self[begin] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 1 where begin < count: self[begin] = UInt8.random(in: 0...255, using: &random)
        case 2: replaceSubrange(begin..<end, with: [])
        default:
            let from = Int.random(in: 0...other.count, using: &random)
            replaceSubrange(begin..<end, with: other[from...].prefix(Int.random(in: 0...24, using: &random)))
        }
    }
}
