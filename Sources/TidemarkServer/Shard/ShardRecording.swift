import TidemarkEventLoop
import TidemarkRecording

/// Tells a recorder what happens on one loop's connections.
struct ShardRecording: ~Copyable {
    /// One connection, which may go from one shard's recording to another's.
    struct Slot: Sendable {
        fileprivate var connection: RecordedConnection
        /// Bytes that are recorded and were not consumed: the loop hands them out again, before new ones.
        fileprivate var unconsumed = 0
    }

    private let recorder: Recorder
    /// By listener; nil for Unix sockets.
    private let servers: [IPEndpoint?]
    /// By slot in the event loop.
    private var slots: [Slot?] = []

    init(_ recorder: Recorder, listeners: [ListenAddress]) {
        self.recorder = recorder
        servers = listeners.map { listener in
            switch listener {
            case .tcp(let host, let port), .tls(let host, let port), .proxy(let host, let port):
                IPEndpoint(host, port: port)
            case .unix: nil
            }
        }
    }

    @inline(never)
    mutating func accepted(_ id: ConnectionID, _ listener: ListenerID, peer: String?, port: UInt16) {
        let client = peer.flatMap { IPEndpoint($0, port: port) }
        arrive(id, Slot(connection: recorder.opened(client: client, server: servers[Int(listener.index)])))
    }

    /// The connection goes to another shard.
    mutating func leave(_ id: ConnectionID) -> Slot? { slots[Int(id.slot)].take() }

    mutating func arrive(_ id: ConnectionID, _ connection: Slot) {
        let slot = Int(id.slot)
        if slot >= slots.count { slots.append(contentsOf: repeatElement(nil, count: slot + 1 - slots.count)) }
        slots[slot] = connection
    }

    /// It went from a shard, and came to none.
    func refused(_ connection: Slot) {
        var connection = connection.connection
        recorder.closed(&connection, by: .server, isReset: true)
    }

    /// `bytes` is all that is unconsumed, as the loop hands it out.
    @inline(never)
    mutating func received(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
        let slot = Int(id.slot)
        let new = UnsafeRawBufferPointer(rebasing: bytes[slots[slot]!.unconsumed...])
        slots[slot]!.unconsumed = bytes.count
        if !new.isEmpty { recorder.record(new, from: .client, on: &slots[slot]!.connection) }
    }

    @inline(never)
    mutating func consumed(_ id: ConnectionID, _ count: Int) {
        slots[Int(id.slot)]!.unconsumed -= count
    }

    @inline(never)
    mutating func sent(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
        recorder.record(bytes, from: .server, on: &slots[Int(id.slot)]!.connection)
    }

    @inline(never)
    mutating func ended(_ id: ConnectionID, by side: RecordedSide) {
        recorder.ended(&slots[Int(id.slot)]!.connection, by: side)
    }

    @inline(never)
    mutating func closed(_ id: ConnectionID, _ reason: CloseReason) {
        let slot = Int(id.slot)
        let side: RecordedSide = reason == .reset ? .client : .server
        recorder.closed(&slots[slot]!.connection, by: side, isReset: reason != .requested)
        slots[slot] = nil
    }

    /// The loop ends, and drops what is left of its connections.
    mutating func stopped() {
        for slot in slots.indices where slots[slot] != nil {
            recorder.closed(&slots[slot]!.connection, by: .server, isReset: true)
            slots[slot] = nil
        }
    }
}
