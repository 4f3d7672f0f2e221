import TidemarkWire

@testable import TidemarkDirectory

/// What the directory must say, by the simplest means: dictionaries and linear scans.
struct ModelDirectory {
    struct Entry: Equatable {
        var number: UInt32
        var stamp: Stamp
        /// Nil for a removed one.
        var annotations: Annotations?
    }

    struct Field: Equatable {
        var stamp: Stamp
        var value: [UInt8]?
    }

    var names: [UserID: String] = [:]
    var created: [UserID: Stamp] = [:]
    var fields: [UserID: [FieldNumber: Field]] = [:]
    var entries: [UserID: [UserID: Entry]] = [:]
    var horizons: [UserID: Stamp] = [:]
    var published: Stamp = 0

    mutating func apply(_ change: Change, at stamp: Stamp) {
        published = stamp
        switch change {
        case .accountCreated(let user, let name):
            names[user] = name
            created[user] = stamp
        case .profileChanged(let user, let changes):
            for change in changes {
                fields[user, default: [:]][change.number] = Field(stamp: stamp, value: change.value)
            }
        case .entrySet(let owner, let contact, let number, let annotations):
            entries[owner, default: [:]][contact] = Entry(number: number, stamp: stamp, annotations: annotations)
        case .entryRemoved(let owner, let contact):
            entries[owner]![contact]!.annotations = nil
            entries[owner]![contact]!.stamp = stamp
        case .accountDeleted(let user):
            (names[user], created[user], fields[user], entries[user]) = (nil, nil, nil, nil)
            for owner in entries.keys where entries[owner]![user]?.annotations != nil {
                entries[owner]![user]!.annotations = nil
                entries[owner]![user]!.stamp = stamp
            }
        case .tombstonesCollected(let owner, let through):
            entries[owner] = entries[owner]?.filter { $0.value.annotations != nil || $0.value.stamp > through }
            horizons[owner] = max(horizons[owner] ?? 0, through)
        }
    }

    func profileStamp(_ user: UserID) -> Stamp { fields[user]?.values.map(\.stamp).max() ?? 0 }

    /// A contact's, for this owner; a removed one stays where its removal put it.
    func effective(_ owner: UserID, _ contact: UserID) -> Stamp {
        if owner == contact { return max(created[owner]!, profileStamp(owner)) }
        let entry = entries[owner]![contact]!
        return entry.annotations == nil ? entry.stamp : max(entry.stamp, profileStamp(contact))
    }

    func live(_ user: UserID) -> [FieldChange] {
        (fields[user] ?? [:]).filter { $0.value.value != nil }.map { FieldChange($0.key, $0.value.value) }
            .sorted { $0.number < $1.number }
    }

    /// Every item of the owner's table later than `position`, as one whole page holds them.
    func items(_ owner: UserID, after position: Stamp, base: Stamp, isFull: Bool, stamps: Bool) -> [SyncItem] {
        var items: [(Stamp, SyncItem)] = []
        let own = effective(owner, owner)
        if own > position {
            items.append(
                (
                    own,
                    SyncItem(
                        number: 0,
                        stamp: stamps ? own : nil,
                        content: .own(name: names[owner]!, fields: live(owner), privateFields: [])
                    )
                )
            )
        }
        for (contact, entry) in entries[owner] ?? [:] {
            let stamp = effective(owner, contact)
            guard stamp > position else { continue }
            let content: SyncItem.Content
            if let annotations = entry.annotations {
                if isFull || entry.stamp > base {
                    content = .contact(
                        user: contact,
                        name: names[contact]!,
                        annotations: annotations,
                        pending: false,
                        fields: live(contact)
                    )
                } else {
                    let changed = fields[contact]!.filter { $0.value.stamp > base }
                    content = .patch(
                        fields: changed.map { FieldChange($0.key, $0.value.value) }.sorted { $0.number < $1.number }
                    )
                }
            } else {
                if isFull, stamp <= base { continue }
                content = .removed
            }
            items.append((stamp, SyncItem(number: entry.number, stamp: stamps ? stamp : nil, content: content)))
        }
        return items.sorted { $0.0 < $1.0 }.map(\.1)
    }

    func watermark(_ owner: UserID) -> Stamp {
        max(
            horizons[owner] ?? 0,
            effective(owner, owner),
            (entries[owner] ?? [:]).keys.map { effective(owner, $0) }.max() ?? 0
        )
    }

    /// The lowest number that no contact has, removed ones included.
    func freeNumber(_ owner: UserID) -> UInt32 {
        let used = Set((entries[owner] ?? [:]).values.map(\.number))
        var number: UInt32 = 1
        while used.contains(number) { number += 1 }
        return number
    }

    var entryCount: Int { names.keys.reduce(0) { $0 + liveContacts($1).count } }

    func liveContacts(_ owner: UserID) -> [UserID] {
        (entries[owner] ?? [:]).filter { $0.value.annotations != nil }.map(\.key)
    }

    func digest(_ owner: UserID, stamps: Bool) -> UInt64 {
        ([owner] + liveContacts(owner)).reduce(0) { sum, user in
            sum &+ (stamps ? Digest.term(user: user, stamp: effective(owner, user)) : Digest.term(user: user))
        }
    }
}
