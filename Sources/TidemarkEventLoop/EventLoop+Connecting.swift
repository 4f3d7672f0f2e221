// Connections that this side opens.
//
//   connect(…) ─▶ slot with the address in its tail ─▶ at the next `wait`: connect ─▶ .connected, or .closed(.failed)
//
// Until then output gathers, and pausing, deadlines and closing work as on any other connection.

import CTidemarkLinux
import Glibc

extension EventLoop {
    /// Begins a TCP connection to a numeric IPv4 or IPv6 address. It is reported as `.connected`, or as
    /// `.closed(_, .failed(errno))` if the peer cannot be reached; how long the kernel tries can be minutes, so set a
    /// deadline. With `source`, a numeric address of this machine, it comes from there: each has its own 28,000 ports. With
    /// `encryption` what is sent waits until the handshake is over.
    public mutating func connect(
        tcp host: String,
        port: UInt16,
        from source: String? = nil,
        encryption: TLSPeer? = nil
    ) throws(EventLoopError) -> ConnectionID {
        var address = sockaddr_storage()
        let bytes = tidemark_parse_address(host, port, &address)
        guard bytes > 0 else { throw .notNumericAddress(host) }
        let subject = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        let descriptor = try open(Int32(address.ss_family), subject)
        do throws(SystemError) {
            try systemCall("setsockopt") { tidemark_set_option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        } catch {
            closeDescriptor(descriptor)
            throw .socket(subject: subject, error)
        }
        if let source { try bind(descriptor, to: source) }
        let id = try add(descriptor, address, bytes)
        if let encryption, !encrypt(id, to: encryption) {
            close(id, flushing: false)
            throw .socket(subject: subject, SystemError(operation: "TLS", code: ENOMEM))
        }
        return id
    }

    /// Begins a connection to the Unix socket at `path`; as `connect(tcp:port:from:)` otherwise.
    public mutating func connect(unix path: String) throws(EventLoopError) -> ConnectionID {
        var address = sockaddr_storage()
        let bytes = tidemark_unix_address(path, &address)
        guard bytes > 0, !path.utf8.contains(0) else { throw .badPath(path) }
        return try add(open(AF_UNIX, path), address, bytes)
    }

    private func open(_ family: Int32, _ subject: String) throws(EventLoopError) -> Int32 {
        do throws(SystemError) {
            return try systemCall("socket") {
                socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            }
        } catch {
            throw .socket(subject: subject, error)
        }
    }

    /// The port is chosen by the connect, which knows the other end: so one port serves many of those.
    private func bind(_ descriptor: Int32, to source: String) throws(EventLoopError) {
        var address = sockaddr_storage()
        let bytes = tidemark_parse_address(source, 0, &address)
        do throws(SystemError) {
            guard bytes > 0 else { throw SystemError(operation: "bind", code: EADDRNOTAVAIL) }
            try systemCall("setsockopt") {
                tidemark_set_option(descriptor, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
            }
            try systemCall("bind") { tidemark_bind(descriptor, &address, bytes) }
        } catch {
            closeDescriptor(descriptor)
            throw .socket(subject: source, error)
        }
    }

    private mutating func add(
        _ descriptor: Int32,
        _ address: sockaddr_storage,
        _ bytes: socklen_t
    ) throws(EventLoopError) -> ConnectionID {
        guard let id = connections.add(descriptor: descriptor) else {
            closeDescriptor(descriptor)
            throw .tooManyConnections(limit: connections.capacity)
        }
        let connection = connections[id.slot]
        blocks.makeSpace(Int(bytes), in: &connection.pointee.tail)
        withUnsafeBytes(of: address) { _ = memcpy(connection.pointee.tail.base!, $0.baseAddress!, Int(bytes)) }
        connection.pointee.tail.end = UInt32(bytes)
        connection.pointee.flags.insert(.connecting)
        touch(id.slot)
        return id
    }

    func startConnect(_ slot: UInt32, _ connection: UnsafeMutablePointer<Connection>) {
        if connection.pointee.has(.connectInFlight) { return }
        let tag = RequestTag(.connect, slot: slot, generation: connection.pointee.generation)
        let address = connection.pointee.tail.bytes
        let bytes = UInt32(address.count)
        if tidemark_prepare_connect(
            ring.pointer,
            connection.pointee.descriptor,
            address.baseAddress!,
            bytes,
            tag.bits
        ) {
            connection.pointee.flags.insert(.connectInFlight)
        }
    }

    mutating func completeConnect(_ completion: Completion) -> Event? {
        let (slot, generation) = (completion.tag.slot, completion.tag.generation)
        guard let connection = connections.find(slot, generation) else {
            assertionFailure("a connect outlived its connection")
            return nil
        }
        connection.pointee.flags.subtract([.connectInFlight, .stoppingConnect])
        touch(slot)
        guard completion.result == 0 else {
            // Interrupted: the address is still there, and the next `wait` tries again.
            if completion.result == -EINTR { return endIfLast(slot) }
            return abort(slot, code: -completion.result)
        }
        blocks.give(&connection.pointee.tail)
        connection.pointee.flags.remove(.connecting)
        if connection.pointee.has(.closing) { return endIfLast(slot) }
        if connection.pointee.has(.encrypted) { greet(slot) }
        return .connected(ConnectionID(slot: slot, generation: generation))
    }
}
