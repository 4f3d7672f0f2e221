//  What changes come to, row by row: of repeated changes to one row only the last is kept. Filled as groups are committed,
//  and, when the state is loaded, from the log's tail.

import TidemarkDirectory
import TidemarkWire

struct FoldBatch {
    /// A row's key: user and field number, or owner and contact.
    struct Pair: Hashable, Comparable {
        var a: UInt64
        var b: UInt64
        static func < (x: Pair, y: Pair) -> Bool { (x.a, x.b) < (y.a, y.b) }
    }

    struct Field {
        var stamp: Stamp
        /// Nil for removed.
        var value: [UInt8]?
    }

    struct Entry {
        /// Nil where the entry was there before and keeps the number that it has.
        var number: UInt32?
        var stamp: Stamp
        /// Nil for removed.
        var annotations: Annotations?
    }

    struct Account {
        var id: UserID
        var name: String
        var created: Stamp
    }

    private(set) var accounts: [Account] = []
    private(set) var fields: [Pair: Field] = [:]
    private(set) var entries: [Pair: Entry] = [:]
    private(set) var deletions: [UserID: Stamp] = [:]
    private(set) var collections: [UserID: Stamp] = [:]

    /// The newest change that it holds; 0 for none.
    private(set) var last: Stamp = 0
    private(set) var changeCount = 0
    /// What the changes' values held, those included that newer ones replaced.
    private(set) var valueBytes = 0

    var isEmpty: Bool { changeCount == 0 }

    mutating func add(_ group: Group) {
        var stamp = group.first
        for submission in group.submissions {
            guard let change = submission.change else { continue }
            add(change, at: stamp)
            stamp += 1
        }
        valueBytes += group.valueBytes
    }

    /// Stamps rise.
    mutating func add(_ change: Change, at stamp: Stamp) {
        switch change {
        case .accountCreated(let user, let name):
            accounts.append(Account(id: user, name: name, created: stamp))
        case .profileChanged(let user, let changes):
            for field in changes {
                fields[Pair(a: user, b: UInt64(field.number.rawValue))] = Field(stamp: stamp, value: field.value)
            }
        case .entrySet(let owner, let contact, let number, let annotations):
            entries[Pair(a: owner, b: contact)] = Entry(number: number, stamp: stamp, annotations: annotations)
        case .entryRemoved(let owner, let contact):
            let before = entries[Pair(a: owner, b: contact)]
            entries[Pair(a: owner, b: contact)] = Entry(number: before?.number, stamp: stamp)
        case .accountDeleted(let user):
            deletions[user] = stamp
        case .tombstonesCollected(let owner, let through):
            collections[owner] = max(collections[owner] ?? 0, through)
        }
        last = stamp
        changeCount += 1
    }
}
