// Clients that wait for the host's word, and what the host is told of.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkWire

/// The host's word on what one of a shard's clients has asked.
struct HostWord: Sendable {
    enum Subject: Sendable {
        case login(LoginDecision)
        case write(Write, WriteDecision)
    }

    var subject: Subject
    var connection: ConnectionID
    /// Of the question, which may have been given up meanwhile.
    var number: UInt64
}

/// What a client waits for: one at a time.
struct HostQuestion {
    var number: UInt64
    var request: UInt16
}

extension Shard {
    /// The client's frames wait; until the host has said something it counts as a write that waits for the disk. `unable` is what
    /// a host has said that throws.
    private mutating func ask(
        _ id: ConnectionID,
        _ request: UInt16,
        unable: HostWord.Subject,
        _ hook: @escaping @Sendable () async throws -> HostWord.Subject
    ) {
        let slot = Int(id.slot)
        questionsAsked += 1
        hostQuestions[id.slot] = HostQuestion(number: questionsAsked, request: request)
        clients[slot].waitsForHost = true
        clients[slot].writesOpen += 1
        loop.pauseReading(id)
        if clients[slot].session.hasBegun {
            clients[slot].hasFrameDeadline = false
            clients[slot].hasIdleDeadline = false
            loop.setDeadline(id, at: loop.now + configuration.hookTimeout)
        }
        let (number, mailbox, log) = (questionsAsked, mailbox, log)
        Task {
            var subject = unable
            do {
                subject = try await hook()
            } catch {
                log.warning("the host cannot say what it is asked", metadata: ["error": "\(error)"])
            }
            mailbox.put(HostWord(subject: subject, connection: id, number: number))
        }
    }

    /// Nil where it is not asked any more. Otherwise of what request it was.
    private mutating func endQuestion(_ id: ConnectionID, _ number: UInt64? = nil) -> UInt16? {
        guard clients.has(id), let question = hostQuestions[id.slot], number == nil || number == question.number
        else { return nil }
        hostQuestions[id.slot] = nil
        clients[Int(id.slot)].waitsForHost = false
        clients[Int(id.slot)].writesOpen -= 1
        return question.request
    }

    /// The host takes too long, or the server is going down.
    mutating func giveUpOnHost(_ id: ConnectionID) {
        guard let request = endQuestion(id) else { return }
        if clients[Int(id.slot)].session.hasBegun {
            fail(id, request: request, draining.isSet ? waiting : Self.unavailable(.seconds(1), closes: false))
        } else {
            fail(id, request: request, ErrorMessage(.tooSlow, detail: "too long to authenticate"))
        }
        goOnReading(id)
    }

    private mutating func goOnReading(_ id: ConnectionID) {
        let slot = Int(id.slot)
        guard clients.has(id), !clients[slot].isClosing, !clients[slot].isDeparting else { return }
        if !clients[slot].hasFarewell {
            if clients[slot].session.hasBegun { awaitNext(id) }
            loop.resumeReading(id)
        }
        closeIfDone(id)
    }

    mutating func askHost(whoHas bearer: [UInt8], _ id: ConnectionID, _ request: UInt16) {
        let slot = Int(id.slot)
        do {
            try failedLogins.check(clients[slot].network, nil, now: clock)
        } catch {
            let refusal = wait(for: error)
            return perform(clients[slot].session.authenticationFailed(refusal), id, request: request)
        }
        guard let hook = configuration.hooks.login else { preconditionFailure("it is offered where there is a hook") }
        let attempt = LoginAttempt(
            bearer: bearer,
            peer: peer(id),
            deviceClass: clients[slot].session.deviceClass,
            device: clients[slot].session.device
        )
        ask(id, request, unable: .login(.unavailable())) { .login(try await hook(attempt)) }
    }

    /// True where the host has a say in it.
    mutating func askHost(about write: Write, _ id: ConnectionID, _ request: UInt16) -> Bool {
        guard let hook = configuration.hooks.authorize, write.isOfDetailsOrRoster else { return false }
        let proposed = ProposedWrite(user: directory.id(of: clients[Int(id.slot)].user!), write: write)
        ask(id, request, unable: .write(write, .unavailable())) { .write(write, try await hook(proposed)) }
        return true
    }

    mutating func hear(_ word: HostWord) {
        let id = word.connection
        // It may have gone, or been told so.
        guard let request = endQuestion(id, word.number) else { return }
        if !clients[Int(id.slot)].isClosing, !clients[Int(id.slot)].hasFarewell {
            switch word.subject {
            case .login(let decision): follow(decision, id, request)
            case .write(let write, let decision): follow(decision, write, id, request)
            }
        }
        goOnReading(id)
    }

    private mutating func follow(_ decision: LoginDecision, _ id: ConnectionID, _ request: UInt16) {
        let error: ErrorMessage
        switch decision {
        case .accept(let user):
            let found =
                switch user {
                case .id(let id): directory.index(of: id)
                case .name(let name): directory.index(named: name)
                }
            if let found { return go(on: .enter(found, nil), id, request) }
            error = ErrorMessage(.credentialsInvalid, detail: "no such account")
        case .refuse(let detail):
            failedLogins.fail(clients[Int(id.slot)].network, nil, now: clock)
            error = ErrorMessage(.credentialsInvalid, detail: detail)
        case .unavailable(let pause):
            error = Self.unavailable(pause, closes: true)
        }
        perform(clients[Int(id.slot)].session.authenticationFailed(error), id, request: request)
    }

    private mutating func follow(
        _ decision: WriteDecision,
        _ write: Write,
        _ id: ConnectionID,
        _ request: UInt16
    ) {
        switch decision {
        case .allow: decide(write, id, request)
        case .refuse(let detail):
            fail(id, request: request, ErrorMessage(.notAllowed, detail: detail))
        case .unavailable(let pause): fail(id, request: request, Self.unavailable(pause, closes: false))
        }
    }

    private static func unavailable(_ pause: Duration, closes: Bool) -> ErrorMessage {
        let milliseconds = UInt32(clamping: Int64(pause / .milliseconds(1)))
        return ErrorMessage(
            .retryLater,
            detail: "who has to agree cannot say now",
            retryAfterMS: max(1, milliseconds) &+ .random(in: 0...milliseconds / 8),
            closes: closes
        )
    }

    // MARK: what it is told of

    /// Of a change that was just applied.
    mutating func tellHost(of change: Change) {
        switch change {
        case .messageSent(let reader, _, _, _, .heard, _):
            guard let user = own(reader) else { return }
            if let router = feeds.router, router.has(directory.name(of: user)) { return router.put(reader) }
            hint(user) { $0.messages += 1 }
        case .entrySet(_, let contact, _, _, .asked):
            if let user = own(contact) { hint(user) { $0.requests += 1 } }
        default: break
        }
    }

    /// Of a user without a session.
    private func hint(_ user: AccountIndex, _ count: (inout WakeHint) -> Void) {
        guard let feed = feeds.wake, sessions.first(of: user) == SessionChains.end else { return }
        let id = directory.id(of: user)
        feed.put(id) { earlier in
            var hint = earlier ?? WakeHint(user: id, messages: 0, requests: 0)
            count(&hint)
            return hint
        }
    }

    /// What waited when the server was started.
    mutating func routeWaiting() {
        guard let router = feeds.router else { return }
        for user in directory.usersWithMessages where router.has(user.name) { router.put(user.id) }
    }

    /// A user of this shard's; nil for another's.
    private func own(_ user: UserID) -> AccountIndex? {
        team.map.shard(of: user) == index ? directory.index(of: user) : nil
    }
}
