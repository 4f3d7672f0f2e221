// What passes between shards: connections whose users are another's, and who is online.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkWire

/// Where a connection goes, and what is to be done for it there first.
struct Departure {
    var shard: Int
    var errand: Errand
    /// Of the authentication.
    var request: UInt16
}

extension Shard {
    // MARK: connections

    /// To be called when the connection is this loop's no longer.
    mutating func depart(_ id: ConnectionID) {
        let client = clients[Int(id.slot)]
        guard let departure = departures.removeValue(forKey: id.slot), let connection = loop.takeDetached(id) else {
            return
        }
        clients[Int(id.slot)] = .nobody
        let arrival = Arrival(
            connection: connection,
            session: client.session,
            wish: client.wish,
            wantsTicket: client.wantsTicket,
            listenerKind: client.listenerKind,
            network: client.network,
            peer: proxied.isEmpty ? nil : proxied.removeValue(forKey: id.slot),
            errand: departure.errand,
            request: departure.request,
            recorded: recording?.leave(id)
        )
        // A shard that is going says so to its own, and so it is said here.
        if team.mailboxes[departure.shard].put(arrival) { return counters.countMove() }
        if let id = attach(arrival) { goAway(id) }
    }

    /// What the other shards wrote is of no later time than what the log had published when it was taken.
    mutating func read(_ mail: ShardMailbox.Mail) {
        for (user, seen) in mail.presence { directory.setPresence(of: user, to: seen) }
        for arrival in mail.arrivals {
            if let id = attach(arrival) { run(arrival.errand, id, arrival.request) }
        }
        for part in mail.syncs { answer(part) }
        for request in mail.requests { decide(request) }
        for call in mail.calls { take(call) }
        for part in mail.upserts { upserts.append(part) }
        for word in mail.words { hear(word) }
        for noted in mail.noted { goOn(noted) }
        for reply in mail.replies { tell(reply) }
        for closing in mail.closings { close(closing) }
        for user in mail.closed { closed(user) }
        if let drain = mail.drain { sendAway(drain) }
        if mail.hasOtherServices { endOldServices() }
    }

    /// Nil, and the connection is closed, where this loop has no room for it.
    mutating func attach(_ arrival: Arrival) -> ConnectionID? {
        do {
            let id = try loop.attach(arrival.connection)
            var client = Client(id, listenerKind: arrival.listenerKind, heardAt: milliseconds)
            client.session = arrival.session
            client.wish = arrival.wish
            client.wantsTicket = arrival.wantsTicket
            (client.isAdmitted, client.network) = (true, arrival.network)
            clients.add(id, client)
            // It came along without; and with an errand that is a challenge it is nobody's for some time yet.
            if !client.session.hasBegun { loop.setDeadline(id, at: loop.now + configuration.authenticateTimeout) }
            if let peer = arrival.peer { proxied[id.slot] = peer }
            if let recorded = arrival.recorded { recording?.arrive(id, recorded) }
            return id
        } catch {
            admission.leave(arrival.network)
            counters.countError()
            counters.countClosed()
            log.warning("a connection is refused", metadata: ["error": "\(error)"])
            if let recorded = arrival.recorded { recording?.refused(recorded) }
            return nil
        }
    }

    // MARK: presence

    /// The session is over. Unless its client said before that it is not to be seen, it may come back: its user is seen as before
    /// for a while.
    mutating func lose(_ client: Client, of user: AccountIndex) {
        guard configuration.presenceGrace > .zero, !client.isDisplaced, client.wish != .invisible, !draining.isSet
        else {
            return movePresence(of: user, from: client.presence, to: nil)
        }
        let end = loop.now + configuration.presenceGrace
        let gone = grace.add(
            user,
            device: client.session.device,
            client.presence,
            until: end.nanoseconds / 1_000_000,
            max: configuration.devicesMax
        )
        if let gone { movePresence(of: user, from: gone, to: nil) }
    }

    /// Sessions that were lost, and whose time is over at `time`.
    mutating func endGrace(upTo time: UInt64) {
        while let (user, presence, end) = grace.expire(now: time) {
            let lost = end - UInt64(configuration.presenceGrace / .milliseconds(1))
            movePresence(of: user, from: presence, to: nil, millisecondsAgo: max(clock, lost) - lost)
        }
    }

    /// `millisecondsAgo` of one that was lost.
    mutating func movePresence(
        of user: AccountIndex,
        from: SessionPresence?,
        to: SessionPresence?,
        millisecondsAgo: UInt64 = 0
    ) {
        let seen = directory.movePresence(of: user, from: from, to: to)
        if from?.isSeen == true, to?.isSeen != true {
            noteEnd(of: user, millisecondsAgo: millisecondsAgo, isLast: seen == .offline)
        }
        guard let seen else { return }
        if team.map.count > 1 || feeds.presence != nil { presenceNews[user] = seen }
    }

    mutating func tellPresence() {
        if presenceNews.isEmpty { return }
        for other in 0..<team.map.count where other != index { team.mailboxes[other].put(presenceNews) }
        if let feed = feeds.presence, !draining.isSet {
            for (user, seen) in presenceNews {
                let id = directory.id(of: user)
                feed.put(id) { _ in PresenceChange(user: id, state: seen.state, devices: seen.devices) }
            }
        }
        presenceNews.removeAll(keepingCapacity: true)
    }
}
