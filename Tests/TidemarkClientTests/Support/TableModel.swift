import TidemarkTesting
import TidemarkWire

@testable import TidemarkClient

/// An owner's table as the server keeps it, in the plainest way: everything is looked through for each answer.
struct TableModel: Sendable {
    struct Value: Sendable {
        var bytes: [UInt8]?
        var stamp: Stamp
    }

    struct Entry: Sendable {
        var user: UserID
        var name: String
        var annotations = Annotations()
        var pending = false
        var stamp: Stamp
        var fields: [UInt16: Value] = [:]

        var effective: Stamp { max(stamp, fields.values.map(\.stamp).max() ?? 0) }
    }

    var owner: UserID = 7
    var epoch: Epoch = 1
    var now: Stamp = 1_000_000
    var horizon: Stamp = 0
    var entries: [UInt32: Entry] = [:]
    var tombstones: [UInt32: Stamp] = [:]
    var own = Entry(user: 7, name: "owner", stamp: 1_000_000)
    var privateFields: Set<UInt16> = []
    /// Requests and blocks, and those that are over.
    var asides: [UserID: (content: SyncItem.Content, stamp: Stamp)] = [:]
    var online: [ContactPresence] = []
    /// Items a page, in place of bytes.
    var itemsPerPage = Int.max
    /// Added to every digest, to make the book diverge.
    var lie: UInt64 = 0

    mutating func tick() -> Stamp {
        now += 1
        return now
    }

    // MARK: changes

    mutating func add(
        _ number: UInt32,
        user: UserID,
        fields: [UInt16: String] = [:],
        annotations: Annotations = .init()
    ) {
        var entry = Entry(user: user, name: "user\(user)", annotations: annotations, stamp: tick())
        // Details older than the entry: the first error of the naive method.
        for (field, text) in fields { entry.fields[field] = Value(bytes: Array(text.utf8), stamp: 1) }
        entries[number] = entry
        tombstones[number] = nil
    }

    mutating func edit(_ number: UInt32, _ field: UInt16, _ text: String?) {
        entries[number]!.fields[field] = Value(bytes: text.map { Array($0.utf8) }, stamp: tick())
    }

    mutating func annotate(_ number: UInt32, _ annotations: Annotations) {
        entries[number]!.annotations = annotations
        entries[number]!.stamp = tick()
    }

    mutating func remove(_ number: UInt32) {
        entries[number] = nil
        tombstones[number] = tick()
    }

    mutating func editOwn(_ field: UInt16, _ text: String?) {
        own.fields[field] = Value(bytes: text.map { Array($0.utf8) }, stamp: tick())
    }

    mutating func setAside(_ content: SyncItem.Content) {
        switch content {
        case .block(let user, _), .request(let user, _), .forgotten(let user): asides[user] = (content, tick())
        default: preconditionFailure("has a number")
        }
    }

    mutating func collectTombstones() {
        let over = asides.filter { $0.value.content == .forgotten(user: $0.key) }
        horizon = max(horizon, tombstones.values.max() ?? 0, over.values.map(\.stamp).max() ?? 0)
        tombstones = [:]
        for user in over.keys { asides[user] = nil }
    }

    /// One change of any kind.
    mutating func change(_ generator: inout Seed) {
        let number = UInt32.random(in: 1...24, using: &generator)
        let text = String(UInt32.random(in: 0...999, using: &generator))
        switch Int.random(in: 0..<14, using: &generator) {
        case 12, 13:
            let user = UserID(UInt32.random(in: 100..<120, using: &generator))
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: setAside(.block(user: user, note: text))
            case 1: setAside(.request(user: user, name: "user\(user)"))
            default: if asides[user] != nil { setAside(.forgotten(user: user)) }
            }
        case 0: collectTombstones()
        case 1: editOwn(UInt16.random(in: 1...4, using: &generator), generator.chance(20) ? nil : text)
        case 2, 3: if entries[number] != nil { remove(number) }
        case 4, 5:
            let annotations = Annotations(
                alias: generator.chance(50) ? text : "",
                groups: generator.chance(50) ? ["a", text] : [],
                isFavourite: generator.chance(50)
            )
            if entries[number] != nil { annotate(number, annotations) }
        case 6, 7, 8:
            if entries[number] != nil {
                edit(number, UInt16.random(in: 1...4, using: &generator), generator.chance(20) ? nil : text)
            }
        default:
            // A user that was removed comes back under a new number, too.
            let user = UserID(UInt32.random(in: 100..<140, using: &generator))
            if entries[number] == nil, tombstones[number] == nil, !entries.values.contains(where: { $0.user == user }) {
                add(number, user: user, fields: [1: text])
            }
        }
        var states: [ContactPresence] = []
        for number in entries.keys.sorted() where generator.chance(30) {
            states.append(ContactPresence(number: number, state: generator.chance(50) ? .online : .busy))
        }
        online = states
    }

    // MARK: answers

    func answer(_ sync: Sync) -> SyncPage {
        let withStamps = sync.options.contains(.stamps)
        let (start, reason) = begin(sync)
        let isFull = start.form == .pagingFull
        var rows: [(stamp: Stamp, item: SyncItem)] = []
        for (number, entry) in entries where entry.effective > start.position {
            let all = isFull || entry.stamp > start.base
            let fields = changes(entry, after: all ? 0 : start.base, removals: !all)
            let content: SyncItem.Content =
                all
                ? .contact(
                    user: entry.user,
                    name: entry.name,
                    annotations: entry.annotations,
                    pending: entry.pending,
                    fields: fields
                ) : .patch(fields: fields)
            rows.append((entry.effective, SyncItem(number: number, stamp: entry.effective, content: content)))
        }
        for (number, stamp) in tombstones where stamp > (isFull ? max(start.base, start.position) : start.position) {
            rows.append((stamp, SyncItem(number: number, stamp: stamp, content: .removed)))
        }
        if sync.options.contains(.asides) {
            for (user, aside) in asides where aside.stamp > start.position {
                let isOver = aside.content == .forgotten(user: user)
                if isOver, isFull, aside.stamp <= start.base { continue }
                rows.append((aside.stamp, SyncItem(number: 0, stamp: aside.stamp, content: aside.content)))
            }
        }
        if own.effective > start.position {
            let content: SyncItem.Content =
                isFull || own.stamp > start.base
                ? .own(
                    name: own.name,
                    fields: changes(own, after: 0, removals: false),
                    privateFields: privateFields.sorted().map(FieldNumber.init)
                )
                : .patch(fields: changes(own, after: start.base, removals: true))
            rows.append((own.effective, SyncItem(number: 0, stamp: own.effective, content: content)))
        }
        rows.sort { $0.stamp < $1.stamp }
        let isLast = rows.count <= itemsPerPage
        rows = Array(rows.prefix(itemsPerPage))
        let end =
            isLast
            ? SyncToken(settledAt: now, epoch: epoch)
            : SyncToken(
                form: isFull ? .pagingFull : .pagingDelta,
                epoch: epoch,
                position: rows.last!.stamp,
                base: start.base
            )
        var items = rows.map(\.item)
        if !withStamps { for at in items.indices { items[at].stamp = nil } }
        let isNothing = !isFull && rows.isEmpty && start.form == .settled
        return SyncPage(
            answer: isFull ? .full : isNothing ? .upToDate : .delta,
            reason: reason,
            hasStamps: withStamps,
            token: TableModel.bytes(end),
            items: items,
            summary: isLast ? summary(sync.options) : nil
        )
    }

    private func begin(_ sync: Sync) -> (SyncToken, FullReason) {
        let anew = SyncToken(form: .pagingFull, epoch: epoch, position: 0, base: now)
        if sync.options.contains(.diverged) { return (anew, .diverged) }
        if sync.token.isEmpty { return (anew, .noToken) }
        guard let token = sync.token.withBytes({ SyncToken($0) }) else { return (anew, .tokenUnreadable) }
        if token.epoch != epoch { return (anew, .epochUnknown) }
        if token.position > now { return (anew, .beyondEnd) }
        if max(token.base, token.position) < horizon { return (anew, .horizon) }
        return (token, .none)
    }

    private func changes(_ entry: Entry, after base: Stamp, removals: Bool) -> [FieldChange] {
        entry.fields.sorted { $0.key < $1.key }
            .filter { $0.value.stamp > base && (removals || $0.value.bytes != nil) }
            .map { FieldChange(FieldNumber(rawValue: $0.key), $0.value.bytes) }
    }

    func summary(_ options: Sync.Options) -> SyncSummary {
        let withStamps = options.contains(.stamps)
        var digest = lie
        var items = entries.count + 1
        for (user, aside) in asides where options.contains(.asides) {
            let alias: UserID
            switch aside.content {
            case .block: alias = Digest.alias(user, .block)
            case .request: alias = Digest.alias(user, .request)
            default: continue
            }
            items += 1
            digest &+= withStamps ? Digest.term(user: alias, stamp: aside.stamp) : Digest.term(user: alias)
        }
        for entry in entries.values + [own] {
            digest &+=
                withStamps
                ? Digest.term(user: entry.user, stamp: entry.effective) : Digest.term(user: entry.user)
        }
        return SyncSummary(items: UInt32(items), digest: digest, presence: online, waitingMessages: 0)
    }

    static func bytes(_ token: SyncToken) -> [UInt8] {
        var writer = ByteWriter()
        writer.token(token)
        return Array(writer.array.dropFirst())
    }

    // MARK: what a book must come to

    var requests: [ContactRequest] {
        asides.values.compactMap {
            if case .request(let user, let name) = $0.content { ContactRequest(user: user, name: name) } else { nil }
        }.sorted { $0.user < $1.user }
    }

    var blocks: [Block] {
        asides.values.compactMap {
            if case .block(let user, let note) = $0.content { Block(user: user, note: note) } else { nil }
        }.sorted { $0.user < $1.user }
    }

    func contacts(withStamps: Bool) -> [Contact] {
        entries.map { number, entry in
            Contact(
                number: number,
                user: entry.user,
                name: entry.name,
                annotations: entry.annotations,
                isPending: entry.pending,
                stamp: withStamps ? entry.effective : nil,
                fields: TableModel.details(entry)
            )
        }.sorted { $0.number < $1.number }
    }

    func ownProfile(withStamps: Bool) -> OwnProfile {
        OwnProfile(
            user: owner,
            name: own.name,
            stamp: withStamps ? own.effective : nil,
            fields: TableModel.details(own),
            privateFields: Set(privateFields.map(FieldNumber.init))
        )
    }

    private static func details(_ entry: Entry) -> [FieldNumber: [UInt8]] {
        Dictionary(
            uniqueKeysWithValues: entry.fields.compactMap { field, value in
                value.bytes.map { (FieldNumber(rawValue: field), $0) }
            }
        )
    }
}
