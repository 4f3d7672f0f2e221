import TidemarkDirectory
import TidemarkWire

/// What the directory must say, by the simplest means: dictionaries and linear scans.
struct ModelDirectory {
    struct Entry: Equatable {
        var number: UInt32
        var stamp: Stamp
        /// Nil for a removed one.
        var annotations: Annotations?
        var isPending = false
        /// Of one without a contact.
        var name: String?
    }

    struct Aside: Equatable {
        var kind: AsideKind
        var stamp: Stamp
        var note = ""
        /// Of a block: the owner's fields as they were.
        var profile: [FieldNumber: Field] = [:]
        var lastSeen = LastSeen.hidden
    }

    struct Field: Equatable {
        var stamp: Stamp
        var value: [UInt8]?
    }

    var names: [UserID: String] = [:]
    var created: [UserID: Stamp] = [:]
    var fields: [UserID: [FieldNumber: Field]] = [:]
    /// By contact; of an entry without one, and of what is left of one that was pending, by `Limits.pendingUser`.
    var entries: [UserID: [UserID: Entry]] = [:]
    var asides: [UserID: [UserID: Aside]] = [:]
    var horizons: [UserID: Stamp] = [:]
    /// By reader, oldest first; those included that are not heard.
    var messages: [UserID: [(stamp: Stamp, sender: UserID, id: MessageID, content: MessageContent)]] = [:]
    var acknowledged: [UserID: Stamp] = [:]
    /// Of who lets it be known.
    var lastSeen: [UserID: LastSeen] = [:]
    /// Of who has another than the initial one.
    var access: [UserID: Access] = [:]
    /// What only the user sees, and when it last changed.
    var privately: [UserID: (stamp: Stamp, fields: [FieldChange])] = [:]
    var published: Stamp = 0

    mutating func apply(_ change: Change, at stamp: Stamp) {
        published = stamp
        switch change {
        case .accountCreated(let user, let name):
            names[user] = name
            created[user] = stamp
        case .profileChanged(let user, let changes), .privateFieldsSet(let user, let changes, _):
            if case .privateFieldsSet(_, _, let kept) = change { privately[user] = (stamp, kept) }
            for change in changes {
                fields[user, default: [:]][change.number] = Field(stamp: stamp, value: change.value)
            }
        case .entrySet(let owner, let contact, let number, let annotations, let consent):
            entries[owner, default: [:]][contact] = Entry(
                number: number,
                stamp: stamp,
                annotations: annotations,
                isPending: consent.isPending
            )
            if consent == .asked, kind(contact, owner) == .gone {
                asides[contact, default: [:]][owner] = Aside(kind: .request, stamp: stamp)
            }
            if consent == .approved { withdraw(contact, owner, at: stamp) }
        case .namedEntrySet(let owner, let name, let number, let annotations):
            entries[owner, default: [:]][Limits.pendingUser(Int(number))] = Entry(
                number: number,
                stamp: stamp,
                annotations: annotations,
                isPending: true,
                name: name
            )
        case .entryRemoved(let owner, let contact, nil):
            entries[owner]![contact]!.annotations = nil
            entries[owner]![contact]!.stamp = stamp
        case .entryRemoved(let owner, let contact, let number?):
            entries[owner]![contact] = nil
            entries[owner]![Limits.pendingUser(Int(number))] = Entry(number: number, stamp: stamp)
            withdraw(contact, owner, at: stamp)
        case .blockSet(let owner, let user, let note, _, let lastSeen):
            asides[owner, default: [:]][user] = Aside(
                kind: .block,
                stamp: stamp,
                note: note,
                profile: fields[owner] ?? [:],
                lastSeen: lastSeen ?? .at(UInt32(stamp / 1_000_000))
            )
        case .blockRemoved(let owner, let user):
            asides[owner]![user] = Aside(kind: .gone, stamp: stamp)
            if let entry = entries[user]?[owner], entry.annotations != nil, !entry.isPending {
                entries[user]![owner]!.stamp = stamp
            }
        case .accountDeleted(let user):
            (names[user], created[user], fields[user], entries[user], asides[user]) = (nil, nil, nil, nil, nil)
            (messages[user], acknowledged[user], lastSeen[user], access[user]) = (nil, nil, nil, nil)
            privately[user] = nil
            for owner in entries.keys where entries[owner]![user]?.annotations != nil {
                entries[owner]![user] = Entry(number: entries[owner]![user]!.number, stamp: stamp)
            }
        case .messageSent(let reader, let sender, let id, _, let content, let gone):
            messages[reader]?.removeAll { $0.stamp <= gone }
            messages[reader, default: []].append((stamp, sender, id, content))
        case .messagesAcknowledged(let reader, let through, let gone):
            acknowledged[reader] = max(acknowledged[reader] ?? 0, through)
            messages[reader]?.removeAll { $0.stamp <= gone || !$0.content.isHeard && $0.stamp <= acknowledged[reader]! }
        case .lastSeenSet(let user, let seen):
            lastSeen[user] = seen.isShown ? seen : nil
        case .accessSet(let user, let set):
            access[user] = set
        case .tombstonesCollected(let owner, let through):
            entries[owner] = entries[owner]?.filter { $0.value.annotations != nil || $0.value.stamp > through }
            asides[owner] = asides[owner]?.filter { $0.value.kind != .gone || $0.value.stamp > through }
            horizons[owner] = max(horizons[owner] ?? 0, through)
        }
    }

    /// What the reader is told of later than `position`.
    func heard(_ reader: UserID, after position: Stamp) -> [MessagePage.Item] {
        (messages[reader] ?? []).compactMap { message in
            guard message.stamp > position, case .heard(let bytes) = message.content else { return nil }
            return MessagePage.Item(
                stamp: message.stamp,
                sender: message.sender,
                id: message.id,
                kind: .text,
                content: bytes
            )
        }
    }

    /// What the owner is told of somebody, whom it knows as `known`; everybody is offline.
    func lastSeen(_ user: UserID, toldTo owner: UserID) -> LastSeenGetOK? {
        if user != owner, entries[owner]?[user]?.annotations == nil { return nil }
        let isPending = user != owner && entries[owner]![user]!.isPending
        let isBlocked = user != owner && kind(user, owner) == .block
        let seen = isPending ? .hidden : isBlocked ? asides[user]![owner]!.lastSeen : lastSeen[user] ?? .hidden
        return LastSeenGetOK(isShown: seen.isShown, at: seen.seconds)
    }

    func waiting(_ reader: UserID) -> Int { heard(reader, after: acknowledged[reader] ?? 0).count }

    func kind(_ owner: UserID, _ user: UserID) -> AsideKind { asides[owner]?[user]?.kind ?? .gone }

    private mutating func withdraw(_ owner: UserID, _ user: UserID, at stamp: Stamp) {
        if kind(owner, user) == .request { asides[owner]![user] = Aside(kind: .gone, stamp: stamp) }
    }

    /// What the owner may see of a contact, with stamps.
    func visible(_ owner: UserID, _ contact: UserID) -> [FieldNumber: Field] {
        if owner != contact, entries[owner]![contact]!.isPending { return [:] }
        if let aside = asides[contact]?[owner], aside.kind == .block { return aside.profile }
        return fields[contact] ?? [:]
    }

    /// As whom the owner knows it.
    func known(_ owner: UserID, _ contact: UserID) -> UserID {
        guard owner != contact, let entry = entries[owner]![contact], entry.isPending else { return contact }
        return Limits.pendingUser(Int(entry.number))
    }

    func profileStamp(_ owner: UserID, _ contact: UserID) -> Stamp {
        visible(owner, contact).values.map(\.stamp).max() ?? 0
    }

    /// A contact's, for this owner; a removed one stays where its removal put it.
    func effective(_ owner: UserID, _ contact: UserID) -> Stamp {
        if owner == contact {
            return max(created[owner]!, profileStamp(owner, owner), privately[owner]?.stamp ?? 0)
        }
        let entry = entries[owner]![contact]!
        return entry.annotations == nil ? entry.stamp : max(entry.stamp, profileStamp(owner, contact))
    }

    func live(_ owner: UserID, _ contact: UserID) -> [FieldChange] {
        visible(owner, contact).filter { $0.value.value != nil }.map { FieldChange($0.key, $0.value.value) }
            .sorted { $0.number < $1.number }
    }

    /// What the user sees of its own profile.
    func own(_ user: UserID) -> [FieldChange] {
        let kept = privately[user]?.fields ?? []
        let others = live(user, user).filter { field in !kept.contains { $0.number == field.number } }
        return (others + kept).sorted { $0.number < $1.number }
    }

    func privateNumbers(_ user: UserID) -> [FieldNumber] { (privately[user]?.fields ?? []).map(\.number) }

    /// Every item of the owner's table later than `position`, as one whole page holds them.
    func items(
        _ owner: UserID,
        after position: Stamp,
        base: Stamp,
        isFull: Bool,
        stamps: Bool,
        asides wantsAsides: Bool = false
    ) -> [SyncItem] {
        var items: [(Stamp, SyncItem)] = []
        let stamp = effective(owner, owner)
        if stamp > position {
            items.append(
                (
                    stamp,
                    SyncItem(
                        number: 0,
                        stamp: stamps ? stamp : nil,
                        content: .own(name: names[owner]!, fields: own(owner), privateFields: privateNumbers(owner))
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
                        user: known(owner, contact),
                        name: entry.name ?? names[contact]!,
                        annotations: annotations,
                        pending: entry.isPending,
                        fields: live(owner, contact)
                    )
                } else {
                    let changed = visible(owner, contact).filter { $0.value.stamp > base }
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
        for (user, aside) in asides[owner] ?? [:] where wantsAsides && aside.stamp > position {
            let content: SyncItem.Content
            switch aside.kind {
            case .gone where isFull && aside.stamp <= base: continue
            case .gone: content = .forgotten(user: user)
            case .request: content = .request(user: user, name: names[user]!)
            case .block: content = .block(user: user, note: aside.note)
            }
            items.append((aside.stamp, SyncItem(number: 0, stamp: stamps ? aside.stamp : nil, content: content)))
        }
        return items.sorted { $0.0 < $1.0 }.map(\.1)
    }

    func watermark(_ owner: UserID) -> Stamp {
        max(
            horizons[owner] ?? 0,
            effective(owner, owner),
            (entries[owner] ?? [:]).keys.map { effective(owner, $0) }.max() ?? 0,
            (asides[owner] ?? [:]).values.map(\.stamp).max() ?? 0
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

    func liveAsides(_ owner: UserID) -> [UserID: Aside] { (asides[owner] ?? [:]).filter { $0.value.kind != .gone } }

    func digest(_ owner: UserID, stamps: Bool, asides wantsAsides: Bool = false) -> UInt64 {
        let contacts = ([owner] + liveContacts(owner)).map { (known(owner, $0), effective(owner, $0)) }
        let asides = wantsAsides ? liveAsides(owner) : [:]
        let others = asides.map { (Digest.alias($0, $1.kind == .block ? .block : .request), $1.stamp) }
        return (contacts + others).reduce(0) { sum, item in
            sum &+ (stamps ? Digest.term(user: item.0, stamp: item.1) : Digest.term(user: item.0))
        }
    }
}

extension MessageContent {
    var isHeard: Bool { if case .heard = self { true } else { false } }
}
