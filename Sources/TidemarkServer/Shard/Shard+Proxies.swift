// Connections that come through a proxy, which says first whose they are.

import Logging
import TidemarkEventLoop
import TidemarkWire

extension Shard {
    /// Whether a proxy of ours is at the other end of a connection on a listener for these. Nobody else is heard there: who could
    /// say whose connection it is could be anybody.
    mutating func acceptProxied(_ id: ConnectionID, _ listener: ListenerID) {
        let address = loop.peerAddress(id).flatMap(AddressBlock.address)
        guard let address, configuration.proxies.contains(where: { $0.contains(address) }) else {
            counters.countError()
            loop.restAccepting(listener, until: loop.now + Self.refusalRest)
            let isNews = Self.refusalsTold.take(from: &refusalsFull, now: loop.now.nanoseconds) == nil
            log.log(
                level: isNews ? .warning : .debug,
                "no proxy of ours; closed",
                metadata: ["peer": "\(peer(id))", "connection": "\(name(id))"]
            )
            clients[Int(id.slot)].isClosing = true
            if recording != nil { recording!.ended(id, by: .server) }
            return loop.close(id, flushing: false)
        }
        clients[Int(id.slot)].awaitsProxyHeader = true
    }

    /// Returns how many bytes the header had: 0 where it is not there yet, or is none, and the connection is closed.
    mutating func readProxyHeader(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) -> Int {
        switch ProxyHeader.parse(bytes) {
        case .incomplete:
            return 0
        case .invalid:
            counters.countError()
            log.warning(
                "no header of the PROXY protocol, version 2; closed",
                metadata: ["peer": "\(peer(id))", "connection": "\(name(id))"]
            )
            close(id)
            return 0
        case .header(let header):
            clients[Int(id.slot)].awaitsProxyHeader = false
            proxied[id.slot] = header.sourceText
            admit(id, header.source.flatMap { PeerNetwork(address: $0.address) })
            return header.byteCount
        }
    }
}
