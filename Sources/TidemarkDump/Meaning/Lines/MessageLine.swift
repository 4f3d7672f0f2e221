import TidemarkWire

// The facts of one message, behind its type and request. Of an invalid body what was read stands there, so nothing here
// relies on all facts being known.

extension LineBuffer {
    mutating func line(_ type: MessageType, _ facts: borrowing Facts, showsSecrets: Bool) {
        switch type {
        case .sync: sync(facts, .syncOptions)
        case .messageFetch: sync(facts, .fetchOptions)
        case .syncPage, .pushDelta: page(facts, isPush: type == .pushDelta)
        case .pushPresence:
            name(" ", .presenceScope, facts[.scope])
            if facts[.scope] != nil {
                text(", ")
                grouped(facts.online)
                text(" online")
            }
        case .hello: hello(facts)
        case .helloOK: helloOK(facts)
        case .authenticate: authenticate(facts, showsSecrets: showsSecrets)
        case .authenticateContinue, .authenticateChallenge: step(facts, showsSecrets: showsSecrets)
        case .authenticateOK:
            if facts[.user] == 0 { text(" no user") } else { number(" user ", facts[.user]) }
        case .ping, .pong:
            guard let payload = facts.bytes(.payload), payload.count > 0 else { return }
            byte(UInt8(ascii: " "))
            hex(payload)
        case .profileSet: profileSet(facts)
        case .profileSetOK, .rosterRemoveOK, .rosterAnnotateOK, .rosterAnswerOK, .blockSetOK, .messageSendOK,
            .lastSeenSetOK, .passwordSetOK, .signOutOK, .adminAccountDisableOK, .adminAccountDeleteOK,
            .adminPasswordSetOK:
            stamp(facts)
        case .adminAccountCreate:
            userReference(facts)
            if let user = facts[.user], user != 0 { number(" as ", user) }
        case .adminAccountCreateOK:
            number(" user ", facts[.user])
            if facts[.stamp] != nil { byte(UInt8(ascii: ",")) }
            stamp(facts)
        case .adminAccountDisable:
            userReference(facts)
            if facts[.isDisabled] != nil { text(facts.isSet(.isDisabled) ? " disabled" : " enabled") }
        case .adminAccountDelete: userReference(facts)
        case .adminActFor, .adminActForOK: acted(facts, of: type == .adminActFor)
        case .adminSessions:
            if let user = facts[.user] { if user == 0 { text(" of all") } else { number(" of user ", user) } }
            if let after = facts[.after], after != 0 { number(", after ", after) }
        case .adminSessionsPage:
            guard facts[.next] != nil else { break }
            byte(UInt8(ascii: " "))
            count(facts.items, "session")
            if facts[.next] != 0 { text(", more to come") }
        case .adminDisconnect:
            number(" session ", facts[.session])
            if facts[.reason] != nil { byte(UInt8(ascii: ",")) }
            name(" ", .goAwayReason, facts[.reason])
            again(facts[.reconnectAfterMS])
            detail(facts)
        case .adminStatisticsOK:
            byte(UInt8(ascii: " "))
            count(facts.items, "figure")
        case .adminDrain:
            guard facts[.isDraining] != nil else { break }
            text(facts.isSet(.isDraining) ? " begin" : " end")
            if let wait = facts[.milliseconds], wait > 0 {
                text(", over ")
                grouped(wait)
                text(" ms")
            }
        case .adminDrainOK:
            number(" ", facts[.left])
            if facts[.left] != nil { text(" left") }
        case .passwordSet, .adminPasswordSet:
            if type == .adminPasswordSet { userReference(facts) }
            number(" ", facts[.iterations])
            if facts[.iterations] != nil { text(" iterations") }
        case .signOut: name(" ", .signOutScope, facts[.scope])
        case .rosterAdd:
            userReference(facts)
            annotations(facts)
        case .rosterAddOK:
            number(" user ", facts[.contact])
            number(" as number ", facts[.number])
            if facts[.stamp] != nil { byte(UInt8(ascii: ",")) }
            stamp(facts)
        case .rosterRemove, .rosterAnnotate:
            number(" user ", facts[.contact])
            if type == .rosterAnnotate { annotations(facts) }
            condition(facts)
        case .rosterAnswer:
            number(" user ", facts[.user])
            name(" ", .rosterAnswer, facts[.answer])
        case .blockSet:
            number(" user ", facts[.user])
            if facts[.isBlocked] != nil { text(facts.isSet(.isBlocked) ? " blocked" : " unblocked") }
            if let note = facts.bytes(.note), note.count > 0 {
                byte(UInt8(ascii: " "))
                quoted(note)
            }
        case .presenceSet: name(" ", .wish, facts[.wish])
        case .messageSend: messageSend(facts)
        case .messagePage: messagePage(facts)
        case .messageAcknowledge:
            guard let token = facts.bytes(.token) else { break }
            text(" token ")
            self.token(token)
        case .messageAcknowledgeOK:
            number(" ", facts[.waitingMessages])
            if facts[.waitingMessages] != nil { text(" waiting") }
        case .pushMessages:
            guard let token = facts.bytes(.from) else { break }
            text(" from ")
            self.token(token)
            byte(UInt8(ascii: ","))
            messagePage(facts)
        case .lastSeenSet:
            if facts[.isShown] != nil { text(facts.isSet(.isShown) ? " shown" : " hidden") }
        case .lastSeenGet: number(" user ", facts[.user])
        case .lastSeenGetOK: lastSeen(facts)
        case .adminBackup:
            guard let path = facts.bytes(.path) else { break }
            byte(UInt8(ascii: " "))
            quoted(path)
        case .adminBackupOK: backedUp(facts)
        case .goAway:
            name(" ", .goAwayReason, facts[.reason])
            again(facts[.reconnectAfterMS])
            detail(facts)
        case .error: error(facts)
        default: break
        }
        if facts.extensions > 0 {
            text(", ")
            count(facts.extensions, "extension")
        }
    }

    // MARK: what several messages have

    @inline(__always)
    private mutating func number(_ before: StaticString, _ value: UInt64?) {
        guard let value else { return }
        text(before)
        decimal(value)
    }

    @inline(__always)
    private mutating func name(_ before: StaticString, _ vocabulary: Vocabulary, _ value: UInt64?) {
        guard let value else { return }
        text(before)
        named(vocabulary, UInt8(truncatingIfNeeded: value))
    }

    /// "1 item", "2 items"
    mutating func count(_ value: Int, _ noun: StaticString) {
        grouped(value)
        byte(UInt8(ascii: " "))
        text(noun)
        if value != 1 { byte(UInt8(ascii: "s")) }
    }

    private mutating func stamp(_ facts: borrowing Facts) {
        guard let stamp = facts[.stamp] else { return }
        if stamp == 0 { return text(" unchanged") }
        text(" stamp ")
        stampTime(stamp)
    }

    private mutating func condition(_ facts: borrowing Facts) {
        guard let stamp = facts[.unchangedSince], stamp != 0 else { return }
        text(", if unchanged since ")
        stampTime(stamp)
    }

    private mutating func userReference(_ facts: borrowing Facts) {
        text(" user ")
        if let id = facts[.id] {
            decimal(id)
        } else if let name = facts.bytes(.name) {
            quoted(name)
        }
    }

    private mutating func annotations(_ facts: borrowing Facts) {
        if facts.isSet(.favourite) { text(", favourite") }
        if let alias = facts.bytes(.alias), alias.count > 0 {
            text(", alias ")
            quoted(alias)
        }
        if facts.groups > 0 {
            text(", ")
            count(facts.groups, "group")
        }
    }

    private mutating func again(_ milliseconds: UInt64?) {
        guard let milliseconds, milliseconds > 0 else { return }
        text(", again after ")
        grouped(milliseconds)
        text(" ms")
    }

    private mutating func detail(_ facts: borrowing Facts) {
        guard let detail = facts.bytes(.detail), detail.count > 0 else { return }
        text(": ")
        quoted(detail)
    }

    // MARK: one message each

    private mutating func hello(_ facts: borrowing Facts) {
        number(" v", facts[.versionMin])
        if let most = facts[.versionMax], most != facts[.versionMin] { number("-", most) }
        name(" ", .deviceClass, facts[.deviceClass])
        guard let device = facts[.device] else { return }
        if device == 0 { return text(" no device") }
        text(" device ")
        hex(device, digits: 16)
    }

    private mutating func helloOK(_ facts: borrowing Facts) {
        number(" v", facts[.version])
        if let log2 = facts[.frameLog2] {
            text(", bodies below ")
            decimal((1 << log2) >> 10)
            text(" KiB")
        }
        if let idle = facts[.idleSeconds] {
            if idle == 0 {
                text(", idle without limit")
            } else {
                number(", idle ", idle)
                text(" s")
            }
        }
        if let features = facts[.features], features != 0 {
            text(", ")
            bits(.features, features)
        }
    }

    private mutating func authenticate(_ facts: borrowing Facts, showsSecrets: Bool) {
        name(" ", .method, facts[.method])
        if let ticket = facts.bytes(.ticket) {
            self.ticket(ticket, showsSecrets: showsSecrets)
        } else if facts.bytes(.data) != nil {
            step(facts, showsSecrets: showsSecrets)
        } else if facts[.id] != nil || facts[.name] != nil {
            userReference(facts)
        }
    }

    /// What is done for a user, and what it would be answered.
    private mutating func acted(_ facts: borrowing Facts, of isRequest: Bool) {
        if isRequest { userReference(facts) } else { number(" user ", facts[.user]) }
        guard let type = facts[.bodyType] else { return }
        text(", ")
        if let known = MessageType(rawValue: UInt8(truncatingIfNeeded: type)) {
            string(known.name)
        } else {
            number("type ", type)
        }
        guard let body = facts.bytes(.body) else { return }
        text(", ")
        count(body.count, "byte")
    }

    /// Of a SCRAM exchange, which is text.
    private mutating func step(_ facts: borrowing Facts, showsSecrets: Bool) {
        guard let data = facts.bytes(.data) else { return }
        byte(UInt8(ascii: " "))
        if showsSecrets { quoted(data) } else { text("…") }
    }

    private mutating func ticket(_ bytes: UnsafeRawBufferPointer, showsSecrets: Bool) {
        guard let ticket = TicketView(bytes) else {
            byte(UInt8(ascii: " "))
            if showsSecrets { hex(bytes) } else { text("…") }
            text(", unreadable, ")
            return count(bytes.count, "byte")
        }
        number(" of user ", ticket.user)
        number(", key ", UInt64(ticket.key))
        text(", until ")
        utc(seconds: ticket.expiresSeconds)
        guard showsSecrets else { return }
        text(", tag ")
        hex(UnsafeRawBufferPointer(rebasing: bytes[Ticket.signedBytes...]))
    }

    private mutating func sync(_ facts: borrowing Facts, _ options: BitVocabulary) {
        var before: StaticString = " "
        if let bits = facts[.options], bits != 0 {
            text(before)
            self.bits(options, bits)
            before = ", "
        }
        if let page = facts[.pageBytes], page != 0 {
            text(before)
            text("pages of ")
            count(Int(page), "byte")
            before = ", "
        }
        guard let token = facts.bytes(.token) else { return }
        text(before)
        if token.count == 0 { return text("no token") }
        text("token ")
        self.token(token)
    }

    private mutating func messageSend(_ facts: borrowing Facts) {
        number(" to user ", facts[.user])
        number(", kind ", facts[.kind])
        guard let content = facts.bytes(.content) else { return }
        text(", ")
        count(content.count, "byte")
    }

    private mutating func messagePage(_ facts: borrowing Facts) {
        guard facts.bytes(.token) != nil else { return }
        byte(UInt8(ascii: " "))
        count(facts.items, "message")
        number(", ", facts[.waitingMessages])
        if facts[.waitingMessages] != nil { text(" waiting") }
        guard let left = facts[.left], left > 0 else { return }
        number(", ", left)
        text(" left")
    }

    private mutating func lastSeen(_ facts: borrowing Facts) {
        guard let at = facts[.at] else { return }
        guard facts.isSet(.isShown) else { return text(" not shown") }
        if at == 0 { return text(" no time") }
        byte(UInt8(ascii: " "))
        utc(seconds: UInt32(at))
    }

    private mutating func page(_ facts: borrowing Facts, isPush: Bool) {
        if isPush, let token = facts.bytes(.from) {
            text(" from ")
            self.token(token)
            if facts[.answer] != nil { byte(UInt8(ascii: ",")) }
        }
        guard let answer = facts[.answer] else { return }
        switch answer {
        case UInt64(SyncAnswer.upToDate.rawValue): text(" up to date")
        case UInt64(SyncAnswer.delta.rawValue): text(" delta")
        default: text(" full")
        }
        if let reason = facts[.reason], reason != 0 {
            name(" (", .reason, reason)
            byte(UInt8(ascii: ")"))
        }
        if facts.items > 0 {
            let kinds = facts.kinds
            kind(kinds.own, "own", "own")
            kind(kinds.contact, "contact", "contacts")
            kind(kinds.patch, "patch", "patches")
            kind(kinds.removed, "removed", "removed")
            kind(kinds.aside, "aside", "asides")
            text(", ")
            count(facts.detailBytes, "byte")
            text(" of details")
        }
        if facts[.last] == 0 { return text(", more to come") }
        if let items = facts[isPush ? .digest : .waitingMessages] == nil ? nil : facts[.items] {
            text(", ")
            count(Int(items), "item")
            if facts.items > 0 { text(" in all") }
            if !isPush {
                text(", ")
                grouped(facts.online)
                text(" online")
            }
        }
        if let waiting = facts[.waitingMessages] {
            text(", ")
            grouped(waiting)
            text(" waiting")
        }
    }

    private mutating func kind(_ value: UInt32, _ one: StaticString, _ several: StaticString) {
        guard value > 0 else { return }
        text(", ")
        grouped(UInt64(value))
        byte(UInt8(ascii: " "))
        text(value == 1 ? one : several)
    }

    private mutating func profileSet(_ facts: borrowing Facts) {
        byte(UInt8(ascii: " "))
        count(facts.fieldCount, "field")
        text(", ")
        count(facts.detailBytes, "byte")
        text(" of details")
        condition(facts)
    }

    private mutating func backedUp(_ facts: borrowing Facts) {
        if let stamp = facts[.stamp] {
            if stamp == 0 { text(" nothing yet") } else { self.stamp(facts) }
        }
        guard let bytes = facts[.bytes] else { return }
        text(", ")
        grouped(bytes)
        text(bytes == 1 ? " byte" : " bytes")
    }

    private mutating func error(_ facts: borrowing Facts) {
        name(" ", .errorCode, facts[.code])
        if let rule = facts[.rule] {
            name(" (", .rule, rule)
            number(", offset ", facts[.offset])
            byte(UInt8(ascii: ")"))
        }
        again(facts[.retryAfterMS])
        if facts.isSet(.closes) { text(", closes") }
        detail(facts)
    }
}
