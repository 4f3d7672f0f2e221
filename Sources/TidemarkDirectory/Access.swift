// How a user may come in, and whether it may. Known to the user's own shard alone.

import TidemarkWire

public struct Access: Equatable, Sendable {
    /// The operator has closed the account for now.
    public var isDisabled: Bool
    /// Tickets issued up to then are taken no more: seconds since 1970-01-01 UTC; 0 for none.
    public var revokedSeconds: UInt32
    /// Nil where no password has been set.
    public var verifier: PasswordVerifier?

    public init(isDisabled: Bool = false, revokedSeconds: UInt32 = 0, verifier: PasswordVerifier? = nil) {
        self.isDisabled = isDisabled
        self.revokedSeconds = revokedSeconds
        self.verifier = verifier
    }

    /// All tickets that there are, those included that were issued in this second behind an earlier revocation.
    mutating func revoke(nowSeconds: UInt32) {
        revokedSeconds = max(nowSeconds, revokedSeconds == .max ? .max : revokedSeconds + 1)
    }

    /// Whoever revokes more than once a second has revocations run ahead of the clock, and nobody who is issued a ticket by it
    /// could come in. By so much they may.
    static let revokedAheadMaxSeconds: UInt32 = 30

    /// How long to wait until tickets may be revoked again, in seconds; nil for not at all.
    func waitToRevoke(nowSeconds: UInt32) -> UInt32? {
        let (last, isFarAhead) = nowSeconds.addingReportingOverflow(Self.revokedAheadMaxSeconds)
        return isFarAhead || revokedSeconds < last ? nil : revokedSeconds - last + 1
    }

    /// Of an account of which nothing else has been said.
    public static let initial = Access()
}

extension Directory {
    /// Of a user of this shard.
    public func access(of user: AccountIndex) -> Access { access[user.raw] ?? .initial }

    /// For a name that is nobody's, an account of this shard that is looked at in its place, always the same: so that looking takes
    /// as long as for a name that is somebody's. Nil where there is none.
    public func standIn(for name: String) -> AccountIndex? {
        guard accounts.count > 0 else { return nil }
        var hasher = Hasher()
        hasher.combine(name)
        let start = Int(UInt(bitPattern: hasher.finalize()) % UInt(accounts.count))
        for step in 0..<min(64, accounts.count) {
            let index = (start + step) % accounts.count
            // Its name is read, as that of an account that is found.
            if accounts[index].isOwn, !accounts[index].profile.nameBytes.elementsEqual(name.utf8) {
                return AccountIndex(UInt32(index))
            }
        }
        return nil
    }

    mutating func setAccess(_ account: UInt32, _ access: Access) {
        self.access[account] = access == .initial ? nil : access
    }

    /// After the accounts, for those of this shard.
    ///
    /// - Returns: false, with nothing loaded, where it is no account's.
    @discardableResult
    public mutating func load(access: Access, of user: UserID) -> Bool {
        guard let account = find(user) else { return false }
        setAccess(account, access)
        return true
    }
}

extension InFlight {
    struct PendingAccess {
        var outstanding = 0
        var access: Access
    }

    /// A password's verifier is worth nothing where its password can be found by trying: RFC 7677, section 4, has the number.
    public static let iterationsMin = 4_096
    public static let saltBytesMin = 8

    /// Decides that the user, who has proved who it is, has another password from now on; no ticket from before is good.
    public mutating func decide(
        _ request: PasswordSet,
        by user: AccountIndex,
        nowSeconds: UInt32,
        in directory: borrowing Directory
    ) -> Decision {
        if let refusal = refusal(of: user, in: directory) { return refusal }
        guard request.verifier.iterations >= Self.iterationsMin, request.verifier.salt.count >= Self.saltBytesMin else {
            let detail = "at least \(Self.iterationsMin) iterations and \(Self.saltBytesMin) bytes of salt"
            return .refused(ErrorMessage(.invalidValue, detail: detail))
        }
        let change = changeAccess(of: directory.id(of: user), in: directory) {
            $0.verifier = request.verifier
            $0.revoke(nowSeconds: nowSeconds)
        }
        return .change(change, .passwordSet(ticket: nil))
    }

    /// Decides that no ticket of the user's from before is good any more.
    public mutating func decide(
        _ request: SignOut,
        by user: AccountIndex,
        nowSeconds: UInt32,
        in directory: borrowing Directory
    ) -> Decision {
        if let refusal = refusal(of: user, in: directory) { return refusal }
        if let wait = access(of: user, in: directory).waitToRevoke(nowSeconds: nowSeconds) {
            let detail =
                "signed out more than \(Access.revokedAheadMaxSeconds) times, and more often than once a second"
            let milliseconds = UInt32(clamping: UInt64(wait) * 1_000)
            return .refused(ErrorMessage(.retryLater, detail: detail, retryAfterMS: milliseconds))
        }
        let change = changeAccess(of: directory.id(of: user), in: directory) {
            $0.revoke(nowSeconds: nowSeconds)
        }
        return .change(change, .signOut(request.scope, ticket: nil))
    }

    /// As it will be.
    public func access(of user: AccountIndex, in directory: borrowing Directory) -> Access {
        access[directory.id(of: user)]?.access ?? directory.access(of: user)
    }

    mutating func changeAccess(
        of user: UserID,
        in directory: borrowing Directory,
        _ edit: (inout Access) -> Void
    ) -> Change {
        let known = directory.index(of: user).map { directory.access(of: $0) } ?? .initial
        var pending = access[user] ?? PendingAccess(access: known)
        edit(&pending.access)
        pending.outstanding += 1
        access[user] = pending
        return .accessSet(user: user, pending.access)
    }

    mutating func settleAccess(of user: UserID) {
        guard let place = access.index(forKey: user) else { return }
        access.values[place].outstanding -= 1
        if access.values[place].outstanding == 0 { access.remove(at: place) }
    }
}
