// The caller of the loop in these tests: answers each whole message of `messageBytes` with itself, `copies` times.
//
//   run(until:) ── wait, all events, then the condition ── again, for at most 20 s
//
// It shows the policy that the loop leaves to its caller: no more reading above high water, until drained.

import Glibc
import Testing

@testable import TidemarkEventLoop

struct EchoServer: ~Copyable {
    var loop: EventLoop
    var listener = ListenerID(index: 0)
    /// 0: whatever is there is a message.
    var messageBytes = 1
    var copies = 1
    var closesEnded = true
    /// Between two events.
    var flushes = false
    /// What was reported, `.received` as its bytes.
    var accepted: [ConnectionID] = []
    var connected: [ConnectionID] = []
    var received: [ConnectionID: [UInt8]] = [:]
    var ended: [ConnectionID] = []
    var drained: [ConnectionID] = []
    var deadlines: [ConnectionID] = []
    var detached: [ConnectionID] = []
    var closed: [ConnectionID: CloseReason] = [:]
    var wakes = 0
    /// The most unsent bytes of any connection, and the most bytes handed out at once.
    var outputBytesMost = 0
    var inputBytesMost = 0

    init(_ adjust: (inout EventLoopConfiguration) -> Void = { _ in }, listening: Bool = true) throws {
        var configuration = EventLoopConfiguration()
        configuration.connectionsMax = 4096
        configuration.receiveBuffers = 256
        configuration.deadlineTick = .milliseconds(1)
        adjust(&configuration)
        var loop = try EventLoop(configuration)
        if listening { listener = try loop.listen(tcp: "127.0.0.1", port: 0) }
        self.loop = loop
    }

    var port: UInt16 { loop.port(of: listener) }

    func connect() throws -> Peer { try Peer(port: port) }

    /// The peer's descriptor, for where peers are in an array.
    func connectDescriptor() throws -> Int32 {
        var peer = try connect()
        return peer.release()
    }

    mutating func takeDetached(_ id: ConnectionID) throws -> DetachedConnection {
        let taken = loop.takeDetached(id)
        return try #require(taken)
    }

    /// Runs iterations until `condition` holds after one; an issue is recorded if it does not within 20 s.
    mutating func run(
        until condition: (inout EchoServer) throws -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let end = MonotonicTime.readClock() + .seconds(20)
        while true {
            try loop.wait(until: MonotonicTime.readClock() + .milliseconds(1))
            try handleAll()
            if try condition(&self) { return }
            if loop.now > end {
                Issue.record("the condition did not come true in 20 s", sourceLocation: sourceLocation)
                throw TimedOut()
            }
        }
    }

    struct TimedOut: Error {}

    /// Runs `count` iterations that do not wait.
    mutating func runIterations(_ count: Int) throws {
        for _ in 0..<count {
            try loop.wait(until: MonotonicTime(nanoseconds: 0))
            try handleAll()
        }
    }

    mutating func handleAll() throws {
        while let event = loop.next() {
            handle(event)
            if flushes { try loop.flush() }
        }
    }

    mutating func handle(_ event: Event) {
        switch event {
        case .accepted(let id, _):
            accepted.append(id)
        case .connected(let id):
            connected.append(id)
        case .received(let id, let bytes):
            inputBytesMost = max(inputBytesMost, bytes.count)
            answer(id, bytes)
        case .ended(let id):
            ended.append(id)
            if closesEnded { loop.close(id, flushing: true) }
        case .drained(let id):
            drained.append(id)
            loop.resumeReading(id)
        case .deadline(let id):
            deadlines.append(id)
        case .closed(let id, let reason):
            #expect(closed[id] == nil, "closed twice")
            closed[id] = reason
        case .detached(let id):
            detached.append(id)
        case .woken:
            wakes += 1
        }
    }

    private mutating func answer(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
        #expect(closed[id] == nil, "received after closed")
        var used = 0
        let messageBytes = messageBytes == 0 ? bytes.count : messageBytes
        while bytes.count - used >= messageBytes {
            let message = UnsafeRawBufferPointer(rebasing: bytes[used..<used + messageBytes])
            for _ in 0..<copies { loop.send(id, message) }
            used += messageBytes
            outputBytesMost = max(outputBytesMost, loop.outputBytes(id))
            if loop.outputBytes(id) > loop.outputHighWater {
                loop.pauseReading(id)
                break
            }
        }
        received[id, default: []].append(contentsOf: bytes[..<used])
        loop.consume(id, used)
    }
}

extension EventLoopConfiguration {
    /// Queues and buffers that a few connections overflow.
    mutating func makeTiny() {
        submissions = 8
        completions = 32
        receiveBuffers = 4
        receiveBufferBytes = 256
    }
}
