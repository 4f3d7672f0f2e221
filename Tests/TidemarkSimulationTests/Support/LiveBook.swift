// What a live client has, kept by the rules of the specification and by nothing else.

import TidemarkWire

struct LiveBook: Equatable {
    struct Contact: Equatable {
        var user: UserID
        var name: String
        var annotations: Annotations
        var isPending: Bool
        var fields: [FieldNumber: [UInt8]]
        var stamp: Stamp?
    }

    enum Aside: Hashable {
        case request(name: String)
        case block(note: String)
    }

    struct StampedAside: Equatable {
        var aside: Aside
        var stamp: Stamp?
    }

    struct Presence: Equatable {
        var state: PresenceState
        var devices: PresenceDevices
    }

    struct Message: Equatable {
        var sender: UserID
        var id: MessageID
        var content: [UInt8]
    }

    /// Whose it is.
    let user: UserID
    var contacts: [UInt32: Contact] = [:]
    var name = ""
    var own: [FieldNumber: [UInt8]] = [:]
    var ownStamp: Stamp?
    var asides: [UserID: StampedAside] = [:]
    var presence: [UInt32: Presence] = [:]
    var token: [UInt8] = []
    var messages: [Message] = []
    var messageToken: [UInt8] = []
    /// Of a full that has begun.
    private var seen: Set<UInt32> = []
    private var seenAsides: Set<UserID> = []

    init(user: UserID) { self.user = user }

    // MARK: the table

    /// Applies a page of an answer or of a push. False where count or digest are not those that the server says.
    mutating func apply(_ page: SyncPage, _ options: Sync.Options, isPush: Bool) -> Bool {
        if page.reason != .none { (seen, seenAsides) = ([], []) }
        for item in page.items { apply(item) }
        token = page.token
        guard let summary = page.summary else { return true }
        if page.answer == .full {
            contacts = contacts.filter { seen.contains($0.key) }
            asides = asides.filter { seenAsides.contains($0.key) }
        }
        if !isPush {
            presence = [:]
            see(summary.presence)
        }
        presence = presence.filter { contacts[$0.key] != nil }
        return summary.items == count && summary.digest == digest(options)
    }

    private mutating func apply(_ item: SyncItem) {
        seen.insert(item.number)
        switch item.content {
        case .contact(let user, let name, let annotations, let isPending, let fields):
            contacts[item.number] = Contact(
                user: user,
                name: name,
                annotations: annotations,
                isPending: isPending,
                fields: Self.dictionary(fields),
                stamp: item.stamp
            )
        case .patch(let fields):
            for field in fields { contacts[item.number]!.fields[field.number] = field.value }
            contacts[item.number]!.stamp = item.stamp
        case .removed:
            contacts[item.number] = nil
        case .own(let name, let fields, _):
            self.name = name
            own = Self.dictionary(fields)
            ownStamp = item.stamp
        case .request(let user, let name): set(user, .request(name: name), item.stamp)
        case .block(let user, let note): set(user, .block(note: note), item.stamp)
        case .forgotten(let user): asides[user] = nil
        }
    }

    private mutating func set(_ user: UserID, _ aside: Aside, _ stamp: Stamp?) {
        asides[user] = StampedAside(aside: aside, stamp: stamp)
        seenAsides.insert(user)
    }

    private static func dictionary(_ fields: [FieldChange]) -> [FieldNumber: [UInt8]] {
        Dictionary(uniqueKeysWithValues: fields.map { ($0.number, $0.value!) })
    }

    private var count: UInt32 { UInt32(contacts.count + 1 + asides.count) }

    private func digest(_ options: Sync.Options) -> UInt64 {
        func term(_ user: UserID, _ stamp: Stamp?) -> UInt64 {
            options.contains(.stamps) ? Digest.term(user: user, stamp: stamp ?? 0) : Digest.term(user: user)
        }
        let items = contacts.values.reduce(term(user, ownStamp)) { $0 &+ term($1.user, $1.stamp) }
        return asides.reduce(items) { sum, each in
            let kind: ItemKind = if case .block = each.value.aside { .block } else { .request }
            return sum &+ term(Digest.alias(each.key, kind), each.value.stamp)
        }
    }

    // MARK: presence

    mutating func apply(_ push: PushPresence) {
        if push.scope == .everything { presence = [:] }
        see(push.contacts)
    }

    private mutating func see(_ contacts: [ContactPresence]) {
        for contact in contacts where self.contacts[contact.number] != nil {
            presence[contact.number] =
                contact.state == .offline ? nil : Presence(state: contact.state, devices: contact.devices)
        }
    }

    // MARK: messages

    mutating func apply(_ page: MessagePage) {
        for item in page.messages where !messages.contains(where: { $0.sender == item.sender && $0.id == item.id }) {
            messages.append(Message(sender: item.sender, id: item.id, content: item.content))
        }
        messageToken = page.token
    }
}
