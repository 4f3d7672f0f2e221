// Cards of people as other products write and read them: vCard 4.0 (RFC 6350), and 3.0 (RFC 2426).
//
//     text ──▶ lines, unfolded ──▶ properties ──▶ a card as 4.0 has it ──▶ fields of a profile (AccountCard)
//     text ◀── lines, folded ◀──── properties ◀── as 4.0, or 3.0

/// One card: what stands between BEGIN:VCARD and END:VCARD, but for the version. Whatever version it was written in, it is held
/// as 4.0 has it.
public struct VCard: Hashable, Sendable {
    public enum Version: String, CaseIterable, Sendable {
        case v3 = "3.0"
        case v4 = "4.0"
    }

    /// In the order in which they stand.
    public var properties: [Property]

    public init(properties: [Property] = []) { self.properties = properties }

    /// One line of a card: `item1.TEL;TYPE=work,voice:+44 20 7946 0018`
    public struct Property: Hashable, Sendable {
        /// What it belongs together with: "item1".
        public var group: String?
        /// In capital letters.
        public var name: String
        public var parameters: [Parameter]
        /// As it stands, with what is escaped in it.
        public var value: String

        public init(_ name: String, group: String? = nil, parameters: [Parameter] = [], value: String) {
            self.group = group
            self.name = name
            self.parameters = parameters
            self.value = value
        }

        /// With a value that is any text.
        public init(_ name: String, parameters: [Parameter] = [], text: String) {
            self.init(name, parameters: parameters, value: VCard.escaped(text))
        }

        /// The values of all parameters of that name, without quotes.
        public func parameterValues(_ name: String) -> [String] {
            parameters.filter { $0.name == name }.flatMap(\.values)
        }

        /// The value, where it is text and not a list: without escapes.
        public var text: String { VCard.unescaped(value) }
    }

    public struct Parameter: Hashable, Sendable {
        /// In capital letters.
        public var name: String
        /// As it stands: values with commas between, of which some may be in quotes.
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }

        /// Each value, without quotes.
        public var values: [String] {
            var values = [""]
            var isQuoted = false
            for character in value.unicodeScalars {
                switch character {
                case "\"": isQuoted.toggle()
                case "," where !isQuoted: values.append("")
                default: values[values.count - 1].unicodeScalars.append(character)
                }
            }
            return values
        }
    }

    /// The first property of that name.
    public subscript(_ name: String) -> Property? { properties.first { $0.name == name } }

    // MARK: texts

    /// As it stands in a card: with a backslash before what would have a meaning there.
    public static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\", ",", ";": escaped += "\\\(character)"
            case "\n": escaped += "\\n"
            // A line break of two characters is one.
            case "\r": continue
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    /// What an escaped text says. A backslash before anything else is left out, as many products write one before a colon.
    public static func unescaped(_ value: String) -> String {
        var text = ""
        var isEscaped = false
        for character in value.unicodeScalars {
            switch (isEscaped, character) {
            case (false, "\\"): isEscaped = true
            case (true, "n"), (true, "N"):
                text += "\n"
                isEscaped = false
            default:
                text.unicodeScalars.append(character)
                isEscaped = false
            }
        }
        return isEscaped ? text + "\\" : text
    }
}

/// What is wrong with a text that should be cards.
public struct VCardError: Error, Equatable, Sendable, CustomStringConvertible {
    /// From 1.
    public var line: Int
    /// What is wrong, and what to do about it.
    public var reason: String

    public init(line: Int, reason: String) {
        self.line = line
        self.reason = reason
    }

    public var description: String { "line \(line): \(reason)" }
}
