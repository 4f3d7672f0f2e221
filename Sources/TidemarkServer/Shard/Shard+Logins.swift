// Who a connection is, and the hand-over to the shard that its user is on.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSCRAM
import TidemarkSession
import TidemarkTickets
import TidemarkWire

/// What is to be done with a connection, on the shard of whoever it says it is.
enum Errand: Sendable {
    /// Its user is known: by a ticket, or by its word.
    case enter(AccountIndex, Ticket?)
    /// Its user is to prove that it knows a password.
    case challenge(ClientFirst)
}

extension Shard {
    mutating func authenticate(
        _ message: Authenticate,
        _ id: ConnectionID,
        _ request: UInt16
    ) {
        turnCost += Self.loginCost
        if case .service(let key) = message.credentials { return authenticateService(key, id, request) }
        clients[Int(id.slot)].wish = message.wish ?? .online
        clients[Int(id.slot)].wantsTicket = message.wantsTicket
        if case .bearer(let bearer) = message.credentials { return askHost(whoHas: bearer, id, request) }
        switch errand(of: message.credentials) {
        case .success(let errand): go(on: errand, id, request)
        case .failure(let error):
            perform(clients[Int(id.slot)].session.authenticationFailed(error), id, request: request)
        }
    }

    /// Here, or on the shard that it is for.
    mutating func go(on errand: Errand, _ id: ConnectionID, _ request: UInt16) {
        let home = shard(of: errand)
        guard home != index else { return run(errand, id, request) }
        clients[Int(id.slot)].isDeparting = true
        departures[id.slot] = Departure(shard: home, errand: errand, request: request)
        sendAnswers(id)
        loop.detach(id)
    }

    private func shard(of errand: Errand) -> Int {
        switch errand {
        case .enter(let user, _): team.map.shard(of: directory.id(of: user))
        case .challenge(let first): shard(of: first)
        }
    }

    mutating func run(_ errand: Errand, _ id: ConnectionID, _ request: UInt16) {
        switch errand {
        case .challenge(let first):
            challenge(first, id, request)
        case .enter(let user, let ticket):
            guard let refusal = whyNot(user, ticket) else { return enter(id, as: user, ticket, nil, request) }
            perform(clients[Int(id.slot)].session.authenticationFailed(refusal), id, request: request)
        }
    }

    /// What keeps somebody out who is who it says it is; nil for nothing.
    func whyNot(_ user: AccountIndex, _ ticket: Ticket?) -> ErrorMessage? {
        if directory.isDeleted(user) { return Self.noSuchAccount }
        let access = inFlight.access(of: user, in: directory)
        if access.isDisabled {
            return ErrorMessage(
                .accountDisabled,
                detail: "this account is closed for now; ask whoever runs the service"
            )
        }
        if let ticket, ticket.issuedSeconds <= access.revokedSeconds { return TicketKeys.expired }
        return nil
    }

    /// The user, who is this shard's, has a session from now on.
    mutating func enter(
        _ id: ConnectionID,
        as user: AccountIndex,
        _ ticket: Ticket?,
        _ serverFinal: [UInt8]?,
        _ request: UInt16
    ) {
        let slot = Int(id.slot)
        // Who is taken at its word has the socket to come back to.
        let isGivenTicket =
            clients[slot].wantsTicket && (ticket != nil || serverFinal != nil || clients[slot].session.hasBearer)
        let action = clients[slot].session
            .authenticated(
                as: directory.id(of: user),
                ticket: isGivenTicket ? newTicket(for: user, replacing: ticket) : nil,
                serverFinal: serverFinal
            )
        log.debug(
            "authenticated",
            metadata: ["peer": "\(peer(id))", "connection": "\(name(id))", "user": "\(directory.id(of: user))"]
        )
        makeRoom(for: clients[slot].session.device, of: user)
        clients[slot].user = user
        sessions.add(id.slot, of: user, in: clients)
        // Of a session that was lost this is the next one: nobody sees it go.
        let before = grace.take(user, device: clients[slot].session.device)
        movePresence(of: user, from: before, to: clients[slot].presence)
        awaitNext(id)
        perform(action, id, request: request)
    }

    /// A device has one session, and a user so many. Whoever has to go for the new one is told, and does not come back by
    /// itself.
    private mutating func makeRoom(for device: UInt64, of user: AccountIndex) {
        var others = 0
        var silent: ConnectionID?
        var slot = sessions.first(of: user)
        while slot != SessionChains.end {
            let client = clients[Int(slot)]
            if let other = clients.id(Int(slot)), !client.isClosing, !client.hasFarewell {
                if device != 0, client.session.device == device {
                    displace(other, .replaced, "another connection of this device has taken over")
                } else {
                    others += 1
                    let silence = milliseconds &- client.heardAt
                    if silent.map({ silence >= milliseconds &- clients[Int($0.slot)].heardAt }) ?? true {
                        silent = other
                    }
                }
            }
            slot = client.nextSession
        }
        if others >= configuration.devicesMax, let silent {
            displace(
                silent,
                .replaced,
                "this user has more devices than the server takes, and this one was silent for longest"
            )
        }
    }

    mutating func displace(_ id: ConnectionID, _ reason: GoAway.Reason, _ detail: String) {
        clients[Int(id.slot)].isDisplaced = true
        close(id, saying: .goAway(GoAway(reason: reason, reconnectAfterMS: 0, detail: detail)), 0)
    }

    private static let noSuchAccount = ErrorMessage(.credentialsInvalid, detail: "no such account")

    private mutating func errand(of credentials: Authenticate.Credentials) -> Result<Errand, ErrorMessage> {
        let found: AccountIndex?
        var known: Ticket?
        switch credentials {
        case .ticket(let bytes):
            switch keys.current().ticket(bytes, nowSeconds: nowSeconds) {
            case .success(let ticket): (found, known) = (directory.index(of: ticket.user), ticket)
            case .failure(let error): return .failure(error)
            }
        case .service, .bearer: preconditionFailure("no user's, or not known yet whose")
        case .trusted(.id(let user)): found = directory.index(of: user)
        case .trusted(.name(let name)): found = directory.index(named: name)
        case .scram(let message):
            do throws(ScramError) {
                return .success(.challenge(try ClientFirst(message)))
            } catch {
                return .failure(ErrorMessage(.credentialsInvalid, detail: "\(error)"))
            }
        }
        guard let found else { return .failure(Self.noSuchAccount) }
        return .success(.enter(found, known))
    }
}
