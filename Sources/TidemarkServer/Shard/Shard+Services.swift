// Logging in without being a user.

import Logging
import TidemarkEventLoop
import TidemarkSession
import TidemarkTLS
import TidemarkTickets
import TidemarkWire

extension Shard {
    /// By its key, or where that is empty by the certificate of its end of TLS. It stays on the loop where it came in.
    mutating func authenticateService(_ key: [UInt8], _ id: ConnectionID, _ request: UInt16) {
        let network = clients[Int(id.slot)].network
        do {
            try failedLogins.check(network, nil, now: clock)
        } catch {
            let refusal = wait(for: error)
            return perform(clients[Int(id.slot)].session.authenticationFailed(refusal), id, request: request)
        }
        let services = services.current
        let found =
            key.isEmpty
            ? loop.encryption(id)?.fingerprint.flatMap { services.service(certificate: $0) }
            : services.service(key: key)
        guard let found else {
            failedLogins.fail(network, nil, now: clock)
            let what = key.isEmpty ? "no certificate of a service's" : "no service's key"
            let error = ErrorMessage(.credentialsInvalid, detail: what)
            return perform(clients[Int(id.slot)].session.authenticationFailed(error), id, request: request)
        }
        log.info(
            "a service has logged in",
            metadata: [
                "service": "\(found.name)", "role": "\(found.role)", "peer": "\(peer(id))", "connection": "\(name(id))",
            ]
        )
        audit?.note(login: found, asked(id, request), configuration.clock())
        let action = clients[Int(id.slot)].session.authenticated(as: found.role)
        awaitNext(id)
        perform(action, id, request: request)
    }

    func wait(for refusal: FailedLogins.Refusal) -> ErrorMessage {
        ErrorMessage(
            .retryLater,
            detail: refusal.description,
            retryAfterMS: UInt32(clamping: refusal.waitMS + .random(in: 0...refusal.waitMS / 8)),
            closes: true
        )
    }
}
