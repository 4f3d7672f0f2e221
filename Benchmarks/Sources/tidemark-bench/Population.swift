//  A made-up directory: users with contacts each, whose followers follow a power law, as if loaded from a store.

import Foundation
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
        let rosters = RostersAhead(of: self, owners: everybody)
        while let (first, batch) = rosters.next() {
            for (place, roster) in batch.enumerated() {
                directory.load(rosterOf: UserID(first + place), entries: roster)
                entries += roster.count
            }
        }
        directory.finishLoading(at: published)
    }

    private func profileStamp(_ user: Int) -> Stamp {
        2 * (UInt64(everybody) + UInt64(user * 104_729 % everybody) * UInt64(contacts)) + 1
    }

    fileprivate func stamp(ofEntry place: Int, of owner: Int) -> Stamp {
        2 * (UInt64(everybody) + UInt64(owner * contacts + place))
    }

    fileprivate func contactCount(of owner: Int) -> Int {
        if large.contains(UserID(owner)) { return 150 }
        for size in sized where size.users.contains(UserID(owner)) { return size.contacts }
        return contacts
    }
}

/// The owners' rosters, drawn on a thread of their own while those before them are loaded: to draw them takes about as
/// long.
private final class RostersAhead: @unchecked Sendable {
    typealias Batch = (first: Int, rosters: [[Directory.StoredEntry]])

    private static let batchOwners = 100
    private static let batchesAhead = 4

    private let population: Population
    private let condition = NSCondition()
    private var batches: [Batch] = []
    private var isDrawn = false
    /// The drawing thread's own.
    private var random = SplitMix64(seed: 42)
    private var seen: [UInt32]

    init(of population: Population, owners: Int) {
        self.population = population
        seen = Array(repeating: 0, count: population.users + 1)
        Thread.detachNewThread { self.draw(owners) }
    }

    /// The batch behind the one before; nil behind the last.
    func next() -> Batch? {
        condition.withLock {
            while batches.isEmpty, !isDrawn { condition.wait() }
            condition.signal()
            return batches.isEmpty ? nil : batches.removeFirst()
        }
    }

    private func draw(_ owners: Int) {
        for first in stride(from: 1, through: owners, by: Self.batchOwners) {
            let rosters = (first...min(first + Self.batchOwners - 1, owners)).map { roster(of: $0) }
            condition.withLock {
                while batches.count == Self.batchesAhead { condition.wait() }
                batches.append((first, rosters))
                condition.signal()
            }
        }
        condition.withLock {
            isDrawn = true
            condition.signal()
        }
    }

    private func roster(of owner: Int) -> [Directory.StoredEntry] {
        let count = population.contactCount(of: owner)
        var roster: [Directory.StoredEntry] = []
        roster.reserveCapacity(count)
        while roster.count < count {
            // Followers fall with the 2/3 power of the rank.
            let draw = Double(random.next() >> 11) / Double(1 << 53)
            let contact = Int(population.user(rank: Int(draw * draw * draw * Double(population.users))))
            if contact == owner || seen[contact] == UInt32(owner) { continue }
            seen[contact] = UInt32(owner)
            roster.append(
                Directory.StoredEntry(
                    contact: UserID(contact),
                    number: UInt32(roster.count + 1),
                    isRemoved: false,
                    stamp: population.stamp(ofEntry: roster.count, of: owner),
                    annotations: Annotations()
                )
            )
        }
        return roster
    }
}
