// What a connection needs from the kernel next. Decided before a wait and when the caller flushes, for the connections that
// were touched since.
//
//   connecting  connect, and nothing else until that has completed
//   aborting    cancel all requests ─▶ they have completed ─▶ close the descriptor ─▶ report
//   detaching   cancel the receive ─▶ it and the last send have completed ─▶ report
//   output      send in flight? wait. Else the block being filled becomes the block being sent
//   ending      all is sent ─▶ shut our side down, once; input goes on
//   flushing    the same, and input is dropped until the peer closes its side ─▶ aborting
//   input       wanted and no receive armed ─▶ arm one; unwanted and one armed ─▶ cancel it
//
// The wait for the peer after a flushing close is needed on TCP: to close while received bytes are unread, or yet to
// come, sends a reset, and a reset makes the peer drop an answer that it has not read yet.
//
// A receive that found no buffer (ENOBUFS) is armed anew here like any other. That cannot spin: the kernel has twice as many
// from then on, until it has all that are back, and before a wait that is all of them; so the receive finds one, or others
// have taken them all and got on by it.

import CTidemarkLinux
import Glibc

extension EventLoop {
    /// Of a connection that is held, or waits for its handshake: kept before the peer is held back by TCP.
    static let heldBytesMax = 4 << 10

    /// Notes that `slot` is to be looked at before the wait.
    mutating func touch(_ slot: UInt32) {
        if connections[slot].pointee.has(.touched) { return }
        connections[slot].pointee.flags.insert(.touched)
        touched.append(slot)
    }

    /// Notes that `slot` has an event which no completion brings.
    mutating func makeReady(_ slot: UInt32) {
        if connections[slot].pointee.has(.ready) { return }
        connections[slot].pointee.flags.insert(.ready)
        ready.append(slot)
    }

    /// False if the kernel takes no more requests for now; the rest stays touched.
    mutating func startTouched() -> Bool {
        while touched.count > 0 {
            guard ring.makeSpace(2), let slot = touched.popFirst() else { return false }
            connections[slot].pointee.flags.remove(.touched)
            if connections.isOwned(slot), !connections[slot].pointee.has(.finished) { start(slot) }
        }
        return true
    }

    /// Makes the at most two requests that the connection needs next.
    private mutating func start(_ slot: UInt32) {
        let connection = connections[slot]
        if !connection.pointee.has(.aborting) {
            if connection.pointee.has(.connecting) { return startConnect(slot, connection) }
            startOutput(slot, connection)
        }
        if isDetaching(connection) {
            cancelReceive(slot)
            if !connection.pointee.has([.requests, .detachReported]) { makeReady(slot) }
        } else if connection.pointee.has(.aborting) {
            cancel(.connect, slot, inFlight: .connectInFlight, stopping: .stoppingConnect)
            cancelReceive(slot)
            cancel(.send, slot, inFlight: .sendInFlight, stopping: .stoppingSend)
            if !connection.pointee.has(.requests) {
                finish(slot)
                makeReady(slot)
            }
        } else if wantsInput(connection, slot) {
            armReceive(slot, connection)
        } else {
            cancelReceive(slot)
        }
    }

    private mutating func startOutput(_ slot: UInt32, _ connection: UnsafeMutablePointer<Connection>) {
        if connection.pointee.has(.sendInFlight) || isDetaching(connection) { return }
        if connection.pointee.has(.encrypted) {
            if connection.pointee.sending.isEmpty { seal(slot, connection) }
        } else if connection.pointee.sending.isEmpty, !connection.pointee.filling.isEmpty {
            swap(&connection.pointee.sending, &connection.pointee.filling)
        }
        let bytes = connection.pointee.sending.bytes
        if let base = bytes.baseAddress, bytes.count > 0 {
            let tag = RequestTag(.send, slot: slot, generation: connection.pointee.generation)
            // Of a close's last answers in small parts: each that the peer takes shows that it still reads.
            let count = min(bytes.count, sendBytesMax, connection.pointee.has(.flushing) ? 1 << 14 : .max)
            if tidemark_prepare_send(ring.pointer, connection.pointee.descriptor, base, count, tag.bits) {
                connection.pointee.flags.insert(.sendInFlight)
                ring.sends &+= 1
            }
            return
        }
        // Reserved, but nothing was committed. What waits for a handshake stays.
        if connection.pointee.filling.isEmpty { blocks.give(&connection.pointee.filling) }
        if connection.pointee.has(.flushing) { blocks.give(&connection.pointee.tail) }
        if connection.pointee.has(.flushing), connection.pointee.has(.ended) {
            connection.pointee.flags.insert(.aborting)
        } else if connection.pointee.has([.flushing, .endingOutput]), !connection.pointee.has(.shutDown) {
            connection.pointee.flags.insert(.shutDown)
            if shutdown(connection.pointee.descriptor, Int32(SHUT_WR)) != 0 {
                connection.pointee.failure = errno
                connection.pointee.flags.insert(.aborting)
            }
        }
    }

    /// Whether a receive should be with the kernel.
    func wantsInput(_ connection: UnsafeMutablePointer<Connection>, _ slot: UInt32) -> Bool {
        if connection.pointee.has([.ended, .aborting]) { return false }
        if connection.pointee.has(.flushing) { return true }
        // What TLS answers by itself is for the peer to read first.
        if connection.pointee.has(.encrypted), encryptions[Int(slot)].sealed.count >= Self.heldBytesMax { return false }
        if connection.pointee.has(.inHandshakes), encryptions[Int(slot)].unread.count >= Self.heldBytesMax {
            return false
        }
        if connection.pointee.has(.held) { return connection.pointee.tail.count < Self.heldBytesMax }
        return !connection.pointee.has(.paused) && connection.pointee.tail.count < inputBytesMax
    }

    private func armReceive(_ slot: UInt32, _ connection: UnsafeMutablePointer<Connection>) {
        if connection.pointee.has(.receiving) { return }
        let tag = RequestTag(.receive, slot: slot, generation: connection.pointee.generation)
        let group = ProvidedBuffers.group
        let isMultishot = !connection.pointee.has([.receivesSingly, .shakingHands])
        if tidemark_prepare_receive(ring.pointer, connection.pointee.descriptor, group, isMultishot, tag.bits) {
            connection.pointee.flags.insert(.receiving)
        }
    }

    /// Cancels the request that `inFlight` stands for; `stopping` notes that this was asked.
    private func cancel(
        _ operation: RequestTag.Operation,
        _ slot: UInt32,
        inFlight: Connection.Flags,
        stopping: Connection.Flags
    ) {
        let connection = connections[slot]
        guard connection.pointee.has(inFlight), !connection.pointee.has(stopping) else { return }
        let target = RequestTag(operation, slot: slot, generation: connection.pointee.generation)
        let own = RequestTag(.cancel, slot: slot, generation: connection.pointee.generation)
        if tidemark_prepare_cancel(ring.pointer, target.bits, own.bits) {
            connection.pointee.flags.insert(stopping)
        }
    }

    private func cancelReceive(_ slot: UInt32) {
        cancel(.receive, slot, inFlight: .receiving, stopping: .stoppingReceive)
    }

    /// A cancel that did not succeed. What it was for may just have completed, or is between two attempts of the kernel,
    /// which does not find it then: if it is still there, it is cancelled again.
    mutating func completeCancel(_ completion: Completion) {
        guard completion.result == -ENOENT else { return }
        // Of a listener: no connection has that generation.
        if completion.tag.generation == 0 {
            listeners[Int(completion.tag.slot)].cancelling = false
            listenersNeedCare = true
            return
        }
        guard let connection = connections.find(completion.tag.slot, completion.tag.generation) else { return }
        connection.pointee.flags.subtract([.stoppingConnect, .stoppingReceive, .stoppingSend])
        touch(completion.tag.slot)
    }

    /// Closes the descriptor of a connection that no request refers to, and frees all but the slot.
    mutating func finish(_ slot: UInt32) {
        let connection = connections[slot]
        assert(!connection.pointee.has(.requests))
        closeDescriptor(connection.pointee.descriptor)
        giveBlocks(of: connection)
        if connection.pointee.has(.encrypted) { releaseEncryption(slot) }
        deadlines.clear(Int(slot))
        connection.pointee.flags.insert([.aborting, .finished])
        // A descriptor is free: a listener that rests for want of one can go on.
        if listenersNeedCare {
            for index in 0..<listenerCount { listeners[index].retryAt = 0 }
        }
    }

    mutating func giveBlocks(of connection: UnsafeMutablePointer<Connection>) {
        blocks.give(&connection.pointee.tail)
        blocks.give(&connection.pointee.filling)
        blocks.give(&connection.pointee.sending)
    }

    /// Has the kernel read the event descriptor. False if it takes no more requests for now.
    mutating func startWake() -> Bool {
        if wakeArmed { return true }
        guard ring.makeSpace(1) else { return false }
        let tag = RequestTag(.wake)
        wakeArmed = tidemark_prepare_read(ring.pointer, wakerState.descriptor, wakeCounter, 8, tag.bits)
        return wakeArmed
    }
}
