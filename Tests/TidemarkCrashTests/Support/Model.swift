// What every book must hold, by the simplest means: dictionaries, and no stamps.

import TidemarkRandom
import TidemarkTesting
import TidemarkWire

struct Model: Sendable {
    struct Person: Equatable, Sendable {
        var name: String
        var fields: [FieldNumber: [UInt8]]
        var roster: [UserID: Annotations] = [:]
    }

    var people: [UserID: Person] = [:]

    var users: [UserID] { people.keys.sorted() }

    /// The first thing in which a book differs from what it must be, or nil.
    func difference(_ book: Book) -> String? {
        let owner = people[book.owner]!
        let found = Set(book.rows.filter { $0.key != 0 }.map(\.value.user))
        guard found == Set(owner.roster.keys), book.rows.count == found.count + 1 else {
            return "user \(book.owner) has the contacts \(found.sorted()) and not \(owner.roster.keys.sorted())"
        }
        for row in book.rows.values {
            let person = people[row.user]!
            let annotations = row.user == book.owner ? Annotations() : owner.roster[row.user]!
            guard row.name == person.name, row.annotations == annotations else {
                return "user \(book.owner) has \(row.user) annotated \(row.annotations) and not \(annotations)"
            }
            for number in Set(row.fields.keys).union(person.fields.keys).sorted()
            where row.fields[number] != person.fields[number] {
                return "user \(book.owner) has field \(number.rawValue) of \(row.user) as "
                    + "\(Self.text(row.fields[number])) and not \(Self.text(person.fields[number]))"
            }
        }
        return nil
    }

    private static func text(_ value: [UInt8]?) -> String {
        value.map { "\"\(String(decoding: $0.prefix(40), as: UTF8.self))\"" } ?? "nothing"
    }
}

// MARK: the beginning

extension Model {
    /// The files of an import: so many users, each with a few of the others.
    struct Files {
        var accounts = "name,FN,TEL\n"
        var rosters = "owner,contact,alias,groups\n"
        fileprivate var people: [(name: String, fields: [FieldNumber: [UInt8]])] = []
        fileprivate var entries: [(owner: Int, contact: Int, annotations: Annotations)] = []

        init(users: Int, from random: inout some RandomNumberGenerator) {
            for user in 0..<users {
                let (name, telephone) = ("User \(user)", "+44 20 7946 \(1000 + random.below(9000))")
                accounts += "user\(user),\(name),\(telephone)\n"
                people.append(
                    ("user\(user)", [.fullName: Array(name.utf8), .telephone: Array(telephone.utf8)])
                )
            }
            for owner in 0..<users {
                let others = (0..<users).filter { $0 != owner }.shuffled(using: &random)
                for contact in others.prefix(3 + random.below(users / 2)) {
                    var annotations = Annotations()
                    if random.chance(40) { annotations = Annotations(alias: "c\(contact)", groups: ["friends"]) }
                    rosters +=
                        "user\(owner),user\(contact),\(annotations.alias),\(annotations.groups.joined(separator: ";"))\n"
                    entries.append((owner, contact, annotations))
                }
            }
        }
    }

    /// What the files come to, once it is known which number each name was given.
    init(_ files: Files, numberOf: (String) throws -> UserID) rethrows {
        let numbers = try files.people.map { try numberOf($0.name) }
        for (number, person) in zip(numbers, files.people) {
            people[number] = Person(name: person.name, fields: person.fields)
        }
        for entry in files.entries {
            people[numbers[entry.owner]]!.roster[numbers[entry.contact]] = entry.annotations
        }
    }
}

extension Installation {
    /// Users with rosters, imported and served.
    func begin(users: Int, from random: inout some RandomNumberGenerator) throws -> Model {
        let files = Model.Files(users: users, from: &random)
        try importFiles(accounts: files.accounts, rosters: files.rosters)
        try start()
        return try Model(files) { try client(named: $0).user }
    }
}

// MARK: changes, one after the other

extension Model {
    /// One change by its owner's own session, in the server and in the model. Returns its stamp, 0 where nothing changed.
    mutating func change(
        _ random: inout some RandomNumberGenerator,
        session: (UserID) throws -> Client
    ) throws -> Stamp {
        let user = users.randomElement(using: &random)!
        let contact = users.filter { $0 != user }.randomElement(using: &random)!
        let annotations = Annotations(
            alias: "alias \(random.below(1000))",
            groups: random.chance(50) ? ["a", "b"] : [],
            isFavourite: random.chance(30)
        )
        let client = try session(user)
        let isThere = people[user]!.roster[contact] != nil
        switch random.below(10) {
        case 0..<5:
            let value = random.chance(15) ? nil : Array("changed \(random.below(1_000_000))".utf8)
            let number = [FieldNumber.note, .title, .organization].randomElement(using: &random)!
            people[user]!.fields[number] = value
            return try client.write(.profileSet(ProfileSet(fields: [FieldChange(number, value)])))
        case 5, 6:
            people[user]!.roster[contact] = annotations
            return try client.write(.rosterAdd(RosterAdd(contact: .id(contact), annotations: annotations)))
        case 7...8 where isThere:
            people[user]!.roster[contact] = nil
            return try client.write(.rosterRemove(RosterRemove(contact: contact)))
        case 9 where isThere:
            people[user]!.roster[contact] = annotations
            return try client.write(.rosterAnnotate(RosterAnnotate(contact: contact, annotations: annotations)))
        default:
            return 0
        }
    }
}
