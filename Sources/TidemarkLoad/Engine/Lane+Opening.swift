//  Connections come, log in, are lost, and come again.
//
//      resting ──open──▶ opening ──all answered──▶ ready
//         ▲                 │                        │
//         └── 10 ms, doubling to 1 s, with jitter ◀──┴── lost, or of no use any more

import Glibc
import TidemarkEventLoop
import TidemarkWire

extension Lane {
    private static let backoffFirst: UInt64 = 10_000_000
    private static let backoffDoublingsMax: UInt8 = 7
    private static let backoffMax: UInt64 = 1_000_000_000
    /// Loopback addresses to connect from, each with this many ports.
    private static let portsPerSource = 20_000
    /// For 14,000 logins a second each: the kernel gives a source's ports in turns of half of them.
    private static let sourcesOfLogins = 64

    /// Connects, and sends the whole login behind that.
    mutating func open(_ index: Int) {
        let client = clients + index
        client.pointee.retryAt = 0
        client.pointee.openedAt = loop.now.nanoseconds
        client.pointee.goAwayMS = 0
        do throws(EventLoopError) {
            let id: ConnectionID
            switch plan.configuration.target {
            case .unix(let path): id = try loop.connect(unix: path)
            case .tcp(let host, let port): id = try loop.connect(tcp: host, port: port, from: source(index, host))
            }
            client.pointee.slot = id.slot
            client.pointee.generation = id.generation
            owners[Int(id.slot)] = UInt32(index)
        } catch {
            return lose(index, Failure(.connect, "\(error)"))
        }
        client.pointee.phase = .opening
        client.pointee.isConnected = false
        client.pointee.isPaused = false
        openingCount += 1
        for place in 0..<pipeline { freeIDs[index &* pipeline + place] = UInt16(pipeline - place) }
        client.pointee.freeCount = UInt32(pipeline)
        let isFirst = client.pointee.sync.count == 0
        client.pointee.login = LoginDialogue(user: client.pointee.user, isFirst: isFirst)
        sendLogin(client.pointee, sync: isFirst ? Template(syncFrom: Sync.TokenBytes()) : client.pointee.sync)
    }

    private mutating func sendLogin(_ client: Client, sync: Template) {
        let space = loop.reserve(client.id, 3 * Template.spaceBytes)
        guard var place = space?.baseAddress else { return }
        hello.write(to: place, request: LoginDialogue.helloRequest)
        place += hello.count
        client.authenticate.write(to: place, request: LoginDialogue.authenticateRequest)
        place += client.authenticate.count
        sync.write(to: place, request: LoginDialogue.syncRequest)
        loop.commit(client.id, hello.count + client.authenticate.count + sync.count)
    }

    /// One source address has some 28,000 ports, and each is taken for a second after its connection was closed; so
    /// many connections on this machine, or many logins, come from several addresses. With one, the kernel looks for
    /// free ports most of the time, and the search would be measured.
    private mutating func source(_ index: Int, _ host: String) -> String? {
        guard host.hasPrefix("127.") else { return nil }
        var number = (plan.index + index * plan.configuration.threads) / Self.portsPerSource
        if hasLogins {
            number = number * Self.sourcesOfLogins + sourceTurn
            sourceTurn = (sourceTurn + 1) % Self.sourcesOfLogins
        }
        return number == 0 ? nil : "127.0.\(number / 250).\(number % 250 + 2)"
    }

    // MARK: the login's answers

    /// Goes on with the login.
    mutating func receiveLogin(_ index: Int, _ header: FrameHeader, _ body: UnsafeRawBufferPointer) {
        let client = clients + index
        if plan.changed > 0, !client.pointee.wasReady { noteContacts(index, header, body) }
        let token = client.pointee.token
        switch client.pointee.login.receive(header, body, token: token, facts: client.pointee.facts, rules: rules) {
        case .more:
            break
        case .next(let token):
            let template = Template(syncFrom: token)
            send(index, template, request: LoginDialogue.syncRequest)
        case .settled(let token, let facts):
            // With changed contacts every sync is to find them.
            if plan.configuration.changed == 0 || client.pointee.sync.count == 0 {
                client.pointee.sync = Template(syncFrom: token)
            }
            client.pointee.facts = facts
        case .failed(let failure):
            return lose(index, failure)
        }
        if client.pointee.login.isComplete { becomeReady(index) }
    }

    private mutating func becomeReady(_ index: Int) {
        let client = clients + index
        openingCount -= 1
        client.pointee.phase = .ready
        lastReadyAt = loop.now.nanoseconds
        if client.pointee.login.idleSeconds > 0 {
            nextPingAt = min(nextPingAt, lastReadyAt + UInt64(client.pointee.login.idleSeconds) * 500_000_000)
        }
        if !client.pointee.wasReady {
            client.pointee.wasReady = true
            readyCount += 1
            control.clientsReady.add(1, ordering: .relaxed)
        }
        if client.pointee.loginStartedAt != 0 {
            record(.login, since: client.pointee.loginStartedAt, at: loop.now.nanoseconds)
            client.pointee.loginStartedAt = 0
            client.pointee.backoff = 0
            operationsInFlight -= 1
        }
        if isLoginOnly { detach(index) }
        offer(index)
    }

    /// The contacts that are to change: the first ones of the user's table.
    private mutating func noteContacts(_ index: Int, _ header: FrameHeader, _ body: UnsafeRawBufferPointer) {
        var reader = ByteReader(body)
        guard header.type == MessageType.syncPage.rawValue, let page = try? SyncPage(decoding: &reader) else { return }
        let contacts = page.items.compactMap { item -> UserID? in
            if case .contact(let user, _, _, _, _) = item.content { user } else { nil }
        }
        // One that changes for another's sake changes for this user as well.
        let client = clients + index
        client.pointee.contacts += UInt32(contacts.count)
        client.pointee.changing += UInt32(contacts.count { changing.contains($0) })
        for user in contacts where client.pointee.changing < plan.changed && !changing.contains(user) {
            changing.insert(user)
            client.pointee.changing += 1
        }
        if page.summary != nil, client.pointee.contacts < plan.changed {
            let contacts = Int(client.pointee.contacts)
            control.abort(.tooFewContacts(user: client.pointee.user, contacts: contacts, changed: plan.changed))
        }
    }

    // MARK: the end of a connection

    /// Gives a client's connection up, in whatever state: what is in flight has failed, and it is made anew later. The
    /// failure counts once at least, unless it `isCounted` already.
    mutating func lose(_ index: Int, _ failure: Failure, isCounted: Bool = false) {
        let client = clients + index
        var isCounted = isCounted
        if client.pointee.loginStartedAt != 0 {
            fail(.login, since: client.pointee.loginStartedAt, failure)
            client.pointee.loginStartedAt = 0
            operationsInFlight -= 1
            isCounted = true
        }
        if client.pointee.inFlight > 0 {
            let collateral =
                failure.code == .closed
                ? failure : Failure(.closed, "the connection was dropped after \(failure.code.name): \(failure.detail)")
            failInFlight(index, collateral)
            isCounted = true
        }
        // A server that says go away, and an end behind the run's end, is no failure.
        if !isCounted, reopens, client.pointee.goAwayMS == 0 { tally.count(failure) }
        let wasOpening = client.pointee.phase == .opening
        detach(index)
        if wasOpening {
            openingCount -= 1
            control.note(failure)
            if !client.pointee.wasReady, measureAt == .max { refuseIfHopeless(index, failure) }
        }
        if reopens { reopenLater(index, after: max(failure.retryAfterMS, client.pointee.goAwayMS)) }
    }

    /// A login that is turned down before anything is measured would be turned down again.
    private func refuseIfHopeless(_ index: Int, _ failure: Failure) {
        switch ErrorCode(rawValue: UInt8(truncatingIfNeeded: failure.code.rawValue)) {
        case _ where failure.code.rawValue > 255: return
        case .retryLater, .tooSlow, .shuttingDown, .replaced, .internalError, nil: return
        default:
            control.abort(
                .loginRefused(user: clients[index].user, code: failure.code.name, detail: failure.detail)
            )
        }
    }

    /// Closes the connection at once; the client rests.
    mutating func detach(_ index: Int) {
        let client = clients + index
        if client.pointee.generation != 0 {
            owners[Int(client.pointee.slot)] = Self.none
            loop.close(client.pointee.id, flushing: false)
        }
        client.pointee.generation = 0
        client.pointee.phase = .resting
        client.pointee.isConnected = false
    }

    private mutating func reopenLater(_ index: Int, after milliseconds: UInt32) {
        let client = clients + index
        let full = min(Self.backoffFirst &<< UInt64(client.pointee.backoff), Self.backoffMax)
        client.pointee.backoff = min(client.pointee.backoff + 1, Self.backoffDoublingsMax)
        // Half of it by chance, so that many connections do not come back at once.
        let pause = full / 2 + UInt64.random(in: 0...full / 2, using: &random)
        client.pointee.retryAt = loop.now.nanoseconds + max(pause, UInt64(milliseconds) * 1_000_000)
        nextRetryAt = min(nextRetryAt, client.pointee.retryAt)
    }

    /// Opens what is due to be opened again, and what was never opened, a few at a time.
    mutating func openDue() {
        while unopened < clientCount, openingCount < Self.openingMax {
            open(unopened)
            unopened += 1
        }
        let now = loop.now.nanoseconds
        guard now >= nextRetryAt, reopens else { return }
        nextRetryAt = .max
        for index in 0..<clientCount where clients[index].retryAt != 0 {
            if clients[index].retryAt > now || openingCount >= Self.openingMax {
                // With thousands waiting, not a look at all of them for each.
                nextRetryAt = min(nextRetryAt, max(clients[index].retryAt, now + 2_000_000))
                continue
            }
            clients[index].retryAt = 0
            if clients[index].pendingLogin != 0 {
                startLogin(index)
            } else if isLoginOnly, clients[index].wasReady {
                offer(index)
            } else {
                open(index)
            }
        }
    }
}
