//  What the in-memory directory costs at a million users, in loads from memory: a pointer chase in the same run says what
//  one is. Users are drawn at random, and each draw depends on the answer before it, so that nothing overlaps by luck.

import Foundation
import TidemarkDirectory
import TidemarkRandom
import TidemarkWire

struct DirectoryCost: ~Copyable {
    struct Series: Encodable {
        var users: Int
        var entries: Int
        var buildSeconds: Double
        var nanosecondsPerLoad: Double
        var upToDateNanoseconds: Double
        var fiveChangedNanoseconds: Double
        var changeNanosecondsPerFollower: Double
        var changeFollowers: Int
        var popularFollowers: Int
        var popularChangeNanoseconds: Double
        /// Where everybody has everybody and nobody is popular.
        var firmUsers: Int
        var firmChangeNanoseconds: Double
        var firmLongestChangeNanoseconds: Double
        var bytesPerEntry: [String: Double]
        var firstSyncNanoseconds: Double
        var firstSyncMegabytesPerSecond: Double
        var memcpyMegabytesPerSecond: Double
        /// Nothing new, by the size of the roster: contacts and nanoseconds.
        var byRosterSize: [[Double]]
    }

    private var directory = Directory(epochs: EpochHistory(current: Population.epoch))
    private var population: Population
    private var writer = ByteWriter(capacity: 1 << 20)
    private var random = SplitMix64(seed: 1)

    static func run(small: Bool) throws {
        var bench = DirectoryCost(small: small)
        try bench.run(small: small)
    }

    private init(small: Bool) {
        population = Population(
            users: small ? 20_000 : 1_000_000,
            contacts: 100,
            large: small ? 200 : 4_000,
            sizes: [10, 100, 1_000, 10_000]
        )
    }

    private mutating func run(small: Bool) throws {
        let samples = small ? 5_000 : 200_000
        let begin = nanoseconds()
        let resident = Self.residentBytes()
        var withAccounts = 0
        population.fill(&directory) {
            withAccounts = Self.residentBytes()
            say("accounts are there; \(withAccounts >> 20) MiB")
        }
        let used = Self.residentBytes() - resident
        let buildSeconds = Double(nanoseconds() - begin) / 1e9
        say("\(population.entries) entries in \(Int(buildSeconds)) s; \(used >> 20) MiB")
        let memory = directory.memory
        let entries = Double(population.entries)
        let perEntry = Double(used - memory.profiles) / entries
        let users = Double(directory.userCount)

        let chase = PointerChase(bytes: small ? 64 << 20 : 1 << 30)
        let load = chase.nanosecondsPerLoad()
        say("a load from memory: \(load) ns")
        let upToDate = median((0..<5).map { _ in nothingNew(samples) })
        say("nothing new: \(upToDate) ns")
        let (pagesOfFive, ownersOfFive) = try fiveChangedSyncs(small ? 500 : 20_000)
        _ = chase.nanosecondsPerLoad()
        let five = delta(pagesOfFive, ownersOfFive)
        say("five changed: \(five) ns")
        let first = try firstSyncs()
        let bySize = population.sized.map { [Double($0.contacts), nothingNew(among: $0.users, samples)] }
        let changes = changeProfiles(small ? 20_000 : 2_000_000)
        say("a change: \(changes.nanoseconds) ns a follower")
        let popular = changePopular()
        let firm = Firm.changes(users: small ? 200 : 2_000)
        say("in a firm of \(firm.users): a change \(firm.median) ns, the longest \(firm.longest) ns")
        let loadAfter = chase.nanosecondsPerLoad()
        say("a load from memory, again: \(loadAfter) ns")

        let loads = max(load, .leastNonzeroMagnitude)
        Report(
            bench: "directory",
            machine: .this(),
            goals: [
                .ratioAtMost(
                    2,
                    "nothing-new lookup of a random user, in DRAM loads",
                    measured: upToDate,
                    against: loads,
                    unit: "ns"
                ),
                .ratioAtMost(
                    25,
                    "lookup and encoding of 5 changed contacts, in DRAM loads",
                    measured: five,
                    against: loads,
                    unit: "ns"
                ),
                .ratioAtMost(
                    3,
                    "applying a profile change, a follower, in DRAM loads",
                    measured: changes.nanoseconds,
                    against: loads,
                    unit: "ns"
                ),
                .atMost(40, "memory an entry, all but profiles", (perEntry * 100).rounded() / 100, unit: "B"),
                .atMost(
                    64,
                    "a profile's overhead over its field bytes, allocator included",
                    (Double(memory.profiles - memory.fieldValues) / users + Self.allocatorBytes).rounded(),
                    unit: "B"
                ),
                .ratioAtMost(
                    1.10,
                    "first sync of 150 contacts, encoded over field bytes",
                    measured: first.encodedBytes,
                    against: first.fieldBytes,
                    unit: "B"
                ),
                .ratioAtLeast(
                    0.25,
                    "encoding it, against memcpy from the same sources",
                    measured: first.encodeRate,
                    against: first.copyRate,
                    unit: "MB/s"
                ),
                .ratioAtMost(
                    1.5,
                    "nothing new with the largest roster, against the smallest",
                    measured: bySize.last?[1] ?? 0,
                    against: bySize.first?[1] ?? 1,
                    unit: "ns"
                ),
                .atMost(
                    1_000_000,
                    "one change of a contact with \(popular.followers) followers",
                    popular.nanoseconds,
                    unit: "ns"
                ),
                .atMost(
                    1_000_000,
                    "the longest change where \(firm.users) users all have each other",
                    firm.longest,
                    unit: "ns"
                ),
            ],
            series: Series(
                users: directory.userCount,
                entries: population.entries,
                buildSeconds: buildSeconds,
                nanosecondsPerLoad: load,
                upToDateNanoseconds: upToDate,
                fiveChangedNanoseconds: five,
                changeNanosecondsPerFollower: changes.nanoseconds,
                changeFollowers: changes.followers,
                popularFollowers: popular.followers,
                popularChangeNanoseconds: popular.nanoseconds,
                firmUsers: firm.users,
                firmChangeNanoseconds: firm.median,
                firmLongestChangeNanoseconds: firm.longest,
                bytesPerEntry: [
                    "tables": Double(memory.tables) / entries,
                    "followers": Double(memory.followers) / entries,
                    "popular": Double(memory.popular) / entries,
                    "accounts": Double(memory.accounts) / entries,
                    "indexes": Double(memory.indexes) / entries,
                    "allocator": Double(used - memory.all) / entries,
                ],
                firstSyncNanoseconds: first.nanoseconds,
                firstSyncMegabytesPerSecond: first.encodeRate,
                memcpyMegabytesPerSecond: first.copyRate,
                byRosterSize: bySize
            )
        ).print()
    }

    /// malloc's: a word in front of each block, and half of its unit of 16 behind it.
    private static let allocatorBytes = 16.0

    private static func residentBytes() -> Int {
        let statm = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let pages = statm.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    private static func sync(after stamp: Stamp?, stamps: Bool = true) -> Sync {
        guard let stamp else { return Sync(options: stamps ? .stamps : []) }
        var writer = ByteWriter()
        writer.token(SyncToken(settledAt: stamp, epoch: Population.epoch))
        return Sync(token: Sync.TokenBytes(Array(writer.array.dropFirst())), options: stamps ? .stamps : [])
    }

    // MARK: what is measured

    /// Random users, found by their ids; nanoseconds each.
    private mutating func nothingNew(_ count: Int) -> Double {
        nothingNew(among: 1..<UserID(population.users) + 1, count)
    }

    private mutating func nothingNew(among range: Range<UserID>, _ count: Int) -> Double {
        let sync = Self.sync(after: population.published)
        let users = (0..<count).map { _ in range.lowerBound + random.next() % UInt64(range.count) }
        var before: UInt64 = 0
        let begin = nanoseconds()
        for user in users {
            writer.truncate(to: 0)
            // Nothing is sent, so this is the user; the processor does not know.
            let index = directory.index(of: user &+ before)!
            before = UInt64(directory.writePage(of: index, for: sync, into: &writer).items)
        }
        return Double(nanoseconds() - begin) / Double(count)
    }

    /// For random users, a sync from which five contacts changed.
    private mutating func fiveChangedSyncs(_ count: Int) throws -> ([Sync], [UserID]) {
        var syncs: [Sync] = []
        var owners: [UserID] = []
        while syncs.count < count {
            let user = 1 + random.next() % UInt64(population.users)
            writer.truncate(to: 0)
            _ = directory.writePage(of: directory.index(of: user)!, for: Self.sync(after: nil), into: &writer)
            var reader = ByteReader(writer.bytes)
            let page = try SyncPage(decoding: &reader)
            guard page.items.count > 6, let stamp = page.items[page.items.count - 6].stamp else { continue }
            syncs.append(Self.sync(after: stamp))
            owners.append(user)
        }
        return (syncs, owners)
    }

    private mutating func delta(_ syncs: [Sync], _ owners: [UserID]) -> Double {
        var five = 5
        let begin = nanoseconds()
        for at in 0..<syncs.count {
            writer.truncate(to: 0)
            let index = directory.index(of: owners[at] &+ UInt64(five - 5))!
            five = directory.writePage(of: index, for: syncs[at], into: &writer).items
        }
        return Double(nanoseconds() - begin) / Double(syncs.count)
    }

    private mutating func firstSyncs() throws -> (
        encodedBytes: Double, fieldBytes: Double, encodeRate: Double, copyRate: Double, nanoseconds: Double
    ) {
        // Many short turns, and their medians: what else the machine does comes and goes. Each owner once, so that nothing
        // is in the caches.
        let owners = population.large.map { directory.index(of: $0)! }.shuffled(using: &random)
        let turns = 20
        let part = owners.count / (2 * turns)
        let sync = Self.sync(after: nil, stamps: false)
        let target = UnsafeMutableRawPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { target.deallocate() }
        var bytes = 0
        var encoding: [Double] = []
        var copying: [Double] = []
        for turn in 0..<turns {
            var written = 0
            var begin = nanoseconds()
            for owner in owners[turn * 2 * part..<(turn * 2 + 1) * part] {
                writer.truncate(to: 0)
                _ = directory.writePage(of: owner, for: sync, into: &writer)
                written += writer.count
            }
            encoding.append(Double(written) * 1e3 / Double(nanoseconds() - begin))
            bytes += written

            // The same from other users of the kind: their contacts' details, as they lie.
            var sources: [UnsafeRawBufferPointer] = []
            for owner in owners[(turn * 2 + 1) * part..<(turn * 2 + 2) * part] {
                directory.forEachContact(of: owner) { sources.append($0) }
            }
            var (total, at) = (0, 0)
            begin = nanoseconds()
            for source in sources {
                if at + source.count > 1 << 20 { at = 0 }
                memcpy(target + at, source.baseAddress!, source.count)
                at += source.count
                total += source.count
            }
            copying.append(Double(total) * 1e3 / Double(nanoseconds() - begin))
        }
        let each = Double(bytes) / Double(part * turns)
        return (
            each, 150 * Double(Population.fields * Population.fieldBytes), median(encoding), median(copying),
            each * 1e3 / median(encoding)
        )
    }

    private mutating func changeProfiles(_ atLeast: Int) -> (nanoseconds: Double, followers: Int) {
        var stamp = population.published
        var followers = 0
        var time: UInt64 = 0
        var turn = 0
        while followers < atLeast {
            // By rank, from those with about two thousand followers to those with a hundred.
            let rank = population.users / 400 + Int(random.next() % UInt64(population.users / 10))
            let user = population.user(rank: rank)
            followers += directory.followerCount(of: directory.index(of: user)!)
            turn += 1
            stamp += 1
            let change = Change.profileChanged(
                user: user,
                fields: [FieldChange(FieldNumber(rawValue: 3), text: "change \(turn) of 25 bytes")]
            )
            let begin = nanoseconds()
            directory.apply(change, at: stamp)
            directory.finishChanges()
            time += nanoseconds() - begin
        }
        return (Double(time) / Double(followers), followers)
    }

    private mutating func changePopular() -> (nanoseconds: Double, followers: Int) {
        let user = population.user(rank: 0)
        let followers = directory.followerCount(of: directory.index(of: user)!)
        let times = (1...5).map { turn in
            let change = Change.profileChanged(
                user: user,
                fields: [FieldChange(FieldNumber(rawValue: 3), text: "\(turn)")]
            )
            let begin = nanoseconds()
            directory.apply(change, at: population.published + 1_000_000_000 + UInt64(turn))
            directory.finishChanges()
            return Double(nanoseconds() - begin)
        }
        return (median(times), followers)
    }
}
