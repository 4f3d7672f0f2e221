// Who is online now. In memory only, never stamped; who may see it is decided when it is read.

import TidemarkWire

/// A user's sessions by what each wants to be seen as, and what that comes to for others.
struct UserPresence {
    private var online: UInt32 = 0
    private var busy: UInt32 = 0
    private var away: UInt32 = 0
    private var invisible: UInt32 = 0

    /// The most available of the sessions that may be seen.
    var merged: PresenceState {
        if online > 0 { return .online }
        if busy > 0 { return .busy }
        if away > 0 { return .away }
        return .offline
    }

    var isNobody: Bool { online == 0 && busy == 0 && away == 0 && invisible == 0 }

    mutating func count(_ wish: PresenceSet.Wish, by change: Int) {
        switch wish {
        case .online: online = UInt32(Int(online) + change)
        case .busy: busy = UInt32(Int(busy) + change)
        case .away: away = UInt32(Int(away) + change)
        case .invisible: invisible = UInt32(Int(invisible) + change)
        }
    }
}

extension Directory {
    public func presence(of user: AccountIndex) -> PresenceState { presence[Int(user.raw)] }

    /// A session of one of this shard's users begins (`from` nil), ends (`to` nil) or changes its mind. Returns what the user
    /// is now, where that is another than before: the other shards are to be told.
    @discardableResult
    public mutating func movePresence(
        of user: AccountIndex,
        from: PresenceSet.Wish?,
        to: PresenceSet.Wish?
    ) -> PresenceState? {
        precondition(isOwn(user))
        // Its sessions were forgotten with it.
        guard !isDeleted(user) else { return nil }
        var sessions = presentUsers[user.raw] ?? UserPresence()
        if let from { sessions.count(from, by: -1) }
        if let to { sessions.count(to, by: 1) }
        presentUsers[user.raw] = sessions.isNobody ? nil : sessions
        let state = sessions.merged
        return setPresence(of: user, to: state) ? state : nil
    }

    /// What another shard says of one of its users. Returns whether it is another state than before.
    @discardableResult
    public mutating func setPresence(of user: AccountIndex, to state: PresenceState) -> Bool {
        let was = presence[Int(user.raw)]
        guard was != state, !isDeleted(user) else { return false }
        presence[Int(user.raw)] = state
        if was == .offline || state == .offline { switchOnline(Int(user.raw)) }
        if watches.count > 0 { presenceChanged.append(user.raw) }
        return true
    }

    private mutating func switchOnline(_ account: Int) {
        let isOnline = presence[account] != .offline
        onlineUsers += isOnline ? 1 : -1
        onlineBits[account / 64] ^= 1 << UInt64(account % 64)
    }

    /// For an account that is deleted.
    mutating func forgetPresence(_ account: Int) {
        presentUsers[UInt32(account)] = nil
        guard presence[account] != .offline else { return }
        presence[account] = .offline
        switchOnline(account)
    }

    /// Every contact that is online, changed or not (claims 3 and 13).
    mutating func writePresence(of owner: AccountIndex, into writer: inout ByteWriter) {
        // Alone, as in most test rigs and at night: nobody to look for.
        let others = onlineUsers - (presence[Int(owner.raw)] == .offline ? 0 : 1)
        guard others > 0 else { return writer.u8(PresenceForm.nobody.rawValue) }
        presenceScratch.removeAll()
        let roster = accounts[Int(owner.raw)].roster
        guard roster.memberCount > 0 else { return writer.u8(PresenceForm.nobody.rawValue) }
        let contacts = roster.contacts
        let online = onlineBits.buffer
        for number in 1..<max(1, roster.memberCount) {
            // First what is seldom so. Of a number without a contact it is anything.
            let contact = Int(contacts[number])
            guard contact / 64 < online.count, online[contact / 64] >> UInt64(contact % 64) & 1 == 1,
                roster.showsPresence(number)
            else { continue }
            presenceScratch.append(ContactPresence(number: UInt32(number), state: presence[contact]))
        }
        writer.presence(presenceScratch.buffer)
    }
}
