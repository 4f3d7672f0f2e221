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
    ]

    public static let fullName = FieldNumber(rawValue: 1)
    public static let telephone = FieldNumber(rawValue: 3)
    public static let email = FieldNumber(rawValue: 4)
    public static let organization = FieldNumber(rawValue: 5)
    public static let title = FieldNumber(rawValue: 6)
    public static let note = FieldNumber(rawValue: 7)
    public static let photo = FieldNumber(rawValue: 8)

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
//      count | for each, numbers rising: number varint | length + 1 varint, or 0 for removed | bytes

extension ByteReader {
    public mutating func fields() throws(DecodeError) -> [FieldChange] {
        let count = try count(upTo: Limits.profileFieldsMax)
        var fields: [FieldChange] = []
        fields.reserveCapacity(count)
        var previous: UInt16 = 0
        for _ in 0..<count {
            let number = try fieldNumber(after: previous)
            previous = number.rawValue
            let begin = offset
            let length = try self.count(upTo: Limits.fieldBytesMax + 1)
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

    /// A count and as many field numbers, rising.
    public mutating func fieldNumbers() throws(DecodeError) -> [FieldNumber] {
        var numbers: [FieldNumber] = []
        for _ in 0..<(try count(upTo: Limits.profileFieldsMax)) {
            numbers.append(try fieldNumber(after: numbers.last?.rawValue ?? 0))
        }
        return numbers
    }

    mutating func fieldNumber(after previous: UInt16) throws(DecodeError) -> FieldNumber {
        let begin = offset
        let number = try varint()
        guard number >= 1, number <= UInt64(Limits.fieldNumberMax) else { throw DecodeError(.value, offset: begin) }
        guard number > UInt64(previous) else { throw DecodeError(.order, offset: begin) }
        return FieldNumber(rawValue: UInt16(number))
    }
}

extension ByteWriter {
    public mutating func fields(_ fields: [FieldChange]) {
        varint(fields.count)
        for field in fields {
            varint(UInt64(field.number.rawValue))
            guard let value = field.value else {
                varint(0)
                continue
            }
            varint(value.count + 1)
            bytes(value)
        }
    }

    public mutating func fieldNumbers(_ numbers: [FieldNumber]) {
        varint(numbers.count)
        for number in numbers { varint(UInt64(number.rawValue)) }
    }
}
