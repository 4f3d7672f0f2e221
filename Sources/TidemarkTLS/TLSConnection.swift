// One connection's TLS, without a socket: bytes in, bytes out. No more than a pointer, so that a loop has it in a slab; who
// has it releases it.

import CTidemarkTLS

/// What OpenSSL reads and writes passes through it, for the length of one call. A thread has one.
public struct TLSPipe: ~Copyable {
    let pointer: OpaquePointer

    public init() {
        guard let made = tidemark_tls_pipe_make() else { fatalError("out of memory") }
        pointer = made
    }

    deinit { tidemark_tls_pipe_release(pointer) }

    /// What is received, for the calls of `read` that follow, and valid as long.
    public func setInput(_ bytes: UnsafeRawBufferPointer) {
        tidemark_tls_pipe_set_input(pointer, bytes.baseAddress, bytes.count)
    }

    /// Records that servers have read from the input so far and that say nothing to the caller.
    @inline(__always)
    public var asidesRead: Int { tidemark_tls_pipe_asides(pointer) }

    /// Where what is to be sent goes from now on; beyond `space`, somewhere else.
    public func setOutput(_ space: UnsafeMutableRawBufferPointer) {
        tidemark_tls_pipe_set_output(pointer, space.baseAddress, space.count)
    }

    /// What is to be sent, and whether it is not in the space that was given. Valid until `setOutput`.
    public var output: (bytes: UnsafeRawBufferPointer, isElsewhere: Bool) {
        var (count, isOwn) = (0, false)
        let bytes = tidemark_tls_pipe_output(pointer, &count, &isOwn)
        return (UnsafeRawBufferPointer(start: bytes, count: count), isOwn)
    }
}

public struct TLSConnection: BitwiseCopyable, @unchecked Sendable {
    let pointer: OpaquePointer

    /// What came of reading.
    public enum Reading: Equatable, Sendable {
        /// So many bytes.
        case bytes(Int)
        /// More has to be received first.
        case waits
        /// The peer has said that it sends no more.
        case ended
        /// For good; there may be a last word to be sent.
        case broken
    }

    init(pointer: OpaquePointer) { self.pointer = pointer }

    /// The server's side of one whose handshake somebody else has done; nil where the suite is not known.
    /// - Parameters:
    ///   - suite: The number of the cipher suite, of TLS 1.3.
    ///   - reading: The secret of what the client sends, as long as the suite's hash.
    ///   - writing: The secret of what the server sends.
    ///   - written: Records that the server has sent so far.
    ///   - pipe: What it passes through.
    public init?(
        suite: UInt16,
        reading: [UInt8],
        writing: [UInt8],
        written: UInt64 = 0,
        through pipe: borrowing TLSPipe
    ) {
        precondition(reading.count == writing.count)
        let made = tidemark_tls_opened(suite, reading, writing, reading.count, written, pipe.pointer)
        guard let made else { return nil }
        pointer = made
    }

    /// Nothing may be called any more.
    public func release() { tidemark_tls_release(pointer) }

    /// On another thread it passes through another pipe.
    public func pass(through pipe: borrowing TLSPipe) {
        guard tidemark_tls_set_pipe(pointer, pipe.pointer) else { fatalError("out of memory") }
    }

    /// The handshake is over.
    @inline(__always) public var isOpen: Bool { tidemark_tls_is_open(pointer) }

    /// Deciphers some of the pipe's input, or goes on with the handshake.
    /// - Precondition: there is space.
    @inline(__always)
    public func read(into space: UnsafeMutableRawBufferPointer) -> Reading {
        var count = 0
        return switch tidemark_tls_read(pointer, space.baseAddress, space.count, &count) {
        case TIDEMARK_TLS_OK: .bytes(count)
        case TIDEMARK_TLS_WAITS: .waits
        case TIDEMARK_TLS_ENDED: .ended
        default: .broken
        }
    }

    /// Whether reading may give more than it has, without more being received.
    @inline(__always)
    public var hasUnread: Bool { tidemark_tls_has_unread(pointer) }

    /// Enciphers all of it. False: broken, for good.
    /// - Precondition: it is open, and there are bytes.
    @inline(__always)
    public func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        tidemark_tls_write(pointer, bytes.baseAddress, bytes.count) == TIDEMARK_TLS_OK
    }

    /// The room that enciphering so many bytes takes at most.
    public static func sealedMax(_ count: Int) -> Int { tidemark_tls_sealed_max(count) }

    /// Says that nothing follows.
    public func end() { tidemark_tls_end(pointer) }

    /// "TLSv1.3"
    public var version: String { String(cString: tidemark_tls_version(pointer)) }
    /// It took up an earlier session.
    public var isResumed: Bool { tidemark_tls_is_resumed(pointer) }

    /// The SHA-256 of the certificate that the client has shown, which is verified; nil where it has shown none.
    public var fingerprint: [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: Int(TIDEMARK_TLS_FINGERPRINT_BYTES))
        return tidemark_tls_fingerprint(pointer, &bytes) ? bytes : nil
    }

    /// Why the last call on this thread found it broken: OpenSSL's words. To be read each time that one did.
    public static var lastError: String {
        var reason = [CChar](repeating: 0, count: Int(TIDEMARK_TLS_ERROR_BYTES))
        tidemark_tls_error(&reason)
        return text(reason)
    }
}
