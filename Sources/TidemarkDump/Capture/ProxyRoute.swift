//  From where to where a proxy passes on, as it is written on a command line.
//
//      127.0.0.1:9000:127.0.0.1:8433      [::1]:9000:[::1]:8433      127.0.0.1:9000:unix:/run/tidemark.sock

/// Where a proxy listens, and which server is behind it.
public struct ProxyRoute: Hashable, Sendable, CustomStringConvertible {
    /// One end of a route: a numeric address and a port, or a Unix socket.
    public enum Place: Hashable, Sendable, CustomStringConvertible {
        case tcp(host: String, port: UInt16)
        case unix(path: String)

        public var description: String {
            switch self {
            case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            case .unix(let path): "unix:\(path)"
            }
        }
    }

    public var host: String
    /// 0: one that is free.
    public var port: UInt16
    public var server: Place

    public init(host: String, port: UInt16, server: Place) {
        self.host = host
        self.port = port
        self.server = server
    }

    public var description: String { "\(Place.tcp(host: host, port: port)) to \(server)" }

    /// Throws `CaptureError.proxy`, which says what is expected.
    public init(parsing text: String) throws(CaptureError) {
        var rest = text[...]
        guard let listen = ProxyRoute.takePlace(&rest), rest.first == ":" else { throw ProxyRoute.error(text) }
        rest.removeFirst()
        if rest.hasPrefix("unix:"), rest.utf8.count > 5, rest.utf8.count <= 5 + 107 {
            self.init(host: listen.host, port: listen.port, server: .unix(path: String(rest.dropFirst(5))))
            return
        }
        guard let server = ProxyRoute.takePlace(&rest), rest.isEmpty, server.port != 0 else {
            throw ProxyRoute.error(text)
        }
        self.init(host: listen.host, port: listen.port, server: .tcp(host: server.host, port: server.port))
    }

    private static func error(_ text: String) -> CaptureError {
        .proxy(
            "\"\(text)\" is no LISTEN:SERVER: give two numeric addresses with ports, such as "
                + "127.0.0.1:9000:127.0.0.1:8433 or [::1]:9000:unix:/run/tidemark.sock"
        )
    }

    /// An address and a port from the front of `text`.
    private static func takePlace(_ text: inout Substring) -> (host: String, port: UInt16)? {
        let host: Substring
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<end]
            text = text[text.index(after: end)...]
        } else {
            host = text.prefix { $0 != ":" }
            text = text[host.endIndex...]
        }
        guard !host.isEmpty, text.first == ":" else { return nil }
        text.removeFirst()
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        text = text[digits.endIndex...]
        guard let port = UInt16(digits) else { return nil }
        return (host == "localhost" ? "127.0.0.1" : String(host), port)
    }
}
