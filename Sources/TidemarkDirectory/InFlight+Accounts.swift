//  Accounts that are made and that go.
//
//  Every shard may have decided something about an account that goes, and not yet know that it does. So that no change names
//  an account behind its deletion, that takes three steps:
//
//      its shard         withdraws what the account has asked     `withdrawals`
//      every shard       decides nothing about it any more, and   `close`
//                        has given the log what it had decided
//      its shard         deletes it                               `deletion`
//
//  An account that is closed has nothing left to withdraw, and waits for nobody: so none wait for each other.

import TidemarkWire

extension InFlight {
    struct PendingCreations {
        /// By name, as its bytes.
        var users: [[UInt8]: UserID] = [:]
        /// The highest number since there were none.
        var newest: UserID = 0
    }

    /// Decides that there is an account from now on. For the shard that makes all of them: names and numbers are unique.
    public mutating func decide(_ request: AdminAccountCreate, in directory: borrowing Directory) -> Decision {
        let name = Array(request.name.utf8)
        guard creations.users[name] == nil, directory.index(named: request.name) == nil else {
            let error = ErrorMessage(.notAllowed, detail: "there is an account of this name")
            return Self.refusal(error, rests: creations.users[name] != nil)
        }
        let newest = max(directory.newestUser, creations.users.isEmpty ? 0 : creations.newest)
        let user = request.user == 0 ? newest + 1 : request.user
        guard user > newest, user <= Limits.userMax else {
            let detail = "a number is never used again: a new account's is above \(newest), or 0 to have it chosen"
            return .refused(ErrorMessage(.notAllowed, detail: detail))
        }
        creations.users[name] = user
        creations.newest = user
        return .change(.accountCreated(user: user, name: request.name), .adminAccountCreate(user: user))
    }

    mutating func settleCreation(named name: String) { creations.users[Array(name.utf8)] = nil }

    // MARK: deletion

    /// Whether something of this account, or about it, is decided no more.
    public func isGoing(_ user: UserID) -> Bool { deletions.contains(user) }

    /// The first step, for one of this shard's accounts: from now on it can do nothing itself, and what it has asked of others
    /// is withdrawn. Nil where one of those is on its way out too: to be called again once that has landed.
    public mutating func withdrawals(of user: UserID, in directory: borrowing Directory) -> [Change]? {
        deletions.insert(user)
        guard let index = directory.index(of: user) else { return [] }
        var asked: Set<UserID> = []
        directory.forEachAwaited(of: index) { asked.insert($0) }
        for (key, entry) in entries where key.owner == user && Limits.number(ofPending: key.contact) == nil {
            if entry.isAwaited, entry.annotations != nil {
                asked.insert(key.contact)
            } else {
                asked.remove(key.contact)
            }
        }
        guard asked.isDisjoint(with: closed) else { return nil }
        return asked.sorted()
            .map { contact in
                let key = EntryKey(owner: user, contact: contact)
                return remove(key, entry(key, in: directory)!)
            }
    }

    /// The second step, for every shard.
    public mutating func close(_ user: UserID) {
        deletions.insert(user)
        closed.insert(user)
    }

    /// The third step.
    /// - Precondition: the account is closed on every shard, and the log has what they had decided.
    public func deletion(of user: UserID) -> Change {
        precondition(closed.contains(user), "others may still decide about it")
        return .accountDeleted(user: user)
    }

    /// To be called by every shard, whoever has decided it.
    public mutating func settleDeletion(of user: UserID) {
        deletions.remove(user)
        closed.remove(user)
    }

    // MARK: access

    /// Decides whether the account is closed for now. That its sessions end is up to the caller.
    public mutating func decide(
        _ request: AdminAccountDisable,
        of user: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        if let refusal = refusal(of: user, in: directory) { return refusal }
        guard access(of: user, in: directory).isDisabled != request.isDisabled else {
            let isPending = access[directory.id(of: user)] != nil
            return isPending ? .unchangedBehind(.adminAccountDisable) : .unchanged(.adminAccountDisable)
        }
        let change = changeAccess(of: directory.id(of: user), in: directory) { $0.isDisabled = request.isDisabled }
        return .change(change, .adminAccountDisable)
    }

    /// Decides that the user has another password from now on, as the administration has set it.
    public mutating func decide(
        _ request: AdminPasswordSet,
        of user: AccountIndex,
        nowSeconds: UInt32,
        in directory: borrowing Directory
    ) -> Decision {
        let set = PasswordSet(request.verifier)
        let decision = decide(set, by: user, nowSeconds: nowSeconds, in: directory)
        guard case .change(let change, _) = decision else { return decision }
        return .change(change, .adminPasswordSet)
    }
}
