/// What keeps certificates from being used.
public struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// OpenSSL's words, and which files they are about.
    public var reason: String

    public var description: String { reason }
}
