// Who is let in and who is blocked, what is sent to whom, and when somebody was last seen.

import TidemarkWire

extension InFlight {
    // MARK: consent

    /// Decides what `contact` answers to one of this shard's users, who has asked for it or was let in before.
    public mutating func decide(
        _ request: RosterAnswer,
        from contact: AccountIndex,
        isAdministration: Bool = false,
        in directory: borrowing Directory
    ) -> Decision {
        if policy == .administered, !isAdministration { return .refused(Self.administered) }
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

    mutating func decide(
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

    mutating func count(_ key: EntryKey, isBlocked: Bool) {
        blocks[key] = PendingBlock(outstanding: (blocks[key]?.outstanding ?? 0) + 1, isBlocked: isBlocked)
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

    mutating func decide(
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
    func seenByWhoever(isBlockedBy user: AccountIndex, in directory: borrowing Directory) -> LastSeen? {
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
    mutating func decide(
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

    mutating func set(_ user: UserID, _ seen: LastSeen) -> Change {
        lastSeen[user] = PendingLastSeen(outstanding: (lastSeen[user]?.outstanding ?? 0) + 1, seen: seen)
        return .lastSeenSet(user: user, seen)
    }
}
