import Synchronization
import TidemarkEventLoop

/// How many connections there are, in all and from each network, against how many there may be. One for all loops; asked when
/// a connection comes or goes, and for nothing else.
final class Admission: Sendable {
    enum Refusal: Error {
        case tooMany
        case tooManyOfNetwork
        case draining

        var description: String {
            switch self {
            case .tooMany: "the server has as many connections as it takes"
            case .tooManyOfNetwork: "there are as many connections from your address as the server takes"
            case .draining: "the server is going down"
            }
        }
    }

    private let connectionsMax: Int
    private let perAddressMax: Int
    private let count = Atomic<Int>(0)
    private let refusedInAll = Atomic<UInt64>(0)
    private let refusedOfNetwork = Atomic<UInt64>(0)
    private let isClosed = Atomic<Bool>(false)
    private let networks = Mutex<[PeerNetwork: Int]>([:])

    init(connectionsMax: Int, perAddressMax: Int) {
        self.connectionsMax = connectionsMax
        self.perAddressMax = perAddressMax
    }

    /// Nil for a Unix socket, where only the number in all counts.
    func admit(_ network: PeerNetwork?) throws(Refusal) {
        if isClosed.load(ordering: .relaxed) { throw .draining }
        guard count.add(1, ordering: .relaxed).newValue <= connectionsMax else {
            count.subtract(1, ordering: .relaxed)
            refusedInAll.add(1, ordering: .relaxed)
            throw .tooMany
        }
        guard let network else { return }
        let isAdmitted = networks.withLock { networks in
            let others = networks[network, default: 0]
            guard others < perAddressMax else { return false }
            networks[network] = others + 1
            return true
        }
        guard isAdmitted else {
            count.subtract(1, ordering: .relaxed)
            refusedOfNetwork.add(1, ordering: .relaxed)
            throw .tooManyOfNetwork
        }
    }

    /// From now on nobody is admitted; or again.
    func close(_ isClosed: Bool) { self.isClosed.store(isClosed, ordering: .relaxed) }

    /// How many were refused since the start.
    var refused: (inAll: UInt64, ofNetwork: UInt64) {
        (refusedInAll.load(ordering: .relaxed), refusedOfNetwork.load(ordering: .relaxed))
    }

    /// One that was admitted is gone.
    func leave(_ network: PeerNetwork?) {
        count.subtract(1, ordering: .relaxed)
        guard let network else { return }
        networks.withLock { networks in
            guard let count = networks[network] else { return }
            networks[network] = count == 1 ? nil : count - 1
        }
    }
}
