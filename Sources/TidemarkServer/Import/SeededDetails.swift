//  Details of a person who does not exist, from a seed and the account's name. Plausible in kind, length and script: in
//  a login the details are most of the bytes, so a graph of bare names would measure nothing. About 200 bytes a person.

import TidemarkRandom
import TidemarkWire

enum SeededDetails {
    /// Numbers rising. The same for the same seed and name, whatever else is made.
    static func fields(name: String, seed: UInt64) -> [FieldChange] {
        var random = SplitMix64(seed: seed, name: name)
        let culture = random.pick(Culture.all)
        let given = random.pick(culture.given)
        let family = random.pick(culture.family)
        let plain = "\(given.plain).\(family.plain)"
        var fields: [FieldChange] = []
        func add(_ number: UInt16, _ text: String) {
            fields.append(FieldChange(FieldNumber(rawValue: number), text: text))
        }
        add(
            1,
            culture.isFamilyFirst
                ? family.written + culture.joint + given.written : given.written + culture.joint + family.written
        )
        if random.isTrue(percent: 85) { add(2, nickname(given, family, &random)) }
        add(3, random.digits(in: random.pick(culture.telephone)))
        add(4, "\(plain)\(random.digits(in: random.pick(["", "#", "##"])))@\(random.pick(domains))")
        if random.isTrue(percent: 90) {
            add(5, "\(random.pick(companyNames)) \(random.pick(companyTrades)) \(culture.companyForm)")
            add(6, random.pick(titles))
        }
        if random.isTrue(percent: 70) { add(7, random.pick(notes)) }
        if random.isTrue(percent: 65) { add(9, "https://\(random.pick(domains))/\(plain)") }
        if random.isTrue(percent: 50) {
            add(10, "\(1950 + random.below(56))\(twoDigits(1 + random.below(12)))\(twoDigits(1 + random.below(28)))")
        }
        if random.isTrue(percent: 95) { add(11, address(culture, &random)) }
        if random.isTrue(percent: 80) { add(12, culture.language) }
        if random.isTrue(percent: 50) { add(16, "sip:\(plain)@\(random.pick(domains))") }
        if random.isTrue(percent: 50) { add(19, random.pick(categories)) }
        return fields
    }

    private static func nickname(
        _ given: Culture.Word,
        _ family: Culture.Word,
        _ random: inout SplitMix64
    ) -> String {
        switch random.below(3) {
        case 0: given.plain + random.digits(in: "##")
        case 1: given.plain + "_" + String(family.plain.prefix(1))
        default: given.written
        }
    }

    /// RFC 6350, section 6.3.1: post office box, extension, street, city, region, postal code, country.
    private static func address(_ culture: Culture, _ random: inout SplitMix64) -> String {
        let street = random.pick(culture.streets)
        let line = random.digits(in: culture.street).split(separator: "%", omittingEmptySubsequences: false)
            .joined(separator: street)
        let parts = random.digits(in: random.pick(culture.cities)).split(separator: ";")
        return ";;\(line.replacing(",", with: "\\,"));\(parts[0]);;\(parts[1]);\(culture.country)"
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    private static let domains = ["example.com", "example.net", "example.org"]

    private static let companyNames = [
        "Blue Harbour", "Northgate", "Linden", "Silver Birch", "Redstone", "Copper Kettle", "Greenfield", "Lighthouse",
        "Old Mill", "Riverside", "Cloudberry", "Three Oaks", "Morning Star", "Highland", "Amber", "Seven Bridges",
    ]
    private static let companyTrades = [
        "Logistics", "Software", "Bakery", "Dental", "Architects", "Energy", "Textiles", "Books", "Travel", "Optics",
        "Furniture", "Media", "Foods", "Instruments", "Gardens", "Insurance",
    ]
    private static let titles = [
        "Software engineer", "Sales manager", "Nurse", "Teacher", "Accountant", "Product designer", "Electrician",
        "Head of operations", "Research assistant", "Project manager", "Pharmacist", "Editor", "Customer support",
        "Data analyst", "Chef", "Translator", "Physiotherapist", "Team lead", "Legal counsel", "Student",
    ]
    private static let categories = [
        "friends", "colleagues", "family", "colleagues,chess", "friends,music", "neighbours", "choir,friends",
        "customers",
        "suppliers,trade fair", "running club",
    ]
    private static let notes = [
        "On leave until Monday.", "Prefers mail to calls.", "Met at the spring conference.",
        "Back in the office at nine.",
        "Speaks three languages.", "In meetings most mornings.", "Call only in an emergency, please.",
        "Working from home on Fridays.", "Training for a marathon.", "Travelling; answers may take a day.",
        "Ask me about gardening.", "New number since last summer.", "Always looking for good books.", "Do not disturb.",
        "Plays the cello in the town orchestra on Thursdays.",
        "Moved house in May; the old address is no longer valid.",
    ]
}
