// Logging in by password, and what ends when somebody has another one: sessions, and the tickets from before.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSCRAM
import TidemarkSession
import TidemarkTickets
import TidemarkWire

/// A challenge that is to be answered.
struct PasswordExchange {
    let name: String
    let exchange: ServerExchange
    /// Nil where there is no such account, or it has no password: nobody's answer is right.
    let user: AccountIndex?
    let verifier: PasswordVerifier
}

extension Shard {
    /// The shard that answers for a name, which is its user's; somebody's who is not there is always the same one too.
    func shard(of first: ClientFirst) -> Int {
        if let user = directory.index(named: first.name) { return team.map.shard(of: directory.id(of: user)) }
        var hasher = Hasher()
        hasher.combine(first.name)
        return team.map.shard(of: UInt64(bitPattern: Int64(hasher.finalize())))
    }

    /// What an account without a password is asked, and a name without an account, is of the same form and takes as long.
    mutating func challenge(_ first: ClientFirst, _ id: ConnectionID, _ request: UInt16) {
        if let refusal = whyWait(first.name, id) {
            return perform(clients[Int(id.slot)].session.authenticationFailed(refusal), id, request: request)
        }
        let user = directory.index(named: first.name)
        let mock = mocks.verifier(for: first.name)
        // Somebody's is looked up for a name that is nobody's too, and then not used.
        let looked = user ?? directory.standIn(for: first.name)
        let found = looked.flatMap { inFlight.access(of: $0, in: directory).verifier }
        let known = user == nil ? nil : found
        let verifier = known ?? mock
        let exchange = ServerExchange(first, verifier, nonce: ServerExchange.newNonce())
        exchanges[id.slot] = PasswordExchange(
            name: first.name,
            exchange: exchange,
            user: known == nil ? nil : user,
            verifier: verifier
        )
        perform(clients[Int(id.slot)].session.challenged(exchange.serverFirst), id, request: request)
    }

    mutating func authenticateContinue(_ step: ScramStep, _ id: ConnectionID, _ request: UInt16) {
        turnCost += Self.loginCost
        guard let open = exchanges.removeValue(forKey: id.slot) else { preconditionFailure("it was challenged") }
        // Again, for whoever has had many challenges at once.
        if let refusal = whyWait(open.name, id) {
            return perform(clients[Int(id.slot)].session.authenticationFailed(refusal), id, request: request)
        }
        let refusal: ErrorMessage
        do throws(ScramError) {
            let serverFinal = try open.exchange.finish(step.data)
            // The password may be another by now, and this one has ended with its sessions.
            guard let user = open.user, inFlight.access(of: user, in: directory).verifier == open.verifier else {
                throw .wrongPassword
            }
            failedLogins.succeed(open.name)
            guard let error = whyNot(user, nil) else { return enter(id, as: user, nil, serverFinal, request) }
            refusal = error
        } catch {
            failedLogins.fail(clients[Int(id.slot)].network, open.name, now: clock)
            refusal = ErrorMessage(.credentialsInvalid, detail: "\(error)")
        }
        perform(clients[Int(id.slot)].session.authenticationFailed(refusal), id, request: request)
    }

    /// Nil if nothing is to be waited for. Whether the name is an account's makes no difference.
    private func whyWait(_ name: String, _ id: ConnectionID) -> ErrorMessage? {
        do {
            try failedLogins.check(clients[Int(id.slot)].network, name, now: clock)
            return nil
        } catch {
            return wait(for: error)
        }
    }

    // MARK: tickets

    var nowSeconds: UInt64 { configuration.clock() / 1_000_000 }

    /// What a client that has just come in by `ticket`, or else by its password, is given for the next time.
    mutating func newTicket(for user: AccountIndex, replacing ticket: Ticket?) -> [UInt8]? {
        let policy = configuration.ticketPolicy
        guard let ticket else {
            return policy.ticket(
                for: directory.id(of: user),
                nowSeconds: nowSeconds,
                after: inFlight.access(of: user, in: directory).revokedSeconds,
                signedWith: keys.current()
            )
        }
        return policy.ticket(replacing: ticket, nowSeconds: nowSeconds, signedWith: keys.current())
    }

    // MARK: writes

    /// With a ticket for the one who asks, if it came by its password, which outlives those that it has revoked. Who came by a
    /// ticket would have one that is good for longer.
    mutating func decide(_ set: PasswordSet, by user: AccountIndex, givesTicket: Bool) -> Decision {
        let decision = inFlight.decide(set, by: user, nowSeconds: UInt32(clamping: nowSeconds), in: directory)
        guard case .change(let change, _) = decision else { return decision }
        return .change(change, .passwordSet(ticket: givesTicket ? newTicket(for: user, replacing: nil) : nil))
    }

    mutating func decide(_ signOut: SignOut, by user: AccountIndex, givesTicket: Bool) -> Decision {
        let decision = inFlight.decide(signOut, by: user, nowSeconds: UInt32(clamping: nowSeconds), in: directory)
        guard case .change(let change, _) = decision, signOut.scope == .others, givesTicket else { return decision }
        return .change(change, .signOut(.others, ticket: newTicket(for: user, replacing: nil)))
    }

    /// Ends the user's sessions, but for one that may stay.
    mutating func signOut(_ user: AccountIndex, except kept: ConnectionID?, _ detail: String) {
        var slot = sessions.first(of: user)
        while slot != SessionChains.end {
            let next = clients[Int(slot)].nextSession
            if let id = clients.id(Int(slot)), id != kept, !clients[Int(slot)].isClosing {
                displace(id, .signedOut, detail)
            }
            slot = next
        }
    }
}
