import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory

/// The directory's own tables, each against the standard library's, far enough to grow and shrink several times.
@Suite("Tables") struct TableTests {
    @Test("followers come and go, few and many, and each is there once", arguments: [3, 400, 700, 5_000, 40_000])
    func followers(most: Int) {
        var random = Seed(default: UInt64(most))
        var followers = Followers()
        defer { followers.deallocate() }
        var model: [UInt32: UInt16] = [:]
        var owners: [UInt32] = []
        var largest = 0
        for step in 0..<most * 6 {
            // Up for a third, about even for a third, down for the last.
            let share = step < most * 2 ? 85 : step < most * 4 ? 50 : 15
            if owners.isEmpty || (owners.count < most && random.chance(share)) {
                let owner = UInt32(truncatingIfNeeded: random.next())
                let number = UInt16(random.below(65_536))
                guard model.updateValue(number, forKey: owner) == nil else { continue }
                owners.append(owner)
                followers.append(Follower(owner: owner, number: number))
            } else {
                let at = random.below(owners.count)
                owners.swapAt(at, owners.count - 1)
                let owner = owners.removeLast()
                followers.remove(owner)
                model[owner] = nil
            }
            largest = max(largest, owners.count)
            if step % max(1, most / 4) == 0 { compare(followers, model, "step \(step), \(random)") }
        }
        compare(followers, model, "at the end, \(random)")
        #expect(largest > most / 2)
        #expect(followers.allocatedBytes < 16_384 + 8 * 6 * followers.count)
    }

    private func compare(_ followers: Followers, _ model: [UInt32: UInt16], _ comment: Comment) {
        var found: [UInt32: UInt16] = [:]
        followers.forEach { found[$0.owner] = $0.number }
        #expect(found == model, comment)
        #expect(followers.count == model.count, comment)
        if let (owner, number) = model.first {
            #expect(followers.has(Follower(owner: owner, number: number)), comment)
            #expect(!followers.has(Follower(owner: owner, number: number &+ 1)), comment)
        }
    }

    @Test("an index finds what is in it by hash and key, colliding or not", arguments: [64, 32, 8, 3])
    func index(hashBits: Int) {
        var random = Seed(default: UInt64(hashBits))
        let table = IndexTable()
        defer { table.deallocate() }
        var hashes: [UInt32: UInt64] = [:]
        for step in 0..<20_000 {
            let index = UInt32(random.below(3_000))
            if let hash = hashes[index] {
                table.remove(hash, index)
                hashes[index] = nil
            } else {
                // Few bits make long runs of the same place, in the same segment.
                let hash = hashBits == 64 ? random.next() : random.next() & (1 << UInt64(hashBits) - 1)
                table.insert(hash, index)
                hashes[index] = hash
            }
            let sought = UInt32(random.below(3_000))
            let found = table.find(hashes[sought] ?? random.next()) { $0 == sought }
            let isRight = found == (hashes[sought] == nil ? nil : sought)
            if !isRight {
                Issue.record("step \(step), \(random)")
                return
            }
        }
        for (index, hash) in hashes { #expect(table.find(hash) { $0 == index } == index) }
    }

    @Test("a large roster's index finds each contact under its number", arguments: [16, 300, 10_000])
    func contacts(capacity: Int) {
        var random = Seed(default: UInt64(capacity))
        let index = ContactIndex(capacity: capacity)
        defer { index.deallocate() }
        let contacts = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
        defer { contacts.deallocate() }
        var numbers: [UInt32: Int] = [:]
        var vacant = Array(0..<capacity)
        for step in 0..<capacity * 20 {
            if let number = vacant.last, random.chance(55) {
                let contact = UInt32(random.below(1 << 20))
                guard numbers[contact] == nil else { continue }
                vacant.removeLast()
                (contacts + number).initialize(to: contact)
                index.insert(number, in: contacts)
                numbers[contact] = number
            } else if let (contact, number) = numbers.randomElement(using: &random) {
                index.remove(number, in: contacts)
                numbers[contact] = nil
                vacant.append(number)
            }
            let sought = UInt32(random.below(1 << 20))
            let isRight = index.find(sought, in: contacts) == numbers[sought]
            if !isRight {
                Issue.record("step \(step), \(random)")
                return
            }
        }
        for (contact, number) in numbers { #expect(index.find(contact, in: contacts) == number) }
    }
}
