// From a card to text: CR LF behind each line, and none of more than 75 bytes.

extension VCard {
    /// The card as text, which ends with a line break.
    public func text(_ version: Version = .v4) -> String {
        var text = ""
        func add(_ property: Property) {
            text += Self.folded(property.line)
            text += "\r\n"
        }
        add(Property("BEGIN", value: "VCARD"))
        add(Property("VERSION", value: version.rawValue))
        switch version {
        case .v4:
            properties.forEach(add)
        case .v3:
            // 3.0 cannot do without it.
            if self["N"] == nil { add(Property("N", value: (self["FN"]?.value ?? "") + ";;;;")) }
            if self["FN"] == nil { add(Property("FN", value: "")) }
            properties.map(\.asVersion3).forEach(add)
        }
        add(Property("END", value: "VCARD"))
        return text
    }

    /// With a line break and a space where a line would be too long, and never within a character.
    static func folded(_ line: String) -> String {
        guard line.utf8.count > lineBytesMax else { return line }
        var folded = ""
        var count = 0
        for character in line.unicodeScalars {
            let bytes = UTF8.width(character)
            if count + bytes > lineBytesMax {
                folded += "\r\n "
                count = 1
            }
            folded.unicodeScalars.append(character)
            count += bytes
        }
        return folded
    }

    private static let lineBytesMax = 75
}

extension VCard.Property {
    /// The line that it is, however long.
    var line: String {
        var line = group.map { "\($0)." } ?? ""
        line += name
        for parameter in parameters { line += ";\(parameter.name)=\(parameter.value)" }
        return line + ":" + value
    }
}
