import Testing
import TidemarkWire

@testable import TidemarkDirectory

@Suite("Rosters") struct RosterTests {
    private func everybody(_ users: UserID, contacts: UserID) -> Directory {
        var directory = Directory(epochs: EpochHistory(current: 1))
        var stamp: Stamp = 0
        for user in 1...users {
            stamp += 1
            directory.apply(.accountCreated(user: user, name: "user\(user)"), at: stamp)
        }
        for owner in 1...users {
            for contact in 1...contacts where contact != owner {
                stamp += 1
                directory.apply(
                    .entrySet(owner: owner, contact: contact, number: UInt32(contact), annotations: Annotations()),
                    at: stamp
                )
            }
        }
        return directory
    }

    @Test("tables with the same contacts are not full at the same change") func compaction() {
        let users: UserID = 240
        var directory = everybody(users, contacts: users)
        var stamp = directory.published
        var most = 0
        var all = 0
        for turn in 0..<600 {
            let before = (0..<Int(users)).map { directory.accounts[$0].roster.slotCount }
            stamp += 1
            let field = FieldChange(FieldNumber(rawValue: 1), text: "\(turn)")
            directory.apply(.profileChanged(user: UserID(turn) % users + 1, fields: [field]), at: stamp)
            directory.finishChanges()
            let compacted = (0..<Int(users)).count { directory.accounts[$0].roster.slotCount <= before[$0] }
            most = max(most, compacted)
            all += compacted
        }
        #expect(all > Int(users) * 5, "there were to be many")
        #expect(most < Int(users) / 4, "\(most) of \(users) tables were compacted by one change")
    }

    @Test("what is put off is written before it is much, and by whoever looks") func putOff() {
        let users: UserID = 100
        var directory = everybody(users, contacts: users)
        func change(_ user: UserID) {
            let field = FieldChange(FieldNumber(rawValue: 1), text: "\(directory.published)")
            directory.apply(.profileChanged(user: user, fields: [field]), at: directory.published + 1)
            directory.finishChangesIfMany()
        }
        var most = 0
        for user in 1...users {
            change(user)
            // Whoever has changed and is not written yet is not counted again.
            change(user)
            most = max(most, directory.restamps.tables)
        }
        #expect(most > Restamps.tablesMax - 2 * Int(users) && most <= Restamps.tablesMax)
        #expect(directory.restamps.tables > 0, "something is put off")
        var writer = ByteWriter(capacity: 1 << 16)
        _ = directory.writePage(of: directory.index(of: 1)!, for: Sync(token: Sync.TokenBytes([])), into: &writer)
        #expect(directory.restamps.tables == 0 && directory.restamps.due.count == 0)
        directory.checkInvariants()
    }

    @Test("what is left of a deleted account's sessions, and a collection that was decided before, do nothing")
    func deleted() {
        var directory = everybody(5, contacts: 5)
        let gone = directory.index(of: 2)!
        directory.movePresence(of: gone, from: nil, to: SessionPresence(.online))
        #expect(directory.onlineUsers == 1)
        let removal = directory.published + 1
        directory.apply(.entryRemoved(owner: 2, contact: 3), at: removal)
        directory.apply(.accountDeleted(user: 2), at: removal + 1)
        #expect(directory.onlineUsers == 0)
        directory.movePresence(of: gone, from: SessionPresence(.online), to: SessionPresence(.busy))
        directory.movePresence(of: gone, from: SessionPresence(.busy), to: nil)
        #expect(directory.onlineUsers == 0)
        let late = Change.tombstonesCollected(owner: 2, through: removal)
        let isAccepted = directory.accepts(late)
        #expect(isAccepted)
        directory.apply(late, at: removal + 2)
        while directory.maintain(steps: 1) {}
        directory.checkInvariants()
    }

    @Test("numbers that were never given are vacant after loading, whatever order the entries come in")
    func vacantNumbers() {
        var directory = Directory(epochs: EpochHistory(current: 1))
        for user in 1...900 {
            directory.load(account: UserID(user), name: "user\(user)", created: UInt64(user), fields: [])
        }
        // Every third number, the later the stamp the lower.
        let entries: [Directory.StoredEntry] = (1...290).map { (place: Int) in
            Directory.StoredEntry(
                contact: UserID(place + 1),
                number: UInt32(place * 3),
                isRemoved: place.isMultiple(of: 5),
                stamp: UInt64(10_000 - place),
                annotations: Annotations()
            )
        }
        for user in 1...900 { directory.load(rosterOf: UserID(user), entries: user == 1 ? entries : []) }
        directory.finishLoading(at: 20_000)
        directory.checkInvariants()
        let roster = directory.accounts[Int(directory.index(of: 1)!.raw)].roster
        #expect(roster.memberCount == 871)
        var vacant: [Int] = []
        var number = Int(roster.firstVacant)
        while number != 0 {
            vacant.append(number)
            number = Int(roster.contact(number))
        }
        #expect(vacant == (1...870).filter { !$0.isMultiple(of: 3) })
        let isFound = (1...290).allSatisfy { roster.number(of: directory.index(of: UserID($0 + 1))!.raw) == $0 * 3 }
        #expect(isFound)
    }
}
