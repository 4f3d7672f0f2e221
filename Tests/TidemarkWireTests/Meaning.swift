import TidemarkTesting
import TidemarkWire

// What a message means, in the words of SPEC.md and the vectors: 64-bit numbers as decimal strings, bytes as
// hexadecimal, names for numbers that have one.

extension JSONValue {
    init(_ message: Message) {
        var members: [String: JSONValue]
        switch message {
        case .hello(let m):
            members = [
                "versionMin": .number(Int(m.versionMin)), "versionMax": .number(Int(m.versionMax)),
                "frameLog2": .number(Int(m.frameLog2)), "deviceClass": .name(m.deviceClass), "device": .u64(m.device),
            ]
        case .helloOK(let m):
            members = [
                "version": .number(Int(m.version)), "frameLog2": .number(Int(m.frameLog2)),
                "idleSeconds": .number(Int(m.idleSeconds)),
                "features": .bits(
                    m.features.rawValue,
                    ["push", "consent", "messages", "scram", "trusted", "lastSeen", "service", "bearer"]
                ),
            ]
        case .authenticate(let m):
            switch m.credentials {
            case .ticket(let bytes): members = ["method": .string("ticket"), "ticket": .hex(bytes)]
            case .trusted(let user): members = ["method": .string("trusted"), "user": .reference(user)]
            case .scram(let bytes): members = ["method": .string("scram"), "data": .hex(bytes)]
            case .service(let key): members = ["method": .string("service"), "key": .hex(key)]
            case .bearer(let bytes): members = ["method": .string("bearer"), "bearer": .hex(bytes)]
            }
        case .authenticateContinue(let m), .authenticateChallenge(let m): members = ["data": .hex(m.data)]
        case .authenticateOK(let m): members = ["user": .u64(m.user)]
        case .sync(let m):
            members = [
                "options": .bits(
                    UInt64(m.options.rawValue),
                    ["stamps", "subscribe", "diverged", "explain", "asides", "devices"]
                ),
                "pageBytes": .number(m.pageBytes), "token": .hex(m.token.array),
            ]
        case .syncPage(let m): members = Self.members(of: m)
        case .ping(let m), .pong(let m): members = ["payload": .hex(m.payload)]
        case .profileSet(let m):
            members = [
                "unchangedSince": .u64(m.unchangedSince), "fields": .fields(m.fields),
                "privateFields": .numbers(m.privateFields),
            ]
        case .profileSetOK(let m), .rosterRemoveOK(let m), .rosterAnnotateOK(let m), .rosterAnswerOK(let m),
            .blockSetOK(let m), .messageSendOK(let m), .lastSeenSetOK(let m), .adminAccountDisableOK(let m),
            .adminAccountDeleteOK(let m), .adminPasswordSetOK(let m):
            members = ["stamp": .u64(m.stamp)]
        case .rosterAdd(let m):
            members = Self.members(of: m.annotations)
            members["contact"] = .reference(m.contact)
        case .rosterAddOK(let m):
            members = ["stamp": .u64(m.stamp), "contact": .u64(m.contact), "number": .number(Int(m.number))]
        case .rosterRemove(let m): members = ["unchangedSince": .u64(m.unchangedSince), "contact": .u64(m.contact)]
        case .rosterAnnotate(let m):
            members = Self.members(of: m.annotations)
            members["unchangedSince"] = .u64(m.unchangedSince)
            members["contact"] = .u64(m.contact)
        case .rosterAnswer(let m): members = ["user": .u64(m.user), "answer": .name(m.answer)]
        case .blockSet(let m):
            members = ["user": .u64(m.user), "isBlocked": .bool(m.isBlocked), "note": .string(m.note)]
        case .presenceSet(let m): members = ["wish": .name(m.wish)]
        case .presenceSetOK: members = [:]
        case .messageSend(let m):
            members = Self.members(id: m.id, kind: m.kind, m.content)
            members["user"] = .u64(m.reader)
        case .messageFetch(let m):
            members = [
                "options": .bits(UInt64(m.options.rawValue), ["subscribe"]), "pageBytes": .number(m.pageBytes),
                "token": .hex(m.token.array),
            ]
        case .messagePage(let m): members = Self.members(of: m)
        case .messageAcknowledge(let m): members = ["token": .hex(m.token)]
        case .messageAcknowledgeOK(let m): members = ["waitingMessages": .number(Int(m.waiting))]
        case .passwordSet(let m):
            members = Self.members(of: m.verifier)
        case .passwordSetOK(let m), .signOutOK(let m): members = ["stamp": .u64(m.stamp)]
        case .signOut(let m): members = ["scope": .name(m.scope)]
        case .lastSeenSet(let m): members = ["isShown": .bool(m.isShown)]
        case .lastSeenGet(let m): members = ["user": .u64(m.user)]
        case .lastSeenGetOK(let m): members = ["isShown": .bool(m.isShown), "at": .number(Int(m.at))]
        case .pushMessages(let m):
            members = Self.members(of: m.page)
            members["from"] = .hex(m.from)
        case .adminAccountCreate(let m): members = ["name": .string(m.name), "user": .u64(m.user)]
        case .adminAccountCreateOK(let m): members = ["stamp": .u64(m.stamp), "user": .u64(m.user)]
        case .adminAccountDisable(let m):
            members = ["user": .reference(m.user), "isDisabled": .bool(m.isDisabled)]
        case .adminAccountDelete(let m): members = ["user": .reference(m.user)]
        case .adminPasswordSet(let m):
            members = Self.members(of: m.verifier)
            members["user"] = .reference(m.user)
        case .adminActFor(let m):
            members = ["user": .reference(m.user), "bodyType": .number(Int(m.type)), "body": .hex(m.body)]
        case .adminActForOK(let m):
            members = ["user": .u64(m.user), "bodyType": .number(Int(m.type)), "body": .hex(m.body)]
        case .adminSessions(let m):
            members = ["user": .u64(m.user), "after": .u64(m.after), "pageBytes": .number(m.pageBytes)]
        case .adminSessionsPage(let m):
            let sessions = m.sessions.map { session in
                JSONValue.object([
                    "session": .u64(session.session), "holder": .holder(session.holder),
                    "deviceClass": .name(session.deviceClass), "device": .u64(session.device),
                    "seconds": .u64(session.seconds), "address": .string(session.address),
                ])
            }
            members = ["next": .u64(m.next), "sessions": .array(sessions)]
        case .adminDisconnect(let m):
            members = Self.members(of: m.goAway)
            members["session"] = .u64(m.session)
        case .adminStatisticsOK(let m):
            let figures = m.figures.map { JSONValue.object(["name": .string($0.name), "value": .u64($0.value)]) }
            members = ["figures": .array(figures)]
        case .adminDisconnectOK, .adminStatistics, .adminReload, .adminReloadOK: members = [:]
        case .adminDrain(let m):
            members = ["isDraining": .bool(m.isDraining), "milliseconds": .number(Int(m.milliseconds))]
        case .adminDrainOK(let m): members = ["left": .number(Int(m.left))]
        case .adminBackup(let m): members = ["path": .string(m.path)]
        case .adminBackupOK(let m): members = ["stamp": .u64(m.stamp), "bytes": .u64(m.bytes)]
        case .pushDelta(let m):
            members = Self.members(of: m.page, isPush: true)
            members["from"] = .hex(m.from)
        case .pushPresence(let m):
            members = ["scope": .name(m.scope), "presence": .presence(m.contacts)]
        case .goAway(let m):
            members = Self.members(of: m)
        case .error(let m): members = Self.members(of: m)
        }
        members["type"] = .name(message.type)
        self = .object(members)
    }

    private static func members(id: MessageID, kind: MessageKind, _ content: [UInt8]) -> [String: JSONValue] {
        var writer = ByteWriter()
        id.encode(into: &writer)
        return ["id": .hex(writer.array), "kind": .number(Int(kind.rawValue)), "content": .hex(content)]
    }

    private static func members(of page: MessagePage) -> [String: JSONValue] {
        let messages = page.messages.map { message in
            var members = members(id: message.id, kind: message.kind, message.content)
            members["stamp"] = .u64(message.stamp)
            members["user"] = .u64(message.sender)
            return JSONValue.object(members)
        }
        return [
            "token": .hex(page.token), "waitingMessages": .number(Int(page.waiting)), "left": .number(Int(page.left)),
            "messages": .array(messages),
        ]
    }

    private static func members(of verifier: PasswordVerifier) -> [String: JSONValue] {
        [
            "iterations": .number(Int(verifier.iterations)), "salt": .hex(verifier.salt),
            "storedKey": .hex(verifier.storedKey), "serverKey": .hex(verifier.serverKey),
        ]
    }

    private static func members(of goAway: GoAway) -> [String: JSONValue] {
        [
            "reason": .name(goAway.reason), "reconnectAfterMS": .number(Int(goAway.reconnectAfterMS)),
            "detail": .string(goAway.detail),
        ]
    }

    private static func members(of error: ErrorMessage) -> [String: JSONValue] {
        [
            "code": ErrorCode(rawValue: error.code).map { .name($0) } ?? .number(Int(error.code)),
            "closes": .bool(error.closes), "retryAfterMS": .number(Int(error.retryAfterMS)),
            "decode": error.decode.map { .object(["rule": .name($0.rule), "offset": .number($0.offset)]) } ?? .null,
            "detail": .string(error.detail),
        ]
    }

    private static func members(of page: SyncPage, isPush: Bool = false) -> [String: JSONValue] {
        [
            "answer": .name(page.answer), "reason": .name(page.reason), "last": .bool(page.summary != nil),
            "hasStamps": .bool(page.hasStamps), "token": .hex(page.token),
            "items": .array(page.items.map { .object(members(of: $0)) }),
            "summary": page.summary.map { .summary($0, isPush: isPush) } ?? .null,
        ]
    }

    private static func members(of item: SyncItem) -> [String: JSONValue] {
        var members: [String: JSONValue]
        switch item.content {
        case .contact(let user, let name, let annotations, let pending, let fields):
            members = Self.members(of: annotations)
            members["kind"] = .string("contact")
            members["user"] = .u64(user)
            members["name"] = .string(name)
            members["pending"] = .bool(pending)
            members["fields"] = .fields(fields)
        case .patch(let fields): members = ["kind": .string("patch"), "fields": .fields(fields)]
        case .removed: members = ["kind": .string("removed")]
        case .own(let name, let fields, let privateFields):
            members = [
                "kind": .string("own"), "name": .string(name), "fields": .fields(fields),
                "privateFields": .numbers(privateFields),
            ]
        case .block(let user, let note):
            members = ["kind": .string("block"), "user": .u64(user), "note": .string(note)]
        case .request(let user, let name):
            members = ["kind": .string("request"), "user": .u64(user), "name": .string(name)]
        case .forgotten(let user): members = ["kind": .string("forgotten"), "user": .u64(user)]
        }
        members["number"] = .number(Int(item.number))
        members["stamp"] = item.stamp.map { .u64($0) } ?? .null
        return members
    }

    private static func members(of annotations: Annotations) -> [String: JSONValue] {
        [
            "favourite": .bool(annotations.isFavourite), "alias": .string(annotations.alias),
            "groups": .array(annotations.groups.map { .string($0) }),
        ]
    }
}

extension JSONValue {
    fileprivate static func u64(_ value: UInt64) -> JSONValue { .string("\(value)") }
    fileprivate static func hex(_ bytes: [UInt8]) -> JSONValue { .string(Hex.text(bytes)) }
    fileprivate static func name(_ value: some Any) -> JSONValue { .string("\(value)") }
    fileprivate static func numbers(_ fields: [FieldNumber]) -> JSONValue {
        .array(fields.map { .number(Int($0.rawValue)) })
    }

    fileprivate static func bits(_ value: UInt64, _ names: [String]) -> JSONValue {
        let set = (0..<64).filter { value & 1 << $0 != 0 }
        return .array(set.map { .string($0 < names.count ? names[$0] : "bit\($0)") })
    }

    fileprivate static func reference(_ user: UserReference) -> JSONValue {
        switch user {
        case .id(let id): .object(["id": .u64(id)])
        case .name(let name): .object(["name": .string(name)])
        }
    }

    fileprivate static func holder(_ holder: AdminSessionsPage.Session.Holder) -> JSONValue {
        switch holder {
        case .user(let user): .object(["user": .u64(user)])
        case .service(let service, let role): .object(["role": .name(role), "service": .string(service)])
        }
    }

    fileprivate static func fields(_ fields: [FieldChange]) -> JSONValue {
        .array(
            fields.map { field in
                var members: [String: JSONValue] = ["number": .number(Int(field.number.rawValue))]
                if let value = field.value, field.number < .operatorFirst {
                    members["text"] = .string(String(decoding: value, as: UTF8.self))
                } else if let value = field.value {
                    members["bytes"] = .hex(value)
                } else {
                    members["removed"] = .bool(true)
                }
                return .object(members)
            }
        )
    }

    fileprivate static func summary(_ summary: SyncSummary, isPush: Bool) -> JSONValue {
        var members: [String: JSONValue] = ["items": .number(Int(summary.items)), "digest": .u64(summary.digest)]
        if !isPush {
            members["presence"] = .presence(summary.presence)
            members["waitingMessages"] = .number(Int(summary.waitingMessages))
        }
        return .object(members)
    }

    fileprivate static func presence(_ contacts: [ContactPresence]) -> JSONValue {
        .array(
            contacts.map {
                var members: [String: JSONValue] = ["number": .number(Int($0.number)), "state": .name($0.state)]
                if !$0.devices.isEmpty {
                    members["devices"] = .bits(UInt64($0.devices.rawValue), ["computer", "tablet", "phone"])
                }
                return .object(members)
            }
        )
    }
}
