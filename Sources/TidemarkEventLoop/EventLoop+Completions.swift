// From completions to events.
//
//   receive, bytes ─▶ no tail:  the buffer itself is handed out; at the next call what is left is copied to the tail
//                  ─▶ a tail, or paused:  appended to the tail, and the tail is handed out, or kept for its turn
//           0      ─▶ ended, after all bytes were reported
//           ENOBUFS, or without F_MORE ─▶ touched: armed anew before the wait
//   send,   bytes  ─▶ the block is done: given back, drained?   or the rest, or an end, is to be sent: touched
//   any error      ─▶ aborting; the completion that is the connection's last one closes it
//
// A receive that completes after its connection's name died cannot be (see Connection.swift); its buffer would be
// given back all the same.

import CTidemarkLinux
import Glibc

/// The bytes that the last event handed out.
struct HandedOut {
    /// Generation 0: nothing is handed out.
    var id = ConnectionID(slot: 0, generation: 0)
    /// The buffer that holds them; nil: they are the connection's tail.
    var buffer: UInt16?
    /// Of a buffer: its bytes, and how many of them the caller used.
    var count = 0
    var consumed = 0
    /// What is left is to be reported again without new bytes.
    var reportAgain = false
}

extension EventLoop {
    mutating func complete(_ completion: Completion) -> Event? {
        switch completion.tag.operation {
        case .receive:
            return completeReceive(completion)
        case .send:
            return completeSend(completion)
        case .accept:
            return completeAccept(completion)
        case .connect:
            return completeConnect(completion)
        case .wake:
            wakeArmed = false
            return nil
        case .cancel:
            completeCancel(completion)
            return nil
        case nil:
            return nil
        }
    }

    private mutating func completeReceive(_ completion: Completion) -> Event? {
        let (slot, generation) = (completion.tag.slot, completion.tag.generation)
        guard let connection = connections.find(slot, generation) else {
            assertionFailure("a receive outlived its connection")
            if let buffer = completion.buffer { buffers.giveBack(buffer) }
            return nil
        }
        if !completion.more {
            connection.pointee.flags.subtract([.receiving, .stoppingReceive])
            touch(slot)
        }
        if let buffer = completion.buffer {
            if completion.result > 0 { return receive(Int(completion.result), in: buffer, connection, slot) }
            buffers.giveBack(buffer)
        }
        switch -completion.result {
        case 0:
            // Without a word in TLS it is not the peer who has ended the stream, or not on purpose.
            if connection.pointee.has(.encrypted), !connection.pointee.has(.ended), !connection.pointee.has(.closing) {
                return abort(slot, code: ECONNRESET)
            }
            connection.pointee.flags.insert(.ended)
            if connection.pointee.has(.detaching) { return endIfLast(slot) }
            return reportEnd(slot)
        case ENOBUFS:
            statistics.receivesWithoutBuffer &+= 1
            buffers.ranOut()
            return endIfLast(slot)
        case ECANCELED, EINTR, EAGAIN:
            return endIfLast(slot)
        case let code:
            return abort(slot, code: code)
        }
    }

    private mutating func receive(
        _ count: Int,
        in buffer: UInt16,
        _ connection: UnsafeMutablePointer<Connection>,
        _ slot: UInt32
    ) -> Event? {
        statistics.bytesReceived &+= UInt64(count)
        if connection.pointee.has(.closing) {
            buffers.giveBack(buffer)
            return endIfLast(slot)
        }
        let id = ConnectionID(slot: slot, generation: connection.pointee.generation)
        let bytes = buffers.contents(of: buffer, count: count)
        if connection.pointee.has(.shakingHands) {
            keepUnread(bytes, connection, slot)
            buffers.giveBack(buffer)
            return nil
        }
        if connection.pointee.has(.encrypted) {
            decipher(bytes, connection, slot)
            buffers.giveBack(buffer)
            if connection.pointee.has(.closing) {
                touch(slot)
                return endIfLast(slot)
            }
            // Told once its bytes have been.
            if connection.pointee.has(.ended) { makeReady(slot) }
            if connection.pointee.tail.isEmpty { return nil }
        } else {
            if connection.pointee.tail.isEmpty, !connection.pointee.has(.paused) {
                handedOut = HandedOut(id: id, buffer: buffer, count: count)
                return .received(id, bytes)
            }
            blocks.append(bytes, to: &connection.pointee.tail)
            buffers.giveBack(buffer)
        }
        // Paused, or to be reported in its turn: then with this.
        if connection.pointee.has(.paused) || connection.pointee.has(.reportTail) {
            if !wantsInput(connection, slot) { touch(slot) }
            return nil
        }
        return handOutTail(id, connection)
    }

    mutating func handOutTail(_ id: ConnectionID, _ connection: UnsafeMutablePointer<Connection>) -> Event {
        connection.pointee.flags.remove(.reportTail)
        handedOut = HandedOut(id: id)
        return .received(id, connection.pointee.tail.bytes)
    }

    /// Ends the validity of what the last event handed out, and keeps what the caller did not use.
    mutating func takeBackHandedOut() {
        if handedOut.id.generation == 0 { return }
        let taken = handedOut
        handedOut.id = ConnectionID(slot: 0, generation: 0)
        if let connection = connections.find(taken.id.slot, taken.id.generation),
            !connection.pointee.has(.closing)
        {
            if let buffer = taken.buffer, taken.consumed < taken.count {
                let bytes = buffers.contents(of: buffer, count: taken.count)
                blocks.append(UnsafeRawBufferPointer(rebasing: bytes[taken.consumed...]), to: &connection.pointee.tail)
            }
            if connection.pointee.tail.isEmpty {
                blocks.give(&connection.pointee.tail)
            } else if taken.reportAgain {
                reportTailAgain(taken.id.slot, connection)
            }
            if wantsInput(connection, taken.id.slot) != connection.pointee.has(.receiving) { touch(taken.id.slot) }
        }
        if let buffer = taken.buffer { buffers.giveBack(buffer) }
    }

    mutating func reportTailAgain(_ slot: UInt32, _ connection: UnsafeMutablePointer<Connection>) {
        connection.pointee.flags.insert(.reportTail)
        makeReady(slot)
    }

    mutating func reportEnd(_ slot: UInt32) -> Event? {
        let connection = connections[slot]
        if connection.pointee.has(.closing) {
            touch(slot)
            return endIfLast(slot)
        }
        // First the bytes that are yet to be reported: see `reportReady` and `resumeReading`.
        if connection.pointee.has([.paused, .reportTail, .endReported]) { return nil }
        connection.pointee.flags.insert(.endReported)
        return .ended(ConnectionID(slot: slot, generation: connection.pointee.generation))
    }

    private mutating func completeSend(_ completion: Completion) -> Event? {
        let (slot, generation) = (completion.tag.slot, completion.tag.generation)
        guard let connection = connections.find(slot, generation) else {
            assertionFailure("a send outlived its connection")
            return nil
        }
        connection.pointee.flags.subtract([.sendInFlight, .stoppingSend])
        guard completion.result > 0 else {
            if completion.result == -EINTR || completion.result == -EAGAIN {
                touch(slot)
                return endIfLast(slot)
            }
            return abort(slot, code: completion.result == 0 ? EPIPE : -completion.result)
        }
        statistics.bytesSent &+= UInt64(completion.result)
        connection.pointee.sending.start &+= UInt32(completion.result)
        if connection.pointee.sending.isEmpty { blocks.give(&connection.pointee.sending) }
        if connection.pointee.has(.closing) {
            // A peer that takes its last answers slowly is still taking them.
            if connection.pointee.has(.flushing) {
                deadlines.set(Int(slot), at: (now + closeTimeout).nanoseconds)
            }
            touch(slot)
            return endIfLast(slot)
        }
        let left = connection.pointee.outputBytes
        if left == 0 { blocks.give(&connection.pointee.filling) }
        if left > 0 || connection.pointee.has(.endingOutput) || hasSealed(slot, connection) { touch(slot) }
        if connection.pointee.has(.detaching) { return endIfLast(slot) }
        guard connection.pointee.has(.aboveHighWater), left <= outputLowWater else { return nil }
        connection.pointee.flags.remove(.aboveHighWater)
        return .drained(ConnectionID(slot: slot, generation: generation))
    }

    /// Ends a connection because of an error; the first one counts.
    mutating func abort(_ slot: UInt32, code: Int32) -> Event? {
        let connection = connections[slot]
        if !connection.pointee.has(.aborting) {
            connection.pointee.flags.insert(.aborting)
            connection.pointee.failure = code
            touch(slot)
        }
        return endIfLast(slot)
    }

    /// Closes an aborting connection, or gives up a detaching one, once its last request has completed.
    mutating func endIfLast(_ slot: UInt32) -> Event? {
        let connection = connections[slot]
        guard !connection.pointee.has(.requests) else { return nil }
        guard connection.pointee.has(.aborting) else { return reportDetached(slot) }
        finish(slot)
        return reportClosed(slot)
    }

    private mutating func reportClosed(_ slot: UInt32) -> Event {
        let connection = connections[slot].pointee
        let reason: CloseReason =
            if connection.has(.timedOut) {
                .timedOut
            } else {
                switch connection.failure {
                case 0: .requested
                case EPROTO where connection.has(.encrypted):
                    .encryption(encryptionFailures.removeValue(forKey: slot) ?? "unknown")
                case ECONNRESET, EPIPE, ECONNABORTED, ENOTCONN: .reset
                case let code: .failed(code)
                }
            }
        connections.remove(slot)
        return .closed(ConnectionID(slot: slot, generation: connection.generation), reason)
    }

    /// The event of a connection in `ready`, if it still has one.
    mutating func reportReady(_ slot: UInt32) -> Event? {
        let connection = connections[slot]
        connection.pointee.flags.remove(.ready)
        guard connections.isOwned(slot) else { return nil }
        if connection.pointee.has(.finished) { return reportClosed(slot) }
        if isDetaching(connection) { return reportDetached(slot) }
        if connection.pointee.has(.closing) || connection.pointee.has(.paused) { return nil }
        if connection.pointee.has(.reportTail), !connection.pointee.tail.isEmpty {
            if connection.pointee.has(.ended) { makeReady(slot) }
            return handOutTail(ConnectionID(slot: slot, generation: connection.pointee.generation), connection)
        }
        connection.pointee.flags.remove(.reportTail)
        return connection.pointee.has(.ended) ? reportEnd(slot) : nil
    }

    /// The event of a deadline that has passed.
    mutating func expire(_ slot: UInt32) -> Event? {
        let connection = connections[slot]
        if !connection.pointee.has(.closing) {
            return .deadline(ConnectionID(slot: slot, generation: connection.pointee.generation))
        }
        if !connection.pointee.has(.aborting) {
            connection.pointee.flags.insert([.aborting, .timedOut])
            if connection.pointee.outputBytes > 0 { resetWhenClosed(connection.pointee.descriptor) }
            touch(slot)
        }
        return endIfLast(slot)
    }
}
