import GRDB
import TidemarkWire

extension AddressBook {
    /// Where the book stands: token, owner and mode.
    public func mark() async throws -> BookMark { try await read { try BookMark.stored(in: $0) } }

    /// The token to send with the next sync; empty before the first.
    public func token() async throws -> [UInt8] { try await mark().token }

    public func contactCount() async throws -> Int {
        try await read { try Int.fetchOne($0, sql: "SELECT count(*) FROM contact") ?? 0 }
    }

    /// All contacts, by account name.
    public func contacts() async throws -> [Contact] {
        try await read { database in try Contact.stored(in: database, where: "TRUE", []) }
    }

    /// The contact with this account name.
    public func contact(named name: String) async throws -> Contact? {
        try await read { database in try Contact.stored(in: database, where: "contact.name = ?", [name]).first }
    }

    /// The contact with this number in the roster.
    public func contact(number: UInt32) async throws -> Contact? {
        try await read { database in
            try Contact.stored(in: database, where: "contact.number = ?", [Int64(number)]).first
        }
    }

    public func contact(user: UserID) async throws -> Contact? {
        try await read { database in
            try Contact.stored(in: database, where: "contact.user = ?", [Int64(bitPattern: user)]).first
        }
    }

    /// Of contacts whose presence is known by their numbers, those that the book has.
    func contacts(seenAs presence: [ContactPresence]) async throws -> [OnlineContact] {
        if presence.isEmpty { return [] }
        return try await read { database in try presence.compactMap { try OnlineContact($0, in: database) } }
    }

    /// Who asks to have the owner as a contact, by account name.
    public func requests() async throws -> [ContactRequest] {
        try await asides(.request).map { ContactRequest(user: $0.user, name: $0.text) }
    }

    /// Whom the owner blocks, by what it noted of them.
    public func blocks() async throws -> [Block] {
        try await asides(.block).map { Block(user: $0.user, note: $0.text) }
    }

    private func asides(_ kind: ItemKind) async throws -> [(user: UserID, text: String)] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT user, text FROM aside WHERE kind = ? ORDER BY text COLLATE NOCASE, text, user",
                arguments: [kind.rawValue]
            )
            .map { (UserID(bitPattern: $0[0] as Int64), $0[1]) }
        }
    }

    /// The owner's own profile; nil before it was received.
    public func ownProfile() async throws -> OwnProfile? {
        try await read { database in
            guard let owner = try BookMark.stored(in: database).owner,
                let row = try Row.fetchOne(database, sql: "SELECT name, stamp FROM own")
            else { return nil }
            var profile = OwnProfile(user: owner, name: row[0], stamp: (row[1] as Int64?).map { Stamp($0) })
            let fields = try Row.fetchCursor(database, sql: "SELECT field, value, private FROM own_field")
            while let row = try fields.next() {
                let number = FieldNumber(rawValue: row[0])
                profile.fields[number] = row.bytes(at: 1)
                if row[2] { profile.privateFields.insert(number) }
            }
            return profile
        }
    }
}

extension Contact {
    /// By name; where two names are equal but for case, in a fixed order.
    static func stored(
        in database: Database,
        where condition: String,
        _ arguments: StatementArguments
    ) throws -> [Contact] {
        var contacts: [Contact] = []
        var positions: [Int64: Int] = [:]
        let rows = try Row.fetchCursor(
            database,
            sql: """
                SELECT number, user, name, alias, favourite, pending, stamp FROM contact
                WHERE \(condition) ORDER BY name COLLATE NOCASE, name, number
                """,
            arguments: arguments
        )
        while let row = try rows.next() {
            positions[row[0]] = contacts.count
            contacts.append(
                Contact(
                    number: row[0],
                    user: UserID(bitPattern: row[1] as Int64),
                    name: row[2],
                    annotations: Annotations(alias: row[3], isFavourite: row[4]),
                    isPending: row[5],
                    stamp: (row[6] as Int64?).map { Stamp($0) }
                )
            )
        }
        let groups = try Row.fetchCursor(
            database,
            sql: """
                SELECT number, contact_group.name FROM contact_group JOIN contact USING (number)
                WHERE \(condition) ORDER BY number, position
                """,
            arguments: arguments
        )
        while let row = try groups.next() {
            contacts[positions[row[0]]!].annotations.groups.append(row[1])
        }
        let fields = try Row.fetchCursor(
            database,
            sql: "SELECT number, field, value FROM field JOIN contact USING (number) WHERE \(condition)",
            arguments: arguments
        )
        while let row = try fields.next() {
            contacts[positions[row[0]]!].fields[FieldNumber(rawValue: row[1])] = row.bytes(at: 2)
        }
        return contacts
    }
}

extension BookMark {
    static func stored(in database: Database) throws -> BookMark {
        let row = try Row.fetchOne(
            database.cachedStatement(sql: "SELECT owner, token, stamps, generation, in_full, asides FROM mark")
        )!
        return BookMark(
            owner: (row[0] as Int64?).map { UserID(bitPattern: $0) },
            token: row.bytes(at: 1),
            hasStamps: row[2],
            hasAsides: row[5],
            generation: row[3],
            isInFull: row[4]
        )
    }

    func store(in database: Database) throws {
        try database.run(
            "UPDATE mark SET owner = ?, token = ?, stamps = ?, generation = ?, in_full = ?, asides = ?",
            [owner.map { Int64(bitPattern: $0) }, token.blob, hasStamps, generation, isInFull, hasAsides]
        )
    }
}
