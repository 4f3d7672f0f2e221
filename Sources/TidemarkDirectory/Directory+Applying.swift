//  What each change of the log does. Each was decided before, so none fails. The time that one takes depends on the
//  follower limit and on how large rosters are, not on the number of users or of a popular contact's followers.

import TidemarkWire

extension Directory {
    /// Each stamp is newer than all before. Where there are other shards, `place` is the change's, for all of them the same.
    public mutating func apply(_ change: Change, at stamp: Stamp, sharing place: ProfilePlace? = nil) {
        precondition(stamp > published, "the log's stamps rise")
        precondition(map.count == 1 || place != nil, "profiles are shared with the other shards")
        published = stamp
        if case .profileChanged(let user, let fields) = change {
            return changeProfile(of: find(user)!, by: fields, at: stamp, sharing: place)
        }
        finishChanges()
        switch change {
        case .accountCreated(let user, let name):
            createAccount(user, name, at: stamp, sharing: place)
        case .accountDeleted(let user):
            deleteAccount(find(user)!, at: stamp, sharing: place)
        case .profileChanged:
            break
        case .privateFieldsSet(let user, let fields, let kept):
            setPrivateFields(of: find(user)!, fields, kept, at: stamp, sharing: place)
        case .entrySet(let owner, let contact, let number, let annotations, let consent):
            let contact = find(contact)!
            settleRequest(of: contact, by: owner, consent, at: stamp)
            guard let owner = findOwn(owner) else { return }
            setEntry(owner, contact, number: Int(number), annotations, isPending: consent.isPending, at: stamp)
        case .namedEntrySet(let owner, let name, let number, let annotations):
            guard let owner = findOwn(owner) else { return }
            setEntry(owner, named: name, number: Int(number), annotations, at: stamp)
        case .entryRemoved(let owner, let contact, let pendingNumber):
            let found = Limits.number(ofPending: contact) == nil ? find(contact)! : nil
            if pendingNumber != nil, let found { withdrawRequest(of: found, by: owner, at: stamp) }
            guard let owner = findOwn(owner) else { return }
            guard let found else { return removeEntry(owner, named: Limits.number(ofPending: contact)!, at: stamp) }
            removeEntry(owner, found, at: stamp)
        case .blockSet(let owner, let user, let note, let profile, let lastSeen):
            block(user, by: find(owner)!, note: note, profile, lastSeen ?? .at(stamp), at: stamp)
        case .blockRemoved(let owner, let user):
            unblock(user, by: find(owner)!, at: stamp)
        case .messageSent(let reader, let sender, let id, let kind, let content, let gone):
            guard let reader = findOwn(reader) else { return }
            var item = MessageBox.Item(stamp: stamp, sender: sender, id: id, kind: kind, content: [])
            switch content {
            case .heard(let bytes): item.content = bytes
            case .unheard(let bytes): item.unheardBytes = bytes
            }
            addMessage(item, to: reader, gone: gone)
        case .messagesAcknowledged(let reader, let through, let gone):
            // For their age, messages may go behind the reader's deletion.
            guard map.shard(of: reader) == shard, let reader = find(reader) else { return }
            acknowledgeMessages(of: reader, through: through, gone: gone)
        case .lastSeenSet(let user, let seen):
            lastSeen[Int(find(user)!)] = seen
        case .accessSet(let user, let access):
            if let user = findOwn(user) { setAccess(user, access) }
        case .tombstonesCollected(let owner, let through):
            // Decided before the owner's deletion was applied, perhaps.
            if map.shard(of: owner) == shard, let owner = find(owner) { collect(owner, through: through) }
        }
    }

    /// Nil for an owner whose roster is another shard's.
    private func findOwn(_ owner: UserID) -> UInt32? { map.shard(of: owner) == shard ? find(owner)! : nil }

    // MARK: profiles

    /// Puts another profile in the place of an account's. The one before is gone once no shard has it any more.
    @inline(__always)
    private mutating func replaceProfile(_ account: Int, sharing place: ProfilePlace?, by make: (Profile) -> Profile) {
        let before = accounts[account].profile
        accounts[account].profile = Self.profile(sharing: place) { make(before) }
        if place?.leave() != false { before.deallocate() }
    }

    /// The one that whoever came first has made, where there are others.
    @inline(__always)
    private static func profile(sharing place: ProfilePlace?, _ make: () -> Profile) -> Profile {
        place.map { $0.profile(make) } ?? make()
    }

    mutating func changeProfile(
        of index: UInt32,
        by fields: [FieldChange],
        at stamp: Stamp,
        sharing place: ProfilePlace?
    ) {
        let account = Int(index)
        let previous = accounts[account].profile.newest
        replaceProfile(account, sharing: place) { $0.changed(by: fields, at: stamp) }
        let tables = accounts[account].tablesToRestamp
        if !accounts[account].isRestampDue, tables > 0 {
            accounts[account].isRestampDue = true
            restamps.add(index, previous: previous, tables: tables)
        }
        guard accounts[account].isPopular else { return }
        let slot = accounts[account].popularSlot
        let followers = accounts[account].followers
        guard followers.count <= options.popularFollowers / 2 else {
            noteFollowers(ofPopular: index)
            return popular.change(slot, at: stamp)
        }
        // Popular until now: that its own table is restamped is all that is due.
        finishChanges()
        let (accounts, user) = (accounts, accounts[account].id)
        followers.forEach {
            accounts[Int($0.owner)].roster.makeOrdinary(Int($0.number), user: user, at: stamp)
            watches.note($0.owner)
        }
        popular.remove(slot)
        accounts[account].popularSlot = PopularContacts.none
    }

    /// A contact with more followers than the limit: from now on its changes are merged when they are read.
    mutating func makePopular(_ index: UInt32) {
        let account = Int(index)
        let user = accounts[account].id
        let newest = accounts[account].profile.newest
        let slot = popular.add(user, newest: newest)
        accounts[account].popularSlot = slot
        let (accounts, popular) = (accounts, popular)
        accounts[account].followers.forEach {
            let flags = accounts[Int($0.owner)].roster.flags(Int($0.number))
            accounts[Int($0.owner)].roster.makePopular(
                Int($0.number),
                slot: slot,
                newest: flags.isDisjoint(with: .still) ? newest : visibleNewest($0.owner, index, flags),
                popular
            )
        }
    }

    // MARK: entries

    private mutating func setEntry(
        _ owner: UInt32,
        _ contact: UInt32,
        number: Int,
        _ annotations: Annotations,
        isPending: Bool,
        at stamp: Stamp
    ) {
        let roster = accounts[Int(owner)].roster
        let isNew = number >= roster.memberCount || !roster.isLive(number)
        var flags = flags(annotations)
        if isPending { flags.insert(.pending) }
        if isFrozen(contact, for: owner) { flags.insert(.hidden) }
        let showedPresence = !isNew && roster.showsPresence(number)
        place(owner, number, contact, flags: flags, at: stamp)
        setAnnotationText(owner, number, annotations)
        watches.note(owner)
        guard isNew else {
            if showedPresence != flags.isDisjoint(with: .still) { seeAnew(owner, number, contact) }
            return
        }
        seeAnew(owner, number)
        entryCount += 1
        accounts[Int(contact)].followers.append(Follower(owner: owner, number: UInt16(number)))
        if accounts[Int(contact)].followers.count > options.popularFollowers, !accounts[Int(contact)].isPopular {
            makePopular(contact)
        }
    }

    /// At the end of the owner's table.
    mutating func place(
        _ owner: UInt32,
        _ number: Int,
        _ contact: UInt32,
        flags: Roster.Flags,
        at stamp: Stamp
    ) {
        let user = accounts[Int(contact)].id
        guard !accounts[Int(contact)].isPopular else {
            return accounts[Int(owner)].roster.setPopular(
                number,
                contact: contact,
                user: user,
                slot: accounts[Int(contact)].popularSlot,
                flags: flags,
                at: stamp,
                popular
            )
        }
        let roster = accounts[Int(owner)].roster
        let isThere = number < roster.memberCount && roster.isLive(number)
        accounts[Int(owner)].roster.set(
            number,
            contact: contact,
            user: user,
            flags: flags,
            previous: isThere ? visibleNewest(owner, contact, roster.flags(number)) : 0,
            at: stamp
        )
    }

    /// An entry without a contact.
    private mutating func setEntry(
        _ owner: UInt32,
        named name: String,
        number: Int,
        _ annotations: Annotations,
        at stamp: Stamp
    ) {
        let account = Int(owner)
        let isNew = number >= accounts[account].roster.memberCount || !accounts[account].roster.isLive(number)
        accounts[account].roster.set(
            number,
            contact: Roster.noContact,
            user: 0,
            flags: flags(annotations).union(.pending),
            previous: 0,
            at: stamp
        )
        setAnnotationText(owner, number, annotations)
        awaitedNames[owner, default: [:]][UInt16(number)] = name
        watches.note(owner)
        guard isNew else { return }
        seeAnew(owner, number)
        entryCount += 1
    }

    private mutating func removeEntry(_ owner: UInt32, named number: Int, at stamp: Stamp) {
        accounts[Int(owner)].roster.remove(number, user: 0, previous: 0, at: stamp)
        setAnnotationText(owner, number, Annotations())
        awaitedNames[owner]?[UInt16(number)] = nil
        if awaitedNames[owner]?.isEmpty == true { awaitedNames[owner] = nil }
        watches.note(owner)
        entryCount -= 1
    }

    private mutating func removeEntry(_ owner: UInt32, _ contact: UInt32, at stamp: Stamp) {
        let number = accounts[Int(owner)].roster.number(of: contact)!
        bury(owner, number, contact, at: stamp)
        accounts[Int(contact)].followers.remove(owner)
    }

    /// Leaves a tombstone in the owner's table.
    private mutating func bury(_ owner: UInt32, _ number: Int, _ contact: UInt32, at stamp: Stamp) {
        accounts[Int(owner)].roster.remove(
            number,
            user: accounts[Int(contact)].id,
            previous: visibleNewest(owner, contact, accounts[Int(owner)].roster.flags(number)),
            at: stamp
        )
        setAnnotationText(owner, number, Annotations())
        watches.note(owner)
        entryCount -= 1
    }

    private mutating func collect(_ owner: UInt32, through stamp: Stamp) {
        accounts[Int(owner)].roster.refreshPopular(popular)
        var still: [(number: Int, contact: UInt32)] = []
        accounts[Int(owner)].roster.collect(through: stamp) { still.append(($0, $1)) }
        if !asides.isEmpty { asides[owner]?.collect(through: stamp) }
        for (number, contact) in still {
            setAnnotationText(owner, number, Annotations())
            unfollowDeleted(contact, by: owner)
        }
    }

    // MARK: accounts

    private mutating func createAccount(
        _ user: UserID,
        _ name: String,
        at stamp: Stamp,
        sharing place: ProfilePlace?
    ) {
        let index = addAccount(user, Self.profile(sharing: place) { Profile(name: name, fields: []) })
        _ = place?.leave()
        guard accounts[Int(index)].isOwn else { return }
        accounts[Int(index)].roster.set(0, contact: index, user: user, flags: [], previous: 0, at: stamp)
    }

    private mutating func deleteAccount(_ index: UInt32, at stamp: Stamp, sharing place: ProfilePlace?) {
        let account = Int(index)
        unlist(index)
        accounts[account].isDeleted = true
        watches.remove(index)
        forgetPresence(account)
        let followers = accounts[account].followers
        if accounts[account].isPopular {
            // Its followers find out when they are read, and keep it as a tombstone until they collect it.
            popular.change(accounts[account].popularSlot, at: stamp, isDeletion: true)
            noteFollowers(ofPopular: index)
            entryCount -= followers.count
            if followers.count == 0 { forgetPopular(account) }
        } else {
            var all: [Follower] = []
            all.reserveCapacity(followers.count)
            followers.forEach { all.append($0) }
            for follower in all { bury(follower.owner, Int(follower.number), index, at: stamp) }
            accounts[account].followers.deallocate()
        }
        forgetAsides(of: index)
        forgetMessages(of: index)
        lastSeen[account] = .hidden
        access[index] = nil
        privateProfiles[index] = nil
        awaitedNames[index] = nil
        replaceProfile(account, sharing: place) { _ in Profile(name: "", fields: []) }
        if accounts[account].isOwn { dismantling.add(index) }
    }

    /// The owner was the follower of a popular contact that was deleted. With the last one, nothing is left of it.
    private mutating func unfollowDeleted(_ contact: UInt32, by owner: UInt32) {
        accounts[Int(contact)].followers.remove(owner)
        if accounts[Int(contact)].followers.count == 0 { forgetPopular(Int(contact)) }
    }

    /// Of a deleted contact that nobody follows any more.
    private mutating func forgetPopular(_ account: Int) {
        accounts[account].followers.deallocate()
        popular.remove(accounts[account].popularSlot)
        accounts[account].popularSlot = PopularContacts.none
    }

    /// Undoes what deleted accounts leave behind, `steps` entries or accounts at most; what they followed no longer has
    /// them as followers. No answer depends on how far it has come. Returns whether there is more to do.
    @discardableResult
    public mutating func maintain(steps: Int) -> Bool {
        guard dismantling.first != nil else { return false }
        finishChanges()
        var left = steps
        while left > 0, let (index, next) = dismantling.first {
            let account = Int(index)
            var number = next
            while number < accounts[account].roster.memberCount, left > 0 {
                if accounts[account].roster.isLive(number) {
                    let contact = accounts[account].roster.contact(number)
                    setAnnotationText(index, number, Annotations())
                    if contact == Roster.noContact {
                        entryCount -= 1
                    } else if accounts[Int(contact)].isDeleted {
                        unfollowDeleted(contact, by: index)
                    } else {
                        accounts[Int(contact)].followers.remove(index)
                        entryCount -= 1
                    }
                }
                number += 1
                left -= 1
            }
            if number < accounts[account].roster.memberCount {
                dismantling.advance(to: number)
            } else {
                accounts[account].roster.deallocate()
                thawAll(for: index)
                dismantling.removeFirst()
                left -= 1
            }
        }
        return dismantling.first != nil
    }
}

/// Deleted accounts whose own entries are still there, and how far each has been gone through.
struct Dismantling {
    private var queue: [UInt32] = []
    /// Those in front of it are done.
    private var head = 0
    private var number = 1

    var first: (index: UInt32, number: Int)? { head < queue.count ? (queue[head], number) : nil }

    mutating func add(_ index: UInt32) { queue.append(index) }
    mutating func advance(to number: Int) { self.number = number }

    mutating func removeFirst() {
        head += 1
        number = 1
        if head == queue.count { (queue, head) = ([], 0) }
    }
}
