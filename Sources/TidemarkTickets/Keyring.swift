import Synchronization

/// The keys that are good now, for several threads. Whoever checks tickets has a copy, and looks whether it is the newest.
public final class Keyring: Sendable {
    private let keys: Mutex<TicketKeys>
    private let generation = Atomic<Int>(0)

    public init(_ keys: TicketKeys) { self.keys = Mutex(keys) }

    public func replace(with newer: TicketKeys) {
        keys.withLock { $0 = newer }
        generation.wrappingAdd(1, ordering: .releasing)
    }

    /// One thread's.
    public struct Copy {
        private let ring: Keyring
        private var generation: Int
        private var keys: TicketKeys

        public init(_ ring: Keyring) {
            self.ring = ring
            generation = ring.generation.load(ordering: .acquiring)
            keys = ring.keys.withLock { $0 }
        }

        /// The newest.
        public mutating func current() -> TicketKeys {
            let newest = ring.generation.load(ordering: .acquiring)
            if newest != generation { self = Copy(ring) }
            return keys
        }
    }
}
