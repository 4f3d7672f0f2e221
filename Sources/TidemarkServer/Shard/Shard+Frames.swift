// Frames in, answers out, and how a connection is paused, failed and closed.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkWire

extension Shard {
    /// With its tag and its length.
    private static let explanationBytes = Limits.explanationBytesMax + 3

    mutating func receive(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
        let slot = Int(id.slot)
        var offset = 0
        while !clients[slot].isClosing, clients[slot].farewell == nil, clients[slot].departure == nil {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            switch FrameParse.first(in: rest, bodyBytesMax: clients[slot].session.bodyBytesMax) {
            case .incomplete:
                consume(id, offset)
                watchFrame(id, isIncomplete: !rest.isEmpty, isNew: offset > 0)
                return closeIfDone(id)
            case .tooLarge(let header):
                let action = clients[slot].session.receiveTooLarge(header)
                perform(action, id, request: header.request)
            case .frame(let header, let body):
                offset += Limits.headerBytes + body.count
                let policy = clients[slot].policy
                let action = clients[slot].session.receive(header, body: body, policy: policy)
                perform(action, id, request: header.request)
                // Answers that are not read wait in the peer's own frames, not in our memory.
                let isUnread = loop.outputBytes(id) > configuration.eventLoop.outputHighWater
                if isUnread || clients[slot].writesOpen >= Self.writesOpenMax {
                    consume(id, offset)
                    return pause(id, isUnread: isUnread)
                }
            }
        }
        // What comes after a frame that ended the session is not looked at; or elsewhere.
        consume(id, clients[slot].departure == nil ? bytes.count : offset)
    }

    mutating func consume(_ id: ConnectionID, _ count: Int) {
        loop.consume(id, count)
        if recording != nil { recording!.consumed(id, count) }
    }

    mutating func pause(_ id: ConnectionID, isUnread: Bool) {
        let slot = Int(id.slot)
        clients[slot].isPaused = true
        clients[slot].hasFrameDeadline = false
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
        loop.setDeadline(id, at: loop.now + configuration.frameTimeout)
    }

    /// Nothing is open: the client may be quiet, but not for ever.
    mutating func awaitNext(_ id: ConnectionID) {
        let slot = Int(id.slot)
        clients[slot].hasFrameDeadline = false
        clients[slot].isAsked = false
        let idle = clients[slot].policy.idleSeconds
        guard idle > 0 else { return loop.clearDeadline(id) }
        loop.setDeadline(id, at: loop.now + .milliseconds(500 * Int(idle)))
    }

    mutating func expire(_ id: ConnectionID) {
        let client = clients[Int(id.slot)]
        guard client.session.hasBegun, !client.isPaused, !client.hasFrameDeadline else {
            let what =
                client.isPaused
                ? "to read its answers" : client.session.hasBegun ? "to complete a frame" : "to authenticate"
            return fail(id, request: 0, ErrorMessage(.tooSlow, detail: "too long \(what)"))
        }
        // Whoever waits for the disk is not the one who is silent.
        if client.isAsked, client.writesOpen == 0 { return close(id) }
        clients[Int(id.slot)].isAsked = true
        send(.ping(Ping()), id, 0)
        loop.setDeadline(id, at: loop.now + .milliseconds(500 * Int(client.policy.idleSeconds)))
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

    mutating func answer(_ sync: Sync, _ id: ConnectionID, _ request: UInt16) {
        let client = clients[Int(id.slot)]
        scratch.truncate(to: 0)
        let mark = scratch.beginFrame(.syncPage, request: request)
        let outcome = directory.writePage(
            of: client.user!,
            for: sync,
            // Room for an explanation is not in an item's way.
            pageBytesMax: client.session.pageBytesMax - (sync.options.contains(.explain) ? Self.explanationBytes : 0),
            into: &scratch
        )
        if sync.options.contains(.explain) { scratch.explanation("\(outcome)") }
        scratch.endFrame(mark)
        counters.count(outcome)
        if recording != nil { recording!.sent(id, scratch.bytes) }
        loop.send(id, scratch.bytes)
    }

    mutating func send(_ message: Message, _ id: ConnectionID, _ request: UInt16) {
        scratch.truncate(to: 0)
        message.encode(into: &scratch, request: request)
        if recording != nil { recording!.sent(id, scratch.bytes) }
        loop.send(id, scratch.bytes)
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
            if clients[Int(id.slot)].farewell == nil { clients[Int(id.slot)].farewell = (error, request) }
            return
        }
        send(.error(error), id, request)
        if error.closes { close(id) }
    }

    mutating func close(_ id: ConnectionID) {
        clients[Int(id.slot)].isClosing = true
        if recording != nil { recording!.ended(id, by: .server) }
        loop.close(id, flushing: true)
    }

    /// A peer that sends no more still gets the answers it asked for.
    mutating func closeIfDone(_ id: ConnectionID) {
        let client = clients[Int(id.slot)]
        guard client.writesOpen == 0, !client.isClosing else { return }
        if let farewell = client.farewell {
            fail(id, request: farewell.request, farewell.error)
        } else if client.hasEnded, !client.isPaused {
            close(id)
        }
    }
}
