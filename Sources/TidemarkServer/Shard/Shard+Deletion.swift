// Accounts that go: the three steps of InFlight+Accounts.swift, in the directory.

import TidemarkDirectory
import TidemarkStore
import TidemarkWire

/// An account on its way out, on its user's shard.
struct AccountDeletion {
    var asker: Asker
    var user: AccountIndex
    var shardsToClose: Int
    /// For another account's deletion, to land.
    var isWaiting = false
}

/// Told to every shard before an account is deleted.
struct AccountClosing: Sendable {
    var user: UserID
    /// Which waits for it.
    var home: Int
}

extension Shard {
    mutating func delete(_ user: AccountIndex, _ asker: Asker) {
        let id = directory.id(of: user)
        guard !directory.isDeleted(user) else { return reply(.error(Self.noSuchUser), to: asker) }
        guard !inFlight.isGoing(id) else {
            let error = ErrorMessage(.retryLater, detail: "this account is being deleted", retryAfterMS: 1_000)
            return reply(.error(error), to: asker)
        }
        deletions[id] = AccountDeletion(asker: asker, user: user, shardsToClose: team.map.count)
        withdraw(id)
    }

    /// The first step, and the second where nothing is to be waited for.
    private mutating func withdraw(_ user: UserID) {
        guard let withdrawals = inFlight.withdrawals(of: user, in: directory) else {
            deletions[user]!.isWaiting = true
            return
        }
        deletions[user]!.isWaiting = false
        for change in withdrawals {
            acknowledgements.append(Acknowledgement())
            submissions.append(Submission(change: change, origin: index))
        }
        for shard in 0..<team.map.count {
            let closing = AccountClosing(user: user, home: index)
            if shard == index {
                close(closing)
            } else if !team.mailboxes[shard].put(closing) {
                // The server is going down, and the account stays.
                let deletion = deletions.removeValue(forKey: user)!
                return reply(.error(waiting), to: deletion.asker)
            }
        }
    }

    /// Some of what they wait for has landed.
    mutating func goOnDeleting() {
        for (user, deletion) in deletions where deletion.isWaiting { withdraw(user) }
    }

    /// Nothing about the account is decided here any more.
    mutating func close(_ closing: AccountClosing) {
        inFlight.close(closing.user)
        closings.append(closing)
    }

    /// Once the log has all that was decided here.
    mutating func tellClosed() {
        guard submissions.isEmpty else { return }
        let told = closings
        closings = []
        for closing in told {
            if closing.home == index {
                closed(closing.user)
            } else {
                team.mailboxes[closing.home].put(closed: closing.user)
            }
        }
    }

    /// A shard has closed the account.
    mutating func closed(_ user: UserID) {
        guard deletions[user] != nil else { return }
        deletions[user]!.shardsToClose -= 1
        guard deletions[user]!.shardsToClose == 0, let deletion = deletions.removeValue(forKey: user) else { return }
        acknowledgements.append(
            Acknowledgement(to: deletion.asker, user: deletion.user, .adminAccountDelete)
        )
        submissions.append(Submission(change: inFlight.deletion(of: user), origin: index))
        counters.countWrite()
    }
}
