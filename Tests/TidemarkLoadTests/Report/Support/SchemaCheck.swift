import Foundation

/// JSON with any numbers.
enum AnyJSON: Equatable, Decodable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([AnyJSON])
    case object([String: AnyJSON])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([AnyJSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: AnyJSON].self))
        }
    }

    init(_ text: String) throws { self = try JSONDecoder().decode(AnyJSON.self, from: Data(text.utf8)) }

    subscript(key: String) -> AnyJSON? {
        get { if case .object(let members) = self { members[key] } else { nil } }
        set {
            guard case .object(var members) = self else { return }
            members[key] = newValue
            self = .object(members)
        }
    }
}

/// As much of JSON Schema 2020-12 as the report's schema uses. A keyword it does not know is a finding, so that nothing
/// in a schema is passed over in silence.
struct SchemaCheck {
    let root: AnyJSON

    /// What is wrong with the value; empty where nothing is.
    func findings(_ value: AnyJSON) -> [String] { check(value, root, "") }

    private func check(_ value: AnyJSON, _ schema: AnyJSON, _ path: String) -> [String] {
        guard case .object(let keywords) = schema else { return ["\(path): the schema is no object"] }
        return keywords.flatMap { keyword, wanted -> [String] in
            switch (keyword, wanted) {
            case ("$schema", _), ("$id", _), ("$defs", _), ("title", _), ("description", _): []
            case ("$ref", .string(let reference)):
                resolve(reference).map { check(value, $0, path) } ?? ["\(path): \(reference) leads nowhere"]
            case ("const", _): value == wanted ? [] : ["\(path): is not \(wanted)"]
            case ("type", .string(let type)): has(value, type) ? [] : ["\(path): is no \(type)"]
            case ("required", .array(let keys)): missing(keys, in: value).map { "\(path): has no \($0)" }
            case ("properties", .object(let properties)): members(value, properties, path)
            case ("items", _): elements(value, wanted, path)
            case ("minItems", .number(let count)):
                if case .array(let all) = value, Double(all.count) < count { ["\(path): too few"] } else { [] }
            case ("minimum", .number(let least)):
                if case .number(let number) = value, number < least { ["\(path): below \(least)"] } else { [] }
            case ("maximum", .number(let most)):
                if case .number(let number) = value, number > most { ["\(path): above \(most)"] } else { [] }
            default: ["\(path): this check does not know the keyword \(keyword)"]
            }
        }
    }

    private func members(_ value: AnyJSON, _ properties: [String: AnyJSON], _ path: String) -> [String] {
        properties.flatMap { key, schema in value[key].map { check($0, schema, "\(path).\(key)") } ?? [] }
    }

    private func elements(_ value: AnyJSON, _ schema: AnyJSON, _ path: String) -> [String] {
        guard case .array(let all) = value else { return [] }
        return all.enumerated().flatMap { check($0.element, schema, "\(path)[\($0.offset)]") }
    }

    private func missing(_ keys: [AnyJSON], in value: AnyJSON) -> [String] {
        keys.compactMap { key in
            if case .string(let name) = key, value[name] == nil { name } else { nil }
        }
    }

    private func has(_ value: AnyJSON, _ type: String) -> Bool {
        switch (type, value) {
        case ("object", .object), ("array", .array), ("string", .string), ("boolean", .bool), ("number", .number): true
        case ("integer", .number(let number)): number == number.rounded()
        default: false
        }
    }

    func resolve(_ reference: String) -> AnyJSON? {
        guard reference.hasPrefix("#/") else { return nil }
        return reference.dropFirst(2).split(separator: "/").reduce(Optional(root)) { $0?[String($1)] }
    }

    // MARK: keys

    /// Every key that the schema describes, as "intervals[].p50", with its description.
    var described: [String: String] {
        var keys: [String: String] = [:]
        collect(root, "", &keys)
        return keys
    }

    private func collect(_ schema: AnyJSON, _ path: String, _ keys: inout [String: String]) {
        if case .string(let reference)? = schema["$ref"], let target = resolve(reference) {
            collect(target, path, &keys)
        }
        if let items = schema["items"] { collect(items, path + "[]", &keys) }
        guard case .object(let properties)? = schema["properties"] else { return }
        for (key, property) in properties {
            let inner = path.isEmpty ? key : "\(path).\(key)"
            keys[inner] = description(property) ?? ""
            collect(property, inner, &keys)
        }
    }

    private func description(_ schema: AnyJSON) -> String? {
        if case .string(let text)? = schema["description"] { return text }
        guard case .string(let reference)? = schema["$ref"] else { return nil }
        return resolve(reference).flatMap(description)
    }

    /// Every key that a value has, written the same way.
    static func keys(of value: AnyJSON, at path: String = "") -> Set<String> {
        switch value {
        case .object(let members):
            members.reduce(into: []) { keys, member in
                let inner = path.isEmpty ? member.key : "\(path).\(member.key)"
                keys.formUnion(Self.keys(of: member.value, at: inner).union([inner]))
            }
        case .array(let all): all.reduce(into: []) { $0.formUnion(keys(of: $1, at: path + "[]")) }
        default: []
        }
    }
}
