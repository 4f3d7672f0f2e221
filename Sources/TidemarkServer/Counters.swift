import Synchronization
import TidemarkDirectory
import TidemarkWire

/// What a server has done since it started. Each counter is written by one loop and may be read from anywhere.
public final class Counters: Sendable {
    private let connections = Atomic<UInt64>(0)
    private let syncs = Atomic<UInt64>(0)
    private let upToDate = Atomic<UInt64>(0)
    private let full = Atomic<UInt64>(0)
    private let slotsRead = Atomic<UInt64>(0)
    private let popularRead = Atomic<UInt64>(0)
    private let items = Atomic<UInt64>(0)
    private let writes = Atomic<UInt64>(0)
    private let collections = Atomic<UInt64>(0)
    private let errors = Atomic<UInt64>(0)

    public struct Snapshot: Equatable, Sendable {
        /// Connections accepted.
        public var connections: UInt64
        /// Sync requests answered, one a page; of these up to date, and those that belong to a full sync.
        public var syncs: UInt64
        public var upToDate: UInt64
        public var full: UInt64
        /// Slots of owners' tables looked at to answer syncs.
        public var slotsRead: UInt64
        /// Popular contacts looked at, because one of them had changed.
        public var popularRead: UInt64
        /// Items sent.
        public var items: UInt64
        /// Writes submitted to the change log.
        public var writes: UInt64
        /// Owners whose old tombstones were collected.
        public var collections: UInt64
        public var errors: UInt64
    }

    public var snapshot: Snapshot {
        func read(_ value: borrowing Atomic<UInt64>) -> UInt64 { value.load(ordering: .relaxed) }
        return Snapshot(
            connections: read(connections),
            syncs: read(syncs),
            upToDate: read(upToDate),
            full: read(full),
            slotsRead: read(slotsRead),
            popularRead: read(popularRead),
            items: read(items),
            writes: read(writes),
            collections: read(collections),
            errors: read(errors)
        )
    }

    /// One writer, so a load and a store do: no locked instruction.
    private func add(_ amount: UInt64, to value: borrowing Atomic<UInt64>) {
        value.store(value.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    func countConnection() { add(1, to: connections) }
    func countWrite() { add(1, to: writes) }
    func countCollection() { add(1, to: collections) }
    func countError() { add(1, to: errors) }
    func count(_ outcome: SyncOutcome) {
        add(1, to: syncs)
        if outcome.popularRead > 0 { add(UInt64(outcome.popularRead), to: popularRead) }
        if outcome.answer == .upToDate { return add(1, to: upToDate) }
        if outcome.answer == .full { add(1, to: full) }
        add(UInt64(outcome.slotsRead), to: slotsRead)
        add(UInt64(outcome.items), to: items)
    }
}
