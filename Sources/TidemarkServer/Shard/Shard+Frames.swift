// Frames in, answers out, and how a connection is paused, failed and closed.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkWire

extension Shard {
    /// With its tag and its length.
    private static let explanationBytes = Limits.explanationBytesMax + 3

    /// Answers wait for one another up to so many bytes, so that a segment of requests is answered by one send.
    private static let answersBytes = 1 << 14
    /// So much is answered of one connection's requests before the others have their turn: a large page, or many small.
    private static let sliceBytes = 1 << 16

    mutating func receive(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
        let slot = Int(id.slot)
        isReading = true
        answeredBytes = 0
        let (offset, isStopped) = readFrames(id, slot, bytes)
        isReading = false
        sendAnswers(id)
        if isStopped { return }
        let client = clients[slot]
        // What comes after a frame that ended the session is not looked at; or elsewhere.
        if client.isClosing || client.hasFarewell { return consume(id, bytes.count) }
        consume(id, offset)
        if client.isDeparting { return }
        watchFrame(id, isIncomplete: offset < bytes.count, isNew: offset > 0)
        closeIfDone(id)
    }

    /// Returns how far it came; and whether it stopped there: the client has to read, or the disk to write, or others wait.
    private mutating func readFrames(
        _ id: ConnectionID,
        _ slot: Int,
        _ bytes: UnsafeRawBufferPointer
    ) -> (offset: Int, isStopped: Bool) {
        var offset = 0
        while clients[slot].isHeard {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            switch FrameParse.first(in: rest, bodyBytesMax: clients[slot].session.bodyBytesMax) {
            case .incomplete:
                return (offset, false)
            case .tooLarge(let header):
                let action = clients[slot].session.receiveTooLarge(header)
                perform(action, id, request: header.request)
            case .frame(let header, let body):
                offset += Limits.headerBytes + body.count
                if let sync = clients[slot].session.sync(header, body: body) {
                    answer(sync, id, header.request)
                } else {
                    let policy = policies[Int(clients[slot].door.rawValue)]
                    let action = clients[slot].session.receive(header, body: body, policy: policy)
                    perform(action, id, request: header.request)
                }
                // Answers that are not read wait in the peer's own frames, not in our memory.
                let isUnread =
                    scratch.count == 0 && loop.outputBytes(id) > configuration.eventLoop.outputHighWater
                if isUnread || clients[slot].writesOpen >= Self.writesOpenMax {
                    consume(id, offset)
                    pause(id, isUnread: isUnread)
                    return (offset, true)
                }
                if answeredBytes >= Self.sliceBytes, offset < bytes.count {
                    consume(id, offset)
                    // The rest is reported again, behind all that is there by now.
                    loop.pauseReading(id)
                    loop.resumeReading(id)
                    return (offset, true)
                }
            }
        }
        return (offset, false)
    }

    mutating func consume(_ id: ConnectionID, _ count: Int) {
        loop.consume(id, count)
        if recording != nil { recording!.consumed(id, count) }
    }

    mutating func pause(_ id: ConnectionID, isUnread: Bool) {
        let slot = Int(id.slot)
        clients[slot].isPaused = true
        clients[slot].hasFrameDeadline = false
        clients[slot].hasIdleDeadline = false
        loop.pauseReading(id)
        // How long it may go without reading; how long the disk takes is not the peer's fault.
        if isUnread {
            loop.setDeadline(id, at: loop.now + configuration.readTimeout)
        } else {
            loop.clearDeadline(id)
        }
    }

    mutating func resume(_ id: ConnectionID) {
        guard clients[Int(id.slot)].isPaused else { return }
        clients[Int(id.slot)].isPaused = false
        awaitNext(id)
        loop.resumeReading(id)
    }

    // MARK: deadlines

    /// An authenticated client that began a frame must complete it in time; before that, its deadline to authenticate
    /// holds.
    mutating func watchFrame(_ id: ConnectionID, isIncomplete: Bool, isNew: Bool) {
        let slot = Int(id.slot)
        guard clients[slot].session.hasBegun else { return }
        guard isIncomplete else { return awaitNext(id) }
        // A frame that goes on keeps its deadline; another that has begun gets its own.
        guard !clients[slot].hasFrameDeadline || isNew else { return }
        clients[slot].hasFrameDeadline = true
        clients[slot].hasIdleDeadline = false
        loop.setDeadline(id, at: loop.now + configuration.frameTimeout)
    }

    /// Nothing is open: the client may be quiet, but not for ever. The deadline stays where it is for as long as it has not
    /// come: so a request does not have to look for it.
    mutating func awaitNext(_ id: ConnectionID) {
        let slot = Int(id.slot)
        clients[slot].heardAt = milliseconds
        if clients[slot].hasIdleDeadline { return }
        clients[slot].hasFrameDeadline = false
        let patience = patience(clients[slot].door)
        guard patience > 0 else { return loop.clearDeadline(id) }
        clients[slot].hasIdleDeadline = true
        clients[slot].isAsked = false
        loop.setDeadline(id, at: loop.now + .milliseconds(patience))
    }

    /// Milliseconds of silence after which a client is asked, and after as many more closed; 0 for never.
    private func patience(_ door: Door) -> Int { 500 * Int(policies[Int(door.rawValue)].idleSeconds) }

    mutating func expire(_ id: ConnectionID) {
        let client = clients[Int(id.slot)]
        guard client.session.hasBegun, !client.isPaused, client.hasIdleDeadline else {
            let what =
                client.isPaused
                ? "to read its answers" : client.session.hasBegun ? "to complete a frame" : "to authenticate"
            return fail(id, request: 0, ErrorMessage(.tooSlow, detail: "too long \(what)"))
        }
        let patience = patience(client.door)
        let silence = Int(milliseconds &- client.heardAt)
        if silence >= 2 * patience, client.isAsked, client.writesOpen == 0 { return close(id) }
        clients[Int(id.slot)].isAsked = silence >= patience
        // Whoever waits for the disk is not the one who is silent.
        if silence >= patience { send(.ping(Ping()), id, 0) }
        let next = silence < patience ? patience - silence : patience
        loop.setDeadline(id, at: loop.now + .milliseconds(next))
    }

    // MARK: messages

    mutating func perform(
        _ action: SessionAction,
        _ id: ConnectionID,
        request: UInt16
    ) {
        switch action {
        case .passOver:
            break
        case .sync(let sync):
            answer(sync, id, request)
        case .reply(let message):
            send(message, id, request)
        case .welcomeAdministrator(let message):
            loop.clearDeadline(id)
            send(message, id, request)
        case .backUp(let backup):
            backUp(backup, id, request)
        case .authenticate(let credentials):
            authenticate(credentials, id, request)
        case .write(let write):
            decide(write, id, request)
        case .setPresence(let wish):
            let slot = Int(id.slot)
            movePresence(of: clients[slot].user!, from: clients[slot].wish, to: wish)
            clients[slot].wish = wish
            send(.presenceSetOK, id, request)
        case .fail(let error):
            fail(id, request: request, error)
        }
    }

    mutating func answer(_ sync: borrowing Sync, _ id: ConnectionID, _ request: UInt16) {
        let slot = Int(id.slot)
        let mark = scratch.beginFrame(.syncPage, request: request)
        let pageBytesMax = clients[slot].session.pageBytesMax
        let explains = sync.options.contains(.explain)
        let outcome = directory.writePage(
            of: clients[slot].user.unsafelyUnwrapped,
            for: sync,
            // Room for an explanation is not in an item's way.
            pageBytesMax: explains ? pageBytesMax - Self.explanationBytes : pageBytesMax,
            into: &scratch
        )
        if explains { scratch.explanation("\(outcome)") }
        scratch.endFrame(mark)
        counters.count(outcome)
        endAnswer(id, from: mark)
    }

    mutating func send(_ message: Message, _ id: ConnectionID, _ request: UInt16) {
        let mark = scratch.count
        message.encode(into: &scratch, request: request)
        endAnswer(id, from: mark)
    }

    private mutating func endAnswer(_ id: ConnectionID, from mark: Int) {
        if recording != nil { recording!.sent(id, UnsafeRawBufferPointer(rebasing: scratch.bytes[mark...])) }
        if !isReading || scratch.count >= Self.answersBytes { sendAnswers(id) }
    }

    /// While frames are read, all that is sent is for their connection.
    mutating func sendAnswers(_ id: ConnectionID) {
        if scratch.count == 0 { return }
        loop.send(id, scratch.bytes)
        answeredBytes += scratch.count
        scratch.truncate(to: 0)
    }

    mutating func fail(_ id: ConnectionID, request: UInt16, _ error: ErrorMessage) {
        counters.countError()
        log.debug(
            "refused",
            metadata: [
                "peer": "\(loop.peerAddress(id) ?? "unix")", "connection": "\(id.slot)", "request": "\(request)",
                "error": "\(ErrorCode(rawValue: error.code).map { "\($0)" } ?? "\(error.code)")",
                "detail": "\(error.detail)",
            ]
        )
        // Writes that were accepted are acknowledged first: behind a closing error nothing is read.
        if error.closes, clients[Int(id.slot)].writesOpen > 0 {
            loop.pauseReading(id)
            loop.clearDeadline(id)
            if !clients[Int(id.slot)].hasFarewell {
                clients[Int(id.slot)].hasFarewell = true
                farewells[id.slot] = Farewell(error: error, request: request)
            }
            return
        }
        send(.error(error), id, request)
        if error.closes { close(id) }
    }

    mutating func close(_ id: ConnectionID) {
        sendAnswers(id)
        clients[Int(id.slot)].isClosing = true
        if recording != nil { recording!.ended(id, by: .server) }
        loop.close(id, flushing: true)
    }

    /// A peer that sends no more still gets the answers it asked for.
    mutating func closeIfDone(_ id: ConnectionID) {
        let client = clients[Int(id.slot)]
        guard client.writesOpen == 0, !client.isClosing else { return }
        if client.hasFarewell, let farewell = farewells[id.slot] {
            fail(id, request: farewell.request, farewell.error)
        } else if client.hasEnded, !client.isPaused {
            close(id)
        }
    }
}
