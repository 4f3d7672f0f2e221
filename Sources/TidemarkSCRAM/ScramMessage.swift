//  The text of SCRAM messages (RFC 5802, section 7): attributes "x=value" with commas between them. Only what both ends
//  have to know of it is here.

import Foundation

enum ScramMessage {
    /// The values of a message that has just these attributes in this order; what comes behind them is for extensions, of
    /// which none is known, so that they may be passed over. One that says that it must not be is refused.
    static func values(_ message: Substring, _ names: [Character]) throws(ScramError) -> [Substring] {
        let attributes = message.split(separator: ",", omittingEmptySubsequences: false)
        if attributes.first?.hasPrefix("m=") == true { throw .unsupported("a mandatory extension") }
        guard attributes.count >= names.count else { throw .malformed("an attribute is missing") }
        for attribute in attributes[names.count...] where !isAttribute(attribute) {
            throw .malformed("an extension")
        }
        var values: [Substring] = []
        for (attribute, name) in zip(attributes, names) {
            guard isAttribute(attribute), attribute.first == name else { throw .malformed("attribute \(name)") }
            values.append(attribute.dropFirst(2))
        }
        return values
    }

    private static func isAttribute(_ text: Substring) -> Bool {
        guard let name = text.utf8.first, let equals = text.utf8.dropFirst().first else { return false }
        let isLetter = (0x41...0x5A).contains(name) || (0x61...0x7A).contains(name)
        return isLetter && equals == 0x3D
    }

    static func text(_ bytes: [UInt8]) throws(ScramError) -> Substring {
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else { throw .malformed("UTF-8") }
        return text[...]
    }

    /// Printable ASCII but the comma, and at least one of them.
    static func isNonce(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x2C }
    }

    static func bytes(base64 text: Substring) throws(ScramError) -> [UInt8] {
        guard let data = Data(base64Encoded: String(text)) else { throw .malformed("base64") }
        return Array(data)
    }

    static func base64(_ bytes: some Sequence<UInt8>) -> String { Data(bytes).base64EncodedString() }

    // MARK: names

    /// "=" and "," have another meaning in a message.
    static func escaped(_ name: String) -> String {
        name.replacing("=", with: "=3D").replacing(",", with: "=2C")
    }

    static func name(escaped text: Substring) throws(ScramError) -> String {
        var name = ""
        var rest = text
        while let sign = rest.firstIndex(of: "=") {
            name += rest[..<sign]
            let code = rest[sign...].prefix(3)
            switch code {
            case "=2C": name += ","
            case "=3D": name += "="
            default: throw .malformed("the name")
            }
            rest = rest[code.endIndex...]
        }
        return name + rest
    }
}
