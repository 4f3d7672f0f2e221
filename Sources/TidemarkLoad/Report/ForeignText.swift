/// Text that came from outside (what a server said, names in a file) made harmless where it is shown.
enum ForeignText {
    /// With control characters, invisible formatting and line ends written as `\u{…}`, so that it can neither move a
    /// terminal's cursor nor turn the direction of the text around it.
    static func visible(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                shown += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            default:
                shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }

    /// Cut to a number of characters, with "…" as the last where something went.
    static func cut(_ text: String, to width: Int) -> String {
        text.count <= width ? text : text.prefix(max(width - 1, 0)) + "…"
    }

    /// Safe as HTML text and within a quoted attribute.
    static func html(_ text: String) -> String { escaped(visible(text)) }

    /// As `html`, but with every character kept, for text that is itself escaped, such as JSON.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
