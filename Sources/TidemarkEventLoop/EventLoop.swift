// An event loop on one io_uring and one thread, which knows nothing of any protocol.
//
//        ┌────────────────────────────── caller ──────────────────────────────┐
//        │ wait ──▶ next, next, next … nil ──▶ wait                           │
//        │            └▶ consume, send, endSending, setDeadline, close …      │
//        └────────────────────────────────────────────────────────────────────┘
//   wait  looks at each connection touched in this iteration (EventLoop+Requests.swift): starts its send, arms or
//         cancels its receive, goes on with its close; gives the receive buffers back; enters the kernel once.
//   next  turns the completions into events (EventLoop+Completions.swift), and adds what no completion brings:
//         wake-ups, deadlines, input kept while reading was paused.
//
// Nothing is called back and nothing is retained: state lies in slabs, and names are indices with a generation.

import CPrefetch
import CTidemarkLinux
import Glibc
import TidemarkTLS

/// Connections, listeners and deadlines of one thread.
///
/// Create, use and drop it on one thread: the kernel refuses another's requests. Dropping it closes everything.
public struct EventLoop: ~Copyable {
    // In this order they are torn down: the ring first, then the memory that it could have written to.
    var ring: Ring
    var buffers: ProvidedBuffers
    var connections: ConnectionSlab
    var blocks = BlockPool()
    /// By slot.
    var encryptions: Slab<Encryption>
    var pipe = TLSPipe()
    /// Why TLS broke, of connections that are not yet reported as closed.
    var encryptionFailures: [UInt32: String] = [:]
    var deadlines: DeadlineWheel
    /// Connections to look at before the wait.
    var touched: SlotQueue
    /// Connections with an event that no completion brings.
    var ready: SlotQueue
    /// How many of `ready` this iteration reports: what is added meanwhile is for the next.
    var readyLimit = 0
    /// Connections that have received something for their handshake; one of them gets on with it in each iteration.
    var handshakes = HandshakeLine()
    var listeners: UnsafeMutablePointer<Listener>
    var listenerCount = 0
    /// By listener; nil for those without TLS.
    var listenerContexts: [TLSServerContext?] = []
    /// Some listener is to be armed, cancelled or closed.
    var listenersNeedCare = false
    let wakerState: WakerState
    /// Where the kernel writes the event descriptor's counter.
    let wakeCounter: UnsafeMutablePointer<UInt64>
    var wakeArmed = false
    var woken = false
    /// What the last event handed out, until the next call of `next`.
    var handedOut = HandedOut()

    let inputBytesMax: Int
    let outputHighWater: Int
    let outputLowWater: Int
    let sendBytesMax: Int
    let closeTimeout: Duration
    let acceptPause: Duration
    let gatherMicroseconds: UInt32
    private let clock: (@Sendable () -> MonotonicTime)?

    /// The time at which the last `wait` ended.
    public internal(set) var now: MonotonicTime
    /// Counts since the start.
    public internal(set) var statistics = EventLoopStatistics()

    /// Opens the ring and reserves the memory. Call it on the thread that will run the loop.
    public init(_ configuration: EventLoopConfiguration = EventLoopConfiguration()) throws(EventLoopError) {
        try configuration.validate()
        let start = configuration.clock?() ?? .readClock()
        let capacity = configuration.connectionsMax
        let ring = try Ring(submissions: configuration.submissions, completions: configuration.completions)
        let buffers = try ProvidedBuffers(
            count: configuration.receiveBuffers,
            bufferBytes: configuration.receiveBufferBytes,
            on: ring
        )
        let connections = try make { () throws(SystemError) in try ConnectionSlab(capacity: capacity) }
        let deadlines = try make { () throws(SystemError) in
            try DeadlineWheel(
                capacity: capacity,
                tickNanoseconds: configuration.deadlineTick.wholeNanoseconds,
                now: start.nanoseconds
            )
        }
        let encryptions = try make { () throws(SystemError) in try Slab<Encryption>(count: capacity) }
        let touched = try make { () throws(SystemError) in try SlotQueue(capacity: capacity) }
        let ready = try make { () throws(SystemError) in try SlotQueue(capacity: capacity) }
        wakerState = try make { () throws(SystemError) in try WakerState() }
        // Only now, when nothing can throw any more: a noncopyable value cannot be half made.
        self.ring = ring
        self.buffers = buffers
        self.connections = connections
        self.encryptions = encryptions
        self.deadlines = deadlines
        self.touched = touched
        self.ready = ready
        listeners = .allocate(capacity: Listener.countMax)
        wakeCounter = .allocate(capacity: 1)
        wakeCounter.initialize(to: 0)
        inputBytesMax = configuration.inputBytesMax
        outputHighWater = configuration.outputHighWater
        outputLowWater = configuration.outputLowWater
        sendBytesMax = configuration.sendBytesMax
        closeTimeout = configuration.closeTimeout
        acceptPause = configuration.acceptPause
        gatherMicroseconds = UInt32(configuration.gatherTime.wholeNanoseconds / 1000)
        clock = configuration.clock
        now = start
    }

    deinit {
        ring.cancelAll()
        connections.forEachOpenDescriptor(closeDescriptor)
        connections.forEachOwned { slot in
            encryptions[Int(slot)].tls?.release()
            free(encryptions[Int(slot)].unread.base)
            free(encryptions[Int(slot)].sealed.base)
        }
        for index in 0..<listenerCount { listeners[index].release() }
        listeners.deallocate()
        wakeCounter.deallocate()
    }

    /// Wakes this loop from other threads.
    public var waker: Waker { Waker(state: wakerState) }

    /// Connections that there may be.
    public var connectionsMax: Int { connections.capacity }

    /// Whether the next iteration has something to report that has already arrived.
    public var hasReady: Bool { ready.count > 0 || ring.hasCompletions }

    /// Connections that are not yet reported as closed.
    public var connectionCount: Int { connections.count }

    /// Ends an iteration and begins the next: starts what the calls since the last `wait` asked for, then waits until
    /// something happens, but not past `deadline` (nil: as long as it takes; a time already past: not at all).
    ///
    /// Throws when the ring itself fails; the loop cannot go on then.
    public mutating func wait(until deadline: MonotonicTime? = nil) throws(EventLoopError) {
        takeBackHandedOut()
        // Before the receives are armed: one that had found no buffer finds one now.
        buffers.publish()
        var allStarted = startWake() && startListeners() && startTouched()
        if handshakes.count > 0 {
            // Nobody's answer waits for another's handshake.
            try ring.submit()
            advanceHandshake()
            allStarted = startTouched() && allStarted
        }
        let hasEvents = ready.count > 0 || handshakes.count > 0 || ring.hasCompletions
        let timeout = allStarted && !hasEvents ? timeout(until: deadline) : 0
        let mayNotSleep = timeout == 0 || !wakerState.beginSleep()
        try ring.submitAndWait(timeout: mayNotSleep ? 0 : timeout, gathering: gatherMicroseconds)
        if wakerState.endSleep() { woken = true }
        if ring.hasOverflown { statistics.completionOverflows &+= 1 }
        now = readClock()
        readyLimit = ready.count
        statistics.iterations &+= 1
    }

    /// Starts the sends of what has been committed so far, for a caller that has much to do before it waits again: others
    /// need not wait for that. Between two events; bytes that the last event handed out end here.
    public mutating func flush() throws(EventLoopError) {
        takeBackHandedOut()
        guard touched.count > 0 else { return }
        // As before a wait: a receive that had found no buffer finds one.
        buffers.publish()
        _ = startTouched()
        try ring.submit()
    }

    /// The next event of this iteration; nil when there are no more. Bytes that the last event handed out end here.
    public mutating func next() -> Event? {
        takeBackHandedOut()
        if woken {
            woken = false
            return .woken
        }
        while let completion = ring.nextCompletion() {
            prefetchAhead()
            if let event = complete(completion) { return event }
        }
        while readyLimit > 0, let slot = ready.popFirst() {
            readyLimit -= 1
            if let event = reportReady(slot) { return event }
        }
        while let slot = deadlines.popExpired(now: now.nanoseconds) {
            if let event = expire(UInt32(slot)) { return event }
        }
        return nil
    }

    /// The slot of the connection that the completion so many after the next is for; nil where there is none so far ahead.
    /// For callers who ask memory for what they have of it, before it is waited for.
    @inline(__always)
    public func slotAhead(_ count: Int) -> Int? {
        guard let tag = ring.tagAhead(count), tag.operation == .receive else { return nil }
        return Int(tag.slot)
    }

    @inline(__always)
    private func prefetchAhead() {
        guard let tag = ring.tagAhead(2), tag.operation == .receive || tag.operation == .send else { return }
        prefetch_line(connections[tag.slot])
    }

    /// Nanoseconds that the loop may sleep; `.max`: for ever.
    private func timeout(until deadline: MonotonicTime?) -> UInt64 {
        var end = min(deadline?.nanoseconds ?? .max, deadlines.next ?? .max)
        if listenersNeedCare {
            for index in 0..<listenerCount where !listeners[index].armed && !listeners[index].stopping {
                end = min(end, listeners[index].armsAt)
            }
        }
        if end == .max { return .max }
        let time = readClock().nanoseconds
        return end > time ? end - time : 0
    }

    @inline(__always)
    func readClock() -> MonotonicTime { clock?() ?? .readClock() }
}

/// What a loop has counted since its start.
public struct EventLoopStatistics: Hashable, Sendable {
    /// Calls of `wait`.
    public var iterations: UInt64 = 0
    /// Connections accepted, without those refused.
    public var accepted: UInt64 = 0
    /// Connections closed at once because the loop held `connectionsMax`.
    public var refused: UInt64 = 0
    /// Times accepting had to rest for want of descriptors or memory.
    public var acceptPauses: UInt64 = 0
    /// Receives that found no free buffer.
    public var receivesWithoutBuffer: UInt64 = 0
    /// Waits at whose end the kernel held completions back, as their queue was full.
    public var completionOverflows: UInt64 = 0
    /// Bytes received.
    public var bytesReceived: UInt64 = 0
    /// Bytes that the kernel has taken for sending.
    public var bytesSent: UInt64 = 0
}
