//  Who may see whom. An entry is still, that is, no change of its contact moves it, while it is
//
//      pending    its contact has not agreed, or there is no such contact: the owner sees the name and nothing else
//      hidden     its contact blocks the owner: the owner sees what it saw when it was blocked, for as long
//
//  A contact that may not be seen is followed all the same: with its account all of that goes.

import TidemarkWire

/// Who says whom a user has as a contact.
public enum RosterPolicy: String, CaseIterable, Sendable {
    /// Whoever adds somebody has it.
    case open
    /// Whoever is added is asked.
    case approval
    /// The administration alone.
    case administered
}

/// How far an owner and its contact agree on an entry.
public enum Consent: UInt8, Sendable {
    /// The entry is as good as any: of a server that asks nobody, or agreed on before.
    case given = 0
    /// From now on it is pending, and the contact is asked.
    case asked = 1
    /// It is pending as before.
    case awaited = 2
    /// The contact has agreed just now.
    case approved = 3

    public var isPending: Bool { self == .asked || self == .awaited }
}

/// Of a contact that blocks its owner, what that one may see.
struct Frozen {
    var profile: Profile
    var lastSeen: LastSeen
}

extension Directory {
    // MARK: requests and blocks

    /// What `user` is to the owner beside a contact.
    public func aside(of owner: AccountIndex, _ user: UserID) -> AsideKind {
        asides.isEmpty ? .gone : asides[owner.raw]?.kind(of: user) ?? .gone
    }

    public func requestCount(of owner: AccountIndex) -> Int { asides[owner.raw]?.requestCount ?? 0 }
    public func blockCount(of owner: AccountIndex) -> Int { asides[owner.raw]?.blockCount ?? 0 }

    private mutating func setAside(
        _ owner: UInt32,
        _ user: UserID,
        _ kind: AsideKind,
        note: String = "",
        at stamp: Stamp
    ) {
        asides[owner, default: AsideList()].set(user, kind, note: note, at: stamp)
        guard accounts[Int(owner)].isOwn else { return }
        accounts[Int(owner)].roster.noteAside(at: stamp)
        watches.note(owner)
    }

    /// The owner's entry of the contact has changed.
    mutating func settleRequest(of contact: UInt32, by owner: UserID, _ consent: Consent, at stamp: Stamp) {
        switch consent {
        case .given, .awaited:
            break
        case .asked:
            // Whoever is blocked is not heard.
            if aside(of: AccountIndex(contact), owner) == .gone { setAside(contact, owner, .request, at: stamp) }
        case .approved:
            withdrawRequest(of: contact, by: owner, at: stamp)
        }
    }

    /// There is nothing to answer any more.
    mutating func withdrawRequest(of contact: UInt32, by owner: UserID, at stamp: Stamp) {
        if aside(of: AccountIndex(contact), owner) == .request { setAside(contact, owner, .gone, at: stamp) }
    }

    /// From now on `user` sees no more than it has seen: `profile`, which is the owner's.
    mutating func block(
        _ user: UserID,
        by owner: UInt32,
        note: String,
        _ profile: [StoredField],
        _ lastSeen: LastSeen,
        at stamp: Stamp
    ) {
        setAside(owner, user, .block, note: note, at: stamp)
        guard map.shard(of: user) == shard, let blocked = find(user) else { return }
        freeze(owner, for: blocked, profile, lastSeen)
        guard let number = liveNumber(blocked, owner) else { return }
        // From here on the part passes over it: what it has to hear of must be in it.
        accounts[Int(blocked)].roster.refreshPopular(popular)
        let wasSeen = accounts[Int(blocked)].roster.showsPresence(number)
        accounts[Int(blocked)].roster.hide(number)
        if wasSeen { seeAnew(blocked, number, owner) }
    }

    /// What `user` may see is the owner's profile of now.
    mutating func unblock(_ user: UserID, by owner: UInt32, at stamp: Stamp) {
        setAside(owner, user, .gone, at: stamp)
        guard map.shard(of: user) == shard, let blocked = find(user) else { return }
        if let number = liveNumber(blocked, owner) {
            let account = Int(blocked)
            let flags = accounts[account].roster.flags(number)
            if flags.contains(.pending) {
                accounts[account].roster.show(number)
            } else {
                place(blocked, number, owner, flags: flags.subtracting([.hidden, .popular]), at: stamp)
                seeAnew(blocked, number, owner)
                watches.note(blocked)
            }
        }
        thaw(owner, for: blocked)
    }

    private func liveNumber(_ owner: UInt32, _ contact: UInt32) -> Int? {
        let roster = accounts[Int(owner)].roster
        guard let number = roster.number(of: contact), roster.isLive(number) else { return nil }
        return number
    }

    /// The contact's presence may be seen otherwise than before.
    mutating func seeAnew(_ owner: UInt32, _ number: Int, _ contact: UInt32) {
        if presence[Int(contact)] != .offline { seeAnew(owner, number) }
    }

    /// A number has another contact, or one that was removed meanwhile, of which a client may not have heard: offline is news too.
    mutating func seeAnew(_ owner: UInt32, _ number: Int) {
        if watches.has(owner) { newFollowers.append(Follower(owner: owner, number: UInt16(number))) }
    }

    // MARK: what may be seen

    /// Keeps what `owner` may see of a contact that blocks it.
    mutating func freeze(_ contact: UInt32, for owner: UInt32, _ fields: [StoredField], _ lastSeen: LastSeen) {
        let fields = fields.map { Profile.Field(number: $0.number, stamp: $0.stamp, value: $0.value) }
        let profile = Profile(name: accounts[Int(contact)].profile.name, fields: fields)
        let seen = Frozen(profile: profile, lastSeen: lastSeen)
        frozen[owner, default: [:]].updateValue(seen, forKey: contact)?.profile.deallocate()
    }

    private mutating func thaw(_ contact: UInt32, for owner: UInt32) {
        frozen[owner]?.removeValue(forKey: contact)?.profile.deallocate()
        if frozen[owner]?.isEmpty == true { frozen[owner] = nil }
    }

    func isFrozen(_ contact: UInt32, for owner: UInt32) -> Bool { frozen[owner]?[contact] != nil }

    /// What an owner may see of the contact of a live entry that is not pending.
    @inline(__always)
    func visibleProfile(_ owner: UInt32, _ contact: UInt32, _ flags: Roster.Flags) -> Profile {
        flags.contains(.hidden) ? frozen[owner]![contact]!.profile : accounts[Int(contact)].profile
    }

    /// The newest change of the contact that counts for a live entry.
    @inline(__always)
    func visibleNewest(_ owner: UInt32, _ contact: UInt32, _ flags: Roster.Flags) -> Stamp {
        if flags.contains(.pending) { return 0 }
        return visibleProfile(owner, contact, flags).newest
    }

    /// The fields of a profile with their stamps, for whoever is blocked from now on.
    public func fieldsToFreeze(of user: AccountIndex) -> [StoredField] {
        accounts[Int(user.raw)].profile.fields
            .map { StoredField(number: $0.number, stamp: $0.stamp, value: $0.value.map { Array($0) }) }
    }

    // MARK: entries that wait

    /// Under which number an owner has a contact, removed or not.
    func number(of contact: UserID, for owner: AccountIndex) -> Int? {
        find(contact).flatMap { accounts[Int(owner.raw)].roster.number(of: $0) }
    }

    /// The number of the entry with this name that has no contact.
    func awaitedNumber(of name: String, _ owner: AccountIndex) -> Int? {
        guard !awaitedNames.isEmpty, let names = awaitedNames[owner.raw] else { return nil }
        return names.first { $0.value.utf8.elementsEqual(name.utf8) }.map { Int($0.key) }
    }

    /// Contacts who were asked and have not answered.
    func forEachAwaited(of owner: AccountIndex, _ body: (UserID) -> Void) {
        let roster = accounts[Int(owner.raw)].roster
        for number in 1..<max(1, roster.memberCount)
        where roster.isLive(number) && roster.flags(number).contains(.pending) {
            let contact = roster.contact(number)
            if contact != Roster.noContact { body(accounts[Int(contact)].id) }
        }
    }

    // MARK: accounts that go

    /// Its own requests are withdrawn by then, each by a change of its own: an owner may have it as a contact too, and no two
    /// items of a table have the same stamp.
    mutating func forgetAsides(of index: UInt32) {
        for item in asides.removeValue(forKey: index)?.items ?? [] where item.kind == .block {
            if let blocked = find(item.user) { thaw(index, for: blocked) }
        }
    }

    /// What it could see of those who blocked it. Not before its entries are undone: until then they are followed.
    mutating func thawAll(for index: UInt32) {
        for seen in (frozen.removeValue(forKey: index) ?? [:]).values { seen.profile.deallocate() }
    }
}
