import Foundation

/// Any JSON, as it was written: a whole number is not a fraction.
public enum JSONValue: Equatable, Decodable, Sendable {
    case null
    case bool(Bool)
    case number(Int)
    case fraction(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    public init(_ text: String) throws { self = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .number(value)
        } else if let value = try? container.decode(Double.self) {
            self = .fraction(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// A member of an object; nothing otherwise.
    public subscript(key: String) -> JSONValue? {
        get { if case .object(let members) = self { members[key] } else { nil } }
        set {
            guard case .object(var members) = self else { return }
            members[key] = newValue
            self = .object(members)
        }
    }

    public var text: String? { if case .string(let text) = self { text } else { nil } }
    public var int: Int? { if case .number(let number) = self { number } else { nil } }
    public var list: [JSONValue] { if case .array(let list) = self { list } else { [] } }

    /// A number, whole or not.
    public var double: Double? {
        switch self {
        case .number(let number): Double(number)
        case .fraction(let number): number
        default: nil
        }
    }
}
