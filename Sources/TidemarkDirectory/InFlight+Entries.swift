// Who is added, annotated and removed.

import TidemarkWire

extension InFlight {
    /// An entry as it will be once all that is in flight has landed.
    struct Entry {
        var number: UInt32
        /// Nil for one that was removed.
        var annotations: Annotations?
        var stamp: Stamp
        /// Its contact has not agreed.
        var isAwaited: Bool
        /// It rests on a change in flight.
        var isPending: Bool
    }

    func entry(_ key: EntryKey, in directory: borrowing Directory) -> Entry? {
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
    func key(of owner: UserID, _ contact: UserID, in directory: borrowing Directory) -> EntryKey? {
        guard let number = Limits.number(ofPending: contact) else {
            return directory.index(of: contact) == nil ? nil : EntryKey(owner: owner, contact: contact)
        }
        if numbers[owner]?.contains(number) == true {
            for (key, entry) in entries where key.owner == owner && Int(entry.number) == number {
                if entry.isAwaited, entry.annotations != nil { return key }
            }
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
    mutating func set(
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

    mutating func remove(_ key: EntryKey, _ known: Entry) -> Change {
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

    mutating func decide(
        _ request: RosterAdd,
        by owner: AccountIndex,
        isAdministration: Bool = false,
        in directory: borrowing Directory
    ) -> Decision {
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
            // An administrator knows who has which number anyway.
            let mayName = isAdministration || policy != .approval || contact == owner
            if mayName || self.mayName(id, owner, in: directory) {
                return add(contact, name: nil, request.annotations, by: owner, in: directory)
            }
            return .refused(Self.noSuchUser)
        case .name(let name):
            guard let contact = directory.index(named: name), !deletions.contains(directory.id(of: contact)) else {
                guard policy != .approval else {
                    return add(named: name, request.annotations, by: owner, in: directory)
                }
                return Self.refusal(Self.noSuchUser, rests: directory.index(named: name) != nil)
            }
            return add(contact, name: name, request.annotations, by: owner, in: directory)
        }
    }

    /// Whether the owner knows somebody's number rightly.
    func mayName(_ user: UserID, _ owner: AccountIndex, in directory: borrowing Directory) -> Bool {
        let key = EntryKey(owner: directory.id(of: owner), contact: user)
        // A block on its way ends the request.
        if blocks[key] == nil, directory.aside(of: owner, user) == .request { return true }
        return entry(key, in: directory)
            .map { !$0.isAwaited && $0.annotations != nil } ?? false
    }

    mutating func addAgain(
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

    mutating func annotate(
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
    func name(of key: EntryKey, in directory: borrowing Directory) -> String {
        let number = Limits.number(ofPending: key.contact)!
        if let name = named[key.owner]?.first(where: { Int($0.value) == number })?.key {
            return String(decoding: name, as: UTF8.self)
        }
        return directory.awaitedNames[directory.find(key.owner)!]![UInt16(number)]!
    }

    mutating func add(
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
    func isHeard(by contact: AccountIndex, _ user: UserID, in directory: borrowing Directory) -> Bool {
        let block = blocks[EntryKey(owner: directory.id(of: contact), contact: user)]
        return !(block?.isBlocked ?? (directory.aside(of: contact, user) == .block))
            && directory.requestCount(of: contact) < Limits.requestsMax
    }

    /// An entry that looks as one whose contact has yet to answer, but nobody is asked.
    mutating func add(
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
    func waitingEntry(
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
    func newNumber(of owner: AccountIndex, in directory: borrowing Directory) -> UInt32? {
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
    enum Found {
        case entry(EntryKey, Entry)
        case refused(Decision)
    }

    func find(
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

    mutating func decide(
        _ request: RosterRemove,
        by owner: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        switch find(request.contact, unchangedSince: request.unchangedSince, by: owner, in: directory) {
        case .refused(let decision): return decision
        case .entry(let key, let known): return .change(remove(key, known), .rosterRemove)
        }
    }

    mutating func decide(
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
}
