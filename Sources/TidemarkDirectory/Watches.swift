//  Owners whose clients are told of changes without asking, and which of them have something new to be told.
//
//      change ──▶ table restamped ──▶ watched? ──▶ news [ owner, owner … ], each once ──▶ the server pushes, one by one
//      change of a popular contact ──▶ Spreads: its followers, a step at a time ─────────▶ the same
//
//  What is new is not kept: it is what a sync from the client's cursor gives when its turn has come. So many changes are one
//  push, and whoever is slow costs a place in this list.

import TidemarkWire

struct Watches {
    /// A bit for each account; 128 KB for a million, which stay in the cache.
    private var watched = RawList<UInt64>()
    private var isNews = RawList<UInt64>()
    /// Taken from until it is empty, and what came meanwhile: neither is longer than there are owners.
    private var current = RawList<UInt32>()
    private var coming = RawList<UInt32>()
    private var taken = 0
    /// Owners that are watched.
    private(set) var count = 0

    @inline(__always)
    private static func has(_ bits: RawList<UInt64>, _ account: UInt32) -> Bool {
        let word = Int(account / 64)
        return word < bits.count && bits[word] >> UInt64(account % 64) & 1 == 1
    }

    private static func flip(_ bits: inout RawList<UInt64>, _ account: UInt32) {
        while bits.count <= Int(account / 64) { bits.append(0) }
        bits[Int(account / 64)] ^= 1 << UInt64(account % 64)
    }

    @inline(__always)
    func has(_ owner: UInt32) -> Bool { Self.has(watched, owner) }

    mutating func add(_ owner: UInt32) {
        if has(owner) { return }
        Self.flip(&watched, owner)
        count += 1
    }

    mutating func remove(_ owner: UInt32) {
        guard has(owner) else { return }
        Self.flip(&watched, owner)
        count -= 1
    }

    /// Something in the owner's table has changed.
    @inline(__always)
    mutating func note(_ owner: UInt32) {
        if has(owner) { enqueue(owner) }
    }

    private mutating func enqueue(_ owner: UInt32) {
        if Self.has(isNews, owner) { return }
        Self.flip(&isNews, owner)
        coming.append(owner)
    }

    var hasNews: Bool { taken < current.count || coming.count > 0 }

    /// The owner noted first of those that are still watched.
    mutating func next() -> UInt32? {
        while hasNews {
            if taken == current.count {
                current.removeAll()
                swap(&current, &coming)
                taken = 0
            }
            let owner = current[taken]
            taken += 1
            Self.flip(&isNews, owner)
            if has(owner) { return owner }
        }
        return nil
    }

    func deallocate() {
        watched.deallocate()
        isNews.deallocate()
        current.deallocate()
        coming.deallocate()
    }
}

/// Popular contacts of whom there is news, and the followers of one of them who are still to be looked at. A copy: whoever
/// begins to follow meanwhile has a change of the own entry to be told of.
struct Spreads {
    enum Kind {
        case details, presence
    }

    private struct Turn: Hashable {
        var contact: UInt32
        var kind: Kind
    }

    private var waiting: [Turn] = []
    private var isWaiting: Set<Turn> = []
    private(set) var kind = Kind.details
    private var followers = RawList<Follower>()
    private var position = 0

    var isEmpty: Bool { waiting.isEmpty && position == followers.count }

    /// A contact whose followers are being looked at comes to its turn again.
    mutating func add(_ contact: UInt32, _ kind: Kind) {
        let turn = Turn(contact: contact, kind: kind)
        if isWaiting.insert(turn).inserted { waiting.append(turn) }
    }

    /// The next follower of the contact whose turn it is, and then of the next one; nil at a contact's end.
    mutating func next(_ accounts: AccountSlab) -> Follower? {
        if position == followers.count {
            guard let turn = waiting.first else { return nil }
            waiting.removeFirst()
            isWaiting.remove(turn)
            kind = turn.kind
            var copy = followers
            copy.removeAll()
            accounts[Int(turn.contact)].followers.forEach { copy.append($0) }
            followers = copy
            position = 0
            guard followers.count > 0 else { return nil }
        }
        position += 1
        return followers[position - 1]
    }

    func deallocate() { followers.deallocate() }
}

extension Directory {
    /// From now on it is noted when the owner's table changes. Again has no effect.
    public mutating func watch(_ owner: AccountIndex) {
        precondition(isOwn(owner))
        // What is put off is of before.
        finishChanges()
        watches.add(owner.raw)
    }

    public mutating func unwatch(_ owner: AccountIndex) {
        watches.remove(owner.raw)
        presenceNews.forget(owner.raw)
    }

    /// Owners that are watched.
    public var watchedOwners: Int { watches.count }

    /// The next owner whose table has changed since it was last named here, or since it is watched.
    public mutating func nextNews() -> AccountIndex? {
        if watches.count == 0 { return nil }
        finishChanges()
        return watches.next().map(AccountIndex.init)
    }

    /// Names a watched owner again, although nothing has changed: not all of it was told.
    public mutating func noteNews(of owner: AccountIndex) { watches.note(owner.raw) }

    /// Whether some are still to be named.
    public var hasNews: Bool { watches.count > 0 && (watches.hasNews || !spreads.isEmpty) }

    /// Followers of popular contacts that one call looks at: tens of microseconds.
    private static let spreadStep = 8_192

    /// Finds out who of a popular contact's followers is watched, some thousands at a time. Once an iteration.
    /// - Parameter now: milliseconds, as of `spreadPresence`.
    public mutating func spreadNews(now: UInt64) {
        if spreads.isEmpty { return }
        finishChanges()
        for _ in 0..<Self.spreadStep {
            guard let follower = spreads.next(accounts) else { return }
            switch spreads.kind {
            case .details: watches.note(follower.owner)
            case .presence: notePresence(follower, now: now)
            }
        }
    }

    /// A popular contact has changed.
    mutating func noteFollowers(ofPopular contact: UInt32) {
        if watches.count > 0 { spreads.add(contact, .details) }
    }
}
