/// Where a server listens: a host and port, or a Unix socket.
public enum ServerAddress: Hashable, Sendable {
    /// `host` is a name, an IPv4 address, or an IPv6 address without brackets.
    case tcp(host: String, port: Int)
    /// The same, by TLS: the server's certificate has to have that name or address.
    case tls(host: String, port: Int)
    case unix(path: String)

    /// Why a text is no address.
    public enum Mistake: Error, Equatable, Sendable {
        case empty
        case noHost
        /// There is no standard port, so it is always named.
        case noPort
        case port(String)
        /// An IPv6 address needs brackets, as its own colons hide the port's.
        case unbracketed
        case noPath
        /// The system's limit on the path of a Unix socket, in bytes.
        case pathTooLong(Int, limit: Int)
    }

    #if canImport(Darwin)
        static let unixPathBytesMax = 103
    #else
        static let unixPathBytesMax = 107
    #endif

    /// From `tls:host:port`, `tcp:host:port`, `unix:/path` or `/path`; an IPv6 address stands in brackets. `host:port` alone is
    /// by TLS, unless the host is this machine.
    public init(parsing text: String) throws(Mistake) {
        if text.isEmpty { throw .empty }
        if text.hasPrefix("/") {
            self = .unix(path: try Self.path(text))
        } else if text.hasPrefix("unix:") {
            self = .unix(path: try Self.path(String(text.dropFirst("unix:".count))))
        } else if text.hasPrefix("tls:") {
            let (host, port) = try Self.hostAndPort(String(text.dropFirst("tls:".count)))
            self = .tls(host: host, port: port)
        } else if text.hasPrefix("tcp:") {
            let (host, port) = try Self.hostAndPort(String(text.dropFirst("tcp:".count)))
            self = .tcp(host: host, port: port)
        } else {
            let (host, port) = try Self.hostAndPort(text)
            self = Self.isLoopback(host) ? .tcp(host: host, port: port) : .tls(host: host, port: port)
        }
    }

    private static func path(_ path: String) throws(Mistake) -> String {
        guard !path.isEmpty else { throw .noPath }
        guard path.utf8.count <= unixPathBytesMax else {
            throw .pathTooLong(path.utf8.count, limit: unixPathBytesMax)
        }
        return path
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }

    private static func hostAndPort(_ text: String) throws(Mistake) -> (host: String, port: Int) {
        let host: Substring
        let rest: Substring
        if text.hasPrefix("["), let close = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<close]
            rest = text[text.index(after: close)...]
            guard rest.hasPrefix(":") else { throw .noPort }
        } else {
            guard let colon = text.lastIndex(of: ":") else { throw .noPort }
            host = text[..<colon]
            rest = text[colon...]
            guard !host.contains(":") else { throw .unbracketed }
        }
        guard !host.isEmpty else { throw .noHost }
        let digits = rest.dropFirst()
        guard !digits.isEmpty else { throw .noPort }
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = Int(digits),
            (1...65_535).contains(port)
        else { throw .port(String(digits)) }
        return (String(host), port)
    }
}

extension ServerAddress: CustomStringConvertible {
    /// In a form that `init(parsing:)` reads.
    public var description: String {
        switch self {
        case .tcp(let host, let port): Self.isLoopback(host) ? Self.text(host, port) : "tcp:" + Self.text(host, port)
        case .tls(let host, let port): Self.isLoopback(host) ? "tls:" + Self.text(host, port) : Self.text(host, port)
        case .unix(let path): "unix:\(path)"
        }
    }
}

extension ServerAddress {
    private static func text(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

extension ServerAddress.Mistake: CustomStringConvertible {
    public var description: String {
        switch self {
        case .empty: "the address is empty; write HOST:PORT or unix:/PATH"
        case .noHost: "the address has no host; write HOST:PORT or unix:/PATH"
        case .noPort: "the address has no port; write HOST:PORT or unix:/PATH"
        case .port(let text): "'\(text)' is no port; ports are 1 to 65535"
        case .unbracketed: "an IPv6 address stands in brackets: [::1]:PORT"
        case .noPath: "'unix:' is followed by the path of a socket"
        case .pathTooLong(let bytes, let limit):
            "the socket's path is \(bytes) bytes long; this system allows \(limit)"
        }
    }
}
