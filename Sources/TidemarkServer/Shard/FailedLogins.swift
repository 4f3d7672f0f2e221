import Synchronization
import TidemarkEventLoop

/// How many logins by password may fail before the next one has to wait. A ticket cannot be guessed, and never waits.
public struct FailedLoginPolicy: Equatable, Sendable {
    /// From one IPv4 address or one /64 network of IPv6; 1 or more. Each try from there then waits, whatever its name.
    public var perAddress = defaultPerAddress
    public static let defaultPerAddress = 20
    /// For one name, from wherever, whether there is such an account or not; 1 or more. 100 in a row is the most that NIST SP
    /// 800-63B-3, section 5.2.2, allows; an account is not closed then, or anybody could close it. A login that succeeds
    /// clears it.
    public var perName = 100
    /// How long the next one waits then, in milliseconds, at least 1; twice as long with each that fails; and at most how
    /// long. Each time the longest wait has passed without a failure, one is forgiven.
    public var firstWaitMS: UInt64 = 1_000
    public var longestWaitMS: UInt64 = 300_000

    public init() {}
}

/// One for all loops; asked when somebody logs in by password, and for nothing else.
final class FailedLogins: Sendable {
    private struct Tables {
        var networks: FailureTable<PeerNetwork>
        /// By their hashes, which nobody can aim at: a name may be long.
        var names: FailureTable<Int>
    }

    struct Refusal: Error {
        var waitMS: UInt64
        var description: String
    }

    /// Of each kind: some megabytes at most.
    private static let keysMax = 1 << 16

    private let tables: Mutex<Tables>
    /// So that it costs nothing where nobody fails.
    private let isEmpty = Atomic<Bool>(true)
    private let refusedCount = Atomic<UInt64>(0)

    init(_ policy: FailedLoginPolicy) {
        tables = Mutex(
            Tables(
                networks: FailureTable(max: policy.perAddress, waits: policy, keysMax: Self.keysMax),
                names: FailureTable(max: policy.perName, waits: policy, keysMax: Self.keysMax)
            )
        )
    }

    /// Before a login by password or key goes on. The network is nil on a Unix socket, where only the name counts; a key has no
    /// name.
    func check(_ network: PeerNetwork?, _ name: String?, now: UInt64) throws(Refusal) {
        if isEmpty.load(ordering: .relaxed) { return }
        let (ofNetwork, ofName) = tables.withLock { tables in
            (
                network.map { tables.networks.wait($0, now: now) } ?? 0,
                name.map { tables.names.wait($0.hashValue, now: now) } ?? 0
            )
        }
        let wait = max(ofNetwork, ofName)
        if wait == 0 { return }
        refusedCount.add(1, ordering: .relaxed)
        let origin = ofNetwork >= ofName ? "from your address" : "for this name"
        throw Refusal(waitMS: wait, description: "too many logins have failed \(origin)")
    }

    func fail(_ network: PeerNetwork?, _ name: String?, now: UInt64) {
        tables.withLock { tables in
            if let network { tables.networks.fail(network, now: now) }
            if let name { tables.names.fail(name.hashValue, now: now) }
            isEmpty.store(false, ordering: .relaxed)
        }
    }

    /// Somebody has shown the password of this name. What failed from its network stays: an attacker may have a password too.
    func succeed(_ name: String) {
        if isEmpty.load(ordering: .relaxed) { return }
        tables.withLock { tables in
            tables.names.clear(name.hashValue)
            isEmpty.store(tables.names.count + tables.networks.count == 0, ordering: .relaxed)
        }
    }

    /// How many logins had to wait since the start.
    var refused: UInt64 { refusedCount.load(ordering: .relaxed) }
}
