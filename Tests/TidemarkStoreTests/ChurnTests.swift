import Foundation
import GRDB
import Testing
import TidemarkDirectory
import TidemarkTesting
import TidemarkWire

@testable import TidemarkStore

@Suite("The store over three months") struct ChurnTests {
    static let day: UInt64 = 86_400_000_000

    /// Users who edit, add and remove all the time; removals are forgotten after three days.
    @Test("the file stays in proportion to what is alive") func months() throws {
        let disk = try TestDirectory()
        let store = try disk.open()
        var directory = try store.loadDirectory()
        var random = Seed(anyFor: "months")
        let seed = random
        let users = 120 as UserID
        var now = Self.day

        func commit(_ changes: [Change]) throws {
            guard !changes.isEmpty else { return }
            now += 1_000_000
            try store.commit(changes, now: now, rowsMax: 200)
                .forEach { submission, stamp in directory.apply(submission.change!, at: stamp!) }
            if store.waitingChanges > 500 { store.beginFold() }
            try store.checkpointIfDue(framesMin: 128)
        }

        try commit((1...users).map { .accountCreated(user: $0, name: "user\($0)") })
        var sizes: [Int] = []
        var contacts: [Set<UserID>] = Array(repeating: [], count: Int(users) + 1)
        var cursor = 0
        for today in 1...90 as ClosedRange<UInt64> {
            now = max(now, today * Self.day)
            for _ in 0..<60 {
                try commit(
                    (0..<20).compactMap { _ in
                        Self.change(&random, users, &contacts, directory)
                    }
                )
            }
            if today > 3 {
                let retention = TombstoneRetention(through: now - 3 * Self.day, ownerMax: 1_000)
                try commit(directory.collections(retention, from: &cursor, accounts: Int(users)))
            }
            sizes.append(try Self.bytes(disk, store))
        }
        try store.foldAll()
        let alive = try Self.vacuumedBytes(disk, store)
        print("three months: \(sizes.map { $0 / 1024 }) KiB, \(alive / 1024) KiB alive")
        #expect(sizes.last! <= 3 * alive + (2 << 20), "\(seed)")
        // Neither file gives back what it once needed, so a day that needs more than any before is in all that follow; such days
        // become rare, and one can bring a fifteenth at once: the log of a fold. What leaks brings pages all the time.
        let growing = (30..<90).count { sizes[$0] > sizes[$0 - 1] }
        #expect(growing <= 15, "after a month it grows on few days of two more: \(growing); \(seed)")
        #expect(sizes.last! <= sizes[29] * 5 / 4, "and little in all; \(seed)")
        #expect(sizes.last! <= sizes[9] * 3 / 2, "\(seed)")
        try store.close()
    }

    private static func change(
        _ random: inout Seed,
        _ users: UserID,
        _ contacts: inout [Set<UserID>],
        _ directory: borrowing Directory
    ) -> Change? {
        let owner = UserID.random(in: 1...users, using: &random)
        let contact = UserID.random(in: 1...users, using: &random)
        if owner == contact || random.chance(60) {
            let number = FieldNumber(rawValue: UInt16(random.below(8) + 1))
            let value = random.chance(90) ? String(repeating: "v", count: random.below(60) + 1) : nil
            return .profileChanged(user: owner, fields: [FieldChange(number, value.map { Array($0.utf8) })])
        }
        if contacts[Int(owner)].remove(contact) != nil { return .entryRemoved(owner: owner, contact: contact) }
        // As the directory would give it: the one it had, or the next.
        guard contacts[Int(owner)].count < 40 else { return nil }
        contacts[Int(owner)].insert(contact)
        return .entrySet(owner: owner, contact: contact, number: UInt32(contact), annotations: Annotations())
    }

    private static func bytes(_ disk: TestDirectory, _ store: Store) throws -> Int {
        try ["", "-wal"].reduce(0) { sum, suffix in
            let file = disk.database + suffix
            return sum + ((try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int) ?? 0)
        }
    }

    private static func vacuumedBytes(_ disk: TestDirectory, _ store: Store) throws -> Int {
        let copy = disk.path + "/copy.db"
        try store.database.writeWithoutTransaction { try $0.execute(sql: "VACUUM INTO ?", arguments: [copy]) }
        return try FileManager.default.attributesOfItem(atPath: copy)[.size] as? Int ?? 0
    }
}
