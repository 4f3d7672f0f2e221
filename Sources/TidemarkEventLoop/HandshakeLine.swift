// Who waits for a step of its handshake with TLS.
//
//      network ─▶ slot, slot, slot, …        the networks take turns, and in each whoever has waited for longest
//      network ─▶ slot                       so that thousands of connections from one address wait for each other
//
// The caller keeps "is in the line" as a flag of its own: each slot is in it at most once.

struct HandshakeLine {
    /// Nil is a Unix socket's.
    private var lanes: [PeerNetwork?: Lane<UInt32>] = [:]
    /// The networks that have somebody waiting.
    private var turns = Lane<PeerNetwork?>()
    private(set) var count = 0

    mutating func append(_ slot: UInt32, from network: PeerNetwork?) {
        if lanes[network] == nil { turns.append(network) }
        lanes[network, default: Lane()].append(slot)
        count += 1
    }

    mutating func popFirst() -> UInt32? {
        guard let network = turns.popFirst(), let place = lanes.index(forKey: network),
            let slot = lanes.values[place].popFirst()
        else { return nil }
        if lanes.values[place].isEmpty { lanes.remove(at: place) } else { turns.append(network) }
        count -= 1
        return slot
    }
}

/// First in, first out.
private struct Lane<Element> {
    private var elements: [Element] = []
    /// Of those that are still to come.
    private var first = 0

    var isEmpty: Bool { first == elements.count }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard first < elements.count else { return nil }
        defer {
            first += 1
            if first >= 32, first * 2 >= elements.count {
                elements.removeFirst(first)
                first = 0
            }
        }
        return elements[first]
    }
}
