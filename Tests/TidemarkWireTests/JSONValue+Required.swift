import TidemarkTesting

/// A file of the protocol that is not laid out as it should be.
struct MalformedFile: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

extension JSONValue {
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
