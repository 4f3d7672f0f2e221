import GRDB
import TidemarkWire

extension BookPage {
    func outcome(_ page: SyncPage, in database: Database) throws -> PageOutcome {
        guard let summary = page.summary, let expected = total else { return .stored(end: nil) }
        let found = try BookPage.total(
            in: database,
            owner: mark.owner,
            withStamps: expected.withStamps,
            withAsides: expected.withAsides
        )
        guard found == expected else {
            return .diverged(
                .summary(
                    items: found.items,
                    digest: found.digest,
                    expectedItems: expected.items,
                    expectedDigest: expected.digest
                )
            )
        }
        let online = try summary.presence.filter { $0.state != .offline }
            .compactMap { try OnlineContact($0, in: database) }
        return .stored(end: SyncEnd(online: online, waitingMessages: summary.waitingMessages))
    }

    /// What the book adds up to: its contacts, the own profile as an item of the owner's, and requests and blocks where they
    /// are kept.
    static func total(
        in database: Database,
        owner: UserID?,
        withStamps: Bool,
        withAsides: Bool
    ) throws -> Total {
        guard let owner else { throw BookError.unowned }
        var total = Total(items: 0, digest: 0, withStamps: withStamps, withAsides: withAsides)
        let rows = try Row.fetchCursor(
            database.cachedStatement(
                sql: """
                    SELECT user, stamp, 0 FROM contact UNION ALL SELECT ?, stamp, 0 FROM own
                    UNION ALL SELECT user, stamp, kind FROM aside WHERE ?
                    """
            ),
            arguments: [Int64(bitPattern: owner), withAsides]
        )
        while let row = try rows.next() {
            let user = Digest.alias(UserID(bitPattern: row[0] as Int64), ItemKind(rawValue: row[2])!)
            total.items += 1
            // A missing stamp adds what no stamp adds, and so shows as a divergence.
            total.digest &+=
                withStamps
                ? Digest.term(user: user, stamp: Stamp(row[1] as Int64? ?? 0)) : Digest.term(user: user)
        }
        return total
    }
}

extension OnlineContact {
    /// Nil for a number that the book does not have.
    init?(_ presence: ContactPresence, in database: Database) throws {
        guard
            let row = try Row.fetchOne(
                database.cachedStatement(
                    sql: """
                        SELECT user, name, alias, coalesce((SELECT value FROM field WHERE number = ?1 AND field = ?2), x'')
                        FROM contact WHERE number = ?1
                        """
                ),
                arguments: [Int64(presence.number), FieldNumber.fullName.rawValue]
            )
        else { return nil }
        self.init(
            number: presence.number,
            user: UserID(bitPattern: row[0] as Int64),
            name: row[1],
            alias: row[2],
            fullName: String(validating: row.bytes(at: 3), as: UTF8.self) ?? "",
            state: presence.state,
            devices: presence.devices
        )
    }
}

extension ContactPresence {
    init(_ contact: OnlineContact) {
        self.init(number: contact.number, state: contact.state, devices: contact.devices)
    }
}
