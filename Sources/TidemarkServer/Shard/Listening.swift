import Logging
import TidemarkEventLoop
import TidemarkSession

/// Where a shard listens, and what that means for who comes in there.
struct Listening: Sendable {
    var listeners: [ListenAddress] = []
    var listenerKinds: [ListenerKind] = []
    /// The last listener, if any. Kept while its listener is: the path may be one of its own.
    var adminSocket: AdminSocket?

    /// The first shard's: on all addresses, with the port that was taken where 0 was asked for; where possible for the
    /// administrator too.
    init(first common: Shard.Common, on loop: inout EventLoop) throws {
        let configuration = common.configuration
        let sharing: EventLoop.PortSharing = configuration.loops > 1 ? .first : .none
        for address in configuration.listen {
            switch address {
            case .tcp(let host, let port):
                let listener = try loop.listen(tcp: host, port: port, sharingPort: sharing)
                add(.tcp(host: host, port: loop.port(of: listener)), .tcp)
            case .tls(let host, let port):
                let listener = try loop.listen(
                    tcp: host,
                    port: port,
                    sharingPort: sharing,
                    encryption: common.certificate
                )
                add(.tls(host: host, port: loop.port(of: listener)), .tcp)
            case .proxy(let host, let port):
                let listener = try loop.listen(tcp: host, port: port, sharingPort: sharing)
                add(.proxy(host: host, port: loop.port(of: listener)), .proxied)
            case .unix(let path):
                _ = try loop.listen(unix: path)
                add(address, .unix)
            }
        }
        do {
            let socket = try AdminSocket(directory: configuration.dataDirectory)
            _ = try loop.listen(unix: socket.path)
            add(.unix(path: socket.path), .administrator)
            adminSocket = socket
        } catch {
            // All but the administrator's commands works without.
            common.log.warning(
                "no socket for the administrator: backups have to wait until the server has stopped",
                metadata: ["error": "\(error)"]
            )
        }
    }

    /// Another shard's: on the same TCP ports. A Unix socket has one listener, whose connections go to their shards when
    /// they are known, as those do that the kernel has brought to another than theirs.
    init(another common: Shard.Common, as first: [ListenAddress], on loop: inout EventLoop) throws {
        for address in first {
            switch address {
            case .tcp(let host, let port):
                _ = try loop.listen(tcp: host, port: port, sharingPort: .another)
            case .tls(let host, let port):
                _ = try loop.listen(tcp: host, port: port, sharingPort: .another, encryption: common.certificate)
            case .proxy(let host, let port):
                _ = try loop.listen(tcp: host, port: port, sharingPort: .another)
                add(address, .proxied)
                continue
            case .unix:
                continue
            }
            add(address, .tcp)
        }
    }

    private mutating func add(_ address: ListenAddress, _ listenerKind: ListenerKind) {
        listeners.append(address)
        listenerKinds.append(listenerKind)
    }
}

extension ListenerKind {
    /// What it offers.
    func policy(_ configuration: ServerConfiguration) -> SessionPolicy {
        if self == .administrator { return .administrator }
        return SessionPolicy(
            allowsTrusted: self == .unix,
            allowsTickets: !configuration.ticketKeys.isEmpty,
            allowsPasswords: true,
            // Those that are there later may log in too.
            allowsServices: true,
            allowsBearers: configuration.hooks.login != nil,
            idleSeconds: UInt32(configuration.idleTimeout.components.seconds)
        )
    }
}
