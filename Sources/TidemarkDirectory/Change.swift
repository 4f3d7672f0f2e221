// What the change log carries: outcomes, not requests. Each was decided before it was stamped, so applying one never
// fails, and gives the same in every shard and in SQL. The stamp comes from the log, beside the change.

import TidemarkWire

public enum Change: Equatable, Sendable {
    case accountCreated(user: UserID, name: String)
    /// The named fields, numbers rising; the others stay.
    case profileChanged(user: UserID, fields: [FieldChange])
    /// Adds the contact, brings a removed one back, or replaces the annotations.
    case entrySet(owner: UserID, contact: UserID, number: UInt32, annotations: Annotations)
    case entryRemoved(owner: UserID, contact: UserID)
    /// Its roster goes with it, and leaves each owner who has it as a contact a tombstone. The id is never used again.
    case accountDeleted(user: UserID)
    /// Forgets the owner's tombstones up to a stamp, which becomes the horizon, and gives their numbers free: a token
    /// older than the horizon needs a full sync from now on.
    case tombstonesCollected(owner: UserID, through: Stamp)
}

extension Change {
    private enum Tag: UInt8 {
        case accountCreated = 1
        case profileChanged = 2
        case entrySet = 3
        case entryRemoved = 4
        case accountDeleted = 5
        case tombstonesCollected = 6
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
        case .entrySet(let owner, let contact, let number, let annotations):
            writer.u8(Tag.entrySet.rawValue)
            writer.varint(owner)
            writer.varint(contact)
            writer.varint(UInt64(number))
            writer.u8(annotations.isFavourite ? 1 : 0)
            writer.annotationText(annotations)
        case .entryRemoved(let owner, let contact):
            writer.u8(Tag.entryRemoved.rawValue)
            writer.varint(owner)
            writer.varint(contact)
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
        case .entrySet:
            let owner = try reader.varint()
            let contact = try reader.varint()
            let number = UInt32(try reader.count(upTo: Limits.rosterEntriesMax - 1))
            let isFavourite = try reader.u8() == 1
            var annotations = try reader.annotationText()
            annotations.isFavourite = isFavourite
            self = .entrySet(owner: owner, contact: contact, number: number, annotations: annotations)
        case .entryRemoved:
            self = .entryRemoved(owner: try reader.varint(), contact: try reader.varint())
        case .accountDeleted:
            self = .accountDeleted(user: try reader.varint())
        case .tombstonesCollected:
            self = .tombstonesCollected(owner: try reader.varint(), through: try reader.varint())
        }
    }
}

//  The log has its own list of fields, so that no change of the protocol touches what is stored:
//
//      count | for each, numbers rising: number varint | length + 1 varint, or 0 for removed | bytes

extension ByteWriter {
    fileprivate mutating func logged(_ fields: [FieldChange]) {
        varint(fields.count)
        for field in fields {
            varint(UInt64(field.number.rawValue))
            varint(field.value.map { $0.count + 1 } ?? 0)
            if let value = field.value { bytes(value) }
        }
    }
}

extension ByteReader {
    fileprivate mutating func loggedFields() throws(DecodeError) -> [FieldChange] {
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
