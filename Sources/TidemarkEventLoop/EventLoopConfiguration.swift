// Every limit of a loop in one place, and how the limits relate.

import CTidemarkLinux

/// The sizes, limits and times of one loop.
public struct EventLoopConfiguration: Sendable {
    /// The cores that this process may run on, 1 or more: as many loops can work at the same time.
    public static var usableCores: Int { Int(tidemark_usable_cores()) }

    /// Requests that fit the submission queue: 8 to 32,768, rounded up to a power of two by the kernel.
    public var submissions = 4096
    /// Completions that fit the completion queue: at least 4 times `submissions`, up to 131,072. More are kept by the
    /// kernel, at a cost.
    public var completions = 16384
    /// Receive buffers that all connections share: a power of two, 1 to 32,768.
    public var receiveBuffers = 4096
    /// Bytes of each receive buffer: 64 to 1,048,576.
    public var receiveBufferBytes = 4096
    /// Connections at a time: 1 to 16,777,216. One more is closed as soon as it is accepted. Unused ones cost address
    /// space only.
    public var connectionsMax = 262_144
    /// Unconsumed bytes of one connection at which reading pauses until some are consumed: 1 to 1,073,741,824. What
    /// the kernel had received by then comes on top, at most a few hundred KiB.
    public var inputBytesMax = 256 << 10
    /// Unsent bytes of one connection above which it counts as slow: 1 to 1,073,741,824.
    public var outputHighWater = 256 << 10
    /// Unsent bytes at or below which a slow connection is reported as drained: 0 to `outputHighWater`.
    public var outputLowWater = 64 << 10
    /// Bytes of one send request: 4096 to 1,073,741,824. A slow reader's progress shows in steps of this size.
    public var sendBytesMax = 256 << 10
    /// How long a flushing close waits for the peer to take the output and to close its side.
    public var closeTimeout = Duration.seconds(5)
    /// How long accepting rests after the process or the system ran out of descriptors or memory.
    public var acceptPause = Duration.milliseconds(100)
    /// How long a loop that has just had much to do at a time waits for as much again, where a completion is there already:
    /// 0 (not at all) to a second. From Linux 6.12 on. The thread's timer slack comes on top.
    public var gatherTime = Duration.microseconds(20)
    /// The grain of connection deadlines: they fire up to this much late. At least a microsecond.
    public var deadlineTick = Duration.milliseconds(10)

    /// What the time is; nil for the machine's monotonic clock. With another one nothing sleeps by itself: a wait that is to
    /// end at a time has to be called with one that is past.
    public var clock: (@Sendable () -> MonotonicTime)?

    /// The defaults.
    public init() {}

    func validate() throws(EventLoopError) {
        try check("submissions", submissions, in: 8...32_768)
        try check("completions", completions, in: submissions * 4...131_072)
        try check("receiveBuffers", receiveBuffers, in: 1...32_768)
        guard receiveBuffers.nonzeroBitCount == 1 else {
            throw .configuration(field: "receiveBuffers (a power of two)", value: receiveBuffers, allowed: 1...32_768)
        }
        try check("receiveBufferBytes", receiveBufferBytes, in: 64...1 << 20)
        try check("connectionsMax", connectionsMax, in: 1...1 << 24)
        try check("inputBytesMax", inputBytesMax, in: 1...1 << 30)
        try check("outputHighWater", outputHighWater, in: 1...1 << 30)
        try check("outputLowWater", outputLowWater, in: 0...outputHighWater)
        try check("sendBytesMax", sendBytesMax, in: 4096...1 << 30)
        let tick = Int(clamping: deadlineTick.wholeNanoseconds)
        let gather = Int(clamping: gatherTime.wholeNanoseconds)
        try check("gatherTime (nanoseconds)", gather, in: 0...1_000_000_000)
        try check("deadlineTick (nanoseconds)", tick, in: 1000...3_600_000_000_000)
    }

    private func check(_ field: String, _ value: Int, in allowed: ClosedRange<Int>) throws(EventLoopError) {
        if !allowed.contains(value) { throw .configuration(field: field, value: value, allowed: allowed) }
    }
}
