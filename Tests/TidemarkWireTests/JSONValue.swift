/// JSON as the vectors and the registry use it: numbers are whole and below 2^53, larger ones are strings.
enum JSONValue: Equatable {
    case null
    case bool(Bool)
    case number(Int)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

extension JSONValue: Decodable {
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }
}

/// A file of the protocol that is not laid out as it should be.
struct MalformedFile: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

extension JSONValue {
    subscript(key: String) -> JSONValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    func string(_ key: String) throws -> String {
        guard case .string(let value)? = self[key] else { throw MalformedFile("no text \"\(key)\" in \(self)") }
        return value
    }

    func number(_ key: String) throws -> Int {
        guard case .number(let value)? = self[key] else { throw MalformedFile("no number \"\(key)\" in \(self)") }
        return value
    }

    func bool(_ key: String) throws -> Bool {
        guard case .bool(let value)? = self[key] else { throw MalformedFile("no \"\(key)\" in \(self)") }
        return value
    }

    func array(_ key: String) throws -> [JSONValue] {
        guard case .array(let value)? = self[key] else { throw MalformedFile("no list \"\(key)\" in \(self)") }
        return value
    }

    /// A list of texts; nil without the key.
    func strings(_ key: String) throws -> [String] {
        try array(key).map {
            guard case .string(let value) = $0 else { throw MalformedFile("\"\(key)\" holds more than texts") }
            return value
        }
    }

    /// Numbers of 64 bits stand as decimal strings.
    func u64(_ key: String) throws -> UInt64 {
        guard let value = UInt64(try string(key)) else { throw MalformedFile("no number of 64 bits: \"\(key)\"") }
        return value
    }

    func bytes(_ key: String) throws -> [UInt8] { try Hex.bytes(string(key)) }

    func without(_ key: String) -> JSONValue {
        guard case .object(var members) = self else { return self }
        members[key] = nil
        return .object(members)
    }
}
