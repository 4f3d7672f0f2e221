#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where output could not go.
public enum OutputError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The system's error number of a write to the output.
    case writeFailed(errno: Int32)
    /// A stop was requested while whoever reads the output did not read.
    case notRead

    public var description: String {
        switch self {
        case .writeFailed(let number): "cannot write the output: \(String(cString: strerror(number)))"
        case .notRead: "the output was not read when the stop was requested: its end is missing"
        }
    }
}

/// Text on its way to a file descriptor, in memory of its own that grows to the longest record. Writing is plain
/// stores; a record is complete when `endRecord` is called, and only whole records are written out.
struct LineBuffer: ~Copyable {
    /// What is gathered before it is written out.
    static let flushBytes = 64 << 10
    /// POSIX's PIPE_BUF on Linux.
    private static let pipeBytes = 4096
    private static let pollMilliseconds: Int32 = 100
    /// What a reader is left after a stop to take the rest.
    private static let stopMilliseconds: Int32 = 500

    private(set) var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private(set) var count = 0
    private let descriptor: Int32
    /// A pipe, a socket or a terminal: a write waits for as long as its reader likes.
    private let mayBlock: Bool
    private(set) var failure: OutputError?
    /// Whoever read the output has gone: what follows is thrown away.
    private(set) var isClosed = false

    /// Does not own the descriptor.
    init(descriptor: Int32) {
        self.descriptor = descriptor
        var status = stat()
        let kind = fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
        mayBlock = kind == S_IFIFO || kind == S_IFSOCK || isatty(descriptor) == 1
        capacity = Self.flushBytes * 2
        base = .allocate(capacity: capacity)
    }

    deinit { base.deallocate() }

    /// Where the next `bytes` bytes go; the caller then calls `advance`.
    @inline(__always)
    mutating func room(_ bytes: Int) -> UnsafeMutablePointer<UInt8> {
        if count + bytes > capacity { grow(bytes) }
        return base + count
    }

    @inline(__always)
    mutating func advance(_ bytes: Int) { count += bytes }

    @inline(never)
    private mutating func grow(_ bytes: Int) {
        let larger = max(capacity * 2, count + bytes)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        moved.update(from: base, count: count)
        base.deallocate()
        base = moved
        capacity = larger
    }

    @inline(__always)
    mutating func endRecord() {
        if count >= Self.flushBytes { write() }
    }

    /// Writes out what is there. An output whose reader has gone is no error; see `isClosed`.
    mutating func flush() throws(OutputError) {
        if count > 0 { write() }
        if let failure { throw failure }
    }

    @inline(never)
    private mutating func write() {
        var start = 0
        while start < count, !isClosed, failure == nil {
            if mayBlock, !waitUntilWritable() { break }
            // A pipe that is writable takes this much at once without waiting.
            let most = mayBlock ? Self.pipeBytes : count
            let written = systemWrite(descriptor, base + start, min(count - start, most))
            if written >= 0 {
                start += written
                continue
            }
            switch errno {
            // A terminal or pipe may be non-blocking, made so by another program: back to waiting.
            case EINTR, EAGAIN: continue
            case EPIPE: isClosed = true
            case let number: failure = .writeFailed(errno: number)
            }
        }
        count = 0
    }

    /// Waits for the reader. False when a stop is requested and the reader does not take what is there: nobody may be
    /// left who would.
    private mutating func waitUntilWritable() -> Bool {
        var waitedMilliseconds: Int32 = 0
        while true {
            var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            if poll(&wanted, 1, Self.pollMilliseconds) > 0 { return true }
            guard StopSignals.isRequested else { continue }
            waitedMilliseconds += Self.pollMilliseconds
            if waitedMilliseconds >= Self.stopMilliseconds {
                failure = .notRead
                return false
            }
        }
    }
}

private func systemWrite(_ descriptor: Int32, _ from: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
    #if canImport(Glibc)
        Glibc.write(descriptor, from, count)
    #else
        Darwin.write(descriptor, from, count)
    #endif
}
