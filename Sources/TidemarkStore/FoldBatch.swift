//  What changes come to, row by row: of repeated changes to one row only the last is kept. Filled as groups are committed,
//  and, when the state is loaded, from the log's tail.

import TidemarkDirectory
import TidemarkWire

struct FoldBatch {
    /// A row's key: user and field number, owner and contact, or owner and user.
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
        /// Its contact has not agreed.
        var isPending = false
        /// Of one without a contact.
        var name: String?
        /// Not there at all: its number is no contact's any more, and has a row of its own.
        var isErased = false
    }

    /// A request or a block of an owner's, or what is left of one.
    struct Aside {
        var kind: AsideKind
        var stamp: Stamp
        var note = ""
        var profile: [Directory.StoredField] = []
        var lastSeen = LastSeen.hidden
        /// Which row it may replace; any, where it is nil.
        var replaces: Replaced?
    }

    enum Replaced: Int64 {
        /// A request is nothing to whoever blocks.
        case anythingButBlock = 0
        /// An answer is one to a request.
        case request = 1
    }

    struct PrivateFields {
        var stamp: Stamp
        var fields: [FieldChange]
    }

    struct Account {
        var id: UserID
        var name: String
        var created: Stamp
    }

    /// What goes of a reader's messages.
    struct Drop {
        var acknowledged: Stamp = 0
        var gone: Stamp = 0

        func drops(_ message: Directory.StoredMessage) -> Bool {
            message.stamp <= gone || message.unheardBytes != nil && message.stamp <= acknowledged
        }
    }

    private(set) var accounts: [Account] = []
    private(set) var fields: [Pair: Field] = [:]
    private(set) var entries: [Pair: Entry] = [:]
    /// By owner and user.
    private(set) var asides: [Pair: Aside] = [:]
    /// Entries, by owner and contact, that move because the contact blocks the owner no longer: if they are there, and not
    /// pending.
    private(set) var shown: [Pair: Stamp] = [:]
    /// By reader and stamp.
    private(set) var messages: [Pair: Directory.StoredMessage] = [:]
    /// By reader.
    private(set) var drops: [UserID: Drop] = [:]
    private(set) var lastSeen: [UserID: LastSeen] = [:]
    private(set) var access: [UserID: Access] = [:]
    private(set) var privateFields: [UserID: PrivateFields] = [:]
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
        case .profileChanged(let user, let changes), .privateFieldsSet(let user, let changes, _):
            if case .privateFieldsSet(_, _, let kept) = change {
                privateFields[user] = PrivateFields(stamp: stamp, fields: kept)
            }
            for field in changes {
                fields[Pair(a: user, b: UInt64(field.number.rawValue))] = Field(stamp: stamp, value: field.value)
            }
        case .entrySet(let owner, let contact, let number, let annotations, let consent):
            set(
                Pair(a: owner, b: contact),
                Entry(number: number, stamp: stamp, annotations: annotations, isPending: consent.isPending)
            )
            if consent == .asked { addRequest(Pair(a: contact, b: owner), at: stamp) }
            if consent == .approved { settleRequest(Pair(a: contact, b: owner), at: stamp) }
        case .namedEntrySet(let owner, let name, let number, let annotations):
            set(
                Pair(a: owner, b: Limits.pendingUser(Int(number))),
                Entry(number: number, stamp: stamp, annotations: annotations, isPending: true, name: name)
            )
        case .entryRemoved(let owner, let contact, let pendingNumber):
            let key = Pair(a: owner, b: contact)
            guard let pendingNumber else {
                set(key, Entry(number: entries[key]?.number, stamp: stamp))
                break
            }
            let gone = Pair(a: owner, b: Limits.pendingUser(Int(pendingNumber)))
            set(gone, Entry(number: pendingNumber, stamp: stamp))
            guard gone != key else { break }
            set(key, Entry(stamp: stamp, isErased: true))
            settleRequest(Pair(a: contact, b: owner), at: stamp)
        case .blockSet(let owner, let user, let note, let profile, let lastSeen):
            asides[Pair(a: owner, b: user)] = Aside(
                kind: .block,
                stamp: stamp,
                note: note,
                profile: profile,
                lastSeen: lastSeen ?? .at(stamp)
            )
        case .blockRemoved(let owner, let user):
            asides[Pair(a: owner, b: user)] = Aside(kind: .gone, stamp: stamp)
            show(Pair(a: user, b: owner), at: stamp)
        case .messageSent(let reader, let sender, let id, let kind, let content, let gone):
            if gone > 0 { drop(reader, through: 0, gone: gone) }
            var message = Directory.StoredMessage(stamp: stamp, sender: sender, id: id, kind: kind, content: [])
            switch content {
            case .heard(let bytes): message.content = bytes
            case .unheard(let bytes): message.unheardBytes = bytes
            }
            messages[Pair(a: reader, b: stamp)] = message
        case .messagesAcknowledged(let reader, let through, let gone):
            drop(reader, through: through, gone: gone)
        case .lastSeenSet(let user, let seen):
            lastSeen[user] = seen
        case .accessSet(let user, let set):
            access[user] = set
        case .accountDeleted(let user):
            deletions[user] = stamp
        case .tombstonesCollected(let owner, let through):
            collections[owner] = max(collections[owner] ?? 0, through)
        }
        last = stamp
        changeCount += 1
    }

    private mutating func drop(_ reader: UserID, through: Stamp, gone: Stamp) {
        let before = drops[reader] ?? Drop()
        drops[reader] = Drop(acknowledged: max(before.acknowledged, through), gone: max(before.gone, gone))
    }

    // MARK: what depends on the row before

    private mutating func set(_ key: Pair, _ entry: Entry) {
        entries[key] = entry
        shown[key] = nil
    }

    private mutating func show(_ key: Pair, at stamp: Stamp) {
        guard let entry = entries[key] else {
            shown[key] = stamp
            return
        }
        if entry.annotations != nil, !entry.isPending { entries[key]!.stamp = stamp }
    }

    private mutating func addRequest(_ key: Pair, at stamp: Stamp) {
        if let aside = asides[key], aside.replaces == nil, aside.kind == .block { return }
        let before = asides[key]
        // What goes over a block or not is known where the batch has the row itself.
        let replaces: Replaced? = before != nil && before!.replaces == nil ? nil : .anythingButBlock
        asides[key] = Aside(kind: .request, stamp: stamp, replaces: replaces)
    }

    private mutating func settleRequest(_ key: Pair, at stamp: Stamp) {
        guard let aside = asides[key] else {
            asides[key] = Aside(kind: .gone, stamp: stamp, replaces: .request)
            return
        }
        guard aside.kind == .request else { return }
        // It may have been a block all the while.
        asides[key] = Aside(kind: .gone, stamp: stamp, replaces: aside.replaces)
    }
}
