import Testing
import TidemarkTesting

@testable import TidemarkWire

@Suite("Byte writer") struct ByteWriterTests {
    @Test("what is inserted at a place that was skipped pushes what follows, whatever their lengths") func inserts() {
        var random = Seed(default: 11)
        for _ in 0..<2_000 {
            func bytes(_ countMax: Int) -> [UInt8] {
                (0..<random.below(countMax + 1)).map { _ in UInt8(random.below(256)) }
            }
            let (before, inserted, after) = (bytes(20), bytes(64), bytes(200))
            let reserved = random.below(40)
            // Full to the last byte or not.
            var writer = ByteWriter(capacity: max(1, before.count + reserved + after.count + random.below(2) * 100))
            for byte in before { writer.u8(byte) }
            writer.skip(reserved)
            for byte in after { writer.u8(byte) }
            writer.insert(at: before.count, reserved: reserved) { writer in
                for byte in inserted { writer.u8(byte) }
            }
            #expect(writer.array == before + inserted + after, "\(random)")
        }
    }
}
