import TidemarkDirectory
import TidemarkWire

/// Users who all have each other, just few enough that nobody is popular: the most that one change is written to.
enum Firm {
    /// Nanoseconds of a change, over a thousand and a half of them: so many that each table is compacted several times.
    /// The same changes three times over, and of each the least: the work is the same, and what else the machine did
    /// meanwhile is not.
    static func changes(users: Int) -> (users: Int, median: Double, longest: Double) {
        let runs = (0..<3).map { _ in run(users: users) }
        let times = (0..<runs[0].count).map { turn in runs.map { $0[turn] }.min() ?? 0 }
        return (users, median(times), times.max() ?? 0)
    }

    private static func run(users: Int) -> [Double] {
        var directory = Directory(epochs: EpochHistory(current: Population.epoch))
        for user in 1...users {
            directory.load(account: UserID(user), name: "user\(user)", created: UInt64(user), fields: [])
        }
        var stamp = UInt64(users)
        for owner in 1...users {
            var entries: [Directory.StoredEntry] = []
            for contact in 1...users where contact != owner {
                stamp += 1
                entries.append(
                    Directory.StoredEntry(
                        contact: UserID(contact),
                        number: UInt32(entries.count + 1),
                        isRemoved: false,
                        stamp: stamp,
                        annotations: Annotations()
                    )
                )
            }
            directory.load(rosterOf: UserID(owner), entries: entries)
        }
        directory.finishLoading(at: stamp)
        return (0..<1_500).map { turn in
            stamp += 1
            let change = Change.profileChanged(
                user: UserID(turn * 7_919 % users + 1),
                fields: [FieldChange(FieldNumber(rawValue: 3), text: "\(turn)")]
            )
            let begin = nanoseconds()
            directory.apply(change, at: stamp)
            directory.finishChanges()
            return Double(nanoseconds() - begin)
        }
    }
}
