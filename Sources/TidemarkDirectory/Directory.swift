//  All rosters and profiles in memory: a deterministic state machine that applies the change log. It does no I/O, reads
//  no clock and starts no thread.
//
//      accounts (slab, by index)           byID, byName: for logins and writes; a session keeps its index
//      ┌────────────────────────────┐
//      │ id, profile ──▶ one block   │     a profile change: new block, then every follower's table restamped
//      │ roster: members, order      │     a sync: this account's roster, then the profiles of what is newer
//      │ followers: (owner, number)… │
//      └────────────────────────────┘

import TidemarkWire

/// A user's place in the directory's slab. Stable for the life of the directory.
public struct AccountIndex: Hashable, Sendable {
    @usableFromInline let raw: UInt32
    @inlinable init(_ raw: UInt32) { self.raw = raw }
}

/// Who has a contact: the owner, and the contact's number in the owner's roster.
struct Follower {
    var owner: UInt32
    var number: UInt32
}

struct Account {
    var id: UserID
    var created: Stamp
    var profile: Profile
    var roster: Roster
    var followers: RawList<Follower>
}

public struct Directory: ~Copyable {
    var accounts = RawList<Account>()
    /// Merged over a user's devices, by account index. Apart from the accounts: a sync reads many of these at once.
    var presence = RawList<PresenceState>()
    /// By account index, while the user has a session.
    var presentUsers: [UInt32: UserPresence] = [:]
    /// Users whose state is not offline.
    public internal(set) var onlineUsers = 0
    var byID: [UserID: UInt32] = [:]
    /// By the name's bytes: names that Unicode holds to be equivalent are still two.
    var byName: [[UInt8]: UInt32] = [:]
    /// Alias and groups as wire bytes, for the few entries that have them; the key is owner index and number.
    var annotationText: [UInt64: [UInt8]] = [:]

    /// The newest stamp applied, which is the newest that a client may have seen.
    public private(set) var published: Stamp = 0
    /// The opening of the log that this directory follows.
    public var epochs: EpochHistory
    public private(set) var entryCount = 0

    var presenceScratch = RawList<ContactPresence>()

    public init(epochs: EpochHistory) {
        self.epochs = epochs
    }

    deinit {
        for index in 0..<accounts.count {
            accounts[index].profile.deallocate()
            accounts[index].roster.deallocate()
            accounts[index].followers.deallocate()
        }
        accounts.deallocate()
        presence.deallocate()
        presenceScratch.deallocate()
    }

    public var userCount: Int { accounts.count }

    public func index(of user: UserID) -> AccountIndex? { byID[user].map(AccountIndex.init) }
    public func index(named name: String) -> AccountIndex? { byName[Array(name.utf8)].map(AccountIndex.init) }
    public func id(of index: AccountIndex) -> UserID { accounts[Int(index.raw)].id }
    public func name(of index: AccountIndex) -> String { accounts[Int(index.raw)].profile.name }

    // MARK: applying the log

    /// Each stamp is newer than all before.
    public mutating func apply(_ change: Change, at stamp: Stamp) {
        precondition(stamp > published, "the log's stamps rise")
        published = stamp
        switch change {
        case .accountCreated(let user, let name):
            addAccount(user, name: name, created: stamp, fields: [])
            let index = Int(byID[user]!)
            accounts[index].roster.set(0, contact: UInt32(index), user: user, flags: 0, at: stamp)
            accounts[index].followers.append(Follower(owner: UInt32(index), number: 0))
        case .profileChanged(let user, let fields):
            let index = Int(byID[user]!)
            accounts[index].profile = accounts[index].profile.changed(by: fields, at: stamp)
            for follower in 0..<accounts[index].followers.count {
                let at = accounts[index].followers[follower]
                accounts[Int(at.owner)].roster.restamp(Int(at.number), user: user, at: stamp)
            }
        case .entrySet(let owner, let contact, let number, let annotations):
            applyEntry(
                owner: byID[owner]!,
                contact: byID[contact]!,
                number: number,
                annotations: annotations,
                at: stamp
            )
        case .entryRemoved(let owner, let contact):
            let ownerIndex = byID[owner]!
            let contactIndex = byID[contact]!
            let number = accounts[Int(ownerIndex)].roster.number(of: contactIndex)!
            accounts[Int(ownerIndex)].roster.remove(number, user: contact, at: stamp)
            annotationText[annotationKey(ownerIndex, number)] = nil
            unfollow(owner: ownerIndex, contact: contactIndex)
            entryCount -= 1
        }
    }

    private mutating func applyEntry(
        owner: UInt32,
        contact: UInt32,
        number: UInt32,
        annotations: Annotations,
        at stamp: Stamp
    ) {
        let number = Int(number)
        let isNew =
            number >= Int(accounts[Int(owner)].roster.memberCount)
            || !accounts[Int(owner)].roster.members[number].isLive
        accounts[Int(owner)].roster.set(
            number,
            contact: contact,
            user: accounts[Int(contact)].id,
            flags: flags(annotations),
            at: stamp
        )
        setAnnotationText(owner, number, annotations)
        if isNew {
            accounts[Int(contact)].followers.append(Follower(owner: owner, number: UInt32(number)))
            entryCount += 1
        }
    }

    private func flags(_ annotations: Annotations) -> UInt32 {
        (annotations.isFavourite ? Roster.Member.favourite : 0)
            | (annotations.hasText ? Roster.Member.annotated : 0)
    }

    private func annotationKey(_ owner: UInt32, _ number: Int) -> UInt64 { UInt64(owner) << 32 | UInt64(number) }

    private mutating func setAnnotationText(_ owner: UInt32, _ number: Int, _ annotations: Annotations) {
        guard annotations.hasText else {
            annotationText[annotationKey(owner, number)] = nil
            return
        }
        var writer = ByteWriter(capacity: 64)
        writer.annotationText(annotations)
        annotationText[annotationKey(owner, number)] = writer.array
    }

    func annotationWire(_ owner: UInt32, _ number: Int) -> [UInt8] {
        annotationText[annotationKey(owner, number)]!
    }

    /// What the owner notes of a live entry.
    func annotations(_ owner: UInt32, _ number: Int) -> Annotations {
        let flags = accounts[Int(owner)].roster.members[number].flags
        var annotations = Annotations()
        if flags & Roster.Member.annotated != 0 {
            annotations = annotationWire(owner, number).withUnsafeBytes {
                var reader = ByteReader($0)
                guard let read = try? reader.annotationText() else { preconditionFailure("stored annotations") }
                return read
            }
        }
        annotations.isFavourite = flags & Roster.Member.favourite != 0
        return annotations
    }

    private mutating func unfollow(owner: UInt32, contact: UInt32) {
        let followers = accounts[Int(contact)].followers
        for at in 0..<followers.count where followers[at].owner == owner {
            accounts[Int(contact)].followers.swapRemove(at)
            return
        }
        preconditionFailure("a live entry is followed")
    }

    private mutating func addAccount(_ user: UserID, name: String, created: Stamp, fields: [Profile.Field]) {
        precondition(user != 0 && byID[user] == nil && byName[Array(name.utf8)] == nil, "user ids and names are unique")
        let index = UInt32(accounts.count)
        accounts.append(
            Account(
                id: user,
                created: created,
                profile: Profile(name: name, fields: fields),
                roster: Roster(),
                followers: RawList()
            )
        )
        presence.append(.offline)
        byID[user] = index
        byName[Array(name.utf8)] = index
    }

    // MARK: loading state that was folded

    /// Once all is loaded; the stamp is that of the newest change that the loaded state holds.
    public mutating func finishLoading(at stamp: Stamp) {
        precondition(published == 0)
        published = stamp
    }

    public struct StoredField: Sendable {
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
        public init(contact: UserID, number: UInt32, isRemoved: Bool, stamp: Stamp, annotations: Annotations) {
            self.contact = contact
            self.number = number
            self.isRemoved = isRemoved
            self.stamp = stamp
            self.annotations = annotations
        }
    }

    /// First all accounts, each once; the fields' numbers rise.
    public mutating func load(account user: UserID, name: String, created: Stamp, fields: [StoredField]) {
        addAccount(
            user,
            name: name,
            created: created,
            fields: fields.map { Profile.Field(number: $0.number, stamp: $0.stamp, value: $0.value) }
        )
    }

    /// Then each account's roster, once, also where it is empty.
    public mutating func load(rosterOf user: UserID, entries: [StoredEntry]) {
        let owner = byID[user]!
        let account = Int(owner)
        struct Placed {
            var contact: UInt32
            var number: Int
            var flags: UInt32
            var entryStamp: Stamp
            var effective: Stamp
        }
        var placed = [
            Placed(
                contact: owner,
                number: 0,
                flags: 0,
                entryStamp: accounts[account].created,
                effective: max(accounts[account].created, accounts[account].profile.newest)
            )
        ]
        for entry in entries {
            let contact = byID[entry.contact]!
            // A contact's visible changes move its entries; a removed one stays where its removal put it.
            let effective =
                entry.isRemoved ? entry.stamp : max(entry.stamp, accounts[Int(contact)].profile.newest)
            placed.append(
                Placed(
                    contact: contact,
                    number: Int(entry.number),
                    flags: entry.isRemoved ? Roster.Member.removed : flags(entry.annotations),
                    entryStamp: entry.stamp,
                    effective: effective
                )
            )
            if !entry.isRemoved {
                setAnnotationText(owner, Int(entry.number), entry.annotations)
                entryCount += 1
            }
        }
        placed.sort { $0.effective < $1.effective }
        for item in placed {
            accounts[account].roster.load(
                item.number,
                contact: item.contact,
                user: accounts[Int(item.contact)].id,
                flags: item.flags,
                entryStamp: item.entryStamp,
                at: item.effective
            )
            if item.flags & Roster.Member.removed == 0 {
                accounts[Int(item.contact)].followers.append(Follower(owner: owner, number: UInt32(item.number)))
            }
        }
    }
}

extension Directory {
    /// Whether a change read back from disk can be applied: its users exist, and so on. Always so for what was decided.
    public func accepts(_ change: Change) -> Bool {
        switch change {
        case .accountCreated(let user, let name):
            return user != 0 && byID[user] == nil && byName[Array(name.utf8)] == nil
        case .profileChanged(let user, let fields):
            guard let index = byID[user] else { return false }
            let known = accounts[Int(index)].profile.fields.map(\.number)
            return Set(known).union(fields.map(\.number)).count <= Limits.profileFieldsMax
        case .entrySet(let owner, let contact, let number, _):
            guard let ownerIndex = byID[owner], let contactIndex = byID[contact], owner != contact, number > 0 else {
                return false
            }
            let roster = accounts[Int(ownerIndex)].roster
            let known = roster.number(of: contactIndex)
            return known == Int(number) || (known == nil && Int(number) >= Int(roster.memberCount))
        case .entryRemoved(let owner, let contact):
            guard let ownerIndex = byID[owner], let contactIndex = byID[contact], owner != contact else { return false }
            let roster = accounts[Int(ownerIndex)].roster
            return roster.number(of: contactIndex).map { roster.members[$0].isLive } ?? false
        }
    }
}
