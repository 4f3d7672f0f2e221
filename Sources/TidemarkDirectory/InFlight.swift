//  Decides writes against what is applied and, above it, what this shard has decided but the log has not yet published:
//
//      write ──▶ decide ──▶ change ──▶ log … disk … published ──▶ apply
//                  │  ▲                                             │
//                  ▼  └── what the row will be ◀── settle ──────────┘
//
//  Only the shard that owns a row decides on it, so what is in flight is known here whole.

import TidemarkWire

public struct InFlight: ~Copyable {
    struct PendingProfile {
        var outstanding = 0
        /// What others will see of each field, each once, in no order: there are few.
        var fields: [FieldChange] = []
        /// All that only the user will see; nil where no change on its way is about that.
        var kept: [FieldChange]?

        func change(of number: FieldNumber) -> FieldChange? { fields.first { $0.number == number } }

        mutating func add(_ changes: [FieldChange], kept: [FieldChange]? = nil) {
            outstanding += 1
            if let kept { self.kept = kept }
            if fields.isEmpty {
                fields = changes
                return
            }
            for change in changes {
                if let index = fields.firstIndex(where: { $0.number == change.number }) {
                    fields[index] = change
                } else {
                    fields.append(change)
                }
            }
        }
    }

    struct PendingEntry {
        var outstanding = 0
        /// Nil when it will be gone.
        var annotations: Annotations?
        var number: UInt32
        /// Whether its contact has not agreed; of one that will be gone, whether it had not.
        var isAwaited: Bool
        /// Of one without a contact that will be there.
        var name: [UInt8]?
    }

    struct PendingBlock {
        var outstanding = 0
        var isBlocked: Bool
    }

    struct PendingLastSeen {
        var outstanding = 0
        var seen: LastSeen
    }

    struct PendingNumbers {
        /// How many changes each is in.
        private var outstanding: [Int: Int] = [:]
        /// Of all since there were none.
        private(set) var highest = 0

        var isEmpty: Bool { outstanding.isEmpty }
        func contains(_ number: Int) -> Bool { outstanding[number] != nil }

        mutating func add(_ number: Int) {
            outstanding[number, default: 0] += 1
            highest = max(highest, number)
        }

        mutating func remove(_ number: Int) {
            guard let count = outstanding[number] else { return }
            outstanding[number] = count == 1 ? nil : count - 1
        }
    }

    /// Of an entry without a contact, `contact` is `Limits.pendingUser` of its number.
    struct EntryKey: Hashable {
        var owner: UserID
        var contact: UserID
    }

    var profiles: [UserID: PendingProfile] = [:]
    var entries: [EntryKey: PendingEntry] = [:]
    /// Numbers of entries that are set and not applied yet, by owner. Meanwhile a tombstone can be collected and its number
    /// be free; it is still not for another.
    var numbers: [UserID: PendingNumbers] = [:]
    /// By owner, the numbers of entries without a contact that are in flight, and will be there.
    var named: [UserID: [[UInt8]: UInt32]] = [:]
    /// By the owner of the block, and the user whom it is about.
    var blocks: [EntryKey: PendingBlock] = [:]
    var creations = PendingCreations()
    /// Accounts that will be gone; of these, those whose deletion the log may have.
    var deletions: Set<UserID> = []
    var closed: Set<UserID> = []
    var messages: MessagesInFlight
    var lastSeen: [UserID: PendingLastSeen] = [:]
    var access: [UserID: PendingAccess] = [:]
    let policy: RosterPolicy

    static let vacantPassedMax = 64

    public init(policy: RosterPolicy = .open, messages: MessageBounds = MessageBounds()) {
        self.policy = policy
        self.messages = MessagesInFlight(bounds: messages)
    }

    public var isEmpty: Bool {
        profiles.isEmpty && entries.isEmpty && blocks.isEmpty && deletions.isEmpty && messages.isEmpty
            && lastSeen.isEmpty && access.isEmpty && creations.users.isEmpty
    }

    /// Decides a write of `user`, and counts a change as in flight. Whoever administers rosters may change them where users do
    /// not.
    public mutating func decide(
        _ write: Write,
        by user: AccountIndex,
        isAdministration: Bool = false,
        in directory: borrowing Directory
    ) -> Decision {
        if let refusal = refusal(of: user, in: directory) { return refusal }
        if policy == .administered, !isAdministration, write.changesRoster { return .refused(Self.administered) }
        return switch write {
        case .profileSet(let request): decide(request, by: user, in: directory)
        case .rosterAdd(let request): decide(request, by: user, isAdministration: isAdministration, in: directory)
        case .rosterRemove(let request): decide(request, by: user, in: directory)
        case .rosterAnnotate(let request): decide(request, by: user, in: directory)
        case .rosterAnswer, .messageSend:
            preconditionFailure("the shard of whom it is about decides: `decide(_:from:in:)`")
        case .passwordSet, .signOut:
            preconditionFailure("decided by the time of day as well: `decide(_:by:nowSeconds:in:)`")
        case .blockSet(let request): decide(request, by: user, in: directory)
        case .messageAcknowledge(let request): decide(request, by: user, in: directory)
        case .lastSeenSet(let request): decide(request, by: user, in: directory)
        }
    }

    /// Of all that the user may want to write; nil where the account is there.
    func refusal(of user: AccountIndex, in directory: borrowing Directory) -> Decision? {
        let isGoing = deletions.contains(directory.id(of: user))
        guard isGoing || directory.isDeleted(user) else { return nil }
        return Self.refusal(ErrorMessage(.notAllowed, detail: "the account is deleted"), rests: isGoing)
    }

    /// To be called for each change of this shard as it is applied.
    public mutating func settle(_ change: Change) {
        switch change {
        case .tombstonesCollected:
            break
        case .accountCreated(_, let name):
            settleCreation(named: name)
        case .messageSent, .messagesAcknowledged:
            messages.settle(change)
        case .lastSeenSet(let user, _):
            guard let place = lastSeen.index(forKey: user) else { return }
            lastSeen.values[place].outstanding -= 1
            if lastSeen.values[place].outstanding == 0 { lastSeen.remove(at: place) }
        case .accessSet(let user, _):
            settleAccess(of: user)
        case .accountDeleted(let user):
            settleDeletion(of: user)
        case .profileChanged(let user, _), .privateFieldsSet(let user, _, _):
            guard let place = profiles.index(forKey: user) else { return }
            profiles.values[place].outstanding -= 1
            if profiles.values[place].outstanding == 0 { profiles.remove(at: place) }
        case .entrySet(let owner, let contact, let number, _, _):
            settleNumber(number, of: owner)
            settleEntry(EntryKey(owner: owner, contact: contact))
        case .namedEntrySet(let owner, _, let number, _):
            settleNumber(number, of: owner)
            settleEntry(EntryKey(owner: owner, contact: Limits.pendingUser(Int(number))))
        case .entryRemoved(let owner, let contact, _):
            settleEntry(EntryKey(owner: owner, contact: contact))
        case .blockSet(let owner, let user, _, _, _), .blockRemoved(let owner, let user):
            guard let place = blocks.index(forKey: EntryKey(owner: owner, contact: user)) else { return }
            blocks.values[place].outstanding -= 1
            if blocks.values[place].outstanding == 0 { blocks.remove(at: place) }
        }
    }

    mutating func settleNumber(_ number: UInt32, of owner: UserID) {
        numbers[owner]?.remove(Int(number))
        if numbers[owner]?.isEmpty == true { numbers[owner] = nil }
    }

    mutating func settleEntry(_ key: EntryKey) {
        guard var pending = entries[key] else { return }
        pending.outstanding -= 1
        entries[key] = pending.outstanding == 0 ? nil : pending
        if pending.outstanding == 0 { forgetName(pending.name, of: key.owner) }
    }

    mutating func forgetName(_ name: [UInt8]?, of owner: UserID) {
        guard let name else { return }
        named[owner]?[name] = nil
        if named[owner]?.isEmpty == true { named[owner] = nil }
    }

    // MARK: profiles

    mutating func decide(
        _ request: ProfileSet,
        by index: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        let user = directory.id(of: index)
        let profile = directory.accounts[Int(index.raw)].profile
        let pending = profiles[user]
        if request.unchangedSince != 0, pending != nil || directory.ownNewest(index.raw) > request.unchangedSince {
            let error = ErrorMessage(.changedSince, detail: "the profile changed since; sync, and decide again")
            return Self.refusal(error, rests: pending != nil)
        }
        let known = pending?.kept ?? directory.privateFields(of: index.raw)
        guard request.privateFields.isEmpty, known.isEmpty else {
            return decidePrivately(request, by: index, pending, known, in: directory)
        }
        // A field that was never there and one that was removed look alike to whoever removes it.
        let changed = request.fields.filter { field in
            if let pending = pending?.change(of: field.number) { return pending.value != field.value }
            guard let value = profile.value(of: field.number) else { return field.value != nil }
            return field.value.map { !value.elementsEqual($0) } ?? true
        }
        if changed.isEmpty { return Self.unchanged(request, pending) }
        if let error = Self.beyondLimits(profile, pending, changed) { return .refused(error) }
        profiles[user, default: PendingProfile()].add(changed)
        return .change(.profileChanged(user: user, fields: changed), .profileSet)
    }

    private static func unchanged(_ request: ProfileSet, _ pending: PendingProfile?) -> Decision {
        let restsOnPending = pending.map { pending in
            pending.kept != nil || request.fields.contains { pending.change(of: $0.number) != nil }
        }
        return restsOnPending == true ? .unchangedBehind(.profileSet) : .unchanged(.profileSet)
    }

    /// The same where a field is, or comes to be, one that only the user sees: `known` is all of these so far.
    private mutating func decidePrivately(
        _ request: ProfileSet,
        by index: AccountIndex,
        _ pending: PendingProfile?,
        _ known: [FieldChange],
        in directory: borrowing Directory
    ) -> Decision {
        let user = directory.id(of: index)
        let profile = directory.accounts[Int(index.raw)].profile
        func seen(_ number: FieldNumber) -> [UInt8]? {
            if let pending = pending?.change(of: number) { return pending.value }
            return profile.value(of: number).map { Array($0) }
        }
        var kept = known
        var visible: [FieldChange] = []
        for field in request.fields {
            let isPrivate = field.value != nil && request.privateFields.contains(field.number)
            kept.removeAll { $0.number == field.number }
            if isPrivate { kept.append(field) }
            // Whom it is hidden from is told that it was removed.
            let shown = isPrivate ? nil : field.value
            if seen(field.number) != shown { visible.append(FieldChange(field.number, shown)) }
        }
        kept.sort { $0.number < $1.number }
        if kept == known {
            if visible.isEmpty { return Self.unchanged(request, pending) }
            // Of the others alone.
            if let error = Self.beyondLimits(profile, pending, visible, kept) { return .refused(error) }
            profiles[user, default: PendingProfile()].add(visible)
            return .change(.profileChanged(user: user, fields: visible), .profileSet)
        }
        if let error = Self.beyondLimits(profile, pending, visible, kept) { return .refused(error) }
        profiles[user, default: PendingProfile()].add(visible, kept: kept)
        return .change(.privateFieldsSet(user: user, fields: visible, kept: kept), .profileSet)
    }

    /// What a profile may not become. Counts fields, and adds up values, only where the changes could be too much at all.
    static func beyondLimits(
        _ profile: Profile,
        _ pending: PendingProfile?,
        _ changed: [FieldChange],
        _ kept: [FieldChange] = []
    ) -> ErrorMessage? {
        let newBytes = changed.reduce(0) { $0 + ($1.value?.count ?? 0) }
        let pendingBytes = pending?.fields.reduce(0) { $0 + ($1.value?.count ?? 0) } ?? 0
        let fieldsMost = profile.fieldCount + (pending?.fields.count ?? 0) + changed.count
        // With names and heads the values are no fewer bytes.
        if kept.isEmpty, fieldsMost <= Limits.profileFieldsMax,
            profile.wire.count + pendingBytes + newBytes <= Limits.profileBytesMax
        {
            return nil
        }
        var values: [FieldNumber: [UInt8]?] = [:]
        for field in profile.fields { values[field.number] = .some(field.value) }
        for field in pending?.fields ?? [] { values[field.number] = .some(field.value) }
        for field in changed { values[field.number] = .some(field.value) }
        for field in kept { values[field.number] = .some(field.value) }
        if values.count > Limits.profileFieldsMax {
            return ErrorMessage(.limitExceeded, detail: "a profile has at most \(Limits.profileFieldsMax) fields")
        }
        if values.values.reduce(0, { $0 + ($1?.count ?? 0) }) > Limits.profileBytesMax {
            return ErrorMessage(.limitExceeded, detail: "a profile has at most \(Limits.profileBytesMax) bytes")
        }
        return nil
    }

    // MARK: refusals

    /// A refusal that rests on a change in flight is told once that change is on disk.
    static func refusal(_ error: ErrorMessage, rests isPending: Bool) -> Decision {
        isPending ? .unchangedBehind(.refused(error)) : .refused(error)
    }

    /// The same whatever is the reason, which could tell who there is.
    static let noSuchUser = ErrorMessage(
        .noSuchUser,
        detail: "no such user; check the name (by number only those can be asked who are contacts, or asked first)"
    )
    static let noSuchRequest = ErrorMessage(.noSuchContact, detail: "this user asks for nothing (any more)")
    static let administered = ErrorMessage(
        .notAllowed,
        detail: "contacts are given by the administration here"
    )
    static let rosterIsFull = ErrorMessage(
        .limitExceeded,
        detail: "a roster has at most \(Limits.rosterEntriesMax - 1) contacts, removed ones included"
    )
    static let noSuchContact = ErrorMessage(.noSuchContact, detail: "not in your roster; add it first")
    static let entryChanged = ErrorMessage(
        .changedSince,
        detail: "the entry changed since; sync, and decide again"
    )
}

extension Write {
    /// Who is in it, that is.
    var changesRoster: Bool {
        switch self {
        case .rosterAdd, .rosterRemove, .rosterAnswer: true
        default: false
        }
    }
}
