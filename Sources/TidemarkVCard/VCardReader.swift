// From text to cards. A line that is folded goes on in the next one, which begins with a space; the break may be in the middle of a
// character, so lines are put together as bytes.

/// Reads cards one after the other.
public struct VCardReader {
    private struct Line {
        var number: Int
        var bytes: [UInt8]
    }

    private let bytes: [UInt8]
    private var at = 0
    private var lineNumber = 1

    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // A byte order mark.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
    }

    /// All of them.
    public static func cards(in bytes: [UInt8]) throws(VCardError) -> [VCard] {
        var reader = VCardReader(bytes)
        var cards: [VCard] = []
        while let card = try reader.next() { cards.append(card) }
        return cards
    }

    /// Where the card that `next` gave last begins.
    public private(set) var line = 1

    /// The next card; nil at the end.
    /// - Throws: which line is not what it should be. There is no going on behind that.
    public mutating func next() throws(VCardError) -> VCard? {
        guard let begin = nextLine() else { return nil }
        line = begin.number
        guard Self.is(begin, "BEGIN:VCARD") else {
            throw VCardError(line: begin.number, reason: "a card begins with BEGIN:VCARD, and this is none")
        }
        var version: VCard.Version?
        var properties: [VCard.Property] = []
        while let line = nextLine() {
            if Self.is(line, "END:VCARD") {
                guard let version else {
                    throw VCardError(line: self.line, reason: "the card does not say VERSION:4.0 or VERSION:3.0")
                }
                return VCard(properties: version == .v4 ? properties : properties.map(\.asVersion4))
            }
            let property = try Self.property(line)
            switch property.name {
            case "BEGIN":
                throw VCardError(line: line.number, reason: "a card in a card, or END:VCARD is missing before it")
            case "END":
                throw VCardError(line: line.number, reason: "\(property.value) ends and had not begun")
            case "VERSION":
                version = VCard.Version(rawValue: property.value.filter { $0 != " " })
                if version == nil {
                    throw VCardError(
                        line: line.number,
                        reason: "version \"\(property.value)\"; 3.0 and 4.0 are read: export it again as one of these"
                    )
                }
            default:
                properties.append(property)
            }
        }
        throw VCardError(line: begin.number, reason: "the card that begins here has no END:VCARD")
    }

    // MARK: lines

    /// The next line that is not empty, with what it goes on in.
    private mutating func nextLine() -> Line? {
        while at < bytes.count {
            var line = Line(number: lineNumber, bytes: physicalLine())
            while at < bytes.count, bytes[at] == UInt8(ascii: " ") || bytes[at] == UInt8(ascii: "\t") {
                at += 1
                line.bytes += physicalLine()
            }
            if line.bytes.contains(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }) { return line }
        }
        return nil
    }

    /// Up to the next line break, which is left out.
    private mutating func physicalLine() -> [UInt8] {
        let begin = at
        while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
        var end = at
        if end > begin, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        if at < bytes.count {
            at += 1
            lineNumber += 1
        }
        return Array(bytes[begin..<end])
    }

    private static func `is`(_ line: Line, _ expected: String) -> Bool {
        var bytes = line.bytes[...]
        while bytes.last == UInt8(ascii: " ") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self).uppercased() == expected
    }

    // MARK: properties

    /// `group.NAME;parameter=value,"value":value`
    private static func property(_ line: Line) throws(VCardError) -> VCard.Property {
        guard let text = String(validating: line.bytes, as: UTF8.self) else {
            throw VCardError(line: line.number, reason: "no UTF-8; convert the file, for instance with iconv")
        }
        guard !line.bytes.contains(where: { $0 < 0x20 && $0 != UInt8(ascii: "\t") || $0 == 0x7F }) else {
            throw VCardError(line: line.number, reason: "holds a control character")
        }
        var parser = PropertyParser(text.unicodeScalars[...])
        guard let property = parser.property() else {
            throw VCardError(
                line: line.number,
                reason: "is no property; one is a name, perhaps parameters, a colon and a value: TEL;TYPE=home:+44…"
            )
        }
        if let charset = property.parameterValues("CHARSET").first, charset.uppercased() != "UTF-8" {
            throw VCardError(line: line.number, reason: "is in \(charset); export it again in UTF-8")
        }
        if property.parameterValues("ENCODING").contains(where: { $0.uppercased() == "QUOTED-PRINTABLE" }) {
            throw VCardError(
                line: line.number,
                reason: "is of version 2.1 (quoted-printable); export it again as 3.0 or 4.0"
            )
        }
        return property
    }
}

/// One line, character by character.
struct PropertyParser {
    private var rest: Substring.UnicodeScalarView

    init(_ line: Substring.UnicodeScalarView) { rest = line }

    /// Nil where it is none.
    mutating func property() -> VCard.Property? {
        guard var name = name() else { return nil }
        var group: String?
        if take(".") {
            guard let second = self.name() else { return nil }
            (group, name) = (name, second)
        }
        var parameters: [VCard.Parameter] = []
        while take(";") {
            guard let parameter = parameter() else { return nil }
            parameters.append(parameter)
        }
        guard take(":") else { return nil }
        return VCard.Property(name.uppercased(), group: group, parameters: parameters, value: String(rest))
    }

    private mutating func take(_ expected: Unicode.Scalar) -> Bool {
        guard rest.first == expected else { return false }
        rest.removeFirst()
        return true
    }

    /// Letters, digits and hyphens; and the underscore that some products have in names of their own.
    private mutating func name() -> String? {
        let name = rest.prefix {
            "a"..."z" ~= $0 || "A"..."Z" ~= $0 || "0"..."9" ~= $0 || $0 == "-" || $0 == "_"
        }
        rest.removeFirst(name.count)
        return name.isEmpty ? nil : String(name)
    }

    private mutating func parameter() -> VCard.Parameter? {
        guard let name = name() else { return nil }
        // What is a value alone, as in TEL;HOME:…, is one of its type.
        guard take("=") else { return VCard.Parameter("TYPE", name) }
        var value = ""
        var isQuoted = false
        while let next = rest.first, isQuoted || (next != ";" && next != ":") {
            if next == "\"" { isQuoted.toggle() }
            value.unicodeScalars.append(next)
            rest.removeFirst()
        }
        return isQuoted ? nil : VCard.Parameter(name.uppercased(), value)
    }
}
