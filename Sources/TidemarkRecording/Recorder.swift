//  A recording that many connections write and one file holds:
//
//      event loops ──bytes──▶ [RecordedConnection ▶ packets] ──▶ PacketRing ──▶ a thread ──▶ FILE
//                                under the lock, no waiting      bounded        waits for the disk
//
//  A second thread tells the notices: the first cannot say that the disk is stuck while it is stuck there itself.

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#else
    import Glibc
#endif

/// Records the bytes of connections, as TLS has decoded them, into a pcap file that tidemark-dump, tcpdump and
/// Wireshark read. It holds everything that clients send, tickets included.
///
/// Any thread may call; no call but `finish` waits for the disk, and that for seconds only. When the disk falls behind
/// by more than the buffer, bytes are dropped, and the packets' sequence numbers show where and how many. When it
/// fails, the recording ends, and all calls do nothing. What was recorded is in the file within 50 ms, whole packets
/// only, also if the process is killed later.
public final class Recorder: @unchecked Sendable {
    /// What whoever runs a recording may want to tell people.
    public enum Notice: Hashable, Sendable, CustomStringConvertible {
        /// The disk is behind, and bytes are missing from here on. Said once.
        case droppingBegan
        /// The disk has failed with this `errno`; what was recorded until then is kept.
        case stopped(code: Int32)
        /// The last notice of a recording that did not fail; also of one that `finish` gave up.
        case finished(Summary)

        public var description: String {
            switch self {
            case .droppingBegan: "the disk is too slow for the recording: bytes are missing from now on"
            case .stopped(let code): "the recording has stopped: \(String(cString: strerror(code)))"
            case .finished(let summary):
                "\(summary)"
                    + (summary.droppedBytes == 0
                        ? "" : "; \(summary.droppedBytes) bytes are missing, as the disk was too slow")
                    + (summary.unwrittenBytes == 0
                        ? "" : "; given up with \(summary.unwrittenBytes) bytes not written, as the disk took no more")
            }
        }
    }

    public struct Summary: Hashable, Sendable, CustomStringConvertible {
        public var connections: UInt64 = 0
        /// Without the packets' headers.
        public var recordedBytes: UInt64 = 0
        /// Known to be missing in the file: their sequence numbers are used up.
        public var droppedBytes: UInt64 = 0
        /// Of the packets, headers included, that were not known to be in the file when the recording failed or was
        /// given up. At most: the last write may have done a part of its work.
        public var unwrittenBytes: UInt64 = 0
        /// The `errno` that ended the recording early; 0 if none did.
        public var failure: Int32 = 0

        /// All that happened is in the file.
        public var isComplete: Bool { droppedBytes == 0 && unwrittenBytes == 0 && failure == 0 }

        public var description: String {
            "recorded \(connections) connection\(connections == 1 ? "" : "s"), \(recordedBytes) bytes"
        }
    }

    enum Stage {
        case recording
        /// What waits is written, and no more comes.
        case finishing
        /// The file is closed, or has failed, or was given up; the summary is final.
        case over
    }

    struct State: ~Copyable {
        var ring: PacketRing
        var stage = Stage.recording
        var summary = Summary()
        /// All notices are told.
        var hasToldAll = false
    }

    /// So much at once goes to the disk if it comes fast enough, else what has come within `batchTime`.
    static let batchBytes = 1 << 16
    static let batchTime = 50_000_000
    /// So long `finish` waits for the last notice to be told.
    static let tellingTime = Duration.seconds(1)

    let monitor = Monitor()
    /// What the writing thread waits for: packets, or the end.
    let packetsCame = Condition()
    /// What all others wait for: the first drop, the end, the last notice told.
    let newsCame = Condition()
    /// Under the monitor.
    var state: State
    private let clock: @Sendable () -> UInt64
    let notify: @Sendable (Notice) -> Void

    /// Makes the file, for its owner's eyes only. An existing one must be empty, a pipe is fine.
    /// - Parameters:
    ///   - path: of the file.
    ///   - bufferBytes: what may wait for the disk, at least 128 KiB.
    ///   - clock: nanoseconds since the Unix epoch.
    ///   - notify: is called by a thread of the recording's own, which does nothing else.
    /// - Throws: `RecorderError`.
    public init(
        path: String,
        bufferBytes: Int = 8 << 20,
        clock: @escaping @Sendable () -> UInt64 = Recorder.systemClock,
        notify: @escaping @Sendable (Notice) -> Void
    ) throws(RecorderError) {
        precondition(bufferBytes >= 1 << 17)
        let file = try RecordingFile.make(path)
        state = State(ring: PacketRing(capacity: bufferBytes))
        self.clock = clock
        self.notify = notify
        let writer = Writer(recorder: self, file: file)
        if let code = writer.start() { throw .cannotMake(path: path, code: code) }
        if let code = startTeller() {
            monitor.withLock {
                state.stage = .over
                packetsCame.wakeAll()
            }
            throw .cannotMake(path: path, code: code)
        }
    }

    public static let systemClock: @Sendable () -> UInt64 = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    // MARK: connections

    /// A connection has come about.
    /// - Parameters:
    ///   - client: nil for the end of a Unix socket; port 0 for one that is not known. A port is made up for both.
    ///   - server: nil for the end of a Unix socket.
    /// - Returns: what the other calls take. Without them it shows a connection that is open.
    public func opened(client: IPEndpoint?, server: IPEndpoint?) -> RecordedConnection {
        monitor.withLock {
            state.summary.connections += 1
            let number = state.summary.connections
            var connection = RecordedConnection(
                client: end(client, number),
                server: server ?? .unix,
                // Far apart, so that a port's next connection is not taken for the one before.
                sequence: (
                    UInt32(truncatingIfNeeded: number &* 0x9E37_79B9), UInt32(truncatingIfNeeded: number &* 0x85EB_CA6B)
                )
            )
            guard state.stage == .recording else { return connection }
            let waiting = state.ring.byteCount
            connection.begin(at: clock(), into: &state.ring)
            wakeWriter(waiting)
            return connection
        }
    }

    private func end(_ client: IPEndpoint?, _ connection: UInt64) -> IPEndpoint {
        if let client, client.port != 0 { return client }
        return (client ?? .unix).withMadeUpPort(connection)
    }

    /// `side` has sent these bytes.
    public func record(
        _ bytes: UnsafeRawBufferPointer,
        from side: RecordedSide,
        on connection: inout RecordedConnection
    ) {
        monitor.withLock {
            guard state.stage == .recording else { return }
            let waiting = state.ring.byteCount
            let lost = connection.append(bytes, from: side, at: clock(), into: &state.ring)
            state.summary.recordedBytes += UInt64(bytes.count - lost)
            if lost > 0, state.summary.droppedBytes == 0 { newsCame.wakeAll() }
            state.summary.droppedBytes += UInt64(lost)
            wakeWriter(waiting)
        }
    }

    /// `side` sends no more.
    public func ended(_ connection: inout RecordedConnection, by side: RecordedSide) {
        monitor.withLock {
            guard state.stage == .recording else { return }
            let waiting = state.ring.byteCount
            connection.end(side, at: clock(), into: &state.ring)
            wakeWriter(waiting)
        }
    }

    /// The connection is gone: in order, with `side` the first to end it unless the other has already, or reset by
    /// `side`.
    public func closed(_ connection: inout RecordedConnection, by side: RecordedSide, isReset: Bool) {
        monitor.withLock {
            guard state.stage == .recording else { return }
            let waiting = state.ring.byteCount
            if isReset {
                connection.reset(by: side, at: clock(), into: &state.ring)
            } else {
                connection.close(first: side, at: clock(), into: &state.ring)
            }
            wakeWriter(waiting)
        }
    }

    /// Ends the recording: waits until it is on its way to the disk, and closes the file. Later calls do nothing. To be
    /// called for each recorder, whose threads stay otherwise.
    ///
    /// A disk that is stuck (a pipe that nobody reads, a file system whose server is away) is given up after `limit`:
    /// `unwrittenBytes` of the summary says what that costs, and the thread stays behind in its write, with the file
    /// open and locked, until that returns. Another second at most goes to telling the last notice.
    @discardableResult
    public func finish(within limit: Duration = .seconds(5)) -> Summary {
        monitor.withLock {
            if state.stage == .recording { state.stage = .finishing }
            packetsCame.wakeAll()
            monitor.wait(for: newsCame, atMost: limit) { state.stage == .over }
            conclude(failure: 0)
            monitor.wait(for: newsCame, atMost: Self.tellingTime) { state.hasToldAll }
            return state.summary
        }
    }

    /// Under the lock: nothing more is written. Only the first call counts.
    func conclude(failure: Int32) {
        guard state.stage != .over else { return }
        state.stage = .over
        state.summary.failure = failure
        state.summary.unwrittenBytes = UInt64(state.ring.byteCount)
        newsCame.wakeAll()
    }

    /// Packets that are not in the file yet.
    var bytesWaiting: Int { monitor.withLock { state.ring.byteCount } }

    /// Not for each packet: a thread that is woken costs more than the packet. `waiting` is what waited before.
    private func wakeWriter(_ waiting: Int) {
        let now = state.ring.byteCount
        if (waiting == 0 && now > 0) || (waiting < Self.batchBytes && now >= Self.batchBytes) { packetsCame.wakeAll() }
    }
}
