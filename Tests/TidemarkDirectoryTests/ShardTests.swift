import Foundation
import Synchronization
import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory
@testable import TidemarkDirectoryModel

@Suite("Shards") struct ShardTests {
    @Test("users are spread evenly, also where their ids have a pattern", arguments: [2, 3, 4, 16])
    func spread(shards: Int) {
        let map = ShardMap(count: shards)
        for step in [1, 2, 256, 1 << 32] as [UserID] {
            var users = Array(repeating: 0, count: shards)
            for each in 1...16_000 as ClosedRange<UserID> { users[map.shard(of: each &* step)] += 1 }
            for count in users { #expect(abs(count - 16_000 / shards) < 16_000 / shards / 4 + 100, "\(step)") }
        }
    }

    /// Each shard on a thread, all at their own pace: this is what the sanitizers look at.
    @Test("on threads of their own, sharing profiles, they come to what one directory comes to", arguments: [2, 4])
    func threads(shards: Int) throws {
        var driver = ModelTests.Driver(ModelTests.Shape.all[5], seed: UInt64(shards))
        let options = DirectoryOptions(popularFollowers: 5)
        let epochs = EpochHistory(current: 3)
        var whole = Directory(epochs: epochs, options: options)
        /// A group for some changes each, as the log publishes them.
        struct Group: Sendable {
            var changes: [(change: Change, stamp: Stamp)] = []
            var profiles: SharedProfiles?
        }
        var groups: [Group] = []
        for size in (0..<300).map({ _ in driver.random.below(20) + 1 }) {
            var group = Group(profiles: SharedProfiles(changes: size, shards: shards))
            for _ in 0..<size {
                let change = driver.change()
                let stamp = driver.nextStamp()
                driver.model.apply(change, at: stamp)
                whole.apply(change, at: stamp)
                group.changes.append((change, stamp))
            }
            groups.append(group)
        }
        let all = groups
        let users = driver.model.names.keys.sorted()
        let directories = ShardDirectories(ShardMap(count: shards), epochs: epochs, options: options)
        let answers = Mutex<[UserID: [UInt8]]>([:])
        DispatchQueue.concurrentPerform(iterations: shards) { shard in
            var directory = directories.take(shard)
            for group in all {
                for (place, entry) in group.changes.enumerated() {
                    directory.apply(entry.change, at: entry.stamp, sharing: group.profiles?.place(place))
                }
                directory.maintain(steps: 2)
                // Reads what the others may be replacing.
                for user in users {
                    guard let index = directory.index(of: user), directory.isOwn(index) else { continue }
                    var writer = ByteWriter()
                    _ = directory.writePage(of: index, for: Sync(pageBytes: Limits.pageBytesMax), into: &writer)
                    answers.withLock { $0[user] = writer.array }
                }
            }
        }
        #expect(!users.isEmpty)
        for user in users {
            var writer = ByteWriter()
            _ = whole.writePage(of: whole.index(of: user)!, for: Sync(pageBytes: Limits.pageBytesMax), into: &writer)
            #expect(answers.withLock { $0[user] } == writer.array, "user \(user), \(driver.random)")
        }
    }

    @Test("who is online elsewhere is told, and counts") func presence() {
        let directories = ShardDirectories(ShardMap(count: 2), epochs: EpochHistory(current: 1))
        let map = directories.map
        let here = (1...100 as ClosedRange<UserID>).first { map.shard(of: $0) == 0 }!
        let there = (1...100 as ClosedRange<UserID>).first { map.shard(of: $0) == 1 }!
        var stamp: Stamp = 0
        for change: Change in [
            .accountCreated(user: here, name: "here"), .accountCreated(user: there, name: "there"),
            .entrySet(owner: here, contact: there, number: 1, annotations: Annotations()),
        ] {
            stamp += 1
            let profiles = SharedProfiles(changes: 1, shards: 2)
            for shard in 0..<2 { directories[shard].apply(change, at: stamp, sharing: profiles.place(0)) }
        }
        let index = directories[1].index(of: there)!
        let same = directories[0].index(of: there)
        #expect(same == index, "a user has the same place in all shards")
        let own = [directories[0].isOwn(index), directories[1].isOwn(index)]
        #expect(own == [false, true])
        let entries = [directories[0].entryCount, directories[1].entryCount]
        #expect(entries == [1, 0])
        let busy = directories[1].movePresence(of: index, from: nil, to: SessionPresence(.busy))
        #expect(busy == Seen(.busy))
        let invisible = directories[1].movePresence(of: index, from: nil, to: SessionPresence(.invisible))
        #expect(invisible == nil, "nothing that others see")
        let told = (1...2).map { _ in directories[0].setPresence(of: index, to: Seen(.busy)) }
        #expect(told == [true, false])
        let seen = directories[0].presence(of: index)
        #expect(seen == Seen(.busy))
        let online = directories[0].onlineUsers
        #expect(online == 1)
    }
}
