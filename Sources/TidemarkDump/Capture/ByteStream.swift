//  Bytes without packets: read from standard input as they are, or written as hexadecimal digits.
//
//      read(2) ─▶ [HexDecoder] ─▶ FrameCutter ─▶ sink        one connection, one direction, times 0

import Glibc

/// How bytes stand on an input.
public enum ByteForm: Sendable {
    case raw
    /// Hexadecimal digits; spaces, line ends and `0x` are passed over, and so is the rest of a line after `#`.
    case hex
}

/// One direction of one connection, as bytes in order.
public struct ByteStream: ~Copyable {
    private var cutter = FrameCutter()
    private var pool = BytePool(usedBytesMax: 4 << 20)
    private let place: StreamPlace

    /// Opens the connection.
    public init<Sink: FrameObserver & ~Copyable>(from direction: Direction, _ sink: inout Sink) {
        let connection = ConnectionName(slot: 0, number: 1)
        place = StreamPlace(connection: connection, direction: direction, time: CaptureTime(nanoseconds: 0))
        sink.opened(connection, client: Endpoint(), server: Endpoint(), at: place.time)
    }

    public mutating func take<Sink: FrameObserver & ~Copyable>(_ bytes: UnsafeRawBufferPointer, _ sink: inout Sink) {
        cutter.take(bytes, at: place, pool: &pool, observer: &sink)
    }

    /// Closes the connection.
    public mutating func finish<Sink: FrameObserver & ~Copyable>(_ sink: inout Sink) {
        cutter.finish(at: place, pool: &pool, observer: &sink)
        sink.closed(place.connection, .captureEnded, at: place.time)
    }

    /// Reads a descriptor to its end. Throws where the digits are wrong; what is before is with the sink then.
    public static func read<Sink: FrameSink & ~Copyable>(
        descriptor: Int32,
        as form: ByteForm,
        from direction: Direction,
        _ sink: inout Sink
    ) throws(CaptureError) {
        let space = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { space.deallocate() }
        var stream = ByteStream(from: direction, &sink)
        var digits = HexDecoder()
        var failure: CaptureError?
        while failure == nil, !sink.isSatisfied, !StopSignals.isRequested {
            let count = Glibc.read(descriptor, space.baseAddress, space.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { failure = .readFailed(source: "standard input", reason: String(cString: strerror(errno))) }
            if count <= 0 { break }
            var bytes = UnsafeMutableRawBufferPointer(rebasing: space[..<count])
            if form == .hex { failure = digits.decode(&bytes) }
            stream.take(UnsafeRawBufferPointer(bytes), &sink)
            // A pipe is written to as someone types or a program sends: each piece is shown as it comes.
            sink.flush()
        }
        if failure == nil, form == .hex { failure = digits.finish() }
        stream.finish(&sink)
        sink.flush()
        if let failure { throw failure }
    }
}
