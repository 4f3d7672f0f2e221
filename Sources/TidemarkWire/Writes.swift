// What a client changes. Each write may carry a condition: "only if unchanged since this stamp" (0 for none). An
// acknowledgement means that the change is on disk and in every later sync; its stamp is 0 when nothing had to change.

/// A request to change something, before it is decided.
public enum Write: Equatable, Sendable {
    case profileSet(ProfileSet)
    case rosterAdd(RosterAdd)
    case rosterRemove(RosterRemove)
    case rosterAnnotate(RosterAnnotate)
    case rosterAnswer(RosterAnswer)
    case blockSet(BlockSet)
    case messageSend(MessageSend)
    case messageAcknowledge(MessageAcknowledge)
    case lastSeenSet(LastSeenSet)
    case passwordSet(PasswordSet)
    case signOut(SignOut)
}

/// Changes the session's own profile: the named fields, and no others.
public struct ProfileSet: Equatable, Sendable {
    public var unchangedSince: Stamp
    /// Numbers rising, each once; at least one.
    public var fields: [FieldChange]
    /// Which of `fields` only the owner sees.
    public var privateFields: [FieldNumber]

    /// The fields may come in any order, each number once.
    public init(fields: [FieldChange], privateFields: [FieldNumber] = [], unchangedSince: Stamp = 0) {
        self.unchangedSince = unchangedSince
        self.fields = fields.sorted { $0.number < $1.number }
        self.privateFields = privateFields.sorted()
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        unchangedSince = try reader.varint()
        let begin = reader.offset
        fields = try reader.fields()
        guard !fields.isEmpty else { throw DecodeError(.value, offset: begin) }
        privateFields = try reader.fieldNumbers()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(unchangedSince)
        writer.fields(fields)
        writer.fieldNumbers(privateFields)
    }
}

/// Puts a contact into the session's roster.
public struct RosterAdd: Equatable, Sendable {
    public var contact: UserReference
    public var annotations: Annotations

    public init(contact: UserReference, annotations: Annotations = Annotations()) {
        self.contact = contact
        self.annotations = annotations
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        contact = try UserReference(decoding: &reader)
        annotations = try reader.annotations()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        contact.encode(into: &writer)
        writer.annotations(annotations)
    }
}

/// Takes a contact out of the session's roster.
public struct RosterRemove: Equatable, Sendable {
    public var unchangedSince: Stamp
    public var contact: UserID

    public init(contact: UserID, unchangedSince: Stamp = 0) {
        self.unchangedSince = unchangedSince
        self.contact = contact
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        unchangedSince = try reader.varint()
        contact = try reader.user()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(unchangedSince)
        writer.varint(contact)
    }
}

/// Replaces all that the owner notes of a contact.
public struct RosterAnnotate: Equatable, Sendable {
    public var unchangedSince: Stamp
    public var contact: UserID
    public var annotations: Annotations

    public init(contact: UserID, annotations: Annotations, unchangedSince: Stamp = 0) {
        self.unchangedSince = unchangedSince
        self.contact = contact
        self.annotations = annotations
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        unchangedSince = try reader.varint()
        contact = try reader.user()
        annotations = try reader.annotations()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(unchangedSince)
        writer.varint(contact)
        writer.annotations(annotations)
    }
}

/// Whether somebody may have the session's user as a contact, who has asked for it or was let in before.
public struct RosterAnswer: Equatable, Sendable {
    public enum Answer: UInt8, CaseIterable, Sendable {
        case approve = 1
        /// Also of somebody who was approved: the user is no contact of its any more.
        case refuse = 2
    }

    public var user: UserID
    public var answer: Answer

    public init(user: UserID, answer: Answer) {
        self.user = user
        self.answer = answer
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        user = try reader.user()
        let begin = reader.offset
        guard let answer = Answer(rawValue: try reader.u8()) else { throw DecodeError(.value, offset: begin) }
        self.answer = answer
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(user)
        writer.u8(answer.rawValue)
    }
}

/// Keeps somebody from seeing the session's user, from now on or no longer.
public struct BlockSet: Equatable, Sendable {
    public var user: UserID
    public var isBlocked: Bool
    /// The owner's own word for whom it blocks, for its lists; empty where it unblocks.
    public var note: String

    public init(user: UserID, isBlocked: Bool, note: String = "") {
        self.user = user
        self.isBlocked = isBlocked
        self.note = note
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        user = try reader.user()
        isBlocked = try reader.mark()
        note = try reader.text(upTo: Limits.noteBytesMax)
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(user)
        writer.u8(isBlocked ? 1 : 0)
        writer.text(note)
    }
}

/// The acknowledgement of a write.
public struct WriteOK: Equatable, Sendable {
    /// The change's stamp; 0 when the write changed nothing. Never a sync token.
    public var stamp: Stamp

    public init(stamp: Stamp) { self.stamp = stamp }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        stamp = try reader.varint()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { writer.varint(stamp) }
}

/// The acknowledgement of `RosterAdd`.
public struct RosterAddOK: Equatable, Sendable {
    /// 0 when the contact was there already, annotated alike.
    public var stamp: Stamp
    public var contact: UserID
    /// The entry's number in the roster.
    public var number: UInt32

    public init(stamp: Stamp, contact: UserID, number: UInt32) {
        self.stamp = stamp
        self.contact = contact
        self.number = number
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        stamp = try reader.varint()
        contact = try reader.user()
        number = UInt32(try reader.count(upTo: Limits.rosterEntriesMax - 1))
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(stamp)
        writer.varint(contact)
        writer.varint(UInt64(number))
    }
}

/// What the user of this device wants to be seen as.
public struct PresenceSet: Equatable, Sendable {
    public enum Wish: UInt8, CaseIterable, Sendable, BitwiseCopyable {
        case online = 1
        case away = 2
        case busy = 3
        /// Online for oneself, offline for the others.
        case invisible = 4
    }

    public var wish: Wish

    public init(wish: Wish) { self.wish = wish }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        guard let wish = Wish(rawValue: try reader.u8()) else { throw DecodeError(.value, offset: 0) }
        self.wish = wish
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { writer.u8(wish.rawValue) }
}

extension ByteReader {
    mutating func user() throws(DecodeError) -> UserID {
        let begin = offset
        let user = try varint()
        guard user != 0 else { throw DecodeError(.value, offset: begin) }
        return user
    }

    /// A byte that is 1 for a favourite and 0 otherwise, then alias and groups.
    mutating func annotations() throws(DecodeError) -> Annotations {
        let isFavourite = try mark()
        var annotations = try annotationText()
        annotations.isFavourite = isFavourite
        return annotations
    }
}

extension ByteWriter {
    mutating func annotations(_ annotations: Annotations) {
        u8(annotations.isFavourite ? 1 : 0)
        annotationText(annotations)
    }
}
