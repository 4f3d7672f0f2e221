// What the change log carries: outcomes, not requests. Each was decided before it was stamped, so applying one never
// fails, and gives the same in every shard and in SQL. The stamp comes from the log, beside the change.

import TidemarkWire

public enum Change: Equatable, Sendable {
    case accountCreated(user: UserID, name: String)
    /// The named fields, numbers rising; the others stay.
    case profileChanged(user: UserID, fields: [FieldChange])
    /// The same, where fields that only the user sees change too, or come to be or to be no longer: `kept` is all of these from then
    /// on. One that others saw until then is among `fields` as removed.
    case privateFieldsSet(user: UserID, fields: [FieldChange], kept: [FieldChange])
    /// Adds the contact, brings a removed one back, replaces the annotations, or notes that the contact agrees.
    case entrySet(
        owner: UserID,
        contact: UserID,
        number: UInt32,
        annotations: Annotations,
        consent: Consent = .given
    )
    /// The same for a name that is nobody's, or somebody's who is not to be asked: pending for as long as it is there.
    case namedEntrySet(owner: UserID, name: String, number: UInt32, annotations: Annotations)
    /// Of one that its contact has not agreed to, with its number: the request goes with it, and the number is not the
    /// contact's any more. Of one without a contact, `contact` is `Limits.pendingUser` of that number.
    case entryRemoved(owner: UserID, contact: UserID, pendingNumber: UInt32? = nil)
    /// From now on the user sees no more of the owner than `profile`, which is all that the owner has, and that it was last seen
    /// then; nil: at this change.
    case blockSet(
        owner: UserID,
        user: UserID,
        note: String,
        profile: [Directory.StoredField],
        lastSeen: LastSeen? = .hidden
    )
    case blockRemoved(owner: UserID, user: UserID)
    /// To a user's box, of which all up to `gone` goes.
    case messageSent(
        reader: UserID,
        sender: UserID,
        id: MessageID,
        kind: MessageKind,
        MessageContent,
        gone: Stamp
    )
    /// The user has all messages up to `through`, and those up to `gone` go. `through` is 0 where they go for their age.
    case messagesAcknowledged(reader: UserID, through: Stamp, gone: Stamp)
    /// Whether others are told when the user was last seen, and when that was.
    case lastSeenSet(user: UserID, LastSeen)
    /// How the user may come in.
    case accessSet(user: UserID, Access)
    /// Its roster goes with it, and leaves each owner who has it as a contact a tombstone. The id is never used again.
    case accountDeleted(user: UserID)
    /// Forgets the owner's tombstones up to a stamp, which becomes the horizon, and gives their numbers free: a token
    /// older than the horizon needs a full sync from now on.
    case tombstonesCollected(owner: UserID, through: Stamp)
}

/// What a message says.
public enum MessageContent: Equatable, Sendable {
    case heard([UInt8])
    /// The reader blocks the sender: only how long it was is kept, as what it takes of the sender's share.
    case unheard(bytes: Int)

    public var byteCount: Int {
        switch self {
        case .heard(let bytes): bytes.count
        case .unheard(let bytes): bytes
        }
    }
}

extension Change {
    private enum Tag: UInt8 {
        case accountCreated = 1
        case profileChanged = 2
        case entrySet = 3
        case entryRemoved = 4
        case accountDeleted = 5
        case tombstonesCollected = 6
        case namedEntrySet = 7
        case pendingEntryRemoved = 8
        case blockSet = 9
        case blockRemoved = 10
        case messageSent = 11
        case messageUnheard = 12
        case messagesAcknowledged = 13
        case lastSeenSet = 14
        case blockSetSeen = 15
        case accessSet = 16
        case privateFieldsSet = 17
    }

    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .accountCreated(let user, let name):
            writer.u8(Tag.accountCreated.rawValue)
            writer.varint(user)
            writer.text(name)
        case .profileChanged(let user, let fields):
            writer.u8(Tag.profileChanged.rawValue)
            writer.varint(user)
            writer.logged(fields)
        case .privateFieldsSet(let user, let fields, let kept):
            writer.u8(Tag.privateFieldsSet.rawValue)
            writer.varint(user)
            writer.logged(fields)
            writer.logged(kept)
        case .entrySet(let owner, let contact, let number, let annotations, let consent):
            writer.u8(Tag.entrySet.rawValue)
            writer.varint(owner)
            writer.varint(contact)
            writer.varint(UInt64(number))
            writer.u8((annotations.isFavourite ? 1 : 0) | consent.rawValue << 1)
            writer.annotationText(annotations)
        case .namedEntrySet(let owner, let name, let number, let annotations):
            writer.u8(Tag.namedEntrySet.rawValue)
            writer.varint(owner)
            writer.text(name)
            writer.varint(UInt64(number))
            writer.u8(annotations.isFavourite ? 1 : 0)
            writer.annotationText(annotations)
        case .entryRemoved(let owner, let contact, let pendingNumber):
            writer.u8((pendingNumber == nil ? Tag.entryRemoved : Tag.pendingEntryRemoved).rawValue)
            writer.varint(owner)
            writer.varint(contact)
            if let pendingNumber { writer.varint(UInt64(pendingNumber)) }
        case .blockSet(let owner, let user, let note, let profile, let lastSeen):
            writer.u8(Tag.blockSetSeen.rawValue)
            writer.varint(owner)
            writer.varint(user)
            writer.text(note)
            writer.stored(profile)
            writer.varint(lastSeen.map { UInt64($0.rawValue) + 1 } ?? 0)
        case .blockRemoved(let owner, let user):
            writer.u8(Tag.blockRemoved.rawValue)
            writer.varint(owner)
            writer.varint(user)
        case .messageSent(let reader, let sender, let id, let kind, let content, let gone):
            let isHeard = if case .heard = content { true } else { false }
            writer.u8((isHeard ? Tag.messageSent : Tag.messageUnheard).rawValue)
            writer.varint(reader)
            writer.varint(sender)
            id.encode(into: &writer)
            writer.varint(UInt64(kind.rawValue))
            writer.varint(gone)
            switch content {
            case .heard(let bytes): writer.block(bytes)
            case .unheard(let bytes): writer.varint(bytes)
            }
        case .messagesAcknowledged(let reader, let through, let gone):
            writer.u8(Tag.messagesAcknowledged.rawValue)
            writer.varint(reader)
            writer.varint(through)
            writer.varint(gone)
        case .lastSeenSet(let user, let seen):
            writer.u8(Tag.lastSeenSet.rawValue)
            writer.varint(user)
            writer.varint(UInt64(seen.rawValue))
        case .accessSet(let user, let access):
            writer.u8(Tag.accessSet.rawValue)
            writer.varint(user)
            writer.u8((access.isDisabled ? 1 : 0) | (access.verifier == nil ? 0 : 2))
            writer.varint(UInt64(access.revokedSeconds))
            access.verifier?.encode(into: &writer)
        case .accountDeleted(let user):
            writer.u8(Tag.accountDeleted.rawValue)
            writer.varint(user)
        case .tombstonesCollected(let owner, let through):
            writer.u8(Tag.tombstonesCollected.rawValue)
            writer.varint(owner)
            writer.varint(through)
        }
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        guard let tag = Tag(rawValue: try reader.u8()) else { throw DecodeError(.value, offset: begin) }
        switch tag {
        case .accountCreated:
            self = .accountCreated(user: try reader.varint(), name: try reader.text(upTo: Limits.nameBytesMax))
        case .profileChanged:
            self = .profileChanged(user: try reader.varint(), fields: try reader.loggedFields())
        case .privateFieldsSet:
            self = .privateFieldsSet(
                user: try reader.varint(),
                fields: try reader.loggedFields(),
                kept: try reader.loggedFields()
            )
        case .entrySet:
            let owner = try reader.varint()
            let contact = try reader.varint()
            let number = UInt32(try reader.count(upTo: Limits.rosterEntriesMax - 1))
            let at = reader.offset
            let marks = try reader.u8()
            guard let consent = Consent(rawValue: marks >> 1) else { throw DecodeError(.value, offset: at) }
            var annotations = try reader.annotationText()
            annotations.isFavourite = marks & 1 == 1
            self = .entrySet(
                owner: owner,
                contact: contact,
                number: number,
                annotations: annotations,
                consent: consent
            )
        case .namedEntrySet:
            let owner = try reader.varint()
            let name = try reader.text(upTo: Limits.nameBytesMax)
            let number = UInt32(try reader.count(upTo: Limits.rosterEntriesMax - 1))
            let isFavourite = try reader.u8() == 1
            var annotations = try reader.annotationText()
            annotations.isFavourite = isFavourite
            self = .namedEntrySet(owner: owner, name: name, number: number, annotations: annotations)
        case .entryRemoved:
            self = .entryRemoved(owner: try reader.varint(), contact: try reader.varint())
        case .pendingEntryRemoved:
            self = .entryRemoved(
                owner: try reader.varint(),
                contact: try reader.varint(),
                pendingNumber: UInt32(try reader.count(upTo: Limits.rosterEntriesMax - 1))
            )
        case .blockSet:
            self = .blockSet(
                owner: try reader.varint(),
                user: try reader.varint(),
                note: try reader.text(upTo: Limits.noteBytesMax),
                profile: try reader.storedFields()
            )
        case .blockSetSeen:
            self = .blockSet(
                owner: try reader.varint(),
                user: try reader.varint(),
                note: try reader.text(upTo: Limits.noteBytesMax),
                profile: try reader.storedFields(),
                lastSeen: try reader.lastSeen()
            )
        case .blockRemoved:
            self = .blockRemoved(owner: try reader.varint(), user: try reader.varint())
        case .messageSent, .messageUnheard:
            let (user, sender) = (try reader.varint(), try reader.varint())
            let id = try MessageID(decoding: &reader)
            let kind = MessageKind(rawValue: UInt32(try reader.count(upTo: Int(UInt32.max))))
            let gone = try reader.varint()
            let content: MessageContent =
                tag == .messageSent
                ? .heard(Array(try reader.block(upTo: Limits.messageBytesMax)))
                : .unheard(bytes: try reader.count(upTo: Limits.messageBytesMax))
            self = .messageSent(reader: user, sender: sender, id: id, kind: kind, content, gone: gone)
        case .messagesAcknowledged:
            self = .messagesAcknowledged(
                reader: try reader.varint(),
                through: try reader.varint(),
                gone: try reader.varint()
            )
        case .lastSeenSet:
            self = .lastSeenSet(
                user: try reader.varint(),
                LastSeen(rawValue: UInt32(try reader.count(upTo: Int(UInt32.max))))
            )
        case .accessSet:
            let user = try reader.varint()
            let at = reader.offset
            let marks = try reader.u8()
            guard marks & ~3 == 0 else { throw DecodeError(.value, offset: at) }
            let revoked = UInt32(try reader.count(upTo: Int(UInt32.max)))
            let verifier = marks & 2 == 2 ? try PasswordVerifier(decoding: &reader) : nil
            self = .accessSet(
                user: user,
                Access(isDisabled: marks & 1 == 1, revokedSeconds: revoked, verifier: verifier)
            )
        case .accountDeleted:
            self = .accountDeleted(user: try reader.varint())
        case .tombstonesCollected:
            self = .tombstonesCollected(owner: try reader.varint(), through: try reader.varint())
        }
    }
}

extension ByteReader {
    /// Nil for 0, which is at the change's own time.
    fileprivate mutating func lastSeen() throws(DecodeError) -> LastSeen? {
        let value = try count(upTo: Int(UInt32.max) + 1)
        return value == 0 ? nil : LastSeen(rawValue: UInt32(value - 1))
    }
}

//  The log has its own list of fields, so that no change of the protocol touches what is stored:
//
//      count | for each, numbers rising: number varint | length + 1 varint, or 0 for removed | bytes

extension ByteWriter {
    public mutating func logged(_ fields: [FieldChange]) {
        varint(fields.count)
        for field in fields {
            varint(UInt64(field.number.rawValue))
            varint(field.value.map { $0.count + 1 } ?? 0)
            if let value = field.value { bytes(value) }
        }
    }
}

extension ByteReader {
    public mutating func loggedFields() throws(DecodeError) -> [FieldChange] {
        var fields: [FieldChange] = []
        for _ in 0..<(try count(upTo: Limits.profileFieldsMax)) {
            let begin = offset
            let number = FieldNumber(rawValue: UInt16(try count(upTo: Int(Limits.fieldNumberMax))))
            guard number > fields.last?.number ?? FieldNumber(rawValue: 0) else {
                throw DecodeError(.order, offset: begin)
            }
            let length = try count(upTo: Limits.fieldBytesMax + 1)
            guard length > 0 else {
                fields.append(FieldChange(number, nil))
                continue
            }
            let value = try bytes(length - 1)
            guard number.accepts(value) else { throw DecodeError(.text, offset: begin) }
            fields.append(FieldChange(number, Array(value)))
        }
        return fields
    }
}

//  A profile as somebody was left with who is blocked:
//
//      count | for each, numbers rising: number varint | stamp varint | length + 1 varint, or 0 for removed | bytes

extension ByteWriter {
    public mutating func stored(_ fields: [Directory.StoredField]) {
        varint(fields.count)
        for field in fields {
            varint(UInt64(field.number.rawValue))
            varint(field.stamp)
            varint(field.value.map { $0.count + 1 } ?? 0)
            if let value = field.value { bytes(value) }
        }
    }
}

extension ByteReader {
    public mutating func storedFields() throws(DecodeError) -> [Directory.StoredField] {
        var fields: [Directory.StoredField] = []
        for _ in 0..<(try count(upTo: Limits.profileFieldsMax)) {
            let begin = offset
            let number = FieldNumber(rawValue: UInt16(try count(upTo: Int(Limits.fieldNumberMax))))
            guard number > fields.last?.number ?? FieldNumber(rawValue: 0) else {
                throw DecodeError(.order, offset: begin)
            }
            let stamp = try varint()
            guard stamp > 0, stamp <= .largest else { throw DecodeError(.value, offset: begin) }
            let length = try count(upTo: Limits.fieldBytesMax + 1)
            let value = length > 0 ? try bytes(length - 1) : nil
            guard value.map(number.accepts) != false else { throw DecodeError(.text, offset: begin) }
            fields.append(Directory.StoredField(number: number, stamp: stamp, value: value.map { Array($0) }))
        }
        return fields
    }
}
