//  Who has whom as a contact, where nobody has said: a ring in which everyone knows the nearest, and now and then somebody
//  far away instead (Watts and Strogatz). Symmetric, small, and the same for the same seed.
//
//      load1 load2 │ load2 load3 │ …         first the ring itself, so that names appear, and are numbered, in order
//      load1 load3 │ load2 load907 │ …       then the others, some of them rewired

import TidemarkRandom

/// An edge list of users "load1" to "loadN", to be imported both ways.
public struct ContactGraph: Sendable {
    /// Of a hundred edges beside the ring, so many lead anywhere.
    private static let rewiredPercent: UInt64 = 10

    private let users: Int
    private let contacts: Int
    private let seed: UInt64

    /// - Parameters:
    ///   - users: 2 to `LoadConfiguration.usersMax`.
    ///   - contacts: how many each has, about: 1 to `users` - 1.
    ///   - seed: which edges are rewired, and where to.
    /// - Throws: `LoadError.configuration` beyond those.
    public init(users: Int, contacts: Int, seed: UInt64) throws(LoadError) {
        guard users >= 2 else { throw .configuration("a graph has at least 2 users") }
        guard users <= LoadConfiguration.usersMax else {
            throw .configuration("--users: at most \(LoadConfiguration.usersMax)")
        }
        guard contacts >= 1, contacts < users else {
            throw .configuration("each of \(users) users can have 1 to \(users - 1) contacts, not \(contacts)")
        }
        self.users = users
        self.contacts = contacts
        self.seed = seed
    }

    /// Calls `emit` with pairs of numbers from 1. In the order of the calls, numbers appear for the first time in order.
    func forEachEdge(_ emit: (Int, Int) throws -> Void) rethrows {
        // With one contact each, pairs; otherwise the path that makes the ring, closed at its end.
        for user in stride(from: 1, to: users, by: contacts == 1 ? 2 : 1) { try emit(user, user + 1) }
        if contacts == 1 {
            if users % 2 == 1 { try emit(users, 1) }
            return
        }
        if users > 2 { try emit(users, 1) }
        var random = SplitMix64(seed: seed)
        // An edge to the d-th neighbour gives each end one contact; with an odd number every second user makes one more.
        for distance in stride(from: 2, through: (contacts + 1) / 2, by: 1) {
            let isHalf = distance * 2 > contacts
            for user in stride(from: 1, through: users, by: isHalf ? 2 : 1) {
                let other = neighbour(of: user, distance, &random)
                if other != user { try emit(user, other) }
            }
        }
    }

    private func neighbour(of user: Int, _ distance: Int, _ random: inout SplitMix64) -> Int {
        let draw = random.next()
        if draw % 100 < Self.rewiredPercent { return Int(random.next() % UInt64(users)) + 1 }
        return (user - 1 + distance) % users + 1
    }
}
