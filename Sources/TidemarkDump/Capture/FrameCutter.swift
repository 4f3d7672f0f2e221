//  Cuts one direction of a connection's bytes into whole frames.
//
//                 loss that ends inside a frame whose length is known
//      ┌───────────────────────────────────────────────────────────▶ passing ──the frame's end──▶ synced
//   synced ──any other loss──▶ searching ──plausible header──▶ tentative ──whole, and decodes──▶ synced
//                                  ▲                               │
//                                  └────────does not decode────────┘
//
//  Searching looks at the beginning of each stretch of bytes it is given: a sender begins most segments with a frame.
//  Frames are handed on in place; only the tail that is not whole yet is copied. Invariant: a synced cutter without a
//  partial frame stands at a frame's beginning.

import TidemarkWire

/// Whose bytes, which way, and when.
struct StreamPlace: BitwiseCopyable {
    var connection: ConnectionName
    var direction: Direction
    var time: CaptureTime
}

struct FrameCutter: BitwiseCopyable {
    enum State: UInt8, BitwiseCopyable {
        case synced
        case tentative
        case searching
        case passing
    }

    /// The beginning of a frame that is not whole.
    private(set) var partial = ByteBlock()
    private(set) var state: State = .synced
    /// While passing: bytes until the frame's end.
    private var left: UInt32 = 0
    /// Bytes passed over that are not reported yet.
    private var skipped: UInt64 = 0

    /// The stream is entered in its middle: the next frame's beginning is to be found.
    mutating func search() { state = .searching }

    /// The next bytes of the stream.
    @inline(__always)
    mutating func take<Observer: FrameObserver & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        at place: StreamPlace,
        pool: inout BytePool,
        observer: inout Observer
    ) {
        guard state == .synced, partial.count == 0 else {
            takeSlowly(bytes, at: place, pool: &pool, observer: &observer)
            return
        }
        let rest = FrameCutter.cut(bytes, at: place, observer: &observer)
        if rest.count > 0 { keep(rest, place, pool: &pool, observer: &observer) }
    }

    /// Hands on the whole frames at the front of `bytes`; what is behind them.
    @inline(__always)
    private static func cut<Observer: FrameObserver & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        at place: StreamPlace,
        observer: inout Observer
    ) -> UnsafeRawBufferPointer {
        guard var cursor = bytes.baseAddress else { return bytes }
        let end = cursor + bytes.count
        while end - cursor >= Limits.headerBytes {
            let header = FrameHeader(parsing: UnsafeRawBufferPointer(start: cursor, count: Limits.headerBytes))
            let frameBytes = Limits.headerBytes &+ header.bodyBytes
            guard end - cursor >= frameBytes else { break }
            let frame = UnsafeRawBufferPointer(start: cursor, count: frameBytes)
            observer.frame(frame, header, of: place.connection, place.direction, at: place.time)
            cursor += frameBytes
        }
        return UnsafeRawBufferPointer(start: cursor, count: end - cursor)
    }

    /// The frame's whole size once its header is there.
    private var frameBytes: Int? {
        partial.count < Limits.headerBytes ? nil : Limits.headerBytes + FrameHeader(parsing: partial.bytes).bodyBytes
    }

    private mutating func takeSlowly<Observer: FrameObserver & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        at place: StreamPlace,
        pool: inout BytePool,
        observer: inout Observer
    ) {
        var rest = bytes
        // Of what may be a frame, from segments before this one.
        var kept = state == .tentative ? Int(partial.count) : 0
        while rest.count > 0 {
            switch state {
            case .passing:
                let count = min(Int(left), rest.count)
                left &-= UInt32(count)
                skipped &+= UInt64(count)
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                if left == 0 { synchronise(place, &observer) }
            case .searching:
                state = .tentative
            case .tentative:
                guard let after = tryFrame(rest, place, pool: &pool, observer: &observer) else {
                    guard kept > 0 else { return giveUpTentative(passingOver: rest.count, pool: &pool) }
                    // It was none, but this segment may begin with one.
                    skipped &+= UInt64(kept)
                    kept = 0
                    pool.give(&partial)
                    rest = bytes
                    continue
                }
                rest = after
            case .synced:
                if partial.count > 0 {
                    rest = fill(rest, place, pool: &pool, observer: &observer)
                } else {
                    rest = FrameCutter.cut(rest, at: place, observer: &observer)
                    if rest.count > 0 { keep(rest, place, pool: &pool, observer: &observer) }
                    return
                }
            }
        }
    }

    /// Copies what the partial frame lacks, and hands it on when it is whole; what is behind it.
    private mutating func fill<Observer: FrameObserver & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        _ place: StreamPlace,
        pool: inout BytePool,
        observer: inout Observer
    ) -> UnsafeRawBufferPointer {
        let wanted = (frameBytes ?? Limits.headerBytes) - Int(partial.count)
        let count = min(wanted, bytes.count)
        keep(UnsafeRawBufferPointer(rebasing: bytes[..<count]), place, pool: &pool, observer: &observer)
        if state == .synced, let frameBytes, Int(partial.count) == frameBytes {
            let header = FrameHeader(parsing: partial.bytes)
            observer.frame(partial.bytes, header, of: place.connection, place.direction, at: place.time)
            pool.give(&partial)
        }
        return UnsafeRawBufferPointer(rebasing: bytes[count...])
    }

    /// Keeps the tail of the stream until the frame is whole. Without memory for it the frame is passed over: where it
    /// ends is known all the same, once its header is there.
    private mutating func keep<Observer: FrameObserver & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        _ place: StreamPlace,
        pool: inout BytePool,
        observer: inout Observer
    ) {
        if pool.append(bytes, to: &partial) { return }
        let have = Int(partial.count) + bytes.count
        skipped &+= UInt64(have)
        let whole = wholeSize(with: bytes)
        pool.give(&partial)
        guard let whole else {
            state = .searching
            return
        }
        left = UInt32(whole - have)
        state = .passing
        if left == 0 { synchronise(place, &observer) }
    }

    /// The size of the frame that begins in `partial` and goes on in `bytes`.
    private func wholeSize(with bytes: UnsafeRawBufferPointer) -> Int? {
        if let frameBytes { return frameBytes }
        guard partial.count == 0, bytes.count >= Limits.headerBytes else { return nil }
        return Limits.headerBytes + FrameHeader(parsing: bytes).bodyBytes
    }

    /// Goes on with a frame that may be none. Nil: it is none, and what was kept of it is still kept.
    private mutating func tryFrame<Observer: FrameObserver & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        _ place: StreamPlace,
        pool: inout BytePool,
        observer: inout Observer
    ) -> UnsafeRawBufferPointer? {
        let hadHeader = partial.count >= Limits.headerBytes
        let count = min((frameBytes ?? Limits.headerBytes) - Int(partial.count), bytes.count)
        guard pool.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]), to: &partial) else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[count...])
        guard let frameBytes else { return rest }
        let header = FrameHeader(parsing: partial.bytes)
        guard hadHeader || FrameStart.isPlausible(header, place.direction) else {
            partial.count -= UInt32(count)
            return nil
        }
        if Int(partial.count) < frameBytes {
            let isBeginning = hadHeader && Int(partial.count) - count == Limits.headerBytes
            let begun = UnsafeRawBufferPointer(rebasing: partial.bytes[Limits.headerBytes...])
            guard isBeginning, !FrameStart.canGoOn(header, behind: begun) else { return rest }
            partial.count -= UInt32(count)
            return nil
        }
        let body = UnsafeRawBufferPointer(rebasing: partial.bytes[Limits.headerBytes...])
        guard FrameStart.isMeaningful(header, body: body) else {
            partial.count -= UInt32(count)
            return nil
        }
        synchronise(place, &observer)
        observer.frame(partial.bytes, header, of: place.connection, place.direction, at: place.time)
        pool.give(&partial)
        return rest
    }

    private mutating func giveUpTentative(passingOver count: Int, pool: inout BytePool) {
        skipped &+= UInt64(partial.count) &+ UInt64(count)
        pool.give(&partial)
        state = .searching
    }

    private mutating func synchronise<Observer: FrameObserver & ~Copyable>(
        _ place: StreamPlace,
        _ observer: inout Observer
    ) {
        if skipped > 0 {
            observer.anomaly(.skipped(count: skipped), of: place.connection, place.direction, at: place.time)
        }
        skipped = 0
        state = .synced
    }

    /// Bytes that came before it was known which way they go.
    mutating func passOver(_ count: Int) {
        state = .searching
        skipped &+= UInt64(count)
    }

    /// Drops what is kept, without a word.
    mutating func discard(pool: inout BytePool) {
        pool.give(&partial)
        self = FrameCutter()
    }

    /// `count` bytes of the stream are missing here; nil: it cannot be told how many.
    mutating func lose<Observer: FrameObserver & ~Copyable>(
        _ count: UInt64?,
        at place: StreamPlace,
        pool: inout BytePool,
        observer: inout Observer
    ) {
        observer.anomaly(.lost(count: count), of: place.connection, place.direction, at: place.time)
        var end: UInt64?
        switch state {
        case .synced: end = frameBytes.map { UInt64($0) - UInt64(partial.count) }
        case .passing: end = UInt64(left)
        case .tentative, .searching: end = nil
        }
        skipped &+= UInt64(partial.count)
        pool.give(&partial)
        guard let end, let count, count <= end else {
            state = .searching
            return
        }
        left = UInt32(end - count)
        state = .passing
        if left == 0 { synchronise(place, &observer) }
    }

    /// The stream is over.
    mutating func finish<Observer: FrameObserver & ~Copyable>(
        at place: StreamPlace,
        pool: inout BytePool,
        observer: inout Observer
    ) {
        if state != .synced { skipped &+= UInt64(partial.count) }
        let cut = state == .synced && partial.count > 0 ? (have: Int(partial.count), of: frameBytes) : nil
        synchronise(place, &observer)
        if let cut {
            let anomaly = StreamAnomaly.cutShort(have: cut.have, of: cut.of)
            observer.anomaly(anomaly, of: place.connection, place.direction, at: place.time)
        }
        pool.give(&partial)
    }
}
