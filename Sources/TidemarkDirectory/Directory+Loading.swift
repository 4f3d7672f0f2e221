//  The way in for state that was folded: all accounts, then each one's roster, then `finishLoading`.

import TidemarkWire

extension Directory {
    public struct StoredField: Equatable, Sendable {
        public var number: FieldNumber
        public var stamp: Stamp
        public var value: [UInt8]?
        public init(number: FieldNumber, stamp: Stamp, value: [UInt8]?) {
            self.number = number
            self.stamp = stamp
            self.value = value
        }
    }

    public struct StoredEntry: Sendable {
        public var contact: UserID
        public var number: UInt32
        public var isRemoved: Bool
        public var stamp: Stamp
        public var annotations: Annotations
        public var isPending: Bool
        /// Of an entry without a contact, which is pending.
        public var name: String?

        public init(
            contact: UserID,
            number: UInt32,
            isRemoved: Bool,
            stamp: Stamp,
            annotations: Annotations,
            isPending: Bool = false,
            name: String? = nil
        ) {
            self.contact = contact
            self.number = number
            self.isRemoved = isRemoved
            self.stamp = stamp
            self.annotations = annotations
            self.isPending = isPending
            self.name = name
        }
    }

    /// A request or a block of an owner's, or what is left of one.
    public struct StoredAside: Sendable {
        public var owner: UserID
        public var user: UserID
        public var kind: AsideKind
        public var stamp: Stamp
        public var note: String
        /// Of a block: what the user may see of the owner.
        public var profile: [StoredField]
        public var lastSeen: LastSeen

        public init(
            owner: UserID,
            user: UserID,
            kind: AsideKind,
            stamp: Stamp,
            note: String = "",
            profile: [StoredField] = [],
            lastSeen: LastSeen = .hidden
        ) {
            self.owner = owner
            self.user = user
            self.kind = kind
            self.stamp = stamp
            self.note = note
            self.profile = profile
            self.lastSeen = lastSeen
        }
    }

    /// First all accounts, each once; the fields' numbers rise.
    public mutating func load(account user: UserID, name: String, created: Stamp, fields: [StoredField]) {
        let fields = fields.map { Profile.Field(number: $0.number, stamp: $0.stamp, value: $0.value) }
        let index = addAccount(user, Profile(name: name, fields: fields))
        accounts[Int(index)].roster.begin(at: created)
    }

    /// Instead, all accounts of another shard of the same server, which has them loaded, but no rosters yet.
    public mutating func load(accountsOf other: borrowing Directory) {
        precondition(accounts.count == 0 && other.entryCount == 0 && profileHolders === other.profileHolders)
        for index in 0..<other.accounts.count {
            addAccount(other.accounts[index].id, other.accounts[index].profile)
            accounts[index].roster.begin(at: other.accounts[index].roster.watermark)
        }
        newestUser = other.newestUser
    }

    /// Ids up to this one, of accounts that are gone, are not given to anybody again.
    public mutating func load(newestUser user: UserID) { newestUser = max(newestUser, user) }

    /// Then the requests and blocks of all, each owner's by their stamps.
    ///
    /// - Returns: false, with nothing loaded, where its owner is no account, or the user of a request is none.
    @discardableResult
    public mutating func load(_ aside: StoredAside) -> Bool {
        guard let owner = find(aside.owner), aside.user != aside.owner else { return false }
        let user = find(aside.user)
        if aside.kind == .request, user == nil { return false }
        asides[owner, default: AsideList()].set(aside.user, aside.kind, note: aside.note, at: aside.stamp)
        if aside.kind == .block, let user, accounts[Int(user)].isOwn {
            freeze(owner, for: user, aside.profile, aside.lastSeen)
        }
        return true
    }

    /// Then the roster of each account of this shard, once, also where it is empty. Tombstones were collected up to `horizon`; `deleted` says
    /// when those contacts were deleted that are no account any more, and `found` is told of each that an entry names.
    ///
    /// - Returns: false, with nothing loaded, where a contact is neither an account nor a deleted one, or two of the items
    ///   have the same stamp: this is no state that changes led to.
    @discardableResult
    public mutating func load(
        rosterOf user: UserID,
        horizon: Stamp = 0,
        entries: [StoredEntry],
        deleted: [UserID: Stamp] = [:],
        found: (UserID) -> Void = { _ in }
    ) -> Bool {
        let owner = find(user)!
        precondition(accounts[Int(owner)].isOwn)
        prefetchContacts(of: entries)
        let account = Int(owner)
        let created = accounts[account].roster.watermark
        struct Placed {
            var contact: UInt32
            var user: UserID
            var number: Int
            var flags: Roster.Flags
            var entryStamp: Stamp
            var effective: Stamp
        }
        var placed = [
            Placed(
                contact: owner,
                user: user,
                number: 0,
                flags: [],
                entryStamp: created,
                effective: max(created, ownNewest(owner))
            )
        ]
        placed.reserveCapacity(entries.count + 1)
        var highest = 0
        for entry in entries {
            var item = Placed(
                contact: Roster.noContact,
                user: entry.contact,
                number: Int(entry.number),
                flags: .removed,
                entryStamp: entry.stamp,
                effective: entry.stamp
            )
            highest = max(highest, item.number)
            if Limits.number(ofPending: entry.contact) != nil {
                if !entry.isRemoved { item.flags = flags(entry.annotations).union(.pending) }
            } else if let contact = find(entry.contact) {
                item.contact = contact
                if !entry.isRemoved {
                    item.flags = flags(entry.annotations)
                    if entry.isPending { item.flags.insert(.pending) }
                    if isFrozen(contact, for: owner) { item.flags.insert(.hidden) }
                    // A contact's visible changes move its entries; a removed one stays where its removal put it.
                    item.effective = max(entry.stamp, visibleNewest(owner, contact, item.flags))
                }
            } else {
                guard let deletion = deleted[entry.contact] else { return false }
                found(entry.contact)
                if !entry.isRemoved {
                    // Removed by the deletion of its account.
                    item.entryStamp = max(entry.stamp, deletion)
                    item.effective = item.entryStamp
                }
            }
            placed.append(item)
        }
        placed.sort { $0.effective < $1.effective }
        for (before, item) in zip(placed, placed.dropFirst()) where before.effective == item.effective { return false }
        for entry in entries where !entry.isRemoved {
            if let name = entry.name { awaitedNames[owner, default: [:]][UInt16(entry.number)] = name }
            if entry.annotations.hasText, entry.name != nil || find(entry.contact) != nil {
                setAnnotationText(owner, Int(entry.number), entry.annotations)
            }
        }
        accounts[account].roster.reserve(
            owner: owner,
            members: highest + 1,
            slots: placed.count,
            horizon: horizon
        )
        for item in placed {
            accounts[account].roster.load(
                item.number,
                contact: item.contact,
                user: item.user,
                flags: item.flags,
                entryStamp: item.entryStamp,
                at: item.effective
            )
            if item.number != 0, !item.flags.contains(.removed) {
                entryCount += 1
                if item.contact == Roster.noContact { continue }
                accounts[Int(item.contact)].followers.append(Follower(owner: owner, number: UInt16(item.number)))
            }
        }
        accounts[account].roster.finishLoading()
        if let newest = asides[owner]?.items.last?.stamp { accounts[account].roster.noteAside(at: newest) }
        return true
    }

    /// Asks for all that an entry of each contact will touch, step by step. Loading waits for little else.
    private func prefetchContacts(of entries: [StoredEntry]) {
        for entry in entries { prefetchSlot(of: entry.contact) }
        for entry in entries { if let guess = guess(entry.contact) { accounts.prefetchWhole(Int(guess)) } }
        for entry in entries {
            guard let guess = guess(entry.contact) else { continue }
            accounts[Int(guess)].profile.prefetchNewest()
            accounts[Int(guess)].followers.prefetchEnd()
        }
    }

    /// Once all is loaded; the stamp is that of the newest change that the loaded state holds.
    public mutating func finishLoading(at stamp: Stamp) {
        precondition(published == 0)
        published = stamp
        // By their newest changes, so that each comes last into its followers' parts, but for entries that changed since.
        var popular = (0..<accounts.count).filter { accounts[$0].followers.count > options.popularFollowers }
        popular.sort { accounts[$0].profile.newest < accounts[$1].profile.newest }
        for index in popular { makePopular(UInt32(index)) }
        for index in 0..<accounts.count where !accounts[index].roster.popular.isEmpty { accounts[index].roster.fit() }
    }
}

extension Directory {
    /// Whether a change fits the directory as it is: its users exist, and so on. Always so for what was decided.
    public func accepts(_ change: Change) -> Bool {
        switch change {
        case .accountCreated(let user, let name):
            return user != 0 && find(user) == nil && !isNameTaken(name)
        case .accountDeleted(let user), .lastSeenSet(let user, _), .accessSet(let user, _):
            return find(user) != nil
        case .privateFieldsSet(let user, let fields, let kept):
            // What others see of a field that is kept is that it was removed, if anything.
            return kept.count <= Limits.profileFieldsMax && kept.allSatisfy { $0.value != nil }
                && fields.allSatisfy { field in field.value == nil || !kept.contains { $0.number == field.number } }
                && (fields.isEmpty ? find(user) != nil : accepts(.profileChanged(user: user, fields: fields)))
        case .profileChanged(let user, let fields):
            guard let index = find(user) else { return false }
            let known = accounts[Int(index)].profile.fields.map(\.number)
            return Set(known).union(fields.map(\.number)).count <= Limits.profileFieldsMax
        case .entrySet(let owner, let contact, let number, _, _):
            guard let ownerIndex = find(owner), let contactIndex = find(contact), owner != contact, number > 0 else {
                return false
            }
            let roster = accounts[Int(ownerIndex)].roster
            if let known = roster.number(of: contactIndex) { return known == Int(number) }
            return Int(number) >= roster.memberCount || roster.isVacant(Int(number))
        case .namedEntrySet(let owner, _, let number, _):
            guard let owner = find(owner), number > 0 else { return false }
            let roster = accounts[Int(owner)].roster
            if Int(number) >= roster.memberCount || roster.isVacant(Int(number)) { return true }
            return roster.isLive(Int(number)) && roster.contact(Int(number)) == Roster.noContact
        case .entryRemoved(let owner, let contact, _):
            guard let ownerIndex = find(owner), owner != contact else { return false }
            let roster = accounts[Int(ownerIndex)].roster
            if let number = Limits.number(ofPending: contact) {
                return number < roster.memberCount && roster.isLive(number)
                    && roster.contact(number) == Roster.noContact
            }
            guard let contactIndex = find(contact) else { return false }
            return roster.number(of: contactIndex).map(roster.isLive) ?? false
        case .blockSet(let owner, let user, _, _, _):
            guard let owner = find(owner), let blocked = find(user), owner != blocked else { return false }
            return aside(of: AccountIndex(owner), user) != .block
        case .blockRemoved(let owner, let user):
            guard let owner = find(owner) else { return false }
            return aside(of: AccountIndex(owner), user) == .block
        case .messageSent(let reader, let sender, _, _, _, let gone):
            // The sender may be gone meanwhile; the reader's shard knows of its deletion first.
            return find(reader) != nil && sender <= newestUser && gone <= published
        case .messagesAcknowledged(let reader, let through, let gone):
            return reader <= newestUser && max(through, gone) <= published
        case .tombstonesCollected(let owner, let through):
            // Of an owner who is gone meanwhile there is nothing to collect.
            return through <= published && owner <= newestUser
        }
    }
}
