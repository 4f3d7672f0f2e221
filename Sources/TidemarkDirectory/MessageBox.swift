//  The messages that are kept for one user, by stamp:
//
//      [ m m m ][ m · m m · m ]        m a message, · one that is not heard: its sender is blocked
//        tail  ▲   waiting
//              acknowledged
//
//  The tail is for the user's other devices. What is not heard is never told of and takes no room but its sender's own: to
//  the sender it is a message that waits, so whoever is blocked is answered like everybody whose reader is away.

import TidemarkWire

/// How many messages may wait for a user.
public struct MessageBounds: Equatable, Sendable {
    public var count: Int
    /// Of contents, with `MessageBox.overheadBytes` each.
    public var bytes: Int
    /// Of the count and the bytes, one sender's are at most this part.
    public static let senderShare = 4
    /// Messages that are acknowledged and kept for a user's other devices.
    public static let tailCount = 100

    public static let defaultCount = 1_000
    public static let defaultBytes = 1 << 20

    public init(count: Int = defaultCount, bytes: Int = defaultBytes) {
        precondition((1...Limits.messagesMax).contains(count) && bytes >= 1)
        self.count = count
        self.bytes = bytes
    }
}

struct MessageBox {
    /// What a message takes beside its content: about what memory and the disk need for it.
    static let overheadBytes = 64

    struct Item {
        var stamp: Stamp
        var sender: UserID
        var id: MessageID
        var kind: MessageKind
        var content: [UInt8]
        /// Of one that is not heard, whose content is nowhere.
        var unheardBytes: Int?

        var isHeard: Bool { unheardBytes == nil }
        var bytes: Int { MessageBox.overheadBytes + (unheardBytes ?? content.count) }
    }

    /// Some messages, added up.
    struct Sum: Equatable {
        var count = 0
        var bytes = 0

        mutating func add(_ bytes: Int) { (count, self.bytes) = (count + 1, self.bytes + bytes) }
        mutating func remove(_ bytes: Int) { (count, self.bytes) = (count - 1, self.bytes - bytes) }

        static func + (a: Sum, b: Sum) -> Sum { Sum(count: a.count + b.count, bytes: a.bytes + b.bytes) }
    }

    /// One sender's.
    struct Share: Equatable {
        /// That nobody has acknowledged.
        var waiting = Sum()
        var unheard = Sum()
    }

    private(set) var items: [Item] = []
    private(set) var acknowledged: Stamp = 0

    /// Heard ones: that nobody has acknowledged, and all.
    private(set) var waiting = Sum()
    private(set) var heard = Sum()
    private(set) var unheardCount = 0
    private var shares: [UserID: Share] = [:]

    var isEmpty: Bool { items.isEmpty }
    var newest: Stamp { items.last { $0.isHeard }?.stamp ?? 0 }

    func share(of sender: UserID) -> Share { shares[sender] ?? Share() }

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
    mutating func append(_ item: Item) {
        items.append(item)
        guard item.isHeard else {
            unheardCount += 1
            shares[item.sender, default: Share()].unheard.add(item.bytes)
            return
        }
        heard.add(item.bytes)
        guard item.stamp > acknowledged else { return }
        waiting.add(item.bytes)
        shares[item.sender, default: Share()].waiting.add(item.bytes)
    }

    /// Messages up to `through` are acknowledged, and those up to `gone` go; what was not heard up to either goes as well.
    mutating func acknowledge(through: Stamp, gone: Stamp) {
        let before = acknowledged
        acknowledged = max(acknowledged, through)
        // What is behind both stays as it is.
        let end = firstItem(after: max(acknowledged, gone))
        var kept: [Item] = []
        for item in items[..<end] {
            let goes = item.stamp <= gone || !item.isHeard
            if item.isHeard, item.stamp > before {
                waiting.remove(item.bytes)
                change(item.sender) { $0.waiting.remove(item.bytes) }
            }
            guard goes else {
                kept.append(item)
                continue
            }
            if item.isHeard {
                heard.remove(item.bytes)
            } else {
                unheardCount -= 1
                change(item.sender) { $0.unheard.remove(item.bytes) }
            }
        }
        if kept.count < end { items.replaceSubrange(..<end, with: kept) }
    }

    private mutating func change(_ sender: UserID, _ body: (inout Share) -> Void) {
        var share = shares[sender]!
        body(&share)
        shares[sender] = share == Share() ? nil : share
    }
}
