import Testing
import TidemarkTesting

@testable import TidemarkEventLoop

@Suite struct HandshakeLineTests {
    private let many = PeerNetwork(bits: 1)
    private let few = PeerNetwork(bits: 2)

    @Test func `one address with thousands does not keep another waiting`() {
        var line = HandshakeLine()
        for slot in 0..<5_000 { line.append(UInt32(slot), from: many) }
        #expect(line.popFirst() == 0)
        line.append(9_000, from: few)
        line.append(9_001, from: few)
        #expect((0..<4).map { _ in line.popFirst() } == [1, 9_000, 2, 9_001])
        #expect((3..<5_000).allSatisfy { line.popFirst() == UInt32($0) })
        #expect(line.popFirst() == nil && line.count == 0)
    }

    @Test func `seeded: as a list that is searched`() {
        var seed = Seed(default: 11)
        var line = HandshakeLine()
        /// In the order of their coming; and the networks in the order of their turns.
        var waiting: [(slot: UInt32, network: PeerNetwork?)] = []
        var turns: [PeerNetwork?] = []
        for step in 0..<20_000 {
            if seed.below(100) < (step / 2_000 % 2 == 0 ? 60 : 40) {
                let network = seed.below(10) == 0 ? nil : PeerNetwork(bits: UInt64(seed.below(5)))
                line.append(UInt32(step), from: network)
                waiting.append((UInt32(step), network))
                if !turns.contains(network) { turns.append(network) }
            } else if turns.isEmpty {
                #expect(line.popFirst() == nil)
            } else {
                let network = turns.removeFirst()
                let place = waiting.firstIndex { $0.network == network }!
                #expect(line.popFirst() == waiting.remove(at: place).slot, "\(seed)")
                if waiting.contains(where: { $0.network == network }) { turns.append(network) }
            }
            #expect(line.count == waiting.count)
        }
    }
}
