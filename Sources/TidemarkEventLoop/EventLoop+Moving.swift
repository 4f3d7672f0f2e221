// A connection moves from one loop to another, whole: what was received and not consumed, and what is not sent yet.
//
//   detach ─▶ receive cancelled, send completed ─▶ .detached ─▶ takeDetached ── any thread ──▶ attach, by another loop
//
// In between nothing is lost and nothing is said twice: bytes that arrive before the receive is cancelled are kept, those
// after it wait in the kernel.

import Glibc
import TidemarkTLS

/// A connection that belongs to no loop. Dropped, it is closed.
public final class DetachedConnection: Sendable {
    let descriptor: Int32
    /// Received, and not consumed.
    let input: [UInt8]
    /// To be sent.
    let output: [UInt8]
    let tls: TLSConnection?
    /// The peer has said in TLS that it sends no more.
    let hasEnded: Bool
    nonisolated(unsafe) private var isAttached = false

    init(descriptor: Int32, input: [UInt8], output: [UInt8], tls: TLSConnection?, hasEnded: Bool) {
        self.tls = tls
        self.hasEnded = hasEnded
        self.descriptor = descriptor
        self.input = input
        self.output = output
    }

    deinit {
        guard !isAttached else { return }
        closeDescriptor(descriptor)
        tls?.release()
    }

    /// From now on the descriptor is a loop's.
    fileprivate func attach() {
        precondition(!isAttached, "a connection is attached once")
        isAttached = true
    }
}

extension EventLoop {
    /// Ends a connection for this loop, without ending it for its peer: no more bytes of it are reported, and nothing more
    /// is sent. `.detached` follows, unless the connection breaks or is closed before. One that is still
    /// connecting or making its handshake, or whose sending was ended, stays.
    public mutating func detach(_ id: ConnectionID) {
        guard let connection = live(id), !connection.pointee.has([.connecting, .shakingHands, .endingOutput]) else {
            return
        }
        connection.pointee.flags.insert([.detaching, .paused])
        touch(id.slot)
    }

    /// Hands over a connection that was reported as `.detached`. Its name is dead then, and no `.closed` follows. Nil for a
    /// dead name.
    public mutating func takeDetached(_ id: ConnectionID) -> DetachedConnection? {
        guard let connection = live(id), connection.pointee.has(.detaching) else { return nil }
        precondition(!connection.pointee.has(.requests), "a connection is taken once it was reported as detached")
        let sent = Array(connection.pointee.sending.bytes)
        let tls = encryptions[Int(id.slot)].tls
        if tls != nil {
            // In the order in which TLS counts it.
            blocks.give(&connection.pointee.sending)
            seal(id.slot, connection)
            encryptions[Int(id.slot)] = Encryption()
        }
        let rest = tls == nil ? connection.pointee.filling.bytes : connection.pointee.sending.bytes
        let detached = DetachedConnection(
            descriptor: connection.pointee.descriptor,
            input: Array(connection.pointee.tail.bytes),
            output: sent + Array(rest),
            tls: tls,
            hasEnded: tls != nil && connection.pointee.has(.ended)
        )
        giveBlocks(of: connection)
        deadlines.clear(Int(id.slot))
        connections.remove(id.slot)
        return detached
    }

    /// Takes over a connection from another loop. It is read from at once, what it had received is reported again, and no
    /// `.accepted` event is made. On an error it stays the caller's.
    public mutating func attach(_ detached: DetachedConnection) throws(EventLoopError) -> ConnectionID {
        guard let id = connections.add(descriptor: detached.descriptor) else {
            throw .tooManyConnections(limit: connections.capacity)
        }
        detached.attach()
        let connection = connections[id.slot]
        detached.input.withUnsafeBytes { blocks.append($0, to: &connection.pointee.tail) }
        if let tls = detached.tls {
            tls.pass(through: pipe)
            encryptions[Int(id.slot)] = Encryption(tls: tls)
            let encryption = encryptions.base + Int(id.slot)
            detached.output.withUnsafeBytes { blocks.append($0, to: &encryption.pointee.sealed) }
            connection.pointee.flags.insert(.encrypted)
            if detached.hasEnded {
                connection.pointee.flags.insert(.ended)
                makeReady(id.slot)
            }
        } else {
            detached.output.withUnsafeBytes { blocks.append($0, to: &connection.pointee.filling) }
        }
        if connection.pointee.outputBytes > outputHighWater { connection.pointee.flags.insert(.aboveHighWater) }
        if !detached.input.isEmpty { reportTailAgain(id.slot, connection) }
        touch(id.slot)
        return id
    }

    /// The event of a connection that is being detached, once its last request has completed.
    mutating func reportDetached(_ slot: UInt32) -> Event? {
        let connection = connections[slot]
        guard isDetaching(connection), !connection.pointee.has([.requests, .detachReported]) else { return nil }
        connection.pointee.flags.insert(.detachReported)
        return .detached(ConnectionID(slot: slot, generation: connection.pointee.generation))
    }

    /// Closing goes before detaching.
    func isDetaching(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        connection.pointee.has(.detaching) && !connection.pointee.has(.closing)
    }
}
