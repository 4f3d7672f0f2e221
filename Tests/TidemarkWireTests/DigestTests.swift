import Testing
import TidemarkRandom
import TidemarkWire

@Suite("Count and digest")
struct DigestTests {
    @Test("the mix is that of SplitMix64")
    func mix() {
        // The first three numbers of SplitMix64 with seed 0, as its reference implementation gives them.
        let gamma: UInt64 = 0x9E37_79B9_7F4A_7C15
        #expect(Digest.mix(gamma) == 0xE220_A839_7B1D_CDAF)
        #expect(Digest.mix(gamma &* 2) == 0x6E78_9E6A_A1B9_65F4)
        #expect(Digest.mix(gamma &* 3) == 0x06C4_5D18_8009_454F)
        #expect(Digest.mix(0) == 0)
    }

    @Test("the worked digests come out, in both modes")
    func vectors() throws {
        guard case .array(let vectors) = try Repository.json("Protocol/vectors/digests.json") else {
            throw MalformedFile("digests.json is no list")
        }
        #expect(vectors.count >= 5)
        for vector in vectors {
            let items = try vector.array("items").map { (user: try $0.u64("user"), stamp: try $0.u64("stamp")) }
            let name = try vector.string("name")
            #expect(try vector.number("count") == items.count, "\(name)")
            let newest = items.reduce(UInt64(0)) { $0 &+ Digest.term(user: $1.user) }
            let stamps = items.reduce(UInt64(0)) { $0 &+ Digest.term(user: $1.user, stamp: $1.stamp) }
            #expect(try vector.u64("newestOnly") == newest, "\(name)")
            #expect(try vector.u64("withStamps") == stamps, "\(name)")
            #expect(UInt64(try vector.string("newestOnlyHex"), radix: 16) == newest, "\(name)")
            #expect(UInt64(try vector.string("withStampsHex"), radix: 16) == stamps, "\(name)")
        }
    }

    @Test("one stamp, one user or one item more is another digest")
    func sensitivity() {
        var random = SplitMix64(seed: 6)
        for _ in 0..<1000 {
            let user = UserID.random(in: 1...(.max), using: &random)
            let stamp = Stamp.random(in: 1..<Stamp.largest, using: &random)
            #expect(Digest.term(user: user, stamp: stamp) != Digest.term(user: user, stamp: stamp + 1))
            #expect(Digest.term(user: user, stamp: stamp) != Digest.term(user: user &+ 1, stamp: stamp))
            #expect(Digest.term(user: user) != Digest.term(user: user &+ 1))
        }
    }
}
