// Which tickets a server gives itself: for the time after somebody has logged in, so that a password is asked for seldom,
// and a ticket that is stolen is good for a bounded time.

import TidemarkWire

public struct TicketPolicy: Equatable, Sendable {
    /// How long a ticket is good for, in seconds.
    public var lifetimeSeconds: UInt32
    /// Until how long after the password was given a ticket is exchanged for a newer one, in seconds; 0 for never.
    public var renewalSeconds: UInt32

    public init(lifetimeSeconds: UInt32, renewalSeconds: UInt32) {
        self.lifetimeSeconds = lifetimeSeconds
        self.renewalSeconds = renewalSeconds
    }

    /// For somebody who has proved now who it is. Of tickets that are revoked, issued up to `after` in seconds since 1970, it is none.
    public func ticket(
        for user: UserID,
        nowSeconds: UInt64,
        after revoked: UInt32,
        signedWith keys: TicketKeys
    ) -> [UInt8]? {
        let issued = max(UInt32(clamping: nowSeconds), revoked == .max ? .max : revoked + 1)
        return ticket(for: user, issuedSeconds: issued, nowSeconds: nowSeconds, signedWith: keys)
    }

    /// In place of one that the user has logged in with; nil where that is still good for half a lifetime, and where no other
    /// would be good for longer: the password is due.
    public func ticket(replacing ticket: Ticket, nowSeconds: UInt64, signedWith keys: TicketKeys) -> [UInt8]? {
        let isDue = UInt64(ticket.expiresSeconds) < nowSeconds + UInt64(lifetimeSeconds / 2)
        let expires = expires(issuedSeconds: ticket.issuedSeconds, nowSeconds: nowSeconds)
        guard ticket.isRenewable, isDue, expires > ticket.expiresSeconds else { return nil }
        return self.ticket(
            for: ticket.user,
            issuedSeconds: ticket.issuedSeconds,
            nowSeconds: nowSeconds,
            signedWith: keys
        )
    }

    private func expires(issuedSeconds: UInt32, nowSeconds: UInt64) -> UInt32 {
        let last = UInt64(issuedSeconds) + UInt64(max(renewalSeconds, lifetimeSeconds))
        return UInt32(clamping: min(nowSeconds + UInt64(lifetimeSeconds), last))
    }

    private func ticket(
        for user: UserID,
        issuedSeconds: UInt32,
        nowSeconds: UInt64,
        signedWith keys: TicketKeys
    ) -> [UInt8]? {
        keys.issue(
            user: user,
            issuedSeconds: issuedSeconds,
            expiresSeconds: expires(issuedSeconds: issuedSeconds, nowSeconds: nowSeconds),
            isRenewable: renewalSeconds > 0
        )
    }
}
