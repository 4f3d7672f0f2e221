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
        /// Whether its contact has not agreed; of one that will be gone, whether it had not.
        var isAwaited: Bool
        /// Of one without a contact that will be there.
        var name: [UInt8]?
    }

    private struct PendingBlock {
        var outstanding = 0
        var isBlocked: Bool
    }

    private struct PendingLastSeen {
        var outstanding = 0
        var seen: LastSeen
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

    /// Of an entry without a contact, `contact` is `Limits.pendingUser` of its number.
    private struct EntryKey: Hashable {
        var owner: UserID
        var contact: UserID
    }

    private var profiles: [UserID: PendingProfile] = [:]
    private var entries: [EntryKey: PendingEntry] = [:]
    /// Numbers of entries that are set and not applied yet, by owner. Meanwhile a tombstone can be collected and its number
    /// be free; it is still not for another.
    private var numbers: [UserID: PendingNumbers] = [:]
    /// By owner, the numbers of entries without a contact that are in flight, and will be there.
    private var named: [UserID: [[UInt8]: UInt32]] = [:]
    /// By the owner of the block, and the user whom it is about.
    private var blocks: [EntryKey: PendingBlock] = [:]
    /// Accounts that will be gone.
    private var deletions: Set<UserID> = []
    private var messages: MessagesInFlight
    private var lastSeen: [UserID: PendingLastSeen] = [:]
    private let policy: RosterPolicy

    private static let vacantPassedMax = 64

    public init(policy: RosterPolicy = .open, messages: MessageBounds = MessageBounds()) {
        self.policy = policy
        self.messages = MessagesInFlight(bounds: messages)
    }

    public var isEmpty: Bool {
        profiles.isEmpty && entries.isEmpty && blocks.isEmpty && deletions.isEmpty && messages.isEmpty
            && lastSeen.isEmpty
    }

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
        case .rosterAnswer, .messageSend:
            preconditionFailure("the shard of whom it is about decides: `decide(_:from:in:)`")
        case .blockSet(let request): decide(request, by: user, in: directory)
        case .messageAcknowledge(let request): decide(request, by: user, in: directory)
        case .lastSeenSet(let request): decide(request, by: user, in: directory)
        }
    }

    /// To be called for each change of this shard as it is applied.
    public mutating func settle(_ change: Change) {
        switch change {
        case .accountCreated, .tombstonesCollected:
            break
        case .messageSent, .messagesAcknowledged:
            messages.settle(change)
        case .lastSeenSet(let user, _):
            guard let place = lastSeen.index(forKey: user) else { return }
            lastSeen.values[place].outstanding -= 1
            if lastSeen.values[place].outstanding == 0 { lastSeen.remove(at: place) }
        case .accountDeleted(let user):
            deletions.remove(user)
        case .profileChanged(let user, _):
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

    private mutating func settleNumber(_ number: UInt32, of owner: UserID) {
        numbers[owner]?.remove(Int(number))
        if numbers[owner]?.isEmpty == true { numbers[owner] = nil }
    }

    private mutating func settleEntry(_ key: EntryKey) {
        guard var pending = entries[key] else { return }
        pending.outstanding -= 1
        entries[key] = pending.outstanding == 0 ? nil : pending
        if pending.outstanding == 0 { forgetName(pending.name, of: key.owner) }
    }

    private mutating func forgetName(_ name: [UInt8]?, of owner: UserID) {
        guard let name else { return }
        named[owner]?[name] = nil
        if named[owner]?.isEmpty == true { named[owner] = nil }
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

    /// Decides that an account goes, whose requests are withdrawn before, and counts that as in flight; none where it is not
    /// there, or on its way out.
    public mutating func deletion(of user: UserID, in directory: borrowing Directory) -> [Change] {
        guard let index = directory.index(of: user), deletions.insert(user).inserted else { return [] }
        var asked: Set<UserID> = []
        directory.forEachAwaited(of: index) { asked.insert($0) }
        for (key, entry) in entries where key.owner == user && Limits.number(ofPending: key.contact) == nil {
            if entry.isAwaited, entry.annotations != nil {
                asked.insert(key.contact)
            } else {
                asked.remove(key.contact)
            }
        }
        var changes: [Change] = []
        for contact in asked.sorted() {
            let key = EntryKey(owner: user, contact: contact)
            changes.append(remove(key, entry(key, in: directory)!))
        }
        return changes + [.accountDeleted(user: user)]
    }

    // MARK: entries

    /// An entry as it will be once all that is in flight has landed.
    private struct Entry {
        var number: UInt32
        /// Nil for one that was removed.
        var annotations: Annotations?
        var stamp: Stamp
        /// Its contact has not agreed.
        var isAwaited: Bool
        /// It rests on a change in flight.
        var isPending: Bool
    }

    private func entry(_ key: EntryKey, in directory: borrowing Directory) -> Entry? {
        if let pending = entries[key] {
            return Entry(
                number: pending.number,
                annotations: pending.annotations,
                stamp: .largest,
                isAwaited: pending.isAwaited,
                isPending: true
            )
        }
        guard let owner = directory.index(of: key.owner),
            let number = Limits.number(ofPending: key.contact) ?? directory.number(of: key.contact, for: owner)
        else { return nil }
        let roster = directory.accounts[Int(owner.raw)].roster
        guard number < roster.memberCount, !roster.isVacant(number) else { return nil }
        // Of an entry that is named by its number alone: there may be another's by now.
        if Limits.number(ofPending: key.contact) != nil, roster.contact(number) != Roster.noContact { return nil }
        let member = roster.member(number)
        return Entry(
            number: UInt32(number),
            annotations: roster.isLive(number) ? directory.annotations(owner.raw, number) : nil,
            stamp: member.entryStamp,
            isAwaited: member.flags.contains(.pending),
            isPending: false
        )
    }

    /// Which entry a client means; nil for none. Where the contact has not agreed, the client knows the entry's number alone.
    private func key(of owner: UserID, _ contact: UserID, in directory: borrowing Directory) -> EntryKey? {
        guard let number = Limits.number(ofPending: contact) else {
            return directory.index(of: contact) == nil ? nil : EntryKey(owner: owner, contact: contact)
        }
        let isSet = numbers[owner]?.contains(number) == true
        for (key, entry) in entries where isSet && key.owner == owner && Int(entry.number) == number {
            if entry.isAwaited, entry.annotations != nil { return key }
        }
        guard let index = directory.index(of: owner) else { return nil }
        let roster = directory.accounts[Int(index.raw)].roster
        guard number < roster.memberCount, roster.isLive(number), roster.flags(number).contains(.pending) else {
            return nil
        }
        let found = roster.contact(number)
        return EntryKey(
            owner: owner,
            contact: found == Roster.noContact ? contact : directory.accounts[Int(found)].id
        )
    }

    /// Sets an entry, and counts that as in flight. `name` is that of one without a contact.
    private mutating func set(
        _ key: EntryKey,
        number: UInt32,
        _ annotations: Annotations,
        _ consent: Consent,
        name: String? = nil
    ) -> Change {
        let outstanding = entries[key]?.outstanding ?? 0
        entries[key] = PendingEntry(
            outstanding: outstanding + 1,
            annotations: annotations,
            number: number,
            isAwaited: consent.isPending,
            name: name.map { Array($0.utf8) }
        )
        numbers[key.owner, default: PendingNumbers()].add(Int(number))
        guard let name else {
            return .entrySet(
                owner: key.owner,
                contact: key.contact,
                number: number,
                annotations: annotations,
                consent: consent
            )
        }
        named[key.owner, default: [:]][Array(name.utf8)] = number
        return .namedEntrySet(owner: key.owner, name: name, number: number, annotations: annotations)
    }

    private mutating func remove(_ key: EntryKey, _ known: Entry) -> Change {
        let outstanding = entries[key]?.outstanding ?? 0
        forgetName(entries[key]?.name, of: key.owner)
        entries[key] = PendingEntry(
            outstanding: outstanding + 1,
            annotations: nil,
            number: known.number,
            isAwaited: known.isAwaited
        )
        return .entryRemoved(
            owner: key.owner,
            contact: key.contact,
            pendingNumber: known.isAwaited ? known.number : nil
        )
    }

    private mutating func decide(
        _ request: RosterAdd,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        if policy == .administered { return .refused(Self.administered) }
        let ownerID = directory.id(of: owner)
        switch request.contact {
        case .id(let id) where Limits.number(ofPending: id) != nil:
            // What it has already, with other notes.
            guard let key = key(of: ownerID, id, in: directory), let known = entry(key, in: directory) else {
                return .refused(Self.noSuchUser)
            }
            guard known.annotations != nil else { return Self.refusal(Self.noSuchUser, rests: known.isPending) }
            return addAgain(key, known, request.annotations, in: directory)
        case .id(let id):
            guard let contact = directory.index(of: id) else { return .refused(Self.noSuchUser) }
            if policy == .open || contact == owner || mayName(id, owner, in: directory) {
                return add(contact, name: nil, request.annotations, by: owner, in: directory)
            }
            return .refused(Self.noSuchUser)
        case .name(let name):
            guard let contact = directory.index(named: name), !deletions.contains(directory.id(of: contact)) else {
                guard policy == .open else { return add(named: name, request.annotations, by: owner, in: directory) }
                return Self.refusal(Self.noSuchUser, rests: directory.index(named: name) != nil)
            }
            return add(contact, name: name, request.annotations, by: owner, in: directory)
        }
    }

    /// Whether the owner knows somebody's number rightly.
    private func mayName(_ user: UserID, _ owner: AccountIndex, in directory: borrowing Directory) -> Bool {
        let key = EntryKey(owner: directory.id(of: owner), contact: user)
        // A block on its way ends the request.
        if blocks[key] == nil, directory.aside(of: owner, user) == .request { return true }
        return entry(key, in: directory)
            .map { !$0.isAwaited && $0.annotations != nil } ?? false
    }

    private mutating func addAgain(
        _ key: EntryKey,
        _ known: Entry,
        _ annotations: Annotations,
        in directory: borrowing Directory
    ) -> Decision {
        let contact = known.isAwaited ? Limits.pendingUser(Int(known.number)) : key.contact
        let reply = WriteReply.rosterAdd(contact: contact, number: known.number)
        if known.annotations == annotations { return known.isPending ? .unchangedBehind(reply) : .unchanged(reply) }
        return .change(annotate(key, known, annotations, in: directory), reply)
    }

    private mutating func annotate(
        _ key: EntryKey,
        _ known: Entry,
        _ annotations: Annotations,
        in directory: borrowing Directory
    ) -> Change {
        let name = Limits.number(ofPending: key.contact) == nil ? nil : name(of: key, in: directory)
        let consent = known.isAwaited ? Consent.awaited : .given
        return set(key, number: known.number, annotations, consent, name: name)
    }

    /// Of an entry without a contact.
    private func name(of key: EntryKey, in directory: borrowing Directory) -> String {
        let number = Limits.number(ofPending: key.contact)!
        if let name = named[key.owner]?.first(where: { Int($0.value) == number })?.key {
            return String(decoding: name, as: UTF8.self)
        }
        return directory.awaitedNames[directory.find(key.owner)!]![UInt16(number)]!
    }

    private mutating func add(
        _ contact: AccountIndex,
        name: String?,
        _ annotations: Annotations,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        guard contact != owner else {
            return .refused(ErrorMessage(.notAllowed, detail: "a user is not a contact of itself"))
        }
        let key = EntryKey(owner: directory.id(of: owner), contact: directory.id(of: contact))
        guard !deletions.contains(key.contact) else { return Self.refusal(Self.noSuchUser, rests: true) }
        let known = entry(key, in: directory)
        if let known, known.annotations != nil { return addAgain(key, known, annotations, in: directory) }
        let name = name ?? directory.name(of: contact)
        // Whoever has the name by now, or hears of it: what is there stays what it is.
        if policy == .approval, let (key, known) = waitingEntry(named: name, of: owner, in: directory) {
            return addAgain(key, known, annotations, in: directory)
        }
        // One that was agreed to keeps its number when it is removed, whether it is heard or not; one that was never agreed to
        // leaves nothing to tell who it was.
        let kept = known.flatMap { $0.isAwaited ? nil : $0.number }
        let isHeard = policy != .approval || isHeard(by: contact, key.owner, in: directory)
        if !isHeard, kept == nil {
            return add(named: name, annotations, by: owner, in: directory)
        }
        guard let number = kept ?? newNumber(of: owner, in: directory) else { return .refused(Self.rosterIsFull) }
        let consent: Consent = policy != .approval ? .given : isHeard ? .asked : .awaited
        let shown = consent.isPending ? Limits.pendingUser(Int(number)) : key.contact
        return .change(
            set(key, number: number, annotations, consent),
            .rosterAdd(contact: shown, number: number)
        )
    }

    /// Whether somebody is to be told that `user` asks for it.
    private func isHeard(by contact: AccountIndex, _ user: UserID, in directory: borrowing Directory) -> Bool {
        let block = blocks[EntryKey(owner: directory.id(of: contact), contact: user)]
        return !(block?.isBlocked ?? (directory.aside(of: contact, user) == .block))
            && directory.requestCount(of: contact) < Limits.requestsMax
    }

    /// An entry that looks as one whose contact has yet to answer, but nobody is asked.
    private mutating func add(
        named name: String,
        _ annotations: Annotations,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        let ownerID = directory.id(of: owner)
        if let (key, known) = waitingEntry(named: name, of: owner, in: directory) {
            return addAgain(key, known, annotations, in: directory)
        }
        guard let number = newNumber(of: owner, in: directory) else { return .refused(Self.rosterIsFull) }
        let contact = Limits.pendingUser(Int(number))
        let key = EntryKey(owner: ownerID, contact: contact)
        return .change(
            set(key, number: number, annotations, .asked, name: name),
            .rosterAdd(contact: contact, number: number)
        )
    }

    /// The entry that has this name and no contact, if it is there or will be.
    private func waitingEntry(
        named name: String,
        of owner: AccountIndex,
        in directory: borrowing Directory
    ) -> (EntryKey, Entry)? {
        let ownerID = directory.id(of: owner)
        guard
            let number = named[ownerID]?[Array(name.utf8)].map({ Int($0) }) ?? directory.awaitedNumber(of: name, owner)
        else { return nil }
        let key = EntryKey(owner: ownerID, contact: Limits.pendingUser(number))
        guard let known = entry(key, in: directory), known.annotations != nil else { return nil }
        return (key, known)
    }

    /// A number for a new entry that nobody has: one that is vacant, or the next; nil where all are given.
    private func newNumber(of owner: AccountIndex, in directory: borrowing Directory) -> UInt32? {
        let roster = directory.accounts[Int(owner.raw)].roster
        let given = numbers[directory.id(of: owner)]
        let next = max(roster.memberCount, (given?.highest ?? 0) + 1)
        var vacant = Int(roster.firstVacant)
        var passed = 0
        // Whoever adds thousands at once has the first vacant ones in flight: rather than look through those each time, the
        // number behind all is given, for as long as there is one.
        while vacant != 0, passed < Self.vacantPassedMax || next >= Limits.rosterEntriesMax {
            if given?.contains(vacant) != true { return UInt32(vacant) }
            vacant = Int(roster.contact(vacant))
            passed += 1
        }
        return next < Limits.rosterEntriesMax ? UInt32(next) : nil
    }

    /// The entry that a client means and that is there; or why there is none.
    private enum Found {
        case entry(EntryKey, Entry)
        case refused(Decision)
    }

    private func find(
        _ contact: UserID,
        unchangedSince: Stamp,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Found {
        let ownerID = directory.id(of: owner)
        guard contact != ownerID, let key = key(of: ownerID, contact, in: directory),
            let known = entry(key, in: directory)
        else { return .refused(.refused(Self.noSuchContact)) }
        if deletions.contains(key.contact) { return .refused(Self.refusal(Self.noSuchContact, rests: true)) }
        // Whose number a pending entry's contact has, or whether any, its owner is not to find out: not by when it is told, either.
        if known.isAwaited, Limits.number(ofPending: contact) == nil { return .refused(.refused(Self.noSuchContact)) }
        guard known.annotations != nil else {
            return .refused(Self.refusal(Self.noSuchContact, rests: known.isPending))
        }
        if unchangedSince != 0, known.stamp > unchangedSince {
            return .refused(Self.refusal(Self.entryChanged, rests: known.isPending))
        }
        return .entry(key, known)
    }

    private mutating func decide(
        _ request: RosterRemove,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        if policy == .administered { return .refused(Self.administered) }
        switch find(request.contact, unchangedSince: request.unchangedSince, by: owner, in: directory) {
        case .refused(let decision): return decision
        case .entry(let key, let known): return .change(remove(key, known), .rosterRemove)
        }
    }

    private mutating func decide(
        _ request: RosterAnnotate,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        switch find(request.contact, unchangedSince: request.unchangedSince, by: owner, in: directory) {
        case .refused(let decision): return decision
        case .entry(let key, let known):
            guard known.annotations != request.annotations else {
                return known.isPending ? .unchangedBehind(.rosterAnnotate) : .unchanged(.rosterAnnotate)
            }
            return .change(annotate(key, known, request.annotations, in: directory), .rosterAnnotate)
        }
    }

    // MARK: consent

    /// Decides what `contact` answers to one of this shard's users, who has asked for it or was let in before.
    public mutating func decide(
        _ request: RosterAnswer,
        from contact: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        if policy == .administered { return .refused(Self.administered) }
        let contactID = directory.id(of: contact)
        let key = EntryKey(owner: request.user, contact: contactID)
        let isGone = deletions.contains(request.user) || deletions.contains(contactID)
        guard request.user != contactID, directory.index(of: request.user) != nil, !isGone,
            let known = entry(key, in: directory), let annotations = known.annotations
        else {
            // Nobody to keep out is as good as kept out.
            if request.answer == .refuse { return .unchangedBehind(.rosterAnswer) }
            return Self.refusal(Self.noSuchRequest, rests: isGone)
        }
        guard request.answer == .approve else { return .change(remove(key, known), .rosterAnswer) }
        if directory.aside(of: contact, request.user) == .block {
            return .refused(ErrorMessage(.notAllowed, detail: "you block this user; unblock it first"))
        }
        if !known.isAwaited { return known.isPending ? .unchangedBehind(.rosterAnswer) : .unchanged(.rosterAnswer) }
        return .change(set(key, number: known.number, annotations, .approved), .rosterAnswer)
    }

    private mutating func decide(
        _ request: BlockSet,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        let ownerID = directory.id(of: owner)
        guard request.user != ownerID else {
            return .refused(ErrorMessage(.notAllowed, detail: "a user does not block itself"))
        }
        let key = EntryKey(owner: ownerID, contact: request.user)
        let pending = blocks[key]
        let isBlocked = pending?.isBlocked ?? (directory.aside(of: owner, request.user) == .block)
        if request.isBlocked == isBlocked {
            return pending != nil ? .unchangedBehind(.blockSet) : .unchanged(.blockSet)
        }
        guard request.isBlocked else {
            count(key, isBlocked: false)
            return .change(.blockRemoved(owner: ownerID, user: request.user), .blockSet)
        }
        guard directory.index(of: request.user) != nil, !deletions.contains(request.user) else {
            return Self.refusal(Self.noSuchUser, rests: deletions.contains(request.user))
        }
        let coming = blocks.count(where: { $0.key.owner == ownerID })
        guard directory.blockCount(of: owner) + coming < Limits.blocksMax else {
            return .refused(
                ErrorMessage(.limitExceeded, detail: "a user blocks at most \(Limits.blocksMax) others")
            )
        }
        // What the other may still see has to be on disk, with its stamps.
        if profiles[ownerID] != nil { return .later }
        count(key, isBlocked: true)
        return .change(
            .blockSet(
                owner: ownerID,
                user: request.user,
                note: request.note,
                profile: directory.fieldsToFreeze(of: owner),
                lastSeen: seenByWhoever(isBlockedBy: owner, in: directory)
            ),
            .blockSet
        )
    }

    // MARK: messages

    /// What keeps `sender`, of this shard, from writing to somebody; nil for nothing. The reader's shard decides the rest.
    public func refusal(_ request: MessageSend, by sender: AccountIndex, in directory: borrowing Directory) -> Decision?
    {
        let senderID = directory.id(of: sender)
        let isGoing = deletions.contains(senderID)
        if isGoing || directory.isDeleted(sender) {
            return Self.refusal(ErrorMessage(.notAllowed, detail: "the account is deleted"), rests: isGoing)
        }
        switch find(request.reader, unchangedSince: 0, by: sender, in: directory) {
        case .refused(let decision): return decision
        case .entry(_, let known):
            guard known.isAwaited else { return nil }
            let error = ErrorMessage(.notAllowed, detail: "this contact has not agreed (yet) to be one")
            return Self.refusal(error, rests: known.isPending)
        }
    }

    /// Decides what is sent to one of this shard's users by somebody who may write to it.
    public mutating func decide(
        _ request: MessageSend,
        from sender: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        guard let reader = directory.index(of: request.reader), !deletions.contains(request.reader) else {
            return Self.refusal(Self.noSuchContact, rests: deletions.contains(request.reader))
        }
        let senderID = directory.id(of: sender)
        let block = blocks[EntryKey(owner: request.reader, contact: senderID)]
        let isBlocked = block?.isBlocked ?? (directory.aside(of: reader, senderID) == .block)
        return messages.decide(request, from: senderID, to: reader, isHeard: !isBlocked, in: directory)
    }

    private mutating func decide(
        _ request: MessageAcknowledge,
        by reader: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        guard let position = directory.messagePosition(of: Sync.TokenBytes(request.token)) else {
            return .refused(ErrorMessage(.notAllowed, detail: "this token is of no messages here; fetch them first"))
        }
        return messages.acknowledge(through: position, by: reader, in: directory)
    }

    // MARK: last seen

    /// What whoever is blocked now is told from then on: nil where the block is when the user is seen last.
    private func seenByWhoever(isBlockedBy user: AccountIndex, in directory: borrowing Directory) -> LastSeen? {
        let seen = lastSeen[directory.id(of: user)]?.seen ?? directory.lastSeen(of: user)
        return seen.isShown && directory.presence(of: user) != .offline ? nil : seen
    }

    /// Decides what is noted of a user that others do not see online any more; nil for nothing.
    public mutating func departure(
        of user: AccountIndex,
        at seconds: UInt32,
        in directory: borrowing Directory
    ) -> Change? {
        let id = directory.id(of: user)
        let known = lastSeen[id]?.seen ?? directory.lastSeen(of: user)
        guard known.isShown, known != .at(seconds), !deletions.contains(id), !directory.isDeleted(user) else {
            return nil
        }
        return set(id, .at(seconds))
    }

    /// To show it does not say when the user was last seen: that it goes from now on.
    private mutating func decide(
        _ request: LastSeenSet,
        by user: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        let id = directory.id(of: user)
        let pending = lastSeen[id]
        guard (pending?.seen ?? directory.lastSeen(of: user)).isShown != request.isShown else {
            return pending == nil ? .unchanged(.lastSeenSet) : .unchangedBehind(.lastSeenSet)
        }
        return .change(set(id, request.isShown ? .never : .hidden), .lastSeenSet)
    }

    private mutating func set(_ user: UserID, _ seen: LastSeen) -> Change {
        lastSeen[user] = PendingLastSeen(outstanding: (lastSeen[user]?.outstanding ?? 0) + 1, seen: seen)
        return .lastSeenSet(user: user, seen)
    }

    private mutating func count(_ key: EntryKey, isBlocked: Bool) {
        blocks[key] = PendingBlock(outstanding: (blocks[key]?.outstanding ?? 0) + 1, isBlocked: isBlocked)
    }

    /// A refusal that rests on a change in flight is told once that change is on disk.
    private static func refusal(_ error: ErrorMessage, rests isPending: Bool) -> Decision {
        isPending ? .unchangedBehind(.refused(error)) : .refused(error)
    }

    private static let noSuchUser = ErrorMessage(.noSuchUser, detail: "no such user; check the name")
    private static let noSuchRequest = ErrorMessage(.noSuchContact, detail: "this user asks for nothing (any more)")
    private static let administered = ErrorMessage(
        .notAllowed,
        detail: "contacts are given by the administration here"
    )
    private static let rosterIsFull = ErrorMessage(
        .limitExceeded,
        detail: "a roster has at most \(Limits.rosterEntriesMax - 1) contacts, removed ones included"
    )
    private static let noSuchContact = ErrorMessage(.noSuchContact, detail: "not in your roster; add it first")
    private static let entryChanged = ErrorMessage(
        .changedSince,
        detail: "the entry changed since; sync, and decide again"
    )
}
