// Frames in, answers out, and how a connection is paused, failed and closed.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkWire

extension Shard {
    /// With its tag and its length.
    static let explanationBytes = Limits.explanationBytesMax + 3

    /// Answers wait for one another up to so many bytes, so that a segment of requests is answered by one send.
    private static let answersBytes = 1 << 14
    /// A page ends there, whatever its client allows: nobody waits for more of another's.
    static let pageBytesMax = 1 << 16
    /// There, where so many wait in line.
    private static let pageBytesMaxInCrowd = 1 << 13
    private static let crowd = 16
    /// What one connection's requests may cost before the others have their turn. Whose turn has cost as much waits in line for
    /// the next.
    private static let turnCostMax = 1 << 13
    /// And for so long after it.
    private static let greedTicks: UInt16 = 8
    private static let greedTickMS: UInt64 = 16
    /// What the turns of those in line may cost in an iteration.
    private static let turnsCostMax = 1 << 13
    /// Of a frame, in bytes that could be sent meanwhile, beside those of its answer.
    private static let frameCost = 256
    /// Of an attempt to log in, which is some hashing.
    static let loginCost = 1 << 12
    /// Of a client that nobody knows, and whose few answers are short.
    private static let unauthenticatedOutputMax = 1 << 15

    /// One after the other, from where the last iteration stopped, and behind all others of this one, whose answers are on
    /// their way by then.
    mutating func serveTurns() throws {
        guard !turns.isEmpty else { return }
        try flush()
        // Who takes a turn and has more to ask is behind all others.
        var count = turns.count
        var left = Self.turnsCostMax
        while count > 0, left > 0 {
            count -= 1
            left -= Self.frameCost
            let id = turns.removeFirst()
            // It may have gone, or been told to go.
            guard clients.has(id), clients[Int(id.slot)].acceptsFrames, let event = loop.takeUp(id) else { continue }
            isServingTurns = true
            turnCost = 0
            handle(event)
            isServingTurns = false
            left -= turnCost
            if applyPublished() { try flush() }
        }
    }

    mutating func receive(_ id: ConnectionID, _ received: UnsafeRawBufferPointer) {
        let slot = Int(id.slot)
        if clients[slot].waitsForTurns, !isServingTurns { return wait(id) }
        var begin = 0
        if clients[slot].awaitsProxyHeader {
            begin = readProxyHeader(id, received)
            if clients[slot].isClosing { return consume(id, received.count) }
            if clients[slot].awaitsProxyHeader { return }
        }
        let bytes = UnsafeRawBufferPointer(rebasing: received[begin...])
        reading = id
        turnCost = 0
        let (offset, isTurnOver) = readFrames(id, slot, bytes)
        sendAnswers(id)
        reading = nil
        let client = clients[slot]
        // What comes after a frame that ended the session is not looked at; or elsewhere.
        if client.isClosing || client.hasFarewell { return consume(id, received.count) }
        consume(id, begin + offset)
        if client.isDeparting || client.waitsForHost { return }
        if hasMuchUnread(id) || client.writesOpen >= writesOpenMax(of: id) { return pause(id) }
        watchFrame(id, isIncomplete: !isTurnOver && offset < bytes.count, isNew: offset > 0)
        watchGreed(id)
        if isTurnOver { wait(id) } else { closeIfDone(id) }
    }

    /// Whoever was greedy is so until some time has passed without a long turn: one of them ends with a short one.
    private mutating func watchGreed(_ id: ConnectionID) {
        let slot = Int(id.slot)
        let now = UInt16(truncatingIfNeeded: clock / Self.greedTickMS)
        if turnCost >= Self.turnCostMax {
            clients[slot].greedyAt = now
            guard !clients[slot].isGreedy else { return }
            clients[slot].isGreedy = true
            loop.setReceivesSingly(id, true)
        } else if clients[slot].isGreedy, now &- clients[slot].greedyAt > Self.greedTicks {
            clients[slot].isGreedy = false
            loop.setReceivesSingly(id, false)
        }
    }

    private mutating func wait(_ id: ConnectionID) {
        loop.holdReading(id)
        turns.append(id)
    }

    /// Returns how far it came; and whether it stopped there before the bytes' end: the client has to read, or the disk to
    /// write, or others wait.
    private mutating func readFrames(
        _ id: ConnectionID,
        _ slot: Int,
        _ bytes: UnsafeRawBufferPointer
    ) -> (offset: Int, isTurnOver: Bool) {
        var offset = 0
        while clients[slot].acceptsFrames {
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
                    let policy = policies[Int(clients[slot].listenerKind.rawValue)]
                    let action = clients[slot].session.receive(header, body: body, policy: policy)
                    perform(action, id, request: header.request)
                }
                turnCost += Self.frameCost
                // Output grows when answers are sent, and only then.
                let mayWait = scratch.count == 0 && hasMuchUnread(id)
                if mayWait || turnCost >= Self.turnCostMax || clients[slot].writesOpen >= writesOpenMax(of: id) {
                    return (offset, offset < bytes.count)
                }
            }
        }
        return (offset, false)
    }

    /// Pages are shorter where many want one.
    private var pageBytesMax: Int { turns.count < Self.crowd ? Self.pageBytesMax : Self.pageBytesMaxInCrowd }

    /// Whether answers wait in the peer's own frames from here on, not in our memory.
    private func hasMuchUnread(_ id: ConnectionID) -> Bool {
        let hasBegun = clients[Int(id.slot)].session.hasBegun
        return loop.outputBytes(id)
            > (hasBegun ? configuration.eventLoop.outputHighWater : Self.unauthenticatedOutputMax)
    }

    mutating func consume(_ id: ConnectionID, _ count: Int) {
        loop.consume(id, count)
        if recording != nil { recording!.consumed(id, count) }
    }

    private mutating func pause(_ id: ConnectionID) {
        let slot = Int(id.slot)
        guard clients[slot].session.hasBegun else {
            return fail(id, request: 0, ErrorMessage(.tooSlow, detail: "answers are not read"))
        }
        clients[slot].isPaused = true
        clients[slot].hasFrameDeadline = false
        clients[slot].hasIdleDeadline = false
        loop.pauseReading(id)
        watchPause(id)
    }

    /// How long a paused client may go without reading; how long the disk takes is not the peer's fault.
    private mutating func watchPause(_ id: ConnectionID) {
        if hasMuchUnread(id) {
            loop.setDeadline(id, at: loop.now + configuration.readTimeout)
        } else {
            loop.clearDeadline(id)
        }
    }

    /// A paused client's frames are read again once it has read and the disk has written.
    mutating func resumeIfDone(_ id: ConnectionID, writesOpenMax: Int) {
        let slot = Int(id.slot)
        guard clients[slot].isPaused else { return }
        if hasMuchUnread(id) || clients[slot].writesOpen > writesOpenMax { return watchPause(id) }
        clients[slot].isPaused = false
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
        let pingAfter = pingAfter(clients[slot].listenerKind)
        guard pingAfter > 0 else { return loop.clearDeadline(id) }
        clients[slot].hasIdleDeadline = true
        clients[slot].pingSent = false
        loop.setDeadline(id, at: loop.now + .milliseconds(pingAfter))
    }

    /// Milliseconds of silence after which a client is asked, and after as many more closed; 0 for never.
    private func pingAfter(_ listenerKind: ListenerKind) -> Int {
        500 * Int(policies[Int(listenerKind.rawValue)].idleSeconds)
    }

    mutating func expire(_ id: ConnectionID) {
        let client = clients[Int(id.slot)]
        if client.waitsForHost { return giveUpOnHost(id) }
        guard client.session.hasBegun, !client.isPaused, client.hasIdleDeadline else {
            let what =
                client.isPaused
                ? "to read its answers" : client.session.hasBegun ? "to complete a frame" : "to authenticate"
            return fail(id, request: 0, ErrorMessage(.tooSlow, detail: "too long \(what)"))
        }
        let pingAfter = pingAfter(client.listenerKind)
        let silence = Int(milliseconds &- client.heardAt)
        if silence >= 2 * pingAfter, client.pingSent, client.writesOpen == 0 { return close(id) }
        clients[Int(id.slot)].pingSent = silence >= pingAfter
        // Whoever waits for the disk is not the one who is silent.
        if silence >= pingAfter { send(.ping(Ping()), id, 0) }
        let next = silence < pingAfter ? pingAfter - silence : pingAfter
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
        case .administer(let asked):
            administer(asked, id, request)
        case .authenticate(let credentials):
            authenticate(credentials, id, request)
        case .authenticateContinue(let step):
            authenticateContinue(step, id, request)
        case .write(let write):
            let user = clients[Int(id.slot)].user!
            if let refusal = rates.refusal(of: write, by: user, now: loop.now.nanoseconds) {
                return fail(id, request: request, refusal)
            }
            if !askHost(about: write, id, request) { decide(write, id, request) }
        case .setPresence(let wish):
            let slot = Int(id.slot)
            if let refusal = rates.refusalOfPresence(by: clients[slot].user!, now: loop.now.nanoseconds) {
                return fail(id, request: request, refusal)
            }
            let before = clients[slot].presence
            clients[slot].wish = wish
            movePresence(of: clients[slot].user!, from: before, to: clients[slot].presence)
            send(.presenceSetOK, id, request)
        case .fetch(let fetch):
            answer(fetch, id, request)
        case .lastSeen(let get):
            guard let answer = directory.lastSeen(of: get.user, toldTo: clients[Int(id.slot)].user!) else {
                return fail(id, request: request, ErrorMessage(.noSuchContact, detail: "not in your roster"))
            }
            send(.lastSeenGetOK(answer), id, request)
        case .refuse(let type, let error):
            audit?.note(refused: type, asked(id, request), configuration.clock())
            fail(id, request: request, error)
        case .fail(let error):
            fail(id, request: request, error)
        }
    }

    /// With a token that this server never gave, from the first message on: the client knows those that it has.
    private mutating func answer(_ fetch: MessageFetch, _ id: ConnectionID, _ request: UInt16) {
        let slot = Int(id.slot)
        let mark = scratch.beginFrame(.messagePage, request: request)
        let asked = fetch.pageBytes == 0 ? Limits.pageBytesDefault : fetch.pageBytes
        let outcome = directory.writeMessages(
            of: clients[slot].user.unsafelyUnwrapped,
            after: directory.messagePosition(of: fetch.token) ?? 0,
            pageBytesMax: min(asked, clients[slot].session.pageBytesMax, pageBytesMax),
            into: &scratch
        )
        scratch.endFrame(mark)
        follow(fetch, outcome, id)
        counters.count(outcome)
        // Each was looked at.
        turnCost += outcome.left
        endAnswer(id, from: mark)
    }

    mutating func answer(_ sync: borrowing Sync, _ id: ConnectionID, _ request: UInt16) {
        let slot = Int(id.slot)
        let mark = scratch.beginFrame(.syncPage, request: request)
        let pageBytesMax = min(clients[slot].session.pageBytesMax, pageBytesMax)
        let explains = sync.options.contains(.explain)
        let wait = fullSyncs.isSpent ? fullSyncs.wait(now: clock) : nil
        let outcome = directory.writePage(
            of: clients[slot].user.unsafelyUnwrapped,
            for: sync,
            // Room for an explanation is not in an item's way.
            pageBytesMax: explains ? pageBytesMax - Self.explanationBytes : pageBytesMax,
            admitsFull: wait == nil,
            into: &scratch
        )
        if outcome.isRefused {
            scratch.truncate(to: mark)
            return refuseFull(id, request, wait: wait ?? 0)
        }
        if outcome.answer == .full { fullSyncs.spend(scratch.count - mark, now: clock) }
        if explains { scratch.explanation("\(outcome)") }
        scratch.endFrame(mark)
        counters.count(outcome)
        follow(sync, outcome, id)
        // Each was looked at, whether it is online.
        turnCost += outcome.presencesRead
        endAnswer(id, from: mark)
    }

    /// Its session stays, live if it was, and its book is as good as before.
    private mutating func refuseFull(_ id: ConnectionID, _ request: UInt16, wait: UInt32) {
        let error = ErrorMessage(
            .retryLater,
            detail: "many full syncs are under way; yours has to wait",
            retryAfterMS: wait + UInt32.random(in: 100...1_000)
        )
        fail(id, request: request, error)
    }

    mutating func send(_ message: Message, _ id: ConnectionID, _ request: UInt16) {
        let mark = scratch.count
        message.encode(into: &scratch, request: request)
        endAnswer(id, from: mark)
    }

    mutating func endAnswer(_ id: ConnectionID, from mark: Int) {
        if recording != nil { recording!.sent(id, UnsafeRawBufferPointer(rebasing: scratch.bytes[mark...])) }
        turnCost += scratch.count - mark
        // Behind the answers that wait there may be a word for another.
        guard id == reading else {
            loop.send(id, UnsafeRawBufferPointer(rebasing: scratch.bytes[mark...]))
            return scratch.truncate(to: mark)
        }
        if scratch.count >= Self.answersBytes { sendAnswers(id) }
    }

    /// Of the connection whose frames are being read.
    mutating func sendAnswers(_ id: ConnectionID) {
        guard id == reading, scratch.count > 0 else { return }
        loop.send(id, scratch.bytes)
        scratch.truncate(to: 0)
    }

    mutating func fail(_ id: ConnectionID, request: UInt16, _ error: ErrorMessage) {
        counters.countError()
        log.debug(
            "refused",
            metadata: [
                "peer": "\(peer(id))", "connection": "\(name(id))", "request": "\(request)",
                "error": "\(ErrorCode(rawValue: error.code).map { "\($0)" } ?? "\(error.code)")",
                "detail": "\(error.detail)",
            ]
        )
        if error.closes { close(id, saying: .error(error), request) } else { send(.error(error), id, request) }
    }

    /// Says this last, and closes. Writes that were accepted are acknowledged before: behind it nothing is read.
    mutating func close(_ id: ConnectionID, saying message: Message, _ request: UInt16) {
        guard clients[Int(id.slot)].writesOpen > 0 else {
            send(message, id, request)
            return close(id)
        }
        loop.pauseReading(id)
        loop.clearDeadline(id)
        if !clients[Int(id.slot)].hasFarewell {
            clients[Int(id.slot)].hasFarewell = true
            farewells[id.slot] = Farewell(message: message, request: request)
        }
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
            close(id, saying: farewell.message, farewell.request)
        } else if client.hasEnded, !client.isPaused {
            close(id)
        }
    }
}
