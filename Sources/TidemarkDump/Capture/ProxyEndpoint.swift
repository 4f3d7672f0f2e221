//  Numeric addresses, as people write them and as the event loop tells them, as an observer's endpoints.

import Glibc
import TidemarkEventLoop

extension Endpoint {
    /// Nil if `host` is no numeric IPv4 or IPv6 address. A scope such as %eth0 may follow; it is left out.
    init?(numeric host: String, port: UInt16) {
        var ipv4 = in_addr()
        var ipv6 = in6_addr()
        if inet_pton(AF_INET, host, &ipv4) == 1 {
            self.init(family: .ipv4, address: (UInt64(ipv4.s_addr), 0), port: port)
        } else if inet_pton(AF_INET6, String(host.prefix { $0 != "%" }), &ipv6) == 1 {
            let address = withUnsafeBytes(of: ipv6) {
                (high: $0.loadUnaligned(as: UInt64.self), low: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            }
            self.init(family: .ipv6, address: address, port: port)
        } else {
            return nil
        }
    }
}

extension ProxyRoute.Place {
    /// The place as an observer sees it. Throws `CaptureError.proxy` if nothing can listen there.
    func endpoint() throws(CaptureError) -> Endpoint {
        switch self {
        case .tcp(let host, let port):
            if let endpoint = Endpoint(numeric: host, port: port) { return endpoint }
        case .unix(let path):
            if (1...107).contains(path.utf8.count), !path.utf8.contains(0) { return Endpoint() }
        }
        throw .proxy("\(self) is no numeric address with a port, and no path of a Unix socket")
    }
}

extension EventLoopError {
    /// What went wrong, where the place is named already.
    var withoutSubject: String {
        if case .socket(_, let error) = self { String(cString: strerror(error.code)) } else { "\(self)" }
    }
}
