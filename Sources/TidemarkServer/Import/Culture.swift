//  Where an invented person lives: names, addresses and telephone numbers that fit together. Common given and family
//  names, put together at random. Telephone numbers are from the range that a country keeps for fiction, where it has
//  one; mail addresses are in the domains of RFC 2606.

struct Culture: Sendable {
    /// A word as it is written, and in ASCII for addresses.
    struct Word: Sendable {
        var written: String
        var plain: String
    }

    var given: [Word]
    var family: [Word]
    var isFamilyFirst = false
    /// What stands between the two names.
    var joint = " "
    var streets: [String]
    /// House number and street; `%` is the street, `#` a digit.
    var street: String
    /// Postal code and city, separated by `;`; `#` is a digit.
    var cities: [String]
    var country: String
    var telephone: [String]
    var language: String
    var companyForm: String

    /// Words separated by white space, each as "written" or "written=plain".
    static func words(_ list: String) -> [Word] {
        list.split(whereSeparator: \.isWhitespace).map { item in
            let parts = item.split(separator: "=")
            return Word(written: String(parts[0]), plain: String(parts[parts.count - 1]).lowercased())
        }
    }

    static let all = [
        english, german, french, spanish, polish, swedish, turkish, chinese, japanese, hindi, portuguese, yoruba,
    ]
}
