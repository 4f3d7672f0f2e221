// Answers a sync: one page, written straight into the reply from the blocks that the directory holds.

import TidemarkWire

/// What answering took, for counters and for explaining.
public struct SyncOutcome: Equatable, Sendable {
    public var answer: SyncAnswer
    public var reason: FullReason
    public var items = 0
    /// Slots of the owner's table that were looked at. An answer "up to date" looks at none (claim 12).
    public var slotsRead = 0
    /// Popular contacts that were looked at, because one of the shard's changed since this owner's last answer.
    public var popularRead = 0
    /// Contacts that were looked at for being online: on a last page all of them.
    public var presencesRead = 0
    public var isLast = true
    /// A full would have begun, and is not admitted: nothing was written.
    public var isRefused = false
    /// Items later than this were asked for; the sync as a whole began from `base`.
    public var position: Stamp = 0
    public var base: Stamp = 0
    /// The owner's newest stamp, and up to where its tombstones were collected.
    public var watermark: Stamp = 0
    public var horizon: Stamp = 0
    /// Where the page ends, if it is not the last.
    var reached: Stamp = 0

    /// What the page tells the client to send next.
    public func token(_ epoch: Epoch) -> SyncToken {
        if answer == .upToDate { return SyncToken(settledAt: position, epoch: epoch) }
        if isLast { return SyncToken(settledAt: watermark, epoch: epoch) }
        let form = answer == .full ? SyncToken.Form.pagingFull : .pagingDelta
        return SyncToken(form: form, epoch: epoch, position: reached, base: base)
    }
}

extension SyncOutcome {
    /// Of a page that has no items yet.
    @inline(__always)
    init(_ plan: SyncPlan, _ bounds: SyncPlan.Bounds) {
        self.init(
            answer: plan.answer,
            reason: plan.reason,
            position: plan.position,
            base: plan.base,
            watermark: bounds.watermark,
            horizon: bounds.horizon
        )
    }
}

extension SyncOutcome: CustomStringConvertible {
    /// For people who ask why; at most `Limits.explanationBytesMax`.
    public var description: String {
        let why =
            switch (answer, reason) {
            case (.upToDate, _): "up to date: the token \(position) is not older than the newest stamp"
            case (.delta, _): "delta from \(base)" + (position > base ? ", here from \(position)" : "")
            case (.full, .none): "full, begun at \(base), here from \(position)"
            case (.full, let reason): "full: \(reason)"
            }
        let horizonText = horizon > 0 ? ", horizon \(horizon)" : ""
        // Not how much was looked at for that: of a contact that has not agreed, or blocks, it would tell that it has changed.
        let itemText = answer == .upToDate ? "nothing read" : "\(items) items"
        return "\(why); newest \(watermark)\(horizonText); \(itemText)"
    }
}

extension Directory {
    /// Writes the body of a `syncPage`. Ends the page at the first item that passes `pageBytes` of body, but holds at
    /// least one, so it may pass the size by less than `Limits.itemBytesMax`.
    public mutating func writePage(
        of owner: AccountIndex,
        for sync: borrowing Sync,
        pageBytesMax: Int = Limits.pageBytesMax,
        admitsFull: Bool = true,
        into writer: inout ByteWriter
    ) -> SyncOutcome {
        let (bounds, popularRead) = bounds(of: owner)
        let plan = SyncPlan.make(for: sync, bounds: bounds, epochs: epochs)
        var outcome = SyncOutcome(plan, bounds)
        outcome.popularRead = popularRead
        if !admitsFull, plan.beginsFull {
            outcome.isRefused = true
            return outcome
        }
        let asked = sync.pageBytes == 0 ? Limits.pageBytesDefault : sync.pageBytes
        let detail = sync.options.intersection(.detail)
        write(plan, of: owner, detail, pageBytes: min(asked, pageBytesMax), &outcome, into: &writer)
        if outcome.isLast {
            outcome.presencesRead = accounts[Int(owner.raw)].roster.liveCount
            writeTotals(of: owner, detail, into: &writer)
            writePresence(of: owner, withDevices: sync.options.contains(.devices), into: &writer)
            writer.varint(waitingMessages(of: owner))
        }
        return outcome
    }

    /// Writes the body of a `pushDelta`: what is newer than `cursor`, which the client has reached, as a sync would be
    /// answered; `cursor` is where it stands then. Nil, and nothing is written, where nothing is newer.
    public mutating func writePush(
        of owner: AccountIndex,
        from cursor: inout SyncToken,
        _ detail: Sync.Options,
        pageBytesMax: Int,
        into writer: inout ByteWriter
    ) -> SyncOutcome? {
        let (bounds, popularRead) = bounds(of: owner)
        let plan = SyncPlan.make(for: cursor, bounds: bounds, epochs: epochs)
        if plan.answer == .upToDate { return nil }
        writer.token(cursor)
        var outcome = SyncOutcome(plan, bounds)
        outcome.popularRead = popularRead
        let pageBytes = pageBytesMax - cursor.encodedBytes - 1
        write(plan, of: owner, detail, pageBytes: pageBytes, &outcome, into: &writer)
        if outcome.isLast { writeTotals(of: owner, detail, into: &writer) }
        cursor = outcome.token(epochs.current)
        return outcome
    }

    /// What decides an owner's answer, and how many popular contacts were looked at for it.
    @inline(__always)
    private mutating func bounds(of owner: AccountIndex) -> (SyncPlan.Bounds, popularRead: Int) {
        finishChanges()
        let account = Int(owner.raw)
        let popularRead = accounts[account].roster.refreshPopular(popular)
        let roster = accounts[account].roster
        // Not below the horizon, where the newest item was a tombstone: a token must not be too old when it is given.
        let watermark = max(roster.watermark, roster.horizon)
        return (
            SyncPlan.Bounds(watermark: watermark, horizon: roster.horizon, published: published),
            popularRead
        )
    }

    @inline(__always)
    private func writeTotals(of owner: AccountIndex, _ detail: Sync.Options, into writer: inout ByteWriter) {
        let roster = accounts[Int(owner.raw)].roster
        var count = roster.liveCount
        var digest = detail.contains(.stamps) ? roster.digest : roster.digestNewestOnly
        if let asides = asides(of: owner.raw, detail) {
            count += asides.liveCount
            digest &+= detail.contains(.stamps) ? asides.digest : asides.digestNewestOnly
        }
        writer.varint(UInt64(count))
        writer.u64(digest)
    }

    /// Nil where there are none, or where the client does not want to know.
    @inline(__always)
    private func asides(of owner: UInt32, _ detail: Sync.Options) -> AsideList? {
        if asides.isEmpty || !detail.contains(.asides) { return nil }
        return asides[owner]
    }

    /// Head, token and items of a page.
    @inline(__always)
    private mutating func write(
        _ plan: SyncPlan,
        of owner: AccountIndex,
        _ detail: Sync.Options,
        pageBytes: Int,
        _ outcome: inout SyncOutcome,
        into writer: inout ByteWriter
    ) {
        let wantsStamps = detail.contains(.stamps)
        if plan.answer == .upToDate {
            writer.u8(plan.head(isLast: true, hasStamps: wantsStamps))
            writer.token(outcome.token(epochs.current))
            writer.varint(0)
        } else {
            // A page that is not the last has a longer token; with several items it keeps to its size all the same.
            let pageBytes = pageBytes - SyncPlan.prefixBytesExtra
            let start = writer.count
            // Room for what stands before the items, as it is on most pages: one byte, a settled token, a short count.
            writer.skip(SyncPlan.prefixBytesUsual)
            let itemsStart = writer.count
            outcome.reached = writeItems(
                of: owner.raw,
                plan,
                detail,
                end: start + pageBytes,
                &outcome,
                into: &writer
            )
            writer.insert(at: start, reserved: itemsStart - start) { prefix in
                prefix.u8(plan.head(isLast: outcome.isLast, hasStamps: wantsStamps))
                prefix.token(outcome.token(epochs.current))
                prefix.varint(outcome.items)
            }
        }
    }

    /// Returns the stamp that was reached.
    private mutating func writeItems(
        of owner: UInt32,
        _ plan: SyncPlan,
        _ detail: Sync.Options,
        end: Int,
        _ outcome: inout SyncOutcome,
        into writer: inout ByteWriter
    ) -> Stamp {
        if let asides = asides(of: owner, detail) {
            return writeItems(of: owner, with: asides, plan, detail, end: end, &outcome, into: &writer)
        }
        let wantsStamps = detail.contains(.stamps)
        var later = LaterItems(in: accounts[Int(owner)].roster, after: plan.position)
        // Two that run ahead: each item is an account and then a profile somewhere in memory, and waiting for one after
        // the other would be most of the time.
        var accountsAhead = later
        var profilesAhead = later
        for _ in 0..<Self.accountsAhead { prefetchAccount(&accountsAhead, owner) }
        for _ in 0..<Self.profilesAhead { prefetchProfile(&profilesAhead, owner) }
        var position = plan.position
        var previous: Stamp = 0
        outcome.isLast = true
        while let item = later.next() {
            prefetchAccount(&accountsAhead, owner)
            prefetchProfile(&profilesAhead, owner)
            let mark = writer.count
            if writeItem(owner, item, after: wantsStamps ? previous : nil, plan: plan, into: &writer) {
                if writer.count > end, outcome.items > 0 {
                    writer.truncate(to: mark)
                    outcome.isLast = false
                    break
                }
                outcome.items += 1
                previous = item.stamp
            }
            position = item.stamp
        }
        outcome.slotsRead = later.read
        return position
    }

    /// The same where the owner has items beside its contacts: a few, so what comes next is not asked for ahead.
    @inline(never)
    private mutating func writeItems(
        of owner: UInt32,
        with asides: AsideList,
        _ plan: SyncPlan,
        _ detail: Sync.Options,
        end: Int,
        _ outcome: inout SyncOutcome,
        into writer: inout ByteWriter
    ) -> Stamp {
        var later = LaterItems(in: accounts[Int(owner)].roster, after: plan.position)
        var next = later.next()
        var aside = asides.firstItem(after: plan.position)
        var position = plan.position
        var previous: Stamp = 0
        outcome.isLast = true
        while next != nil || aside < asides.items.count {
            let mark = writer.count
            let isAside = aside < asides.items.count && next.map { asides.items[aside].stamp < $0.stamp } ?? true
            let stamp = isAside ? asides.items[aside].stamp : next!.stamp
            let after = detail.contains(.stamps) ? previous : nil
            let isWritten =
                isAside
                ? write(asides.items[aside], after: after, plan: plan, into: &writer)
                : writeItem(owner, next!, after: after, plan: plan, into: &writer)
            if isWritten {
                if writer.count > end, outcome.items > 0 {
                    writer.truncate(to: mark)
                    outcome.isLast = false
                    break
                }
                outcome.items += 1
                previous = stamp
            }
            position = stamp
            if isAside { aside += 1 } else { next = later.next() }
        }
        outcome.slotsRead = later.read
        return position
    }

    private func write(
        _ item: AsideList.Item,
        after previous: Stamp?,
        plan: SyncPlan,
        into writer: inout ByteWriter
    ) -> Bool {
        let kind: ItemKind =
            switch item.kind {
            case .gone: .forgotten
            case .request: .request
            case .block: .block
            }
        if kind == .forgotten, plan.answer == .full, item.stamp <= plan.base { return false }
        writer.u8(kind.rawValue)
        if let previous { writer.varint(item.stamp - previous) }
        writer.varint(item.user)
        switch item.kind {
        case .gone: break
        case .request: writer.bytes(accounts[Int(find(item.user)!)].profile.nameWire)
        case .block: writer.text(item.note)
        }
        return true
    }

    private static let accountsAhead = 16
    private static let profilesAhead = 8

    @inline(__always)
    private func contact(_ ahead: inout LaterItems, _ owner: UInt32) -> Int? {
        guard let item = ahead.next() else { return nil }
        let member = accounts[Int(owner)].roster.member(item.number)
        return member.flags.contains(.removed) || member.contact == Roster.noContact ? nil : Int(member.contact)
    }

    @inline(__always)
    private func prefetchAccount(_ ahead: inout LaterItems, _ owner: UInt32) {
        if let contact = contact(&ahead, owner) { accounts.prefetch(contact) }
    }

    @inline(__always)
    private func prefetchProfile(_ ahead: inout LaterItems, _ owner: UInt32) {
        if let contact = contact(&ahead, owner) { accounts[contact].profile.prefetch() }
    }

    /// Returns false, having written nothing, for a removal that this client need not hear of.
    @inline(__always)
    private mutating func writeItem(
        _ owner: UInt32,
        _ item: LaterItems.Item,
        after previous: Stamp?,
        plan: SyncPlan,
        into writer: inout ByteWriter
    ) -> Bool {
        let member = accounts[Int(owner)].roster.member(item.number)
        if member.flags.contains(.removed) || item.isDeleted {
            // In a full the client drops what it was not sent; only what went since the walk began could have been sent.
            if plan.answer == .full, item.stamp <= plan.base { return false }
            writer.u8(ItemKind.removed.rawValue)
            writer.varint(item.number)
            if let previous { writer.varint(item.stamp - previous) }
            return true
        }
        if !member.flags.isDisjoint(with: .still) {
            writeStill(owner, item, member, after: previous, plan: plan, into: &writer)
            return true
        }
        let contact = accounts[Int(member.contact)]
        if item.number == 0 {
            writer.u8(ItemKind.own.rawValue)
            if let previous { writer.varint(item.stamp - previous) }
            writer.bytes(contact.profile.nameWire)
            guard privateProfiles.isEmpty || privateProfiles[owner] == nil else {
                writeOwnFields(owner, into: &writer)
                return true
            }
            contact.profile.writeAll(into: &writer)
            writer.varint(0)
            return true
        }
        if plan.answer == .full || member.entryStamp > plan.base {
            let isAnnotated = member.flags.contains(.annotated)
            writer.u8(
                ItemKind.contact.rawValue | (isAnnotated ? ItemHead.annotated : 0)
                    | (member.flags.contains(.favourite) ? ItemHead.favourite : 0)
            )
            writer.varint(item.number)
            if let previous { writer.varint(item.stamp - previous) }
            writer.varint(contact.id)
            writer.bytes(contact.profile.nameWire)
            if isAnnotated { writer.bytes(annotationWire(owner, item.number)) }
            contact.profile.writeAll(into: &writer)
        } else {
            writer.u8(ItemKind.patch.rawValue)
            writer.varint(item.number)
            if let previous { writer.varint(item.stamp - previous) }
            writtenPatch.write(contact.profile, after: plan.base, into: &writer)
        }
        return true
    }

    /// A contact that has not agreed, or that blocks the owner.
    @inline(never)
    private func writeStill(
        _ owner: UInt32,
        _ item: LaterItems.Item,
        _ member: Roster.Member,
        after previous: Stamp?,
        plan: SyncPlan,
        into writer: inout ByteWriter
    ) {
        let isPending = member.flags.contains(.pending)
        let profile =
            member.contact == Roster.noContact ? nil : visibleProfile(owner, member.contact, member.flags)
        guard isPending || plan.answer == .full || member.entryStamp > plan.base else {
            writer.u8(ItemKind.patch.rawValue)
            writer.varint(item.number)
            if let previous { writer.varint(item.stamp - previous) }
            return profile!.writeChanged(after: plan.base, into: &writer)
        }
        let isAnnotated = member.flags.contains(.annotated)
        writer.u8(
            ItemKind.contact.rawValue | (isAnnotated ? ItemHead.annotated : 0)
                | (isPending ? ItemHead.pending : 0)
                | (member.flags.contains(.favourite) ? ItemHead.favourite : 0)
        )
        writer.varint(item.number)
        if let previous { writer.varint(item.stamp - previous) }
        if isPending {
            writer.varint(Limits.pendingUser(item.number))
            if let profile {
                writer.bytes(profile.nameWire)
            } else {
                writer.text(awaitedNames[owner]![UInt16(item.number)]!)
            }
        } else {
            writer.varint(accounts[Int(member.contact)].id)
            writer.bytes(profile!.nameWire)
        }
        if isAnnotated { writer.bytes(annotationWire(owner, item.number)) }
        if isPending { writer.varint(0) } else { profile!.writeAll(into: &writer) }
    }
}

extension Directory {
    /// Asks for what an answer to this user begins with.
    @inline(__always)
    public func prefetch(_ owner: AccountIndex) { accounts.prefetch(Int(owner.raw)) }

    /// Then for what it ends with: the contacts, of whom some may be online.
    @inline(__always)
    public func prefetchContacts(of owner: AccountIndex) { accounts[Int(owner.raw)].roster.prefetchContacts() }
}

extension SyncPlan {
    static let prefixBytesUsual = 1 + 17 + 1
    /// What a page that is not the last may need beyond that: seven bytes of token, two of count.
    static let prefixBytesExtra = 7 + 2

    func head(isLast: Bool, hasStamps: Bool) -> UInt8 {
        answer.rawValue | (isLast ? SyncPage.lastBit : 0) | (hasStamps ? SyncPage.stampsBit : 0)
            | reason.rawValue << SyncPage.reasonShift
    }
}
