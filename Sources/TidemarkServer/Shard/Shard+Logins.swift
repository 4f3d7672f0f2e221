// Who a connection is, and the hand-over to the shard that its user is on.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkTickets
import TidemarkWire

extension Shard {
    mutating func authenticate(
        _ credentials: Authenticate,
        _ id: ConnectionID,
        _ request: UInt16
    ) {
        switch user(of: credentials) {
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
        clients[slot].user = user
        clients[slot].wish = .online
        movePresence(of: user, from: nil, to: .online)
        awaitNext(id)
        perform(action, id, request: request)
    }

    func user(of credentials: Authenticate) -> Result<AccountIndex, ErrorMessage> {
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
