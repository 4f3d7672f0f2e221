//  All rosters and profiles in memory: a deterministic state machine that applies the change log. It does no I/O, reads
//  no clock and starts no thread.
//
//      byID, byName ──▶ accounts (slab, by index; a session keeps its index)
//                       ┌────────────────────────────┐
//                       │ id, profile ──▶ one block   │    a profile change: new block, then every follower's table
//                       │ roster: order, members      │    restamped; of a popular contact only its newest stamp
//                       │ followers: owner, number    │    a sync: this account's roster, then the profiles of what is
//                       └────────────────────────────┘    newer
//
//  +Applying.swift has what each change does, +Loading.swift the way in from the store, +Sync.swift the answers, Watches.swift
//  who is to be told of a change without asking. A server has one of these for each loop: see ShardMap.swift.

import TidemarkWire

/// A user's place in the directory's slab. Stable for the life of the directory, and the same in all shards that have
/// applied the user's creation.
public struct AccountIndex: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline let raw: UInt32
    @inlinable init(_ raw: UInt32) { self.raw = raw }

    /// Among all accounts, from 0, without gaps.
    @inlinable public var place: Int { Int(raw) }
}

/// What a directory can be told to do otherwise. Nothing of it shows in an answer.
public struct DirectoryOptions: Sendable {
    /// A contact with more followers is popular: merged into answers when they are read, and not written into each
    /// follower's table when it changes. A change of one with this many is the longest that applying one takes.
    public var popularFollowers: Int
    public static let defaultPopularFollowers = 2_048
    /// How soon a contact's presence is told to whoever is live.
    public var presencePace = PresencePace()

    public init(popularFollowers: Int = defaultPopularFollowers) {
        precondition(popularFollowers >= 1)
        self.popularFollowers = popularFollowers
    }
}

public struct Directory: ~Copyable {
    let options: DirectoryOptions
    /// Which shard this is, and of how many.
    public let shard: Int
    public let map: ShardMap
    let profileHolders: ProfileHolders
    var accounts = AccountSlab()
    /// Merged over a user's devices, by account index. Apart from the accounts: a sync reads many of these at once.
    var presence = RawList<Seen>()
    /// A bit for each account, set where it is not offline: an eighth of the cache, for the most of what is looked at.
    var onlineBits = RawList<UInt64>()
    /// By account index, while the user has a session.
    var presentUsers: [UInt32: UserPresence] = [:]
    /// Users whose state is not offline.
    public internal(set) var onlineUsers = 0
    var popular = PopularContacts()
    var restamps = Restamps()
    var watches = Watches()
    var spreads = Spreads()
    /// Contacts whose state has changed, whose followers are not noted yet.
    var presenceChanged: [UInt32] = []
    /// Of contacts that are online, not noted yet.
    var newFollowers: [Follower] = []
    var presenceNews: PresenceNews
    var popularPresence: PopularPresence
    /// Of the owner taken last: the whole view is to be told.
    var presenceNewsIsEverything = false
    private let byID = IndexTable()
    /// By the name's bytes: names that Unicode holds to be equivalent are still two.
    private let byName = IndexTable()
    /// So that nobody outside can choose ids that collide.
    private let secret = UInt64.random(in: 0 ... .max)
    /// Alias and groups as wire bytes, for the few entries that have them; the key is owner index and number.
    var annotationText: [UInt64: [UInt8]] = [:]
    /// Names of entries that have no contact, by owner and number.
    var awaitedNames: [UInt32: [UInt16: String]] = [:]
    /// Requests and blocks, by owner; every shard has all of them.
    var asides: [UInt32: AsideList] = [:]
    /// What this shard's users may see of contacts that block them, by user and contact.
    var frozen: [UInt32: [UInt32: Frozen]] = [:]
    /// Messages kept for this shard's users, by account index.
    var boxes: [UInt32: MessageBox] = [:]
    /// A bit for each account, set where messages wait: what a sync looks at.
    var waitingBits = RawList<UInt64>()
    /// By account index.
    var lastSeen = RawList<LastSeen>()
    /// Of this shard's users, by account index, where it is another than `Access.initial`.
    var access: [UInt32: Access] = [:]
    /// Of this shard's users, by account index, what only they see.
    var privateProfiles: [UInt32: PrivateProfile] = [:]
    /// Rosters of deleted accounts, of which something is still to be undone; see `maintain`.
    var dismantling = Dismantling()

    /// The newest stamp applied, which is the newest that a client may have seen.
    public internal(set) var published: Stamp = 0
    /// The opening of the log that this directory follows.
    public var epochs: EpochHistory
    public internal(set) var entryCount = 0
    public internal(set) var userCount = 0
    /// The highest user id that there is or was; 0 for none.
    public internal(set) var newestUser: UserID = 0

    var writtenPatch = WrittenPatch()
    var presenceScratch = RawList<ContactPresence>()

    /// All of a server.
    public init(epochs: EpochHistory, options: DirectoryOptions = DirectoryOptions()) {
        self.init(epochs: epochs, options: options, shard: 0, of: ShardMap(count: 1), sharing: ProfileHolders())
    }

    /// One shard of a server, whose others are made with the same `sharing`.
    public init(
        epochs: EpochHistory,
        options: DirectoryOptions,
        shard: Int,
        of map: ShardMap,
        sharing profileHolders: ProfileHolders
    ) {
        precondition(shard >= 0 && shard < map.count)
        self.epochs = epochs
        self.options = options
        self.shard = shard
        self.map = map
        self.profileHolders = profileHolders
        presenceNews = PresenceNews(options.presencePace)
        popularPresence = PopularPresence(options.presencePace)
        profileHolders.join()
    }

    deinit {
        accounts.deallocate(withProfiles: profileHolders.leave())
        byID.deallocate()
        byName.deallocate()
        presence.deallocate()
        onlineBits.deallocate()
        waitingBits.deallocate()
        lastSeen.deallocate()
        popular.deallocate()
        restamps.deallocate()
        watches.deallocate()
        spreads.deallocate()
        presenceScratch.deallocate()
        for seen in frozen.values.joined() { seen.value.profile.deallocate() }
    }

    // MARK: finding

    public func index(of user: UserID) -> AccountIndex? { find(user).map(AccountIndex.init) }
    public func index(named name: String) -> AccountIndex? {
        var name = name
        return name.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            return byName.find(nameHash(bytes)) { accounts[Int($0)].profile.nameBytes.elementsEqual(bytes) }
        }.map(AccountIndex.init)
    }
    public func id(of index: AccountIndex) -> UserID { accounts[Int(index.raw)].id }
    public func name(of index: AccountIndex) -> String { accounts[Int(index.raw)].profile.name }
    public func isDeleted(_ index: AccountIndex) -> Bool { accounts[Int(index.raw)].isDeleted }
    /// Whether the user's roster is here.
    public func isOwn(_ index: AccountIndex) -> Bool { accounts[Int(index.raw)].isOwn }

    @inline(__always)
    func find(_ user: UserID) -> UInt32? { byID.find(Digest.mix(user ^ secret)) { accounts[Int($0)].id == user } }

    func prefetchSlot(of user: UserID) { byID.prefetch(Digest.mix(user ^ secret)) }
    func guess(_ user: UserID) -> UInt32? { byID.guess(Digest.mix(user ^ secret)) }

    private func nameHash(_ name: UnsafeRawBufferPointer) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(bytes: name)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    func isNameTaken(_ name: String) -> Bool { index(named: name) != nil }

    var indexBytes: Int { byID.allocatedBytes + byName.allocatedBytes }

    // MARK: accounts

    @discardableResult
    mutating func addAccount(_ user: UserID, _ profile: Profile) -> UInt32 {
        precondition(user != 0 && find(user) == nil && !isNameTaken(profile.name), "user ids and names are unique")
        let index = UInt32(accounts.count)
        accounts.append(Account(id: user, profile: profile, isOwn: map.shard(of: user) == shard))
        presence.append(.offline)
        lastSeen.append(.hidden)
        if index % 64 == 0 {
            onlineBits.append(0)
            waitingBits.append(0)
        }
        byID.insert(Digest.mix(user ^ secret), index)
        byName.insert(nameHash(accounts[Int(index)].profile.nameBytes), index)
        userCount += 1
        newestUser = max(newestUser, user)
        return index
    }

    /// Nobody finds it any more, by id or by name.
    mutating func unlist(_ index: UInt32) {
        byID.remove(Digest.mix(accounts[Int(index)].id ^ secret), index)
        byName.remove(nameHash(accounts[Int(index)].profile.nameBytes), index)
        userCount -= 1
    }

    // MARK: annotations

    func flags(_ annotations: Annotations) -> Roster.Flags {
        var flags: Roster.Flags = []
        if annotations.isFavourite { flags.insert(.favourite) }
        if annotations.hasText { flags.insert(.annotated) }
        return flags
    }

    func annotationKey(_ owner: UInt32, _ number: Int) -> UInt64 { UInt64(owner) << 32 | UInt64(number) }

    mutating func setAnnotationText(_ owner: UInt32, _ number: Int, _ annotations: Annotations) {
        guard annotations.hasText else {
            if !annotationText.isEmpty { annotationText[annotationKey(owner, number)] = nil }
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
        let flags = accounts[Int(owner)].roster.flags(number)
        var annotations = Annotations()
        if flags.contains(.annotated) {
            annotations = annotationWire(owner, number).withUnsafeBytes {
                var reader = ByteReader($0)
                guard let read = try? reader.annotationText() else { preconditionFailure("stored annotations") }
                return read
            }
        }
        annotations.isFavourite = flags.contains(.favourite)
        return annotations
    }
}
