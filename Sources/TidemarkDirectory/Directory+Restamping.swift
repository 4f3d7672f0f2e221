//  A profile change moves the contact to the end of each follower's table. That is put off until something looks, a change
//  of another kind comes, or some thousands of tables wait for it: whoever changes several times until then is written
//  once, with the last stamp.
//
//      profile, profile, profile … ──▶ profiles made anew at once; who changed is noted
//      a sync, an entry's change, `tablesMax` … ──▶ tables restamped, in the order of stamps
//
//  No answer depends on it, because each begins with it; and none waits long for it.

import CPrefetch
import TidemarkWire

/// Accounts whose newest profile change is not in the tables yet.
struct Restamps {
    struct Due {
        var account: UInt32
        /// The newest change that the tables have.
        var previous: Stamp
        /// The newest of all; filled in when it is written.
        var stamp: Stamp = 0
    }

    var due = RawList<Due>()
    /// Tables that wait, one counted again for each contact of it that changed.
    var tables = 0

    mutating func add(_ account: UInt32, previous: Stamp, tables: Int) {
        due.append(Due(account: account, previous: previous))
        self.tables += tables
    }

    /// One or two milliseconds' worth, where each table is a load from memory.
    static let tablesMax = 8_192

    func deallocate() { due.deallocate() }
}

extension Account {
    /// In this shard: its own, and those of its followers unless they look by themselves.
    var tablesToRestamp: Int { (isOwn ? 1 : 0) + (isPopular ? 0 : followers.count) }
}

extension Directory {
    /// Writes to the tables what was put off. Whatever reads does this first.
    @inline(__always)
    public mutating func finishChanges() {
        if restamps.due.count > 0 { restampAll() }
    }

    /// The same where so much is put off that a reader would wait for it. For after each group.
    public mutating func finishChangesIfMany() {
        if restamps.tables > Restamps.tablesMax { restampAll() }
    }

    @inline(never)
    private mutating func restampAll() {
        var due = UnsafeMutableBufferPointer(mutating: restamps.due.buffer)
        for index in due.indices { due[index].stamp = accounts[Int(due[index].account)].profile.newest }
        if due.count > 1 { due.sort { $0.stamp < $1.stamp } }
        for change in due {
            accounts[Int(change.account)].isRestampDue = false
            restamp(change)
        }
        restamps.due.removeAll()
        restamps.tables = 0
    }

    private mutating func restamp(_ change: Restamps.Due) {
        let account = Int(change.account)
        let term = Digest.term(user: accounts[account].id)
        let own = privateProfiles.isEmpty ? 0 : privateProfiles[change.account]?.stamp ?? 0
        // Where what only the owner sees changed with it, its own item is where it belongs.
        if accounts[account].isOwn, own < change.stamp {
            _ = accounts.pointer(to: account).pointee.roster
                .restamp(0, from: max(change.previous, own), term: term, at: change.stamp)
            watches.note(change.account)
        }
        guard !accounts[account].isPopular else { return }
        let accounts = accounts
        // Read once, not for each follower: most of the time nobody is.
        let isWatched = watches.count > 0
        var watches = watches
        accounts[account].followers.forEachBucket { owners, numbers, count in
            for at in 0..<count {
                if at + 2 * Self.ahead < count { accounts.prefetch(Int(owners[at + 2 * Self.ahead])) }
                if at + Self.ahead < count {
                    accounts.pointer(to: Int(owners[at + Self.ahead])).pointee.roster.prefetchAppend(
                        Int(numbers[at + Self.ahead])
                    )
                }
                let isSeen = accounts.pointer(to: Int(owners[at])).pointee.roster
                    .restamp(Int(numbers[at]), from: change.previous, term: term, at: change.stamp)
                if isWatched, isSeen { watches.note(owners[at]) }
            }
        }
        self.watches = watches
    }

    /// So many followers ahead a table's lines are asked for; twice as many, where the table is.
    private static let ahead = 8
}
