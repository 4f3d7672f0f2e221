// Sessions whose clients stay in step without asking. A push is a sync that the server begins: what is newer than the
// client's cursor, written by what writes answers.
//
//      a sync with `subscribe` ── its last page ──▶ live, the page's token is the cursor
//      change applied ──▶ the directory has news of the owner ──▶ each live session: what is newer, and the cursor moves
//                                     ▲                               │ the client does not read
//                                     └───── it has read ◀── behind ◀─┘

import TidemarkDirectory
import TidemarkEventLoop
import TidemarkWire

extension Shard {
    /// What the pushes of one iteration may cost, in bytes as `turnCost` counts them; the others wait for the next.
    private static let pushCostMax = 1 << 18
    /// Of a push, beside its bytes.
    private static let pushCost = 256
    private static let pushBytesMax = 1 << 16
    /// Unread bytes of a client beyond which its pushes wait.
    private static let pushUnreadMax = 1 << 14

    /// A sync was answered. It ends that the session is live, and its last page begins it anew if it asks for that.
    mutating func follow(_ sync: borrowing Sync, _ outcome: SyncOutcome, _ id: ConnectionID) {
        let slot = Int(id.slot)
        guard sync.options.contains(.subscribe), outcome.isLast else {
            if live[slot].cursor != nil { end(slot, keeping: live[slot].messages) }
            return
        }
        live[slot] = Live(
            cursor: outcome.token(directory.epochs.current),
            options: sync.options.intersection(.lasting),
            messages: live[slot].messages,
            // It may be so for messages, which the page does not bring.
            isBehind: live[slot].isBehind
        )
        watch(slot)
    }

    /// Messages were fetched. The same for them.
    mutating func follow(_ fetch: MessageFetch, _ outcome: MessageOutcome, _ id: ConnectionID) {
        let slot = Int(id.slot)
        guard fetch.options.contains(.subscribe), outcome.isLast else {
            guard live[slot].messages != nil else { return }
            live[slot].messages = nil
            if !live[slot].isLive { end(slot, keeping: nil) }
            return
        }
        live[slot].messages = outcome.position
        watch(slot)
    }

    private mutating func watch(_ slot: Int) {
        directory.watch(clients[slot].user.unsafelyUnwrapped)
        mailbox.wakesForPresence(true)
    }

    mutating func endLive(_ slot: Int) { if live[slot].isLive { end(slot, keeping: nil) } }

    private mutating func end(_ slot: Int, keeping messages: Stamp?) {
        guard let user = clients[slot].user else { return }
        live[slot] = Live(messages: messages, isBehind: messages != nil && live[slot].isBehind)
        if messages != nil { return }
        var other = sessions.first(of: user)
        while other != SessionChains.end {
            if live[Int(other)].isLive { return }
            other = clients[Int(other)].nextSession
        }
        directory.unwatch(user)
        if directory.watchedOwners == 0 { mailbox.wakesForPresence(false) }
    }

    /// Tells those who are live what is new to them, as far as this iteration goes.
    mutating func push() {
        endGrace(upTo: clock)
        if directory.isQuiet { return }
        directory.spreadPresence(now: clock)
        directory.spreadNews(now: clock)
        turnCost = 0
        while turnCost < Self.pushCostMax, let user = directory.nextNews() {
            var slot = sessions.first(of: user)
            while slot != SessionChains.end {
                let next = clients[Int(slot)].nextSession
                push(to: Int(slot), user)
                slot = next
            }
        }
        // Behind the contacts that it is of.
        while turnCost < Self.pushCostMax, let user = directory.takePresenceNews(now: clock) {
            tellPresence(to: user, withDevices: false)
            tellPresence(to: user, withDevices: true)
        }
    }

    /// Nil where the session is not live, or has yet to read what it was sent.
    private mutating func reader(_ slot: Int) -> ConnectionID? {
        guard live[slot].isLive, clients[slot].acceptsFrames, let id = clients.id(slot) else { return nil }
        if loop.outputBytes(id) <= Self.pushUnreadMax { return id }
        live[slot].isBehind = true
        loop.reportDrained(id)
        return nil
    }

    private mutating func push(to slot: Int, _ user: AccountIndex) {
        guard let id = reader(slot) else { return }
        pushMessages(to: slot, id, user)
        guard live[slot].cursor != nil, pushDelta(to: slot, id, user), live[slot].missesPresence else { return }
        live[slot].missesPresence = false
        let mark = scratch.beginFrame(.pushPresence, request: 0)
        let withDevices = live[slot].options.contains(.devices)
        directory.writeWholePresence(of: user, withDevices: withDevices, into: &scratch)
        scratch.endFrame(mark)
        turnCost += Self.pushCost
        counters.countPresencePush()
        endAnswer(id, from: mark)
    }

    private mutating func pushMessages(to slot: Int, _ id: ConnectionID, _ user: AccountIndex) {
        guard let position = live[slot].messages else { return }
        let mark = scratch.beginFrame(.pushMessages, request: 0)
        let outcome = directory.writeMessagePush(
            of: user,
            after: position,
            pageBytesMax: Self.pushBytesMax,
            into: &scratch
        )
        guard let outcome else { return scratch.truncate(to: mark) }
        scratch.endFrame(mark)
        live[slot].messages = outcome.position
        counters.countMessagePush(outcome)
        turnCost += Self.pushCost
        endAnswer(id, from: mark)
        if !outcome.isLast { directory.noteNews(of: user) }
    }

    /// Returns whether the client has all of the table then.
    private mutating func pushDelta(to slot: Int, _ id: ConnectionID, _ user: AccountIndex) -> Bool {
        let session = live[slot]
        guard var cursor = session.cursor else { return false }
        let mark = scratch.beginFrame(.pushDelta, request: 0)
        let outcome = directory.writePush(
            of: user,
            from: &cursor,
            session.options.intersection(.detail),
            pageBytesMax: Self.pushBytesMax,
            into: &scratch
        )
        turnCost += Self.pushCost
        guard let outcome else {
            scratch.truncate(to: mark)
            return true
        }
        scratch.endFrame(mark)
        live[slot].cursor = cursor
        counters.countPush(outcome)
        endAnswer(id, from: mark)
        // The rest in its turn.
        if !outcome.isLast { directory.noteNews(of: user) }
        return outcome.isLast
    }

    /// Tells the owner's live sessions of the contacts that were noted: the same bytes to all that asked for the devices, and to
    /// all that did not. Who cannot be told now is told everything later.
    private mutating func tellPresence(to user: AccountIndex, withDevices: Bool) {
        var isWritten = false
        var slot = sessions.first(of: user)
        while slot != SessionChains.end {
            let session = Int(slot)
            slot = clients[session].nextSession
            guard let cursor = live[session].cursor, live[session].options.contains(.devices) == withDevices else {
                continue
            }
            guard cursor.form == .settled, !live[session].missesPresence, let id = reader(session) else {
                live[session].missesPresence = true
                continue
            }
            if !isWritten {
                isWritten = true
                let mark = scratch.beginFrame(.pushPresence, request: 0)
                directory.writePresenceNews(of: user, withDevices: withDevices, into: &scratch)
                scratch.endFrame(mark)
            }
            if recording != nil { recording!.sent(id, scratch.bytes) }
            loop.send(id, scratch.bytes)
            counters.countPresencePush()
            turnCost += Self.pushCost + scratch.count
        }
        scratch.truncate(to: 0)
    }

    /// The client has read some of what it was sent.
    mutating func catchUp(_ id: ConnectionID) {
        let slot = Int(id.slot)
        guard live[slot].isBehind, let user = clients[slot].user else { return }
        live[slot].isBehind = false
        directory.noteNews(of: user)
    }
}
