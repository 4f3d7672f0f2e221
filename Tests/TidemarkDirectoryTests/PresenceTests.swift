import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory

/// What the online contacts of a roster take on the wire, from the directory's own pages.
@Suite("Presence") struct PresenceTests {
    /// The page's presence in bytes, and what it says.
    private func presence(contacts: Int, online: Set<Int>) throws -> (bytes: Int, contacts: [ContactPresence]) {
        var directory = Directory(epochs: EpochHistory(current: 1))
        var stamp: Stamp = 0
        func next() -> Stamp {
            stamp += 1
            return stamp
        }
        for user in 1...contacts + 1 {
            directory.apply(.accountCreated(user: UserID(user), name: "u\(user)"), at: next())
        }
        for number in 1...contacts {
            let contact = UserID(number + 1)
            directory.apply(
                .entrySet(owner: 1, contact: contact, number: UInt32(number), annotations: Annotations()),
                at: next()
            )
        }
        func size() throws -> (Int, SyncPage) {
            var writer = ByteWriter()
            let user = directory.index(of: 1)!
            var token = ByteWriter()
            token.token(SyncToken(settledAt: stamp, epoch: 1))
            let sync = Sync(token: Sync.TokenBytes(Array(token.array.dropFirst())))
            _ = directory.writePage(of: user, for: sync, into: &writer)
            var reader = ByteReader(writer.bytes)
            return (writer.count, try SyncPage(decoding: &reader))
        }
        // With nobody online the presence is its form alone.
        let (alone, _) = try size()
        for number in online {
            let index = directory.index(of: UserID(number + 1))!
            directory.movePresence(
                of: index,
                from: nil,
                to: SessionPresence(number.isMultiple(of: 3) ? .away : .online)
            )
        }
        let (bytes, page) = try size()
        return (bytes - alone, page.summary?.presence ?? [])
    }

    @Test("at most three bytes an online contact, whichever they are", arguments: [1, 10, 150, 1_000, 10_000])
    func few(contacts: Int) throws {
        var random = Seed(default: UInt64(contacts))
        let counts = [1, 2, contacts / 100, contacts / 10, contacts / 3, contacts]
        for count in Set(counts.map { max(1, min($0, contacts)) }) {
            let online = Set((1...contacts).shuffled(using: &random).prefix(count))
            let (bytes, found) = try presence(contacts: contacts, online: online)
            #expect(Set(found.map { Int($0.number) }) == online)
            #expect(found.allSatisfy { $0.state == ($0.number.isMultiple(of: 3) ? .away : .online) })
            // The form is there in any case; the list's or the bitmap's length is one byte or two.
            #expect(bytes <= 3 * count + 2, "\(count) of \(contacts) online: \(bytes) bytes, \(random)")
        }
    }

    @Test("two bits a contact and no more when most are online", arguments: [10, 150, 1_000, 10_000])
    func most(contacts: Int) throws {
        var random = Seed(default: UInt64(contacts))
        for share in [60, 80, 95, 100] {
            let online = Set((1...contacts).filter { _ in random.chance(share) })
            let (bytes, found) = try presence(contacts: contacts, online: online)
            #expect(found.count == online.count)
            #expect(bytes <= contacts / 4 + 1 + 2, "\(share) % of \(contacts) online: \(bytes) bytes, \(random)")
        }
    }
}
