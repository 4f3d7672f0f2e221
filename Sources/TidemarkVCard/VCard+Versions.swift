// What 3.0 says in another way than 4.0: which of several is preferred, and bytes.
//
//     3.0   TEL;TYPE=home,pref:…                      PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQ…
//     4.0   TEL;TYPE=home;PREF=1:…                    PHOTO:data:image/jpeg;base64,/9j/4AAQ…

extension VCard.Property {
    /// Of one that was written as 3.0.
    var asVersion4: VCard.Property {
        var property = self
        let isPreferred = parameterValues("TYPE").contains { $0.lowercased() == "pref" }
        if isPreferred {
            property.removeType { $0.lowercased() == "pref" }
            property.parameters.append(VCard.Parameter("PREF", "1"))
        }
        let encoding = parameterValues("ENCODING").first?.lowercased()
        guard encoding == "b" || encoding == "base64" else { return property }
        let types = property.parameterValues("TYPE").filter { Self.isMediaType($0) }
        property.removeType(where: Self.isMediaType)
        property.parameters.removeAll { $0.name == "ENCODING" || $0.name == "VALUE" }
        let media = types.first.map { self.mediaPrefix + $0.lowercased() } ?? ""
        property.value = "data:\(media);base64,\(value.filter { $0 != " " && $0 != "\t" })"
        return property
    }

    /// To be written as 3.0.
    var asVersion3: VCard.Property {
        var property = self
        if let preference = parameterValues("PREF").first {
            property.parameters.removeAll { $0.name == "PREF" }
            if preference == "1" { property.parameters.append(VCard.Parameter("TYPE", "pref")) }
        }
        guard let data = DataURI(value), Self.holdsBytes.contains(name), data.base64 != nil else { return property }
        property.parameters.removeAll { $0.name == "VALUE" || $0.name == "MEDIATYPE" }
        property.parameters.append(VCard.Parameter("ENCODING", "b"))
        let type = data.media.split(separator: "/").last.map { $0.uppercased() } ?? ""
        if !type.isEmpty, Self.isMediaType(type) { property.parameters.append(VCard.Parameter("TYPE", type)) }
        property.value = data.base64 ?? ""
        return property
    }

    private static let holdsBytes: Set<String> = ["PHOTO", "LOGO", "SOUND", "KEY"]

    /// What stands before the subtype that 3.0 names alone.
    private var mediaPrefix: String {
        switch name {
        case "SOUND": "audio/"
        case "KEY": "application/"
        default: "image/"
        }
    }

    /// Not "home" and the like, which say whose it is.
    private static func isMediaType(_ type: String) -> Bool {
        let plain = type.unicodeScalars.allSatisfy {
            "a"..."z" ~= $0 || "A"..."Z" ~= $0 || "0"..."9" ~= $0 || $0 == "-" || $0 == "+" || $0 == "."
        }
        return plain && !["home", "work", "pref"].contains(type.lowercased())
    }

    /// A parameter's value, in quotes where it has to be.
    private static func quoted(_ value: String) -> String {
        value.unicodeScalars.contains { [",", ";", ":"].contains($0) } ? "\"\(value)\"" : value
    }

    /// Takes away some of its types, and the parameter with the last of them.
    private mutating func removeType(where isGone: (String) -> Bool) {
        parameters = parameters.compactMap { parameter in
            guard parameter.name == "TYPE", parameter.values.contains(where: isGone) else { return parameter }
            let left = parameter.values.filter { !isGone($0) }
            return left.isEmpty ? nil : VCard.Parameter("TYPE", left.map(Self.quoted).joined(separator: ","))
        }
    }
}

/// RFC 2397: `data:image/jpeg;base64,/9j/4AAQ…`
struct DataURI {
    /// "image/jpeg", with any parameters behind it; or empty.
    var media: String
    /// Nil where the bytes stand in another form.
    var base64: String?

    init?(_ value: String) {
        guard value.prefix(5).lowercased() == "data:", let comma = value.firstIndex(of: ",") else { return nil }
        let head = value[value.index(value.startIndex, offsetBy: 5)..<comma]
        let mark = ";base64"
        let isBase64 = head.lowercased().hasSuffix(mark)
        media = String(isBase64 ? head.dropLast(mark.count) : head)
        base64 = isBase64 ? String(value[value.index(after: comma)...]) : nil
    }
}
