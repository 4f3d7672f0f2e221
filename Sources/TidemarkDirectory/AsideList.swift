//  Who has asked to be let into an owner's contacts, and whom the owner keeps out: items of its table beside the contacts, told
//  apart by their users and without numbers.
//
//      owner ──▶ [ ann asks ][ bob is blocked ][ carl: gone ] …        by stamp; somebody stands in it once
//
//  Few: a search looks at each.

import TidemarkWire

/// What somebody is to an owner beside its contacts.
public enum AsideKind: UInt8, Sendable {
    /// Nobody any more; what an earlier item leaves.
    case gone = 0
    /// Has added the owner, and waits for its answer.
    case request = 1
    /// Sees nothing of the owner.
    case block = 2
}

struct AsideList {
    struct Item {
        var stamp: Stamp
        var user: UserID
        var kind: AsideKind
        /// What the owner notes of a block.
        var note: String
    }

    private(set) var items: [Item] = []
    private(set) var requestCount = 0
    private(set) var blockCount = 0
    /// Over requests and blocks, with their stamps and without.
    private(set) var digest: UInt64 = 0
    private(set) var digestNewestOnly: UInt64 = 0

    var liveCount: Int { requestCount + blockCount }
    var tombstoneCount: Int { items.count - liveCount }

    func kind(of user: UserID) -> AsideKind { items.first { $0.user == user }?.kind ?? .gone }

    /// Where the items later than `stamp` begin.
    func firstItem(after stamp: Stamp) -> Int {
        var low = 0
        var high = items.count
        while low < high {
            let middle = (low + high) / 2
            if items[middle].stamp > stamp { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// The stamp is newer than all before.
    mutating func set(_ user: UserID, _ kind: AsideKind, note: String, at stamp: Stamp) {
        if let place = items.firstIndex(where: { $0.user == user }) { count(items.remove(at: place), isThere: false) }
        let item = Item(stamp: stamp, user: user, kind: kind, note: note)
        items.append(item)
        count(item, isThere: true)
    }

    private mutating func count(_ item: Item, isThere: Bool) {
        switch item.kind {
        case .gone: return
        case .request: requestCount += isThere ? 1 : -1
        case .block: blockCount += isThere ? 1 : -1
        }
        let alias = Digest.alias(item.user, item.kind == .block ? .block : .request)
        let (term, stamped) = (Digest.term(user: alias), Digest.term(user: alias, stamp: item.stamp))
        digest = isThere ? digest &+ stamped : digest &- stamped
        digestNewestOnly = isThere ? digestNewestOnly &+ term : digestNewestOnly &- term
    }

    /// Drops what has been gone since `stamp` or before.
    mutating func collect(through stamp: Stamp) { items.removeAll { $0.kind == .gone && $0.stamp <= stamp } }
}
