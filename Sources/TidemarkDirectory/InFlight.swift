//  Decides writes against what is applied and, above it, what this shard has decided but the log has not yet published:
//
//      write ──▶ decide ──▶ change ──▶ log … disk … published ──▶ apply
//                  │  ▲                                             │
//                  ▼  └── what the row will be ◀── settle ──────────┘
//
//  Only the shard that owns a row decides on it, so what is in flight is known here whole.

import TidemarkWire

public struct InFlight: ~Copyable {
    private struct PendingProfile {
        var outstanding = 0
        /// What each field will be, each once, in no order: there are few.
        var fields: [FieldChange] = []

        func change(of number: FieldNumber) -> FieldChange? { fields.first { $0.number == number } }

        mutating func add(_ changes: [FieldChange]) {
            outstanding += 1
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

    private struct PendingEntry {
        var outstanding = 0
        /// Nil when it will be gone.
        var annotations: Annotations?
        var number: UInt32
    }

    private struct PendingNumbers {
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

    private struct EntryKey: Hashable {
        var owner: UserID
        var contact: UserID
    }

    private var profiles: [UserID: PendingProfile] = [:]
    private var entries: [EntryKey: PendingEntry] = [:]
    /// Numbers of entries that are set and not applied yet, by owner. Meanwhile a tombstone can be collected and its number
    /// be free; it is still not for another.
    private var numbers: [UserID: PendingNumbers] = [:]
    /// Accounts that will be gone.
    private var deletions: Set<UserID> = []

    private static let vacantPassedMax = 64

    public init() {}

    public var isEmpty: Bool { profiles.isEmpty && entries.isEmpty && deletions.isEmpty }

    /// Decides a write of `user`, and counts a change as in flight.
    public mutating func decide(_ write: Write, by user: AccountIndex, in directory: borrowing Directory) -> Decision {
        let isGoing = deletions.contains(directory.id(of: user))
        if isGoing || directory.isDeleted(user) {
            return Self.refusal(ErrorMessage(.notAllowed, detail: "the account is deleted"), rests: isGoing)
        }
        return switch write {
        case .profileSet(let request): decide(request, by: user, in: directory)
        case .rosterAdd(let request): decide(request, by: user, in: directory)
        case .rosterRemove(let request): decide(request, by: user, in: directory)
        case .rosterAnnotate(let request): decide(request, by: user, in: directory)
        }
    }

    /// To be called for each change of this shard as it is applied.
    public mutating func settle(_ change: Change) {
        switch change {
        case .accountCreated, .tombstonesCollected:
            break
        case .accountDeleted(let user):
            deletions.remove(user)
        case .profileChanged(let user, _):
            guard let place = profiles.index(forKey: user) else { return }
            profiles.values[place].outstanding -= 1
            if profiles.values[place].outstanding == 0 { profiles.remove(at: place) }
        case .entrySet(let owner, let contact, let number, _):
            numbers[owner]?.remove(Int(number))
            if numbers[owner]?.isEmpty == true { numbers[owner] = nil }
            settleEntry(EntryKey(owner: owner, contact: contact))
        case .entryRemoved(let owner, let contact):
            settleEntry(EntryKey(owner: owner, contact: contact))
        }
    }

    private mutating func settleEntry(_ key: EntryKey) {
        guard var pending = entries[key] else { return }
        pending.outstanding -= 1
        entries[key] = pending.outstanding == 0 ? nil : pending
    }

    // MARK: profiles

    private mutating func decide(
        _ request: ProfileSet,
        by index: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        let user = directory.id(of: index)
        let profile = directory.accounts[Int(index.raw)].profile
        if !request.privateFields.isEmpty {
            return .refused(ErrorMessage(.notSupported, detail: "private fields are not supported yet"))
        }
        let pending = profiles[user]
        if request.unchangedSince != 0, pending != nil || profile.newest > request.unchangedSince {
            let error = ErrorMessage(.changedSince, detail: "the profile changed since; sync, and decide again")
            return Self.refusal(error, rests: pending != nil)
        }
        // A field that was never there and one that was removed look alike to whoever removes it.
        let changed = request.fields.filter { field in
            if let pending = pending?.change(of: field.number) { return pending.value != field.value }
            guard let value = profile.value(of: field.number) else { return field.value != nil }
            return field.value.map { !value.elementsEqual($0) } ?? true
        }
        if changed.isEmpty {
            let restsOnPending = pending.map { pending in
                request.fields.contains { pending.change(of: $0.number) != nil }
            }
            return restsOnPending == true ? .unchangedBehind(.profileSet) : .unchanged(.profileSet)
        }
        if let error = Self.beyondLimits(profile, pending, changed) { return .refused(error) }
        profiles[user, default: PendingProfile()].add(changed)
        return .change(.profileChanged(user: user, fields: changed), .profileSet)
    }

    /// What a profile may not become. Counts fields, and adds up values, only where the changes could be too much at all.
    private static func beyondLimits(
        _ profile: Profile,
        _ pending: PendingProfile?,
        _ changed: [FieldChange]
    ) -> ErrorMessage? {
        let newBytes = changed.reduce(0) { $0 + ($1.value?.count ?? 0) }
        let pendingBytes = pending?.fields.reduce(0) { $0 + ($1.value?.count ?? 0) } ?? 0
        let fieldsMost = profile.fieldCount + (pending?.fields.count ?? 0) + changed.count
        // With names and heads the values are no fewer bytes.
        if fieldsMost <= Limits.profileFieldsMax,
            profile.wire.count + pendingBytes + newBytes <= Limits.profileBytesMax
        {
            return nil
        }
        var values: [FieldNumber: [UInt8]?] = [:]
        for field in profile.fields { values[field.number] = .some(field.value) }
        for field in pending?.fields ?? [] { values[field.number] = .some(field.value) }
        for field in changed { values[field.number] = .some(field.value) }
        if values.count > Limits.profileFieldsMax {
            return ErrorMessage(.limitExceeded, detail: "a profile has at most \(Limits.profileFieldsMax) fields")
        }
        if values.values.reduce(0, { $0 + ($1?.count ?? 0) }) > Limits.profileBytesMax {
            return ErrorMessage(.limitExceeded, detail: "a profile has at most \(Limits.profileBytesMax) bytes")
        }
        return nil
    }

    // MARK: accounts

    /// Decides that an account goes, and counts that as in flight; nil where it is not there, or on its way out.
    public mutating func deletion(of user: UserID, in directory: borrowing Directory) -> Change? {
        guard directory.index(of: user) != nil, deletions.insert(user).inserted else { return nil }
        return .accountDeleted(user: user)
    }

    // MARK: entries

    /// An entry as it will be once all that is in flight has landed.
    private struct Entry {
        var number: UInt32
        /// Nil for one that was removed.
        var annotations: Annotations?
        var stamp: Stamp
        var isPending: Bool
    }

    private func entry(
        of owner: AccountIndex,
        _ contact: AccountIndex,
        in directory: borrowing Directory
    ) -> Entry? {
        let key = EntryKey(owner: directory.id(of: owner), contact: directory.id(of: contact))
        if let pending = entries[key] {
            return Entry(
                number: pending.number,
                annotations: pending.annotations,
                stamp: .largest,
                isPending: true
            )
        }
        let roster = directory.accounts[Int(owner.raw)].roster
        guard let number = roster.number(of: contact.raw) else { return nil }
        let member = roster.member(number)
        return Entry(
            number: UInt32(number),
            annotations: roster.isLive(number) ? directory.annotations(owner.raw, number) : nil,
            stamp: member.entryStamp,
            isPending: false
        )
    }

    private mutating func note(owner: UserID, contact: UserID, number: UInt32, annotations: Annotations?) {
        let key = EntryKey(owner: owner, contact: contact)
        let outstanding = entries[key]?.outstanding ?? 0
        entries[key] = PendingEntry(outstanding: outstanding + 1, annotations: annotations, number: number)
        if annotations != nil { numbers[owner, default: PendingNumbers()].add(Int(number)) }
    }

    private mutating func decide(
        _ request: RosterAdd,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        let found =
            switch request.contact {
            case .id(let id): directory.index(of: id)
            case .name(let name): directory.index(named: name)
            }
        guard let contact = found else {
            return .refused(ErrorMessage(.noSuchUser, detail: "no such user; check the name"))
        }
        guard contact != owner else {
            return .refused(ErrorMessage(.notAllowed, detail: "a user is not a contact of itself"))
        }
        let ownerID = directory.id(of: owner)
        let contactID = directory.id(of: contact)
        guard !deletions.contains(contactID) else {
            return .unchangedBehind(.refused(ErrorMessage(.noSuchUser, detail: "no such user; check the name")))
        }
        let known = entry(of: owner, contact, in: directory)
        if let known, known.annotations == request.annotations {
            let reply = WriteReply.rosterAdd(contact: contactID, number: known.number)
            return known.isPending ? .unchangedBehind(reply) : .unchanged(reply)
        }
        let number: UInt32
        if let known {
            number = known.number
        } else {
            guard let given = newNumber(of: owner, in: directory) else {
                return .refused(
                    ErrorMessage(
                        .limitExceeded,
                        detail: "a roster has at most \(Limits.rosterEntriesMax - 1) contacts, removed ones included"
                    )
                )
            }
            number = UInt32(given)
        }
        note(owner: ownerID, contact: contactID, number: number, annotations: request.annotations)
        return .change(
            .entrySet(owner: ownerID, contact: contactID, number: number, annotations: request.annotations),
            .rosterAdd(contact: contactID, number: number)
        )
    }

    /// A number for a new entry that nobody has: one that is vacant, or the next; nil where all are given.
    private func newNumber(of owner: AccountIndex, in directory: borrowing Directory) -> Int? {
        let roster = directory.accounts[Int(owner.raw)].roster
        let given = numbers[directory.id(of: owner)]
        let next = max(roster.memberCount, (given?.highest ?? 0) + 1)
        var vacant = Int(roster.firstVacant)
        var passed = 0
        // Whoever adds thousands at once has the first vacant ones in flight: rather than look through those each time, the
        // number behind all is given, for as long as there is one.
        while vacant != 0, passed < Self.vacantPassedMax || next >= Limits.rosterEntriesMax {
            if given?.contains(vacant) != true { return vacant }
            vacant = Int(roster.contact(vacant))
            passed += 1
        }
        return next < Limits.rosterEntriesMax ? next : nil
    }

    private mutating func decide(
        _ request: RosterRemove,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        guard let contact = directory.index(of: request.contact), contact != owner,
            let known = entry(of: owner, contact, in: directory)
        else { return .refused(Self.noSuchContact) }
        if deletions.contains(request.contact) { return Self.refusal(Self.noSuchContact, rests: true) }
        guard known.annotations != nil else { return Self.refusal(Self.noSuchContact, rests: known.isPending) }
        if request.unchangedSince != 0, known.stamp > request.unchangedSince {
            return Self.refusal(Self.entryChanged, rests: known.isPending)
        }
        let ownerID = directory.id(of: owner)
        note(owner: ownerID, contact: request.contact, number: known.number, annotations: nil)
        return .change(.entryRemoved(owner: ownerID, contact: request.contact), .rosterRemove)
    }

    private mutating func decide(
        _ request: RosterAnnotate,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        guard let contact = directory.index(of: request.contact), contact != owner,
            let known = entry(of: owner, contact, in: directory)
        else { return .refused(Self.noSuchContact) }
        if deletions.contains(request.contact) { return Self.refusal(Self.noSuchContact, rests: true) }
        guard let current = known.annotations else {
            return Self.refusal(Self.noSuchContact, rests: known.isPending)
        }
        if request.unchangedSince != 0, known.stamp > request.unchangedSince {
            return Self.refusal(Self.entryChanged, rests: known.isPending)
        }
        if current == request.annotations {
            return known.isPending ? .unchangedBehind(.rosterAnnotate) : .unchanged(.rosterAnnotate)
        }
        let ownerID = directory.id(of: owner)
        note(owner: ownerID, contact: request.contact, number: known.number, annotations: request.annotations)
        return .change(
            .entrySet(
                owner: ownerID,
                contact: request.contact,
                number: known.number,
                annotations: request.annotations
            ),
            .rosterAnnotate
        )
    }

    /// A refusal that rests on a change in flight is told once that change is on disk.
    private static func refusal(_ error: ErrorMessage, rests isPending: Bool) -> Decision {
        isPending ? .unchangedBehind(.refused(error)) : .refused(error)
    }

    private static let noSuchContact = ErrorMessage(.noSuchContact, detail: "not in your roster; add it first")
    private static let entryChanged = ErrorMessage(
        .changedSince,
        detail: "the entry changed since; sync, and decide again"
    )
}
