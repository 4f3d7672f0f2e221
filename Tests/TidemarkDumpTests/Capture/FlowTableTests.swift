import Testing
import TidemarkTesting

@testable import TidemarkDump

/// Seeded operations against a dictionary, far enough for the index to double several times.
@Suite("The table of flows")
struct FlowTableTests {
    @Test("finds what is in it and nothing else, while its index grows and flows come and go")
    func model() {
        var random = Seed(anyFor: "the table of flows")
        let seed = random.description
        var table = FlowTable(liveMax: 20_000)
        var slots: [UInt32: UInt32] = [:]
        var live: [UInt32] = []
        var most = 0
        for step in 0..<120_000 {
            let grows = step < 40_000
            if live.isEmpty || (live.count < 12_000 && Int.random(in: 0..<10, using: &random) < (grows ? 8 : 4)) {
                let name = UInt32.random(in: 0...UInt32.max, using: &random)
                guard slots[name] == nil else { continue }
                let key = key(name)
                let slot = table.insert(key, table.hash(key))
                slots[name] = slot
                live.append(name)
            } else {
                let at = Int.random(in: 0..<live.count, using: &random)
                let name = live[at]
                live.swapAt(at, live.count - 1)
                live.removeLast()
                guard let slot = slots.removeValue(forKey: name) else { continue }
                table.removeLive(slot)
                if table.find(key(name), table.hash(key(name))) != FlowTable.none {
                    Issue.record("step \(step): a removed flow is found; \(seed)")
                    return
                }
            }
            most = max(most, live.count)
            guard let name = live.randomElement(using: &random) else { continue }
            if table.find(key(name), table.hash(key(name))) != slots[name] {
                Issue.record("step \(step): a flow is not where it was put; \(seed)")
                return
            }
        }
        #expect(most > 8_000, "the index was to grow")
        #expect(table.live.count == slots.count)
        for (name, slot) in slots { #expect(table.find(key(name), table.hash(key(name))) == slot) }
    }

    private func key(_ name: UInt32) -> FlowKey {
        var (client, server) = (SocketAddress(), SocketAddress())
        client.high = UInt64(name >> 16)
        client.port = UInt16(truncatingIfNeeded: name)
        server.high = 1 << 31
        server.port = 7443
        return FlowKey(first: client, second: server, isIPv6: false)
    }
}
