import Foundation
import TidemarkTesting

/// As much of JSON Schema 2020-12 as the report's schema uses. A keyword it does not know is a finding, so that nothing
/// in a schema is passed over in silence.
struct SchemaCheck {
    let root: JSONValue

    /// What is wrong with the value; empty where nothing is.
    func findings(_ value: JSONValue) -> [String] { check(value, root, "") }

    private func check(_ value: JSONValue, _ schema: JSONValue, _ path: String) -> [String] {
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
                if case .array(let all) = value, all.count < count { ["\(path): too few"] } else { [] }
            case ("minimum", .number(let least)):
                if let number = value.double, number < Double(least) { ["\(path): below \(least)"] } else { [] }
            case ("maximum", .number(let most)):
                if let number = value.double, number > Double(most) { ["\(path): above \(most)"] } else { [] }
            default: ["\(path): this check does not know the keyword \(keyword)"]
            }
        }
    }

    private func members(_ value: JSONValue, _ properties: [String: JSONValue], _ path: String) -> [String] {
        properties.flatMap { key, schema in value[key].map { check($0, schema, "\(path).\(key)") } ?? [] }
    }

    private func elements(_ value: JSONValue, _ schema: JSONValue, _ path: String) -> [String] {
        guard case .array(let all) = value else { return [] }
        return all.enumerated().flatMap { check($0.element, schema, "\(path)[\($0.offset)]") }
    }

    private func missing(_ keys: [JSONValue], in value: JSONValue) -> [String] {
        keys.compactMap { key in
            if case .string(let name) = key, value[name] == nil { name } else { nil }
        }
    }

    private func has(_ value: JSONValue, _ type: String) -> Bool {
        switch (type, value) {
        case ("object", .object), ("array", .array), ("string", .string), ("boolean", .bool), ("number", .number),
            ("number", .fraction), ("integer", .number):
            true
        // Beyond 64 bits with a sign.
        case ("integer", .fraction(let number)): number == number.rounded()
        default: false
        }
    }

    func resolve(_ reference: String) -> JSONValue? {
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

    private func collect(_ schema: JSONValue, _ path: String, _ keys: inout [String: String]) {
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

    private func description(_ schema: JSONValue) -> String? {
        if case .string(let text)? = schema["description"] { return text }
        guard case .string(let reference)? = schema["$ref"] else { return nil }
        return resolve(reference).flatMap(description)
    }

    /// Every key that a value has, written the same way.
    static func keys(of value: JSONValue, at path: String = "") -> Set<String> {
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
