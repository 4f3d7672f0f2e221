// Who a connection is, and the hand-over to the shard that its user is on.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkTickets
import TidemarkWire

extension Shard {
    mutating func authenticate(
        _ message: Authenticate,
        _ id: ConnectionID,
        _ request: UInt16
    ) {
        clients[Int(id.slot)].wish = message.wish ?? .online
        switch user(of: message.credentials) {
        case .success(let user):
            let home = team.map.shard(of: directory.id(of: user))
            guard home != index else { return enter(id, as: user, request) }
            clients[Int(id.slot)].isDeparting = true
            departures[id.slot] = Departure(shard: home, user: user, request: request)
            sendAnswers(id)
            loop.detach(id)
        case .failure(let error):
            perform(clients[Int(id.slot)].session.authenticationFailed(error), id, request: request)
        }
    }

    /// The user, who is this shard's, has a session from now on.
    mutating func enter(_ id: ConnectionID, as user: AccountIndex, _ request: UInt16) {
        let slot = Int(id.slot)
        let action = clients[slot].session.authenticated(as: directory.id(of: user))
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
                    replace(other, "another connection of this device has taken over")
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
            replace(silent, "this user has more devices than the server takes, and this one was silent for longest")
        }
    }

    private mutating func replace(_ id: ConnectionID, _ detail: String) {
        clients[Int(id.slot)].isReplaced = true
        close(id, saying: .goAway(GoAway(reason: .replaced, reconnectAfterMS: 0, detail: detail)), 0)
    }

    func user(of credentials: Authenticate.Credentials) -> Result<AccountIndex, ErrorMessage> {
        let found: AccountIndex?
        switch credentials {
        case .ticket(let bytes):
            switch configuration.ticketKeys.user(of: bytes, nowSeconds: configuration.clock() / 1_000_000) {
            case .success(let user): found = directory.index(of: user)
            case .failure(let error): return .failure(error)
            }
        case .trusted(.id(let user)): found = directory.index(of: user)
        case .trusted(.name(let name)): found = directory.index(named: name)
        case .scram: found = nil
        }
        guard let found else {
            return .failure(ErrorMessage(.credentialsInvalid, detail: "no such account"))
        }
        return .success(found)
    }
}
