import Synchronization
import TidemarkDirectory
import TidemarkWire

/// What a server has done since it started. May be read from anywhere.
public final class Counters: Sendable {
    private let shards: [ShardCounters]

    init(shards count: Int) { shards = (0..<count).map { _ in ShardCounters() } }

    func shard(_ index: Int) -> ShardCounters { shards[index] }

    public struct Snapshot: Equatable, Sendable {
        /// Connections accepted; of these, gone again.
        public var connections: UInt64 = 0
        public var closed: UInt64 = 0
        /// Connections that went to another loop once their user was known.
        public var moves: UInt64 = 0
        /// Sync requests answered, one a page; of these up to date, and those that belong to a full sync.
        public var syncs: UInt64 = 0
        public var upToDate: UInt64 = 0
        public var full: UInt64 = 0
        /// Slots of owners' tables looked at to answer syncs.
        public var slotsRead: UInt64 = 0
        /// Popular contacts looked at, because one of them had changed.
        public var popularRead: UInt64 = 0
        /// Items sent.
        public var items: UInt64 = 0
        /// Changes told to live sessions without their asking, a page each; their items count above.
        public var pushes: UInt64 = 0
        /// Times a live session was told of presence.
        public var presencePushes: UInt64 = 0
        /// Messages told, asked for or not; a device each.
        public var messages: UInt64 = 0
        /// Pages of messages told without their asking.
        public var messagePushes: UInt64 = 0
        /// Writes submitted to the change log.
        public var writes: UInt64 = 0
        /// Owners whose old tombstones were collected.
        public var collections: UInt64 = 0
        public var errors: UInt64 = 0

        /// All of them, by name.
        public var figures: [(name: String, value: UInt64)] {
            [
                ("connections", connections),
                ("closed", closed),
                ("moves", moves),
                ("syncs", syncs),
                ("upToDate", upToDate),
                ("full", full),
                ("slotsRead", slotsRead),
                ("popularRead", popularRead),
                ("items", items),
                ("pushes", pushes),
                ("presencePushes", presencePushes),
                ("messages", messages),
                ("messagePushes", messagePushes),
                ("writes", writes),
                ("collections", collections),
                ("errors", errors),
            ]
        }
    }

    public var snapshot: Snapshot {
        var snapshot = Snapshot()
        for shard in shards { shard.add(to: &snapshot) }
        return snapshot
    }
}

/// What one shard has done. Its loop alone writes.
final class ShardCounters: Sendable {
    private let connections = Atomic<UInt64>(0)
    private let closed = Atomic<UInt64>(0)
    private let moves = Atomic<UInt64>(0)
    private let syncs = Atomic<UInt64>(0)
    private let upToDate = Atomic<UInt64>(0)
    private let full = Atomic<UInt64>(0)
    private let slotsRead = Atomic<UInt64>(0)
    private let popularRead = Atomic<UInt64>(0)
    private let items = Atomic<UInt64>(0)
    private let pushes = Atomic<UInt64>(0)
    private let presencePushes = Atomic<UInt64>(0)
    private let messages = Atomic<UInt64>(0)
    private let messagePushes = Atomic<UInt64>(0)
    private let writes = Atomic<UInt64>(0)
    private let collections = Atomic<UInt64>(0)
    private let errors = Atomic<UInt64>(0)

    func add(to snapshot: inout Counters.Snapshot) {
        func read(_ value: borrowing Atomic<UInt64>) -> UInt64 { value.load(ordering: .relaxed) }
        snapshot.connections += read(connections)
        snapshot.closed += read(closed)
        snapshot.moves += read(moves)
        snapshot.syncs += read(syncs)
        snapshot.upToDate += read(upToDate)
        snapshot.full += read(full)
        snapshot.slotsRead += read(slotsRead)
        snapshot.popularRead += read(popularRead)
        snapshot.items += read(items)
        snapshot.pushes += read(pushes)
        snapshot.presencePushes += read(presencePushes)
        snapshot.messages += read(messages)
        snapshot.messagePushes += read(messagePushes)
        snapshot.writes += read(writes)
        snapshot.collections += read(collections)
        snapshot.errors += read(errors)
    }

    /// One writer, so a load and a store do: no locked instruction.
    private func add(_ amount: UInt64, to value: borrowing Atomic<UInt64>) {
        value.store(value.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    func countConnection() { add(1, to: connections) }
    func countClosed() { add(1, to: closed) }
    func countMove() { add(1, to: moves) }
    func countWrite() { add(1, to: writes) }
    func countCollection() { add(1, to: collections) }
    func countError() { add(1, to: errors) }
    func countPresencePush() { add(1, to: presencePushes) }
    func count(_ outcome: MessageOutcome) { add(UInt64(outcome.count), to: messages) }
    func countMessagePush(_ outcome: MessageOutcome) {
        add(1, to: messagePushes)
        count(outcome)
    }
    func countPush(_ outcome: SyncOutcome) {
        add(1, to: pushes)
        if outcome.popularRead > 0 { add(UInt64(outcome.popularRead), to: popularRead) }
        add(UInt64(outcome.slotsRead), to: slotsRead)
        add(UInt64(outcome.items), to: items)
    }
    func count(_ outcome: SyncOutcome) {
        add(1, to: syncs)
        if outcome.popularRead > 0 { add(UInt64(outcome.popularRead), to: popularRead) }
        if outcome.answer == .upToDate { return add(1, to: upToDate) }
        if outcome.answer == .full { add(1, to: full) }
        add(UInt64(outcome.slotsRead), to: slotsRead)
        add(UInt64(outcome.items), to: items)
    }
}
