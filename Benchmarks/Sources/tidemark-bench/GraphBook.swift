// A device's copy of its user's table, by the rules of the specification: of each value a hash, for there are many books.

import TidemarkWire

struct GraphBook {
    struct Contact: Equatable {
        var user: UserID
        var alias: String
        var isFavourite: Bool
        /// Hashes of the values.
        var fields: [FieldNumber: Int]
    }

    let user: UserID
    private(set) var contacts: [UInt32: Contact] = [:]
    private(set) var own: [FieldNumber: Int] = [:]
    private(set) var token: [UInt8] = []
    /// Of all that is in it, as a summary has it.
    private var digest: UInt64
    /// Of a full that has begun.
    private var seen: Set<UInt32> = []

    init(user: UserID) {
        self.user = user
        digest = Digest.term(user: user)
    }

    func isSame(as other: GraphBook) -> Bool { contacts == other.contacts && own == other.own }

    /// False where count or digest are not those that the server says.
    mutating func apply(_ page: SyncPage) throws -> Bool {
        if page.reason != .none { seen = [] }
        for item in page.items { try apply(item) }
        token = page.token
        guard let summary = page.summary else { return true }
        if page.answer == .full {
            for number in contacts.keys where !seen.contains(number) { set(number, nil) }
        }
        return summary.items == UInt32(contacts.count + 1) && summary.digest == digest
    }

    private mutating func apply(_ item: SyncItem) throws {
        seen.insert(item.number)
        switch item.content {
        case .contact(let user, _, let annotations, _, let fields):
            set(
                item.number,
                Contact(
                    user: user,
                    alias: annotations.alias,
                    isFavourite: annotations.isFavourite,
                    fields: Dictionary(uniqueKeysWithValues: fields.map { ($0.number, $0.value!.hashValue) })
                )
            )
        case .patch(let fields):
            guard contacts[item.number] != nil else { throw BenchError("a patch of a contact that is not there") }
            for field in fields { contacts[item.number]!.fields[field.number] = field.value?.hashValue }
        case .removed: set(item.number, nil)
        case .own(_, let fields, _):
            own = Dictionary(uniqueKeysWithValues: fields.map { ($0.number, $0.value!.hashValue) })
        case .block, .request, .forgotten: throw BenchError("requests and blocks were not asked for")
        }
    }

    private mutating func set(_ number: UInt32, _ contact: Contact?) {
        if let before = contacts[number] { digest &-= Digest.term(user: before.user) }
        if let contact { digest &+= Digest.term(user: contact.user) }
        contacts[number] = contact
    }
}
