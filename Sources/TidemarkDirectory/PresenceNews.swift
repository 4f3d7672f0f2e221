//  Whom to tell that a contact is seen otherwise than before, and when.
//
//      a state changes ──▶ changed [ contact … ] ──▶ followers who are watched ──▶ noted, by number ──▶ [ wheel ]
//                                                                                                        │ it is time
//      what the noted contacts are now ◀── the server asks for whoever is due ◀──────────────────────────┘
//
//  Who was not told anything for some time hears soon; who has just been told hears of all that happens in a window at once.
//  So at most two frames reach a client in a window, however many of its contacts come and go, and what is told is the state of
//  then, not each change.

import TidemarkWire

/// How soon changes of presence are told, in milliseconds.
public struct PresencePace: Equatable, Sendable {
    /// The first one after a time without any. Changes that come together are told together.
    public var first: UInt32
    /// The next ones, after one that was told. At most 2,000.
    public var window: UInt32
    /// Of one contact with many followers; to whom it takes how long to tell it is none of anybody's business.
    public var popular: UInt32

    public init(first: UInt32 = 100, window: UInt32 = 1_500, popular: UInt32 = 5_000) {
        precondition(window <= 2_000 && first <= window)
        self.first = first
        self.window = window
        self.popular = popular
    }
}

/// Owners who are to be told of contacts' presence.
struct PresenceNews {
    /// Contacts that are told by number; of more, the whole view is told.
    static let numbersMax = 16

    struct Owner {
        /// When it was told last; wraps round.
        var toldAt: UInt32
        var isDue = false
        private(set) var count = 0
        private var numbers = InlineArray<16, UInt16>(repeating: 0)

        init(toldAt: UInt32) { self.toldAt = toldAt }

        var isEverything: Bool { count > PresenceNews.numbersMax }

        mutating func add(_ number: UInt16) {
            if isEverything { return }
            for place in 0..<count where numbers[place] == number { return }
            if count < PresenceNews.numbersMax { numbers[count] = number }
            count += 1
        }

        mutating func addEverything() { count = PresenceNews.numbersMax + 1 }

        /// Those that were noted, rising; nothing is noted any more.
        mutating func take(_ body: (UInt16) -> Void) {
            var rest = isEverything ? 0 : count
            var last = -1
            while rest > 0 {
                var next = Int.max
                for place in 0..<count where Int(numbers[place]) > last { next = min(next, Int(numbers[place])) }
                body(UInt16(next))
                last = next
                rest -= 1
            }
            count = 0
        }
    }

    private let pace: PresencePace
    private var owners: [UInt32: Owner] = [:]
    private var wheel = DueWheel(tickBits: 5)

    init(_ pace: PresencePace) { self.pace = pace }

    /// With the contact's number; nil: the whole view is to be told. The time is in milliseconds, never less than before.
    mutating func note(_ number: UInt16?, of owner: UInt32, now: UInt64) {
        let clock = UInt32(truncatingIfNeeded: now)
        var news = owners[owner] ?? Owner(toldAt: clock &- pace.window)
        if let number { news.add(number) } else { news.addEverything() }
        if !news.isDue {
            news.isDue = true
            let since = clock &- news.toldAt
            let wait = max(pace.first, since < pace.window ? pace.window - since : 0)
            wheel.add(owner, at: now + UInt64(wait), now: now)
        }
        owners[owner] = news
    }

    /// When somebody is due next, in milliseconds; nil for nobody.
    var next: UInt64? { wheel.next }

    /// Somebody whose time has come, and what was noted.
    mutating func take(now: UInt64) -> (owner: UInt32, news: Owner)? {
        while let owner = wheel.take(now: now) {
            // Forgotten since; or watched again, and told already.
            guard let news = owners[owner], news.isDue else { continue }
            owners[owner] = Owner(toldAt: UInt32(truncatingIfNeeded: now))
            return (owner, news)
        }
        return nil
    }

    /// Nobody watches it any more.
    mutating func forget(_ owner: UInt32) {
        if owners.isEmpty { return }
        owners[owner] = nil
    }

    var count: Int { owners.count }
}

/// Popular contacts whose presence has changed: each is told of once in a while, whatever happens meanwhile.
struct PopularPresence {
    private let pace: PresencePace
    private var toldAt: [UInt32: UInt32] = [:]
    private var waiting: Set<UInt32> = []
    private var wheel = DueWheel(tickBits: 7)

    init(_ pace: PresencePace) { self.pace = pace }

    mutating func note(_ contact: UInt32, now: UInt64) {
        guard waiting.insert(contact).inserted else { return }
        let clock = UInt32(truncatingIfNeeded: now)
        let since = toldAt[contact].map { clock &- $0 } ?? pace.popular
        let wait = max(pace.first, since < pace.popular ? pace.popular - since : 0)
        wheel.add(contact, at: now + UInt64(wait), now: now)
    }

    var next: UInt64? { wheel.next }

    mutating func take(now: UInt64) -> UInt32? {
        guard let contact = wheel.take(now: now) else { return nil }
        waiting.remove(contact)
        toldAt[contact] = UInt32(truncatingIfNeeded: now)
        return contact
    }
}

extension Directory {
    /// Notes whom of the followers to tell of contacts that are seen otherwise than before. Once an iteration.
    /// - Parameter now: milliseconds since some time, never less than before.
    public mutating func spreadPresence(now: UInt64) {
        while let contact = presenceChanged.popLast() {
            guard watches.count > 0 else { continue }
            if accounts[Int(contact)].isPopular {
                popularPresence.note(contact, now: now)
            } else {
                let followers = accounts[Int(contact)].followers
                followers.forEach { notePresence($0, now: now) }
            }
        }
        // Who sees a contact no more is told so, once.
        while let follower = newFollowers.popLast() {
            guard watches.has(follower.owner) else { continue }
            presenceNews.note(follower.number, of: follower.owner, now: now)
        }
        while let contact = popularPresence.take(now: now) { spreads.add(contact, .presence) }
    }

    /// Who may not see the contact is not told that there is nothing to see either: it would know when.
    mutating func notePresence(_ follower: Follower, now: UInt64) {
        guard watches.has(follower.owner),
            accounts[Int(follower.owner)].roster.showsPresence(Int(follower.number))
        else { return }
        presenceNews.note(follower.number, of: follower.owner, now: now)
    }

    /// Whether nobody is watched, and nothing is left of when somebody was: then there is nothing to spread, and nobody to tell.
    public var isQuiet: Bool {
        watches.count == 0 && presenceChanged.isEmpty && newFollowers.isEmpty && spreads.isEmpty
            && popularPresence.next == nil && presenceNews.next == nil
    }

    /// When somebody is to be told of presence next, in milliseconds; nil for nobody.
    public var nextPresenceNews: UInt64? {
        guard let popular = popularPresence.next else { return presenceNews.next }
        return min(popular, presenceNews.next ?? popular)
    }

    /// An owner who is to be told of presence now; `writePresenceNews` has what.
    public mutating func takePresenceNews(now: UInt64) -> AccountIndex? {
        while let (owner, taken) = presenceNews.take(now: now) {
            guard watches.has(owner) else { continue }
            var news = taken
            presenceNewsIsEverything = news.isEverything
            presenceScratch.removeAll()
            let roster = accounts[Int(owner)].roster
            news.take { number in
                let isThere = number < roster.memberCount && roster.showsPresence(Int(number))
                let seen = isThere ? presence[Int(roster.contact(Int(number)))] : .offline
                presenceScratch.append(ContactPresence(number: UInt32(number), seen))
            }
            return AccountIndex(owner)
        }
        return nil
    }

    /// Writes the body of a `pushPresence` to the owner who was just taken.
    public mutating func writePresenceNews(
        of owner: AccountIndex,
        withDevices: Bool,
        into writer: inout ByteWriter
    ) {
        if presenceNewsIsEverything { return writeWholePresence(of: owner, withDevices: withDevices, into: &writer) }
        writer.u8(PushPresence.Scope.changes.rawValue)
        writer.presence(presenceScratch.buffer, withDevices: withDevices)
    }

    /// Writes the body of a `pushPresence` that replaces all that was told before.
    public mutating func writeWholePresence(
        of owner: AccountIndex,
        withDevices: Bool,
        into writer: inout ByteWriter
    ) {
        writer.u8(PushPresence.Scope.everything.rawValue)
        writePresence(of: owner, withDevices: withDevices, into: &writer)
    }
}
