import Synchronization
import TidemarkEventLoop

/// How many connections there are, in all and from each network, against how many there may be. One for all loops; asked when
/// a connection comes or goes, and for nothing else.
final class Admission: Sendable {
    enum Refusal: Error {
        case tooMany
        case tooManyOfNetwork
        /// Wait so long, in milliseconds.
        case tooOften(limit: Int, waitMS: UInt64)
        case draining

        var description: String {
            switch self {
            case .tooMany: "the server has as many connections as it takes"
            case .tooManyOfNetwork: "there are as many connections from your address as the server takes"
            case .tooOften(let limit, _): "at most \(limit) connections a minute from one address"
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
    private let networks: Mutex<Networks>

    private struct Networks {
        var counts: [PeerNetwork: Int] = [:]
        var rates: Buckets<PeerNetwork>
    }

    /// Whose rates are known: some megabytes at most.
    private static let ratesMax = 1 << 16

    init(connectionsMax: Int, perAddressMax: Int, rate: RateLimit = .none) {
        self.connectionsMax = connectionsMax
        self.perAddressMax = perAddressMax
        networks = Mutex(Networks(rates: Buckets(rate, keysMax: Self.ratesMax)))
    }

    /// Nil for a Unix socket, where only the number in all counts. `now`: in nanoseconds, as of whichever loop.
    func admit(_ network: PeerNetwork?, now: UInt64 = 0) throws(Refusal) {
        if isClosed.load(ordering: .relaxed) { throw .draining }
        guard count.add(1, ordering: .relaxed).newValue <= connectionsMax else {
            count.subtract(1, ordering: .relaxed)
            refusedInAll.add(1, ordering: .relaxed)
            throw .tooMany
        }
        guard let network else { return }
        let refusal = networks.withLock { networks -> Refusal? in
            let others = networks.counts[network, default: 0]
            guard others < perAddressMax else { return .tooManyOfNetwork }
            if let wait = networks.rates.take(network, now: now) {
                return .tooOften(limit: networks.rates.limit.count, waitMS: wait / 1_000_000 + 1)
            }
            networks.counts[network] = others + 1
            return nil
        }
        guard let refusal else { return }
        count.subtract(1, ordering: .relaxed)
        refusedOfNetwork.add(1, ordering: .relaxed)
        throw refusal
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
            guard let count = networks.counts[network] else { return }
            networks.counts[network] = count == 1 ? nil : count - 1
        }
    }
}
