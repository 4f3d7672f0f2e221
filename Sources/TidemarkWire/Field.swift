/// The numbers of a profile's fields: the vCard properties, and from 128 on the operator's own. 1 to
/// `Limits.fieldNumberMax`. Values of the named ones are UTF-8 text, the operator's are bytes.
public struct FieldNumber: RawRepresentable, Hashable, Comparable, Sendable {
    public let rawValue: UInt16
    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
    public static func < (a: FieldNumber, b: FieldNumber) -> Bool { a.rawValue < b.rawValue }

    @inlinable public static var operatorFirst: FieldNumber { FieldNumber(rawValue: 128) }

    /// The named fields, with their vCard property names (RFC 6350, section 6).
    public static let named: KeyValuePairs<UInt16, String> = [
        1: "FN", 2: "NICKNAME", 3: "TEL", 4: "EMAIL", 5: "ORG", 6: "TITLE", 7: "NOTE", 8: "PHOTO", 9: "URL",
        10: "BDAY", 11: "ADR", 12: "LANG", 13: "TZ", 14: "ROLE", 15: "GENDER", 16: "IMPP", 17: "N", 18: "LOGO",
        19: "CATEGORIES", 20: "ANNIVERSARY", 21: "GEO", 22: "KEY",
        23: "VCARD",
    ]

    public static let fullName = FieldNumber(rawValue: 1)
    public static let telephone = FieldNumber(rawValue: 3)
    public static let email = FieldNumber(rawValue: 4)
    public static let organization = FieldNumber(rawValue: 5)
    public static let title = FieldNumber(rawValue: 6)
    public static let note = FieldNumber(rawValue: 7)
    public static let photo = FieldNumber(rawValue: 8)
    /// What else a vCard says, line by line.
    public static let vCard = FieldNumber(rawValue: 23)

    /// "FN" for 1, "X200" for 200.
    public var name: String {
        Self.named.first { $0.key == rawValue }?.value ?? "X\(rawValue)"
    }

    /// From a property's name in any case, or "X" and a number.
    public init?(name: String) {
        let upper = name.uppercased()
        if let known = Self.named.first(where: { $0.value == upper }) {
            self.init(rawValue: known.key)
        } else if upper.hasPrefix("X"), let number = UInt16(upper.dropFirst()),
            (1...Limits.fieldNumberMax).contains(number)
        {
            self.init(rawValue: number)
        } else {
            return nil
        }
    }

    /// Whether these bytes may stand as this field's value.
    public func accepts(_ value: UnsafeRawBufferPointer) -> Bool {
        value.count <= Limits.fieldBytesMax && (self >= .operatorFirst || Text.isValid(value, lines: true))
    }
}

/// A field's new value, or nil for "removed".
public struct FieldChange: Equatable, Sendable {
    public var number: FieldNumber
    public var value: [UInt8]?

    public init(_ number: FieldNumber, _ value: [UInt8]?) {
        self.number = number
        self.value = value
    }

    public init(_ number: FieldNumber, text: String) {
        self.init(number, Array(text.utf8))
    }
}

//  A list of fields, as it stands in an item of a page:
//
//      count | for each, numbers rising: head varint | [how much farther varint] | bytes
//
//      head   (length + 1, or 0 for removed) · 4 + step
//      step   0, 1 or 2: the number is so many after the next; 3: three and as many more as the second varint says
//
//  A field of up to 30 bytes whose number is among the next three has one byte in front of it.

extension ByteReader {
    /// What stands in front of a field's bytes: its number, which rises, and how many bytes follow; nil for removed.
    @inlinable
    public mutating func fieldHead(
        after previous: UInt16
    ) throws(DecodeError) -> (number: FieldNumber, valueBytes: Int?) {
        let begin = offset
        let head = try varint()
        guard head >> 2 <= UInt64(Limits.fieldBytesMax + 1) else { throw DecodeError(.tooLong, offset: begin) }
        var number = UInt64(previous) + 1 + head & 3
        if head & 3 == 3 {
            let farther = try varint()
            guard farther <= UInt64(Limits.fieldNumberMax) else { throw DecodeError(.value, offset: begin) }
            number += farther
        }
        guard number <= UInt64(Limits.fieldNumberMax) else { throw DecodeError(.value, offset: begin) }
        return (FieldNumber(rawValue: UInt16(number)), head < 4 ? nil : Int(head >> 2) - 1)
    }

    public mutating func fields() throws(DecodeError) -> [FieldChange] {
        let count = try count(upTo: Limits.profileFieldsMax)
        var fields: [FieldChange] = []
        fields.reserveCapacity(count)
        for _ in 0..<count {
            let begin = offset
            let (number, valueBytes) = try fieldHead(after: fields.last?.number.rawValue ?? 0)
            guard let valueBytes else {
                fields.append(FieldChange(number, nil))
                continue
            }
            let value = try bytes(valueBytes)
            guard number.accepts(value) else { throw DecodeError(.text, offset: begin) }
            fields.append(FieldChange(number, Array(value)))
        }
        return fields
    }

    /// A count and as many field numbers, rising.
    public mutating func fieldNumbers() throws(DecodeError) -> [FieldNumber] {
        var numbers: [FieldNumber] = []
        for _ in 0..<(try count(upTo: Limits.profileFieldsMax)) {
            let begin = offset
            let number = try varint()
            guard number >= 1, number <= UInt64(Limits.fieldNumberMax) else {
                throw DecodeError(.value, offset: begin)
            }
            guard number > UInt64(numbers.last?.rawValue ?? 0) else { throw DecodeError(.order, offset: begin) }
            numbers.append(FieldNumber(rawValue: UInt16(number)))
        }
        return numbers
    }
}

extension ByteWriter {
    /// - Parameters:
    ///   - number: greater than `previous`.
    ///   - valueBytes: how many bytes follow, up to `Limits.fieldBytesMax`; nil for removed.
    ///   - previous: the number of the field before in the list; 0 for the first.
    @inlinable
    public mutating func fieldHead(_ number: FieldNumber, valueBytes: Int?, after previous: UInt16) {
        precondition(number.rawValue > previous)
        let step = UInt64(number.rawValue - previous - 1)
        let length = UInt64(valueBytes.map { $0 + 1 } ?? 0)
        varint(length << 2 | min(step, 3))
        if step >= 3 { varint(step - 3) }
    }

    public mutating func fields(_ fields: [FieldChange]) {
        varint(fields.count)
        var previous: UInt16 = 0
        for field in fields {
            fieldHead(field.number, valueBytes: field.value?.count, after: previous)
            previous = field.number.rawValue
            if let value = field.value { bytes(value) }
        }
    }

    public mutating func fieldNumbers(_ numbers: [FieldNumber]) {
        varint(numbers.count)
        for number in numbers { varint(UInt64(number.rawValue)) }
    }
}
