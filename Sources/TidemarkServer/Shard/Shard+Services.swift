// Logging in without being a user.

import Logging
import TidemarkEventLoop
import TidemarkSession
import TidemarkTLS
import TidemarkTickets
import TidemarkWire

/// A session that is no user's, and how it came in.
struct ServiceSession {
    var service: Services.Service
    var proof: Services.Proof
    var digest: [UInt8]
}

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
        // Without the log nobody may log in who is written down there.
        guard audit?.takes ?? true else {
            return perform(clients[Int(id.slot)].session.authenticationFailed(Self.auditIsBehind), id, request: request)
        }
        let services = services.current
        let proof: Services.Proof = key.isEmpty ? .certificate : .key
        let digest = key.isEmpty ? loop.encryption(id)?.fingerprint : Services.digest(key)
        guard let digest, let found = services.service(proof, digest) else {
            failedLogins.fail(network, nil, now: clock)
            audit?.note(failedLogin: asked(id, request), configuration.clock())
            let what =
                key.isEmpty
                ? "no certificate of a service's"
                : "no service's key; it is sent as its bytes, 2 hexadecimal digits each"
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
        servicesHere[id.slot] = ServiceSession(service: found, proof: proof, digest: digest)
        let action = clients[Int(id.slot)].session.authenticated(as: found.role)
        awaitNext(id)
        perform(action, id, request: request)
    }

    /// Of those that may not log in any more as they did. One that came in while they were exchanged is looked at with them.
    mutating func endOldServices() {
        let services = services.current
        for (slot, known) in servicesHere where !services.contains(known.service, known.proof, known.digest) {
            guard let id = clients.id(Int(slot)), !clients[Int(slot)].isClosing else { continue }
            log.info(
                "a service's session ends",
                metadata: ["service": "\(known.service.name)", "connection": "\(name(id))"]
            )
            displace(id, .signedOut, "this service may not log in any more")
        }
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
