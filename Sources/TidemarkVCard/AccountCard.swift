// A card and a profile, each as the other.
//
//     FN, TEL, ORG, …      the field of that name; of several the one that is preferred, else the first
//     all else             the field VCARD, line by line: what no field has, more of what one has (a second TEL), and what is
//                          said about a field's value (TEL;TYPE=home: without the value). Private unless the card says otherwise
//     X-TIDEMARK-…         what only Tidemark has: NAME the account, ALIAS, GROUPS and FAVOURITE what the address book's owner
//                          notes, PRIVATE which fields only their owner sees, X200 a field without a name
//
// So whatever a card says comes out again, also after its fields were changed here.

import Foundation
import TidemarkWire

/// What a card says of an account, or of a contact.
public struct AccountCard: Equatable, Sendable {
    /// The account's name; nil where the card does not say.
    public var name: String?
    public var fields: [FieldNumber: [UInt8]]
    /// Which of them only their owner sees.
    public var privateFields: Set<FieldNumber>
    /// What the owner of an address book notes.
    public var annotations: Annotations

    public init(
        name: String? = nil,
        fields: [FieldNumber: [UInt8]] = [:],
        privateFields: Set<FieldNumber> = [],
        annotations: Annotations = Annotations()
    ) {
        self.name = name
        self.fields = fields
        self.privateFields = privateFields
        self.annotations = annotations
    }

    // MARK: from a card

    /// - Parameters:
    ///   - card: What somebody has written.
    ///   - line: Where it begins, for errors.
    /// - Throws: where it says what no field can hold.
    public init(_ card: VCard, line: Int = 1) throws(VCardError) {
        self.init()
        var about: [FieldNumber: String] = [:]
        var rest: [String] = []
        var hidden: Set<FieldNumber>?
        let ownPrefix = Self.ownPrefix
        let chosen = Self.chosen(card)
        for (index, property) in card.properties.enumerated() {
            if property.name.hasPrefix(ownPrefix) {
                let kind = String(property.name.dropFirst(ownPrefix.count))
                if kind == "PRIVATE" {
                    hidden = Set(property.value.split(separator: ",").compactMap { FieldNumber(name: String($0)) })
                } else if try !takeOwn(kind, property, line) {
                    rest.append(property.line)
                }
            } else if let number = Self.number(property.name) {
                if property.value.isEmpty { continue }
                guard chosen[number] == index else {
                    rest.append(property.line)
                    continue
                }
                if Self.isNameAlone(property, card) { continue }
                try set(number, Array(Self.fieldText(property).utf8), property.name, line)
                if property.group != nil || !property.parameters.isEmpty {
                    var plain = property
                    plain.value = ""
                    about[number] = plain.line
                }
            } else {
                rest.append(property.line)
            }
        }
        // In the order in which the card is written again.
        rest = about.sorted { $0.key < $1.key }.map(\.value) + rest
        if !rest.isEmpty { try set(.vCard, Array(rest.joined(separator: "\n").utf8), "what no field has", line) }
        privateFields = (hidden ?? [.vCard]).intersection(fields.keys)
    }

    /// Which property of each name is the field.
    private static func chosen(_ card: VCard) -> [FieldNumber: Int] {
        var chosen: [FieldNumber: (index: Int, preference: Int)] = [:]
        for (index, property) in card.properties.enumerated() where !property.value.isEmpty {
            guard let number = number(property.name) else { continue }
            let preference = property.parameterValues("PREF").first.flatMap { Int($0) } ?? .max
            if preference < chosen[number]?.preference ?? .max || chosen[number] == nil {
                chosen[number] = (index, preference)
            }
        }
        return chosen.mapValues(\.index)
    }

    private mutating func set(
        _ number: FieldNumber,
        _ value: [UInt8],
        _ name: String,
        _ line: Int
    ) throws(VCardError) {
        guard value.count <= Limits.fieldBytesMax else {
            throw VCardError(
                line: line,
                reason: "\(name) of this card has \(value.count) bytes; a field has at most \(Limits.fieldBytesMax)"
            )
        }
        guard value.withUnsafeBytes({ number.accepts($0) }) else {
            throw VCardError(line: line, reason: "\(name) of this card holds a control character")
        }
        fields[number] = value
    }

    /// One of Tidemark's own; false where it is not known.
    private mutating func takeOwn(_ kind: String, _ property: VCard.Property, _ line: Int) throws(VCardError) -> Bool {
        switch kind {
        case "NAME": name = name ?? property.text
        case "ALIAS": annotations.alias = property.text
        case "GROUPS": annotations.groups = Self.list(property.value)
        case "FAVOURITE": annotations.isFavourite = property.text.lowercased() == "yes"
        default:
            guard let number = Self.unnamed(kind) else { return false }
            let isBytes = property.parameterValues("VALUE").first?.lowercased() == "uri"
            guard isBytes else {
                try set(number, Array(property.text.utf8), property.name, line)
                break
            }
            guard let base64 = DataURI(property.value)?.base64, let bytes = Data(base64Encoded: base64) else {
                let reason = "\(property.name) of this card is no data:;base64, with bytes behind it"
                throw VCardError(line: line, reason: reason)
            }
            try set(number, Array(bytes), property.name, line)
        }
        return true
    }

    // MARK: to a card

    public var card: VCard {
        var card = VCard()
        var about: [FieldNumber: VCard.Property] = [:]
        var rest: [VCard.Property] = []
        for property in kept {
            if let number = Self.number(property.name), property.value.isEmpty {
                about[number] = property
            } else {
                rest.append(property)
            }
        }
        let numbers = fields.keys.filter { $0 != .vCard && Self.number($0.name) != nil }.sorted()
        if fields[.fullName] == nil {
            // A card has one.
            let derived = VCard.Parameter("DERIVED", "true")
            card.properties.append(VCard.Property("FN", parameters: [derived], text: name ?? ""))
        }
        for number in numbers {
            let text = String(decoding: fields[number] ?? [], as: UTF8.self)
            var property = about[number] ?? VCard.Property(number.name, value: "")
            property.value = Self.cardValue(number, text)
            card.properties.append(property)
        }
        card.properties += rest
        card.properties += own
        return card
    }

    /// What the field VCARD has. Its owner may have put anything there, so only what may stand in a card does.
    private var kept: [VCard.Property] {
        guard let lines = fields[.vCard] else { return [] }
        return String(decoding: lines, as: UTF8.self).split(separator: "\n").compactMap { line in
            var parser = PropertyParser(line.unicodeScalars)
            guard let property = parser.property(), !Self.framing.contains(property.name) else { return nil }
            return takesAsOwn(property) ? nil : property
        }
    }

    /// Whether it would be taken for one that Tidemark has written.
    private func takesAsOwn(_ property: VCard.Property) -> Bool {
        guard property.name.hasPrefix(Self.ownPrefix) else { return false }
        let kind = String(property.name.dropFirst(Self.ownPrefix.count))
        return ["NAME", "ALIAS", "GROUPS", "FAVOURITE", "PRIVATE"].contains(kind) || Self.unnamed(kind) != nil
    }

    private var own: [VCard.Property] {
        var own: [VCard.Property] = []
        func add(_ kind: String, _ value: String, _ parameters: [VCard.Parameter] = []) {
            own.append(VCard.Property(Self.ownPrefix + kind, parameters: parameters, value: value))
        }
        if let name { add("NAME", VCard.escaped(name)) }
        if !annotations.alias.isEmpty { add("ALIAS", VCard.escaped(annotations.alias)) }
        if !annotations.groups.isEmpty { add("GROUPS", annotations.groups.map(VCard.escaped).joined(separator: ",")) }
        if annotations.isFavourite { add("FAVOURITE", "yes") }
        for (number, value) in fields.sorted(by: { $0.key < $1.key }) where Self.unnamed(number.name) != nil {
            if value.withUnsafeBytes({ Text.isValid($0, lines: true) }) {
                add(number.name, VCard.escaped(String(decoding: value, as: UTF8.self)))
            } else {
                let base64 = Data(value).base64EncodedString()
                add(number.name, "data:;base64,\(base64)", [VCard.Parameter("VALUE", "uri")])
            }
        }
        let hidden = privateFields.intersection(fields.keys)
        if hidden != (fields[.vCard] == nil ? [] : [.vCard]) {
            add("PRIVATE", hidden.sorted().map(\.name).joined(separator: ","))
        }
        return own
    }

    // MARK: names and values

    static let ownPrefix = "X-TIDEMARK-"
    private static let framing: Set<String> = ["BEGIN", "END", "VERSION"]

    /// "X200"
    private static func unnamed(_ kind: String) -> FieldNumber? {
        FieldNumber(name: kind).flatMap { number in
            FieldNumber.named.contains { $0.key == number.rawValue } ? nil : number
        }
    }

    /// Of the properties that are fields.
    private static func number(_ property: String) -> FieldNumber? {
        guard let number = FieldNumber.named.first(where: { $0.value == property })?.key else { return nil }
        return number == FieldNumber.vCard.rawValue ? nil : FieldNumber(rawValue: number)
    }

    /// What stands there because a card has to have a name, and says no more than the account's.
    private static func isNameAlone(_ property: VCard.Property, _ card: VCard) -> Bool {
        property.name == "FN" && property.parameterValues("DERIVED").first == "true"
            && property.text == card[ownPrefix + "NAME"]?.text
    }

    /// Those that have parts stay as they stand, since nothing else tells the parts apart.
    private static let withParts: Set<String> = ["N", "ADR", "ORG", "GENDER", "NICKNAME", "CATEGORIES"]
    private static let addresses: Set<String> = ["PHOTO", "URL", "LOGO", "KEY", "IMPP", "GEO"]

    private static func fieldText(_ property: VCard.Property) -> String {
        withParts.contains(property.name) ? property.value : property.text
    }

    private static func cardValue(_ number: FieldNumber, _ text: String) -> String {
        let isAddress = addresses.contains(number.name)
        guard isAddress || withParts.contains(number.name) else { return VCard.escaped(text) }
        return text.unicodeScalars.reduce(into: "") { value, character in
            switch character {
            case "\n": value += "\\n"
            // No address has one; and where one does, it is to be read as what it is.
            case "\\" where isAddress: value += "\\\\"
            default: value.unicodeScalars.append(character)
            }
        }
    }

    /// Texts with commas between.
    private static func list(_ value: String) -> [String] {
        var (parts, isEscaped) = ([""], false)
        for character in value.unicodeScalars {
            if character == ",", !isEscaped {
                parts.append("")
            } else {
                parts[parts.count - 1].unicodeScalars.append(character)
            }
            isEscaped = character == "\\" && !isEscaped
        }
        return parts.map(VCard.unescaped).filter { !$0.isEmpty }
    }
}
