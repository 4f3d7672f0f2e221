//  A made-up directory: users with contacts each, whose followers follow a power law, as if loaded from a store.

import TidemarkDirectory
import TidemarkRandom
import TidemarkWire

struct Population {
    static let epoch: Epoch = 7
    static let fieldBytes = 25
    static let fields = 8

    let users: Int
    let contacts: Int
    /// Users behind the others, with 150 contacts each.
    let large: Range<UserID>
    /// Users behind these, with rosters of several sizes.
    var sized: [(contacts: Int, users: Range<UserID>)] = []
    private(set) var entries = 0
    let published: Stamp

    private var random = SplitMix64(seed: 42)
    private var seen: [UInt32]

    init(users: Int, contacts: Int, large: Int, sizes: [Int]) {
        self.users = users
        self.contacts = contacts
        var next = UserID(users) + 1
        self.large = next..<next + UserID(large)
        next = self.large.upperBound
        for size in sizes where size < users {
            sized.append((size, next..<next + 16))
            next += 16
        }
        seen = Array(repeating: 0, count: users + 1)
        published = 4 * UInt64(next) * UInt64(max(contacts, 100))
    }

    private var everybody: Int { Int(sized.last?.users.upperBound ?? large.upperBound) - 1 }

    /// A user by popularity, the most popular first: neighbours in this order are not neighbours in memory.
    func user(rank: Int) -> UserID { UserID(rank * 7_919 % users) + 1 }

    mutating func fill(_ directory: inout Directory, afterAccounts: () -> Void) {
        for user in 1...everybody {
            let value = Array("details of somebody, 25 b".utf8)
            // Most have changed a field since they came; stamps of profiles are odd.
            let changed = profileStamp(user)
            directory.load(
                account: UserID(user),
                name: "user\(user)",
                created: UInt64(user),
                fields: (1...Self.fields).map {
                    Directory.StoredField(
                        number: FieldNumber(rawValue: UInt16($0)),
                        stamp: $0 == 3 || user % 3 == 0 ? changed : UInt64(user),
                        value: value
                    )
                }
            )
        }
        afterAccounts()
        for user in 1...everybody { directory.load(rosterOf: UserID(user), entries: roster(of: user)) }
        directory.finishLoading(at: published)
    }

    private func profileStamp(_ user: Int) -> Stamp {
        2 * (UInt64(everybody) + UInt64(user * 104_729 % everybody) * UInt64(contacts)) + 1
    }

    private mutating func roster(of owner: Int) -> [Directory.StoredEntry] {
        var count = contacts
        if large.contains(UserID(owner)) { count = 150 }
        for size in sized where size.users.contains(UserID(owner)) { count = size.contacts }
        var roster: [Directory.StoredEntry] = []
        roster.reserveCapacity(count)
        while roster.count < count {
            // Followers fall with the 2/3 power of the rank.
            let draw = Double(random.next() >> 11) / Double(1 << 53)
            let contact = Int(user(rank: Int(draw * draw * draw * Double(users))))
            if contact == owner || seen[contact] == UInt32(owner) { continue }
            seen[contact] = UInt32(owner)
            roster.append(
                Directory.StoredEntry(
                    contact: UserID(contact),
                    number: UInt32(roster.count + 1),
                    isRemoved: false,
                    stamp: 2 * (UInt64(everybody) + UInt64(owner * contacts + roster.count)),
                    annotations: Annotations()
                )
            )
        }
        entries += count
        return roster
    }
}
