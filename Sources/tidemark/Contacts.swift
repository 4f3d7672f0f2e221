import ArgumentParser
import TidemarkClient
import TidemarkVCard
import TidemarkWire

struct Contacts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the address book, or one contact of it.",
        discussion: """
            Reads the address book only; the server is not asked.

            EXAMPLE
              tidemark contacts
              tidemark contacts bob
              tidemark contacts --vcard > book.vcf     # for another product, or `tidemark contact load`

            JSON
              contacts: number, user, name, alias, groups, favourite, pending, stamp (where the book keeps them), fields \
            (by vCard name, as text), binary_fields (by name, in base64url).
            """
    )

    @Argument(help: "A contact's account name, or # and the user's number.")
    var contact: String?

    @OptionGroup var cards: CardOptions
    @OptionGroup(title: "Connection") var options: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if cards.asCards, output.json { throw ValidationError("either --vcard or --json") }
    }

    func run() async throws {
        let book = try Context(options).book(ifMissing: .fail)
        var contacts: [Contact]
        if let contact {
            contacts = [try await book.contact(try PersonArgument(contact))]
        } else {
            contacts = try await book.contacts()
        }
        if cards.asCards { return cards.print(contacts.map { AccountCard($0) }) }
        if output.json { return Output.json(JSONContacts(contacts: contacts.map(JSONContact.init))) }
        if contact != nil { return contacts[0].lines.forEach(Output.line) }
        Output.contacts(contacts)
    }
}

extension Output {
    /// A line each.
    static func contacts(_ contacts: [Contact]) {
        let width = contacts.map(\.name.count).max() ?? 0
        for contact in contacts {
            var line = contact.name.shown().padding(to: width + 2)
            if contact.displayName != contact.name { line += contact.displayName.shown() }
            if contact.annotations.isFavourite { line += " *" }
            if contact.isPending { line += " (pending)" }
            if !contact.annotations.groups.isEmpty {
                line += dim(" [\(contact.annotations.groups.joined(separator: ", ").shown())]")
            }
            self.line(line)
        }
        line(dim(counted(contacts.count, "contact")))
    }
}

/// A user as one types it: a name, or # and a number.
struct PersonArgument {
    let reference: UserReference

    init(_ text: String) throws {
        if text.hasPrefix("#"), let id = UserID(text.dropFirst()), id != 0 {
            reference = .id(id)
        } else if Text.isAccountName(text) {
            reference = .name(text)
        } else {
            throw Failure(.usage, "'\(text)' is no account's name, nor # and a user's number")
        }
    }

    var words: String {
        switch reference {
        case .id(let id): "#\(id)"
        case .name(let name): name
        }
    }
}

extension AddressBook {
    func contact(_ person: PersonArgument) async throws -> Contact {
        let found =
            switch person.reference {
            case .id(let id): try await contact(user: id)
            case .name(let name): try await contact(named: name)
            }
        guard let found else {
            throw Failure(.notFound, "\(person.words) is not in the address book; `tidemark contacts` shows who is")
        }
        return found
    }
}

extension Contact {
    /// All there is to show, a line each.
    fileprivate var lines: [String] {
        var lines = [Output.bold(name.shown()) + "  user \(user), number \(number)"]
        if !annotations.alias.isEmpty { lines.append("alias".padding(to: 14) + annotations.alias.shown()) }
        if !annotations.groups.isEmpty {
            lines.append("groups".padding(to: 14) + annotations.groups.joined(separator: ", ").shown())
        }
        if annotations.isFavourite { lines.append("favourite") }
        if isPending { lines.append("pending") }
        if let stamp { lines.append("stamp".padding(to: 14) + "\(stamp)") }
        return lines + FieldText(fields).lines
    }
}

/// Fields by name, the readable ones as text.
struct FieldText {
    var text: [String: String] = [:]
    var binary: [String: String] = [:]

    init(_ fields: [FieldNumber: [UInt8]]) {
        for (number, value) in fields {
            if let readable = String(validating: value, as: UTF8.self) {
                text[number.name] = readable
            } else {
                binary[number.name] = TicketText.encode(value)
            }
        }
    }

    var lines: [String] {
        text.sorted { $0.key < $1.key }.map {
            $0.key.padding(to: 14) + $0.value.shown(betweenLines: "\n".padding(to: 15))
        }
            + binary.sorted { $0.key < $1.key }.map { $0.key.padding(to: 14) + "base64url \($0.value)" }
    }
}

struct JSONContacts: Encodable {
    var contacts: [JSONContact]
}

struct JSONContact: Encodable {
    var number: UInt32
    var user: UserID
    var name: String
    var alias: String
    var groups: [String]
    var favourite: Bool
    var pending: Bool
    var stamp: Stamp?
    var fields: [String: String]
    var binaryFields: [String: String]

    init(_ contact: Contact) {
        number = contact.number
        user = contact.user
        name = contact.name
        alias = contact.annotations.alias
        groups = contact.annotations.groups
        favourite = contact.annotations.isFavourite
        pending = contact.isPending
        stamp = contact.stamp
        let text = FieldText(contact.fields)
        fields = text.text
        binaryFields = text.binary
    }
}
