import Testing
import TidemarkTesting

@testable import TidemarkRecording

@Suite struct PacketRingTests {
    /// Against a plain queue: what comes out is what went in, whole packets in order, whatever the sizes. What was
    /// taken out stays where it is until it is given back, while more comes in.
    @Test func `a bounded queue of whole packets`() {
        let seed = Seed(anyFor: "ring")
        var random = seed
        let capacity = 3 * Packet.bytesMax
        var ring = PacketRing(capacity: capacity)
        var model: [[UInt8]] = []
        var taken: UnsafeRawBufferPointer?
        var twoStretches = 0
        var refusals = 0
        for round in 0..<4000 {
            if Int.random(in: 0..<6, using: &random) > 0 {
                let isLarge = Int.random(in: 0..<4, using: &random) == 0
                let count = Int.random(in: 1...(isLarge ? Packet.bytesMax : 3000), using: &random)
                guard let space = ring.reserve(count) else {
                    // Two pieces may be free that are too short each, or what was too short for the jump before.
                    #expect(ring.byteCount + count + Packet.bytesMax > capacity, "\(seed)")
                    refusals += 1
                    continue
                }
                let packet = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: count)
                space.copyBytes(from: packet)
                ring.commit(count)
                model.append(packet)
            } else if let packets = taken {
                var expected: [UInt8] = []
                while expected.count < packets.count { expected += model.removeFirst() }
                guard packets.elementsEqual(expected) else {
                    Issue.record("round \(round): \(seed)")
                    return
                }
                ring.release(packets.count)
                taken = nil
            } else if ring.byteCount > 0 {
                taken = ring.oldest()
                if taken!.count < ring.byteCount { twoStretches += 1 }
            }
            #expect(ring.byteCount == model.reduce(0) { $0 + $1.count }, "\(seed)")
        }
        #expect(twoStretches > 50 && refusals > 50, "\(twoStretches), \(refusals): \(seed)")
    }

    @Test func `whole packets before a cut`() {
        func record(_ captured: Int) -> [UInt8] {
            [UInt8](repeating: 7, count: 8) + [UInt8(captured), 0, 0, 0, UInt8(captured), 0, 0, 0]
                + [UInt8](repeating: 9, count: captured)
        }
        let packets = record(40) + record(0) + record(100)
        for cut in 0...packets.count {
            let whole = packets.withUnsafeBytes { PacketRing.wholePackets(in: $0, first: cut) }
            #expect(whole == (cut < 56 ? 0 : cut < 72 ? 56 : cut < 188 ? 72 : 188), "\(cut)")
        }
    }
}
