import CTidemarkTLS
import Synchronization

/// One of OpenSSL's, which has locks of its own, or is one thread's.
struct ForeignPointer: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    /// Throws OpenSSL's reason.
    init(_ make: (UnsafeMutablePointer<CChar>) -> OpaquePointer?) throws(TLSError) {
        var reason = [CChar](repeating: 0, count: Int(TIDEMARK_TLS_ERROR_BYTES))
        guard let made = make(&reason) else { throw TLSError(reason: text(reason)) }
        pointer = made
    }
}

/// A server's certificate, its key, and who may show one of its own. Shared by all loops; what is read anew counts for the
/// connections that come from then on.
public final class TLSServerContext: Sendable {
    /// PEM files.
    public struct Files: Hashable, Sendable {
        /// The certificate, and behind it those that lead to one that clients know.
        public var certificate: String
        public var key: String
        /// Clients may show a certificate that one of these has signed. Nil: none is asked for.
        public var clientAuthority: String?

        public init(certificate: String, key: String, clientAuthority: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientAuthority = clientAuthority
        }
    }

    private let context: Mutex<ForeignPointer>

    public init(_ files: Files) throws(TLSError) { context = Mutex(try Self.read(files)) }

    deinit { context.withLock { tidemark_tls_context_release($0.pointer) } }

    /// Reads the files anew. Where that fails all stays as it was.
    public func reload(_ files: Files) throws(TLSError) {
        let newer = try Self.read(files)
        let older = context.withLock { context in
            defer { context = newer }
            return context
        }
        // Its connections keep what they need of it.
        tidemark_tls_context_release(older.pointer)
    }

    /// When the certificate is good no more: seconds since 1970-01-01 UTC; nil where that cannot be told.
    public var expires: Int64? {
        let seconds = context.withLock { tidemark_tls_context_expires($0.pointer) }
        return seconds == 0 ? nil : seconds
    }

    /// The server's side of a new connection; nil without memory.
    public func accept(through pipe: borrowing TLSPipe) -> TLSConnection? {
        let pipe = ForeignPointer(pipe.pointer)
        return context.withLock { tidemark_tls_accept($0.pointer, pipe.pointer).map { TLSConnection(pointer: $0) } }
    }

    private static func read(_ files: Files) throws(TLSError) -> ForeignPointer {
        do throws(TLSError) {
            return try ForeignPointer {
                tidemark_tls_server_context(files.certificate, files.key, files.clientAuthority, $0)
            }
        } catch {
            throw TLSError(reason: "certificate \(files.certificate), key \(files.key): \(error.reason)")
        }
    }
}

/// Whom a client believes.
public final class TLSClientContext: Sendable {
    private let context: ForeignPointer

    /// With the certificates of a PEM file, or those that the system has.
    public init(authority file: String? = nil) throws(TLSError) {
        do throws(TLSError) {
            context = try ForeignPointer { tidemark_tls_client_context(file, $0) }
        } catch {
            throw TLSError(reason: "authority \(file ?? "of the system"): \(error.reason)")
        }
    }

    deinit { tidemark_tls_context_release(context.pointer) }

    /// The client's side of a new connection to a server of that name or numeric address; nil without memory.
    public func connect(to host: String, through pipe: borrowing TLSPipe) -> TLSConnection? {
        tidemark_tls_connect(context.pointer, pipe.pointer, host).map { TLSConnection(pointer: $0) }
    }
}

func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
