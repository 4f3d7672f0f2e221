import Testing

@testable import TidemarkLoad

@Suite struct ContactGraphTests {
    private func edges(_ users: Int, _ contacts: Int, seed: UInt64 = 1) throws -> [[Int]] {
        var edges: [[Int]] = []
        try ContactGraph(users: users, contacts: contacts, seed: seed).forEachEdge { edges.append([$0, $1]) }
        return edges
    }

    @Test(arguments: [(2, 1), (3, 1), (3, 2), (10, 4), (11, 5), (1000, 25), (7, 6)])
    func namesAppearInOrder(users: Int, contacts: Int) throws {
        var seen: [Int] = []
        for user in try edges(users, contacts).joined() where user > (seen.last ?? 0) { seen.append(user) }
        #expect(seen == Array(1...users))
    }

    @Test(arguments: [4, 5, 24, 25])
    func everybodyHasAboutAsManyContacts(contacts: Int) throws {
        let users = 1000
        var rosters = [Set<Int>](repeating: [], count: users + 1)
        for edge in try edges(users, contacts) {
            #expect(edge[0] != edge[1])
            rosters[edge[0]].insert(edge[1])
            rosters[edge[1]].insert(edge[0])
        }
        let sum = rosters.reduce(0) { $0 + $1.count }
        #expect(abs(Double(sum) / Double(users) - Double(contacts)) < 0.5)
        #expect(rosters.dropFirst().allSatisfy { $0.count >= contacts / 2 })
    }

    @Test func theSeedDecides() throws {
        #expect(try edges(200, 10, seed: 3) == edges(200, 10, seed: 3))
        #expect(try edges(200, 10, seed: 3) != edges(200, 10, seed: 4))
    }

    @Test(arguments: [(1, 1), (0, 0), (10, 0), (10, 10), ((1 << 32) + 1, 5), (Int.max, 5)])
    func whatCannotBeIsRefused(users: Int, contacts: Int) {
        #expect(throws: LoadError.self) { try ContactGraph(users: users, contacts: contacts, seed: 1) }
    }
}
