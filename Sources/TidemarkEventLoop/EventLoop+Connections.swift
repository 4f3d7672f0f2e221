// What the caller can ask of a connection. Nothing here enters the kernel: requests start at the next `wait`, or `flush`.
//
// Every call with a dead name, or for a connection that is being closed, does nothing: a connection can die between
// two events, and its `.closed` event is then on its way.

import CTidemarkLinux
import Glibc

extension EventLoop {
    /// Takes over a connected stream socket: from now on it belongs to the loop, which closes it. It is read from at
    /// once, and no `.accepted` event is made. On an error it still belongs to the caller.
    public mutating func adopt(descriptor: Int32) throws(EventLoopError) -> ConnectionID {
        do throws(SystemError) {
            // The kernel answers a request on a non-blocking descriptor with EAGAIN instead of waiting.
            let flags = try systemCall("fcntl") { fcntl(descriptor, F_GETFL) }
            if flags & O_NONBLOCK != 0 {
                try systemCall("fcntl") { fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) }
            }
        } catch {
            throw .socket(subject: "descriptor \(descriptor)", error)
        }
        guard let id = connections.add(descriptor: descriptor) else {
            throw .tooManyConnections(limit: connections.capacity)
        }
        touch(id.slot)
        return id
    }

    /// Says that the first `count` unconsumed bytes of `id` were used. At most as many as there are.
    public mutating func consume(_ id: ConnectionID, _ count: Int) {
        guard let connection = live(id), count > 0 else { return }
        if handedOut.id == id, handedOut.buffer != nil {
            handedOut.consumed &+= count
            precondition(handedOut.consumed <= handedOut.count, "more consumed than received")
            return
        }
        precondition(count <= connection.pointee.tail.count, "more consumed than received")
        connection.pointee.tail.start &+= UInt32(count)
        // While handed out, the bytes have to stay where they are.
        if handedOut.id == id { return }
        if connection.pointee.tail.isEmpty { blocks.give(&connection.pointee.tail) }
        if wantsInput(connection, id.slot) != connection.pointee.has(.receiving) { touch(id.slot) }
    }

    /// Appends `bytes` to the output of `id`. They are copied, and sent together with all else of this iteration.
    public mutating func send(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0, let source = bytes.baseAddress, let space = reserve(id, bytes.count) else { return }
        memcpy(space.baseAddress!, source, bytes.count)
        commit(id, bytes.count)
    }

    /// Room for at least `count` bytes (1 or more) at the end of the output of `id`, to be written in place and then
    /// given with `commit`. It is valid until the next call of this loop. Nil: no bytes can be sent any more.
    public mutating func reserve(_ id: ConnectionID, _ count: Int) -> UnsafeMutableRawBufferPointer? {
        guard let connection = live(id), !connection.pointee.has(.endingOutput) else { return nil }
        blocks.makeSpace(max(count, 1), in: &connection.pointee.filling)
        // With a send in flight, its completion touches.
        if !connection.pointee.has(.sendInFlight) { touch(id.slot) }
        let filling = connection.pointee.filling
        return UnsafeMutableRawBufferPointer(start: filling.base! + Int(filling.end), count: filling.space)
    }

    /// Appends the first `count` bytes of what `reserve` gave to the output of `id`.
    public mutating func commit(_ id: ConnectionID, _ count: Int) {
        guard let connection = live(id), !connection.pointee.has(.endingOutput) else { return }
        precondition(count <= connection.pointee.filling.space, "more committed than reserved")
        connection.pointee.filling.end &+= UInt32(count)
        if connection.pointee.outputBytes > outputHighWater { connection.pointee.flags.insert(.aboveHighWater) }
    }

    /// Says that nothing follows what was sent to `id`: once that is out, the peer sees the end of the stream. Bytes
    /// sent after this call are dropped. Receiving goes on, and the connection stays open, even if the peer has ended
    /// its side too, until `close`. Before `.connected` it waits for that; a second call does nothing.
    ///
    /// There is no time limit for the peer to take the output: set a deadline if there should be.
    public mutating func endSending(_ id: ConnectionID) {
        guard let connection = live(id) else { return }
        connection.pointee.flags.insert(.endingOutput)
        touch(id.slot)
    }

    /// Bytes appended to the output of `id` that the kernel has not taken yet; 0 for a dead name.
    public func outputBytes(_ id: ConnectionID) -> Int {
        connections.find(id.slot, id.generation)?.pointee.outputBytes ?? 0
    }

    /// Has `.drained` reported when the output of `id` has shrunk to `outputLowWater`, by what the kernel takes from now on,
    /// as if it had been above `outputHighWater`. Nothing is reported where there is no output.
    public mutating func reportDrained(_ id: ConnectionID) {
        guard let connection = live(id), connection.pointee.outputBytes > 0 else { return }
        connection.pointee.flags.insert(.aboveHighWater)
    }

    /// Reports no more bytes of `id`, nor its end, until `resumeReading`. The peer is held back by TCP. A peer that
    /// goes away meanwhile is noticed only by sending.
    public mutating func pauseReading(_ id: ConnectionID) {
        guard let connection = live(id) else { return }
        connection.pointee.flags.insert(.paused)
        connection.pointee.flags.remove(.held)
        touch(id.slot)
    }

    /// Pauses reading for a time that is expected to be short, until `takeUp` or `resumeReading`: the receive stays with the
    /// kernel, and up to `heldBytesMax` are kept before it is cancelled. Bytes that were handed out and not consumed are kept
    /// as well.
    public mutating func holdReading(_ id: ConnectionID) {
        guard let connection = live(id) else { return }
        connection.pointee.flags.insert([.paused, .held])
        touch(id.slot)
    }

    /// Whether each receive of `id` is to take one buffer's bytes, from the next one on, instead of all that there are: for
    /// peers who send more than is wanted at a time. It costs a request for each.
    public mutating func setReceivesSingly(_ id: ConnectionID, _ singly: Bool) {
        guard let connection = live(id) else { return }
        if singly {
            connection.pointee.flags.insert(.receivesSingly)
        } else {
            connection.pointee.flags.remove(.receivesSingly)
        }
    }

    /// Undoes `holdReading` or `pauseReading`, and returns at once what is to be reported of `id`: its bytes, as if `next` had,
    /// or its end. Nil where there is neither, or the name is dead.
    public mutating func takeUp(_ id: ConnectionID) -> Event? {
        takeBackHandedOut()
        guard let connection = live(id), connection.pointee.has(.paused),
            !connection.pointee.has([.detaching, .connecting])
        else { return nil }
        connection.pointee.flags.subtract([.paused, .held])
        touch(id.slot)
        guard !connection.pointee.tail.isEmpty else {
            return connection.pointee.has(.ended) ? reportEnd(id.slot) : nil
        }
        if connection.pointee.has(.ended) { makeReady(id.slot) }
        return handOutTail(id, connection)
    }

    /// Undoes `pauseReading`. Unconsumed bytes are reported again in the next iteration, even without new ones; so
    /// pausing and resuming at once puts the rest of a long input behind the other connections.
    public mutating func resumeReading(_ id: ConnectionID) {
        guard let connection = live(id), connection.pointee.has(.paused), !connection.pointee.has(.detaching) else {
            return
        }
        connection.pointee.flags.subtract([.paused, .held])
        if handedOut.id == id {
            handedOut.reportAgain = true
        } else if !connection.pointee.tail.isEmpty, !connection.pointee.has(.connecting) {
            reportTailAgain(id.slot, connection)
        }
        if connection.pointee.has(.ended) { makeReady(id.slot) }
        touch(id.slot)
    }

    /// Has `.deadline` reported once at `time`, up to `deadlineTick` late. Replaces the deadline set before; to set a
    /// later one with each request is cheap.
    public mutating func setDeadline(_ id: ConnectionID, at time: MonotonicTime) {
        if live(id) != nil { deadlines.set(Int(id.slot), at: time.nanoseconds) }
    }

    /// Removes the deadline of `id`.
    public mutating func clearDeadline(_ id: ConnectionID) {
        if live(id) != nil { deadlines.clear(Int(id.slot)) }
    }

    /// Ends a connection; no events but `.closed` follow. Flushing: the output is sent first, for as long as the peer
    /// takes some of it within each `closeTimeout`; then the peer is given as long to close its side, and what it sends
    /// is dropped. Otherwise at once: unsent output is lost,
    /// and a flushing close is cut short.
    public mutating func close(_ id: ConnectionID, flushing: Bool) {
        guard let connection = connections.find(id.slot, id.generation) else { return }
        if connection.pointee.has(flushing ? .closing : [.aborting, .finished]) { return }
        connection.pointee.flags.insert(flushing ? .flushing : .aborting)
        if flushing { deadlines.set(Int(id.slot), at: (now + closeTimeout).nanoseconds) }
        touch(id.slot)
    }

    /// The peer's numeric IP address, for people to read; nil for a Unix socket or a dead name.
    public func peerAddress(_ id: ConnectionID) -> String? {
        guard let connection = live(id) else { return nil }
        var address = sockaddr_storage()
        guard tidemark_getpeername(connection.pointee.descriptor, &address) == 0 else { return nil }
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        guard tidemark_host(&address, &text, socklen_t(text.count)) else { return nil }
        return text.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Where the peer is, as far as it can be told from others; nil for a Unix socket or a dead name.
    public func peerNetwork(_ id: ConnectionID) -> PeerNetwork? {
        live(id).flatMap { network($0) }
    }

    func network(_ connection: UnsafeMutablePointer<Connection>) -> PeerNetwork? {
        var address = sockaddr_storage()
        guard tidemark_getpeername(connection.pointee.descriptor, &address) == 0 else { return nil }
        return PeerNetwork(of: &address)
    }

    /// The peer's TCP port; 0 for a Unix socket or a dead name.
    public func peerPort(_ id: ConnectionID) -> UInt16 {
        guard let connection = live(id) else { return 0 }
        var address = sockaddr_storage()
        guard tidemark_getpeername(connection.pointee.descriptor, &address) == 0 else { return 0 }
        return tidemark_port(&address)
    }

    /// A connection that is neither dead nor being closed.
    func live(_ id: ConnectionID) -> UnsafeMutablePointer<Connection>? {
        guard let connection = connections.find(id.slot, id.generation) else { return nil }
        return connection.pointee.has(.closing) ? nil : connection
    }
}

extension PeerNetwork {
    /// Of an address that somebody else has said: 4 bytes of IPv4, or 16 of IPv6. Nil for another length.
    public init?(address: [UInt8]) {
        var storage = sockaddr_storage()
        switch address.count {
        case 4:
            withUnsafeMutableBytes(of: &storage) {
                $0.withMemoryRebound(to: sockaddr_in.self) { into in
                    into[0].sin_family = sa_family_t(AF_INET)
                    withUnsafeMutableBytes(of: &into[0].sin_addr) { $0.copyBytes(from: address) }
                }
            }
        case 16:
            withUnsafeMutableBytes(of: &storage) {
                $0.withMemoryRebound(to: sockaddr_in6.self) { into in
                    into[0].sin6_family = sa_family_t(AF_INET6)
                    withUnsafeMutableBytes(of: &into[0].sin6_addr) { $0.copyBytes(from: address) }
                }
            }
        default:
            return nil
        }
        self.init(of: &storage)
    }

    /// Nil for a family that has none.
    init?(of address: inout sockaddr_storage) {
        var bits: UInt64 = 0
        guard tidemark_network(&address, &bits) else { return nil }
        self.bits = bits
    }
}
