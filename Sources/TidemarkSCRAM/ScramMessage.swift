//  The text of SCRAM messages (RFC 5802, section 7): attributes "x=value" with commas between them. Only what both ends
//  have to know of it is here. All but the names is ASCII, so it is read as the bytes that it is.

import Foundation

enum ScramMessage {
    typealias Text = ArraySlice<UInt8>

    static let comma = UInt8(ascii: ",")
    private static let equals = UInt8(ascii: "=")

    /// The values of a message that has just these attributes in this order; what comes behind them is for extensions, of
    /// which none is known, so that they may be passed over. One that says that it must not be is refused.
    static func values(_ message: Text, _ names: [Unicode.Scalar]) throws(ScramError) -> [Text] {
        let attributes = message.split(separator: comma, omittingEmptySubsequences: false)
        if attributes.first?.starts(with: "m=".utf8) == true { throw .unsupported("a mandatory extension") }
        guard attributes.count >= names.count else { throw .malformed("an attribute is missing") }
        for attribute in attributes[names.count...] where !isAttribute(attribute) {
            throw .malformed("an extension")
        }
        var values: [Text] = []
        values.reserveCapacity(names.count)
        for (attribute, name) in zip(attributes, names) {
            guard isAttribute(attribute), attribute.first == UInt8(ascii: name) else {
                throw .malformed("attribute \(name)")
            }
            values.append(attribute.dropFirst(2))
        }
        return values
    }

    private static func isAttribute(_ text: Text) -> Bool {
        guard text.count >= 2 else { return false }
        let name = text[text.startIndex]
        let isLetter = (0x41...0x5A).contains(name) || (0x61...0x7A).contains(name)
        return isLetter && text[text.startIndex + 1] == equals
    }

    /// The bytes, if they are UTF-8 without zeros.
    static func text(_ bytes: [UInt8]) throws(ScramError) -> Text {
        guard String(validating: bytes, as: UTF8.self) != nil, !bytes.contains(0) else { throw .malformed("UTF-8") }
        return bytes[...]
    }

    /// Printable ASCII but the comma, and at least one of them.
    static func isNonce(_ text: some Collection<UInt8>) -> Bool {
        !text.isEmpty && text.allSatisfy { (0x21...0x7E).contains($0) && $0 != comma }
    }

    static func bytes(base64 text: Text) throws(ScramError) -> [UInt8] {
        guard let data = Data(base64Encoded: Data(text)) else { throw .malformed("base64") }
        return Array(data)
    }

    static func base64(_ bytes: some Sequence<UInt8>) -> [UInt8] { Array(Data(bytes).base64EncodedData()) }

    /// What both ends sign: RFC 5802, section 3, "AuthMessage".
    static func signed(_ clientFirstBare: [UInt8], _ serverFirst: [UInt8], _ clientFinalWithoutProof: Text) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(clientFirstBare.count + serverFirst.count + clientFinalWithoutProof.count + 2)
        bytes += clientFirstBare
        bytes.append(comma)
        bytes += serverFirst
        bytes.append(comma)
        bytes += clientFinalWithoutProof
        return bytes
    }

    // MARK: names

    /// "=" and "," have another meaning in a message.
    static func escaped(_ name: String) -> String {
        name.replacing("=", with: "=3D").replacing(",", with: "=2C")
    }

    /// - Precondition: the text is UTF-8.
    static func name(escaped text: Text) throws(ScramError) -> String {
        var name: [UInt8] = []
        var rest = text
        while let sign = rest.firstIndex(of: equals) {
            name += rest[..<sign]
            let code = rest[sign...].prefix(3)
            if code.elementsEqual("=2C".utf8) {
                name.append(comma)
            } else if code.elementsEqual("=3D".utf8) {
                name.append(equals)
            } else {
                throw .malformed("the name")
            }
            rest = rest[code.endIndex...]
        }
        return String(decoding: name + rest, as: UTF8.self)
    }
}
