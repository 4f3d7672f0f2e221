// TLS, between the kernel and the caller, who sees bytes as on any other connection.
//
//   receive ─▶ buffer ─▶ read … ─▶ tail (clear) ─▶ .received        handshake and alerts: nothing for the caller
//   send, commit ─▶ filling (clear) ─▶ before the send: write ─▶ sending (sealed) ─▶ kernel
//
// A handshake costs as much as some hundred answers. So each iteration makes a step of one, after all others have been answered,
// however many peers begin one at a time; the others wait in line (`handshakes`), where networks take turns.
//
// What is to be sent is sealed when it is its turn, all that waits in as few records as may be. What TLS itself has to say
// meanwhile (a handshake's messages, an alert) waits in `sealed`.
//
// A peer that ends the stream without saying so in TLS has been cut off, perhaps by somebody else: that is a reset.

import Glibc
import TidemarkTLS

/// Whom a connection is to, by TLS.
public struct TLSPeer: Sendable {
    public var context: TLSClientContext
    /// The name or numeric address that its certificate has to have.
    public var host: String

    public init(context: TLSClientContext, host: String) {
        self.context = context
        self.host = host
    }
}

/// What TLS has of a connection; all zeros where there is none.
struct Encryption: BitwiseCopyable {
    var tls: TLSConnection?
    /// Received, while its handshake waits in line.
    var unread = Block()
    /// To be sent before all that is sealed later.
    var sealed = Block()
    /// What the peer may spend on records behind its handshake that say nothing to the caller: some are answered, and make new
    /// keys.
    var credit = Self.creditMax

    static let creditMax: Int32 = 256
    /// Of one such record; one that says something is worth 1.
    static let messageCost: Int32 = 16
}

extension EventLoop {
    /// Begins TLS, as the server, on a connection that was just accepted. False without memory.
    mutating func encrypt(_ id: ConnectionID, with context: TLSServerContext) -> Bool {
        guard let tls = context.accept(through: pipe) else { return false }
        encryptions[Int(id.slot)] = Encryption(tls: tls)
        connections[id.slot].pointee.flags.insert([.encrypted, .shakingHands])
        return true
    }

    /// The same as the client, on one that is about to be connected.
    mutating func encrypt(_ id: ConnectionID, to peer: TLSPeer) -> Bool {
        guard let tls = peer.context.connect(to: peer.host, through: pipe) else { return false }
        encryptions[Int(id.slot)] = Encryption(tls: tls)
        connections[id.slot].pointee.flags.insert([.encrypted, .shakingHands])
        return true
    }

    /// The client has the first word.
    mutating func greet(_ slot: UInt32) {
        pipe.setOutput(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 16) { space in
            _ = encryptions[Int(slot)].tls.unsafelyUnwrapped.read(into: space)
        }
        keepSealed(slot)
    }

    /// Of a connection whose handshake is over, what TLS knows of its peer; nil for any other.
    public func encryption(_ id: ConnectionID) -> TLSConnection? {
        guard let connection = live(id), connection.pointee.has(.encrypted) else { return nil }
        guard let tls = encryptions[Int(id.slot)].tls, tls.isOpen else { return nil }
        return tls
    }

    // MARK: receiving

    /// Keeps what was received until it is the handshake's turn.
    mutating func keepUnread(
        _ bytes: UnsafeRawBufferPointer,
        _ connection: UnsafeMutablePointer<Connection>,
        _ slot: UInt32
    ) {
        blocks.append(bytes, to: &encryptions.base[Int(slot)].unread)
        if !connection.pointee.has(.inHandshakes) {
            connection.pointee.flags.insert(.inHandshakes)
            handshakes.append(slot, from: network(connection))
        }
        if !wantsInput(connection, slot) { touch(slot) }
    }

    /// A step of the handshake whose turn it is. What comes of it is reported in the next iteration.
    mutating func advanceHandshake() {
        guard let slot = handshakes.popFirst() else { return }
        let connection = connections[slot]
        connection.pointee.flags.remove(.inHandshakes)
        guard connections.isOwned(slot), connection.pointee.has(.encrypted) else { return }
        var unread = Block()
        swap(&unread, &encryptions.base[Int(slot)].unread)
        defer { blocks.give(&unread) }
        if unread.isEmpty || connection.pointee.has(.closing) { return }
        decipher(unread.bytes, connection, slot)
        touch(slot)
        if connection.pointee.has(.closing) { return }
        if connection.pointee.has(.ended) { makeReady(slot) }
        if !connection.pointee.tail.isEmpty, !connection.pointee.has(.paused) { reportTailAgain(slot, connection) }
    }

    /// Deciphers what was received into the tail.
    mutating func decipher(
        _ bytes: UnsafeRawBufferPointer,
        _ connection: UnsafeMutablePointer<Connection>,
        _ slot: UInt32
    ) {
        let tls = encryptions[Int(slot)].tls.unsafelyUnwrapped
        pipe.setInput(bytes)
        pipe.setOutput(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        defer { pipe.setInput(UnsafeRawBufferPointer(start: nil, count: 0)) }
        while true {
            // Clear, it is shorter; but for what was waiting for its end.
            blocks.makeSpace(max(bytes.count, 64), in: &connection.pointee.tail)
            let tail = connection.pointee.tail
            let space = UnsafeMutableRawBufferPointer(start: tail.base! + Int(tail.end), count: tail.space)
            switch tls.read(into: space) {
            case .bytes(let count):
                connection.pointee.tail.end &+= UInt32(count)
                let credit = encryptions[Int(slot)].credit
                encryptions.base[Int(slot)].credit = min(Encryption.creditMax, credit &+ 1)
                if tls.hasUnread { continue }
            case .waits:
                break
            case .ended:
                connection.pointee.flags.insert(.ended)
            case .broken:
                breakOff(connection, slot)
            }
            break
        }
        if connection.pointee.has(.shakingHands) {
            if tls.isOpen { connection.pointee.flags.remove(.shakingHands) }
        } else if pipe.asidesRead > 0, !connection.pointee.has(.closing) {
            let cost = Int32(clamping: pipe.asidesRead) &* Encryption.messageCost
            encryptions.base[Int(slot)].credit &-= cost
            if encryptions[Int(slot)].credit < 0 {
                breakOff(connection, slot, because: "too much of it is about TLS itself")
            }
        }
        if connection.pointee.tail.isEmpty { blocks.give(&connection.pointee.tail) }
        // What has waited for the handshake can go.
        if !connection.pointee.filling.isEmpty { touch(slot) }
        keepSealed(slot)
    }

    /// Sends the alert, if there is one, and closes.
    private mutating func breakOff(
        _ connection: UnsafeMutablePointer<Connection>,
        _ slot: UInt32,
        because reason: String? = nil
    ) {
        encryptionFailures[slot] = reason ?? TLSConnection.lastError
        connection.pointee.failure = EPROTO
        blocks.give(&connection.pointee.tail)
        blocks.give(&connection.pointee.filling)
        connection.pointee.flags.insert([.flushing, .endSealed])
        deadlines.set(Int(slot), at: (now + closeTimeout).nanoseconds)
    }

    /// What TLS had to say by itself.
    private mutating func keepSealed(_ slot: UInt32) {
        let output = pipe.output.bytes
        guard output.count > 0 else { return }
        blocks.append(output, to: &encryptions.base[Int(slot)].sealed)
        touch(slot)
    }

    // MARK: sending

    /// Makes what is to be sent next: what TLS has to say, then what the caller has, and at the end that nothing follows.
    mutating func seal(_ slot: UInt32, _ connection: UnsafeMutablePointer<Connection>) {
        let tls = encryptions[Int(slot)].tls.unsafelyUnwrapped
        swap(&connection.pointee.sending, &encryptions.base[Int(slot)].sealed)
        // Before the handshake is over there is nobody to say anything to.
        guard tls.isOpen else {
            if connection.pointee.has([.flushing, .endingOutput]) { blocks.give(&connection.pointee.filling) }
            return
        }
        let clear = connection.pointee.filling.bytes
        if clear.count > 0 {
            let isSealed = seal(into: connection, max: TLSConnection.sealedMax(clear.count)) { tls.write(clear) }
            blocks.give(&connection.pointee.filling)
            if !isSealed { return breakOff(connection, slot) }
        }
        guard connection.pointee.has([.flushing, .endingOutput]), !connection.pointee.has(.endSealed) else { return }
        connection.pointee.flags.insert(.endSealed)
        _ = seal(into: connection, max: TLSConnection.sealedMax(2)) {
            tls.end()
            return true
        }
    }

    private mutating func seal(
        into connection: UnsafeMutablePointer<Connection>,
        max: Int,
        _ body: () -> Bool
    ) -> Bool {
        blocks.makeSpace(max, in: &connection.pointee.sending)
        let sending = connection.pointee.sending
        pipe.setOutput(UnsafeMutableRawBufferPointer(start: sending.base! + Int(sending.end), count: sending.space))
        let isSealed = body()
        let (bytes, isElsewhere) = pipe.output
        if isElsewhere {
            blocks.makeSpace(bytes.count, in: &connection.pointee.sending)
            let sending = connection.pointee.sending
            memcpy(sending.base! + Int(sending.end), bytes.baseAddress!, bytes.count)
        }
        connection.pointee.sending.end &+= UInt32(bytes.count)
        if connection.pointee.sending.isEmpty { blocks.give(&connection.pointee.sending) }
        return isSealed
    }

    func hasSealed(_ slot: UInt32, _ connection: UnsafeMutablePointer<Connection>) -> Bool {
        connection.pointee.has(.encrypted) && !encryptions[Int(slot)].sealed.isEmpty
    }

    // MARK: the end

    mutating func releaseEncryption(_ slot: UInt32) {
        guard let tls = encryptions[Int(slot)].tls else { return }
        tls.release()
        blocks.give(&encryptions.base[Int(slot)].unread)
        blocks.give(&encryptions.base[Int(slot)].sealed)
        encryptions[Int(slot)] = Encryption()
    }
}
