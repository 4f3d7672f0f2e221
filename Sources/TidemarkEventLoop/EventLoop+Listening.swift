// Opening, arming and stopping listeners. See Listener.swift for their states.

import CTidemarkLinux
import Glibc
import TidemarkTLS

extension EventLoop {
    /// How a port is shared with other loops; the kernel spreads the connections over them (SO_REUSEPORT).
    public enum PortSharing: Sendable {
        /// With nobody.
        case none
        /// This is the first of those that will. Fails where a stranger listens, who would share it as well: the kernel lets
        /// in whoever is of the same user and asks for it.
        case first
        /// With the first.
        case another
    }

    /// Listens on a numeric IPv4 or IPv6 address; "::" serves both families. Port 0: one that is free, see `port(of:)`. With
    /// `encryption`, for TLS alone.
    public mutating func listen(
        tcp host: String,
        port: UInt16,
        sharingPort: PortSharing = .none,
        encryption: TLSServerContext? = nil
    ) throws(EventLoopError) -> ListenerID {
        try checkListenerCount()
        if sharingPort == .first { try Listener.checkFree(host: host, port: port) }
        let descriptor = try Listener.open(host: host, port: port, sharingPort: sharingPort != .none)
        return add(descriptor, path: nil, encryption)
    }

    /// Listens on a Unix socket of 1 to 107 bytes of path, with mode 0600. The socket file of a server that is gone is
    /// replaced; the file is removed when accepting stops or the loop is dropped.
    public mutating func listen(unix path: String) throws(EventLoopError) -> ListenerID {
        try checkListenerCount()
        return add(try Listener.open(path: path), path: strdup(path))
    }

    /// The port that a TCP listener is bound to; 0 for a Unix socket, or once accepting has stopped.
    public func port(of listener: ListenerID) -> UInt16 {
        precondition(listener.index < listenerCount)
        var address = sockaddr_storage()
        guard tidemark_getsockname(listeners[Int(listener.index)].descriptor, &address) == 0 else { return 0 }
        return tidemark_port(&address)
    }

    /// Stops all listeners: no more `.accepted` events. Unix socket files are removed now, the sockets are closed in
    /// the iterations that follow. Connections are not touched.
    public mutating func stopAccepting() {
        for index in 0..<listenerCount { listeners[index].stop() }
        listenersNeedCare = true
    }

    private func checkListenerCount() throws(EventLoopError) {
        if listenerCount == Listener.countMax { throw .tooManyListeners(limit: Listener.countMax) }
    }

    private mutating func add(
        _ descriptor: Int32,
        path: UnsafeMutablePointer<CChar>?,
        _ encryption: TLSServerContext? = nil
    ) -> ListenerID {
        listenerContexts.append(encryption)
        let listener = Listener(
            descriptor: descriptor,
            armed: false,
            stopping: false,
            cancelling: false,
            retryAt: 0,
            wantedAt: 0,
            path: path
        )
        (listeners + listenerCount).initialize(to: listener)
        listenersNeedCare = true
        listenerCount += 1
        return ListenerID(index: UInt32(listenerCount - 1))
    }

    /// Arms, cancels and closes listeners. False if the kernel takes no more requests for now.
    mutating func startListeners() -> Bool {
        guard listenersNeedCare else { return true }
        listenersNeedCare = false
        for index in 0..<listenerCount {
            guard ring.makeSpace(1) else {
                listenersNeedCare = true
                return false
            }
            let listener = listeners + index
            let tag = RequestTag(.accept, slot: UInt32(index), generation: 0)
            if listener.pointee.stopping {
                if listener.pointee.armed, !listener.pointee.cancelling {
                    listener.pointee.cancelling = tidemark_prepare_cancel(
                        ring.pointer,
                        tag.bits,
                        RequestTag(.cancel, slot: UInt32(index)).bits
                    )
                } else if !listener.pointee.armed {
                    listener.pointee.release()
                }
            } else if !listener.pointee.armed {
                if listener.pointee.armsAt <= readClock().nanoseconds {
                    listener.pointee.armed = tidemark_prepare_accept(
                        ring.pointer,
                        listener.pointee.descriptor,
                        tag.bits
                    )
                }
                if !listener.pointee.armed { listenersNeedCare = true }
            }
        }
        return true
    }

    mutating func completeAccept(_ completion: Completion) -> Event? {
        let listener = listeners + Int(completion.tag.slot)
        if !completion.more {
            listener.pointee.armed = false
            listener.pointee.retryAt = 0
            listenersNeedCare = true
        }
        if completion.result >= 0 {
            return accept(completion.result, ListenerID(index: completion.tag.slot))
        }
        switch -completion.result {
        case ECANCELED, EINTR, EAGAIN, ECONNABORTED, EPROTO, EPERM, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN:
            // Of one connection that went away: the next may be sound.
            return nil
        default:
            // No descriptors or memory, or something that an immediate retry would not cure either.
            restAccepting(ListenerID(index: completion.tag.slot))
            return nil
        }
    }

    mutating func restAccepting(_ listener: ListenerID) {
        statistics.acceptPauses &+= 1
        listeners[Int(listener.index)].retryAt = (now + acceptPause).nanoseconds
    }

    /// Takes no connection from `listener` until `time`: to be called on `.accepted`, where the connection is not wanted. Those
    /// who wait then wait in the kernel.
    public mutating func restAccepting(_ listener: ListenerID, until time: MonotonicTime) {
        precondition(listener.index < listenerCount)
        listeners[Int(listener.index)].wantedAt = time.nanoseconds
    }

    private mutating func accept(_ descriptor: Int32, _ listener: ListenerID) -> Event? {
        if listeners[Int(listener.index)].stopping {
            closeDescriptor(descriptor)
            return nil
        }
        guard let id = connections.add(descriptor: descriptor) else {
            statistics.refused &+= 1
            closeDescriptor(descriptor)
            return nil
        }
        if let context = listenerContexts[Int(listener.index)], !encrypt(id, with: context) {
            statistics.refused &+= 1
            closeDescriptor(descriptor)
            connections.remove(id.slot)
            return nil
        }
        statistics.accepted &+= 1
        touch(id.slot)
        return .accepted(id, listener)
    }
}

extension Listener {
    /// No more arming; the socket's file goes away now.
    mutating func stop() {
        stopping = true
        if let path { unlink(path) }
        free(path)
        path = nil
    }

    /// Stops, and closes the socket. No request may refer to it.
    mutating func release() {
        stop()
        if descriptor >= 0 { closeDescriptor(descriptor) }
        descriptor = -1
    }
}
