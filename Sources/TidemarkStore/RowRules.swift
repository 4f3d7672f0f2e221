// What each row has to be by itself, for `check` to list all that are not. SQLite does not know: its columns take any type.
// What rows have to be together, in the middle of a fold too, the loader knows.

import TidemarkWire

extension StoreReader {
    struct RowRule {
        /// Said of each row found.
        var finding: String
        /// Names the rows that break the rule.
        var rows: String
    }

    /// Of a fold under way the tables may have more than `folded` says.
    private static let stamps =
        "BETWEEN 1 AND (SELECT max(stamp, coalesce((SELECT max(last) FROM log), 0)) FROM folded)"

    static let rowRules: [RowRule] = [
        // folded
        RowRule(
            finding: "is not one stamp",
            rows: """
                SELECT 'folded' FROM (SELECT 1) WHERE (SELECT count(*) FROM folded) <> 1
                    OR EXISTS (SELECT 1 FROM folded
                        WHERE typeof(stamp) <> 'integer' OR stamp NOT BETWEEN 0 AND \(Stamp.largest))
                """
        ),
        // kept
        RowRule(
            finding: "is not one row with a user's id, times and a secret",
            rows: """
                SELECT 'kept' FROM (SELECT 1) WHERE (SELECT count(*) FROM kept) <> 1
                    OR EXISTS (SELECT 1 FROM kept
                        WHERE typeof(secret) <> 'blob' OR length(secret) <> \(Schema.secretBytes) OR typeof(newestUser) <> 'integer' OR newestUser < 0
                            OR typeof(clockJump) NOT IN ('integer', 'null') OR clockJump < 0
                            OR typeof(clockBelieved) <> 'integer' OR clockBelieved < 0)
                """
        ),
        // account
        RowRule(
            finding: "its name, id or stamp is not valid",
            rows: """
                SELECT 'account ' || id FROM account
                WHERE id < 1 OR typeof(name) <> 'text' OR length(CAST(name AS BLOB)) NOT BETWEEN 1 AND \(Limits.nameBytesMax)
                    OR typeof(created) <> 'integer' OR created NOT \(stamps)
                    OR typeof(horizon) <> 'integer' OR (horizon <> 0 AND horizon NOT \(stamps))
                """
        ),
        RowRule(
            finding: "its id or stamp is not valid",
            rows: """
                SELECT 'deleted account ' || id FROM deleted
                WHERE id < 1 OR typeof(stamp) <> 'integer' OR stamp NOT \(stamps)
                """
        ),
        RowRule(
            finding: "is deleted, and is there",
            rows: "SELECT 'account ' || id FROM account WHERE id IN (SELECT id FROM deleted)"
        ),
        RowRule(
            finding: "is the name of more than one account",
            rows: "SELECT quote(name) FROM account NOT INDEXED GROUP BY name HAVING count(*) > 1"
        ),
        // field
        RowRule(
            finding: "its number, stamp or value is not valid",
            rows: """
                SELECT 'field ' || quote(number) || ' of account ' || quote(user) FROM field
                WHERE typeof(user) <> 'integer' OR typeof(number) <> 'integer'
                    OR number NOT BETWEEN 1 AND \(Limits.fieldNumberMax)
                    OR typeof(stamp) <> 'integer' OR stamp NOT \(stamps)
                    OR typeof(value) NOT IN ('blob', 'null') OR length(value) > \(Limits.fieldBytesMax)
                """
        ),
        RowRule(
            finding: "has fields, but is not there",
            rows: "SELECT DISTINCT 'account ' || quote(user) FROM field WHERE user NOT IN (SELECT id FROM account)"
        ),
        // entry
        RowRule(
            finding: "its number, stamp, marks or annotations are not valid",
            rows: """
                SELECT 'entry ' || quote(owner) || ' -> ' || quote(contact) FROM entry
                WHERE typeof(owner) <> 'integer' OR typeof(contact) <> 'integer' OR owner = contact
                    OR typeof(number) <> 'integer' OR number NOT BETWEEN 1 AND \(Limits.rosterEntriesMax - 1)
                    OR typeof(stamp) <> 'integer' OR stamp NOT \(stamps)
                    OR typeof(removed) <> 'integer' OR removed NOT IN (0, 1)
                    OR typeof(favourite) <> 'integer' OR favourite NOT IN (0, 1)
                    OR typeof(annotations) NOT IN ('blob', 'null')
                    OR typeof(pending) <> 'integer' OR pending NOT IN (0, 1) OR (pending = 1 AND removed = 1)
                    OR (contact > \(Limits.userMax) AND (contact - \(Limits.userMax + 1) <> number
                        OR (removed = 0 AND (pending = 0 OR typeof(name) <> 'text'))))
                """
        ),
        // aside
        RowRule(
            finding: "its kind, stamp, note or profile is not valid",
            rows: """
                SELECT 'request or block ' || quote(owner) || ' -> ' || quote(user) FROM aside
                WHERE typeof(owner) <> 'integer' OR typeof(user) <> 'integer' OR owner = user
                    OR typeof(kind) <> 'integer' OR kind NOT IN (0, 1, 2)
                    OR typeof(stamp) <> 'integer' OR stamp NOT \(stamps)
                    OR typeof(note) NOT IN ('text', 'null') OR (kind = 2 AND typeof(profile) <> 'blob')
                """
        ),
        RowRule(
            finding: "its owner is not there",
            rows: """
                SELECT 'request or block ' || quote(owner) || ' -> ' || quote(user) FROM aside
                WHERE owner NOT IN (SELECT id FROM account)
                """
        ),
        RowRule(
            finding: "its owner or its contact is not there",
            rows: """
                SELECT 'entry ' || quote(owner) || ' -> ' || quote(contact) FROM entry
                WHERE owner NOT IN (SELECT id FROM account)
                    OR (contact NOT IN (SELECT id FROM account) AND contact NOT IN (SELECT id FROM deleted)
                        AND contact <= \(Limits.userMax))
                """
        ),
        // message
        RowRule(
            finding: "its reader, sender, stamp, id, kind or content is not valid",
            rows: """
                SELECT 'message ' || quote(stamp) || ' of account ' || quote(reader) FROM message
                WHERE typeof(reader) <> 'integer' OR typeof(sender) <> 'integer' OR reader = sender
                    OR typeof(stamp) <> 'integer' OR stamp NOT \(stamps)
                    OR typeof(id) <> 'blob' OR length(id) <> \(MessageID.byteCount)
                    OR typeof(kind) <> 'integer' OR kind NOT BETWEEN 0 AND \(UInt32.max)
                    OR typeof(content) <> 'blob' OR length(content) > \(Limits.messageBytesMax)
                    OR typeof(unheard) NOT IN ('integer', 'null')
                    OR (unheard IS NOT NULL AND (length(content) > 0
                        OR unheard NOT BETWEEN 0 AND \(Limits.messageBytesMax)))
                """
        ),
        RowRule(
            finding: "has messages, but is not there",
            rows: """
                SELECT 'account ' || quote(reader) FROM (
                    SELECT reader FROM message UNION SELECT reader FROM mailbox)
                WHERE reader NOT IN (SELECT id FROM account)
                """
        ),
        RowRule(
            finding: "its acknowledged stamp is not valid",
            rows: """
                SELECT 'mailbox of account ' || reader FROM mailbox
                WHERE typeof(acknowledged) <> 'integer' OR acknowledged NOT \(stamps)
                """
        ),
        // lastSeen
        RowRule(
            finding: "its time is not valid",
            rows: """
                SELECT 'last seen of account ' || user FROM lastSeen
                WHERE user < 1 OR typeof(at) <> 'integer' OR at NOT BETWEEN 1 AND \(UInt32.max)
                """
        ),
        RowRule(
            finding: "has a time when it was last seen, but is not there",
            rows: "SELECT 'account ' || user FROM lastSeen WHERE user NOT IN (SELECT id FROM account)"
        ),
        // access
        RowRule(
            finding: "its marks, its time or its password is not valid",
            rows: """
                SELECT 'access of account ' || user FROM access
                WHERE user < 1 OR typeof(disabled) <> 'integer' OR disabled NOT IN (0, 1)
                    OR typeof(revoked) <> 'integer' OR revoked NOT BETWEEN 0 AND \(UInt32.max)
                    OR typeof(iterations) NOT IN ('integer', 'null')
                    OR (iterations IS NOT NULL AND (iterations NOT BETWEEN 1 AND \(Limits.iterationsMax)
                        OR typeof(salt) <> 'blob' OR length(salt) > \(Limits.saltBytesMax)
                        OR typeof(storedKey) <> 'blob' OR length(storedKey) <> \(PasswordVerifier.keyBytes)
                        OR typeof(serverKey) <> 'blob' OR length(serverKey) <> \(PasswordVerifier.keyBytes)))
                """
        ),
        RowRule(
            finding: "has access, but is not there",
            rows: "SELECT 'account ' || user FROM access WHERE user NOT IN (SELECT id FROM account)"
        ),
        // privateFields
        RowRule(
            finding: "its stamp or its fields are not valid",
            rows: """
                SELECT 'private fields of account ' || user FROM privateFields
                WHERE user < 1 OR typeof(stamp) <> 'integer' OR stamp NOT \(stamps) OR typeof(fields) <> 'blob'
                """
        ),
        RowRule(
            finding: "has private fields, but is not there",
            rows: "SELECT 'account ' || user FROM privateFields WHERE user NOT IN (SELECT id FROM account)"
        ),
        // all of them
        RowRule(
            finding: "is the stamp of more than one change",
            rows: """
                SELECT quote(stamp) FROM (
                    SELECT created AS stamp FROM account
                    UNION ALL SELECT stamp FROM deleted
                    UNION ALL SELECT stamp FROM entry
                    UNION ALL SELECT stamp FROM (SELECT DISTINCT user, stamp FROM field))
                GROUP BY stamp HAVING count(*) > 1
                """
        ),
        // log
        RowRule(
            finding: "its stamps or bytes are not valid",
            rows: """
                SELECT 'log row ' || first FROM log
                WHERE typeof(last) <> 'integer' OR last < first OR last > \(Stamp.largest) OR first < 1
                    OR typeof(bytes) <> 'blob'
                """
        ),
        RowRule(
            finding: "begins before the row before it ends, or before what is folded",
            rows: """
                SELECT 'log row ' || first FROM (
                    SELECT first, last, lag(last, 1, 0) OVER (ORDER BY first) AS before FROM log)
                WHERE first <= before OR (first <= (SELECT stamp FROM folded) AND last > (SELECT stamp FROM folded))
                """
        ),
        // epoch
        RowRule(
            finding: "its number or its end is not valid",
            rows: """
                SELECT 'epoch ' || sequence FROM epoch
                WHERE typeof(epoch) <> 'integer' OR typeof(last) NOT IN ('integer', 'null') OR last < 0
                    OR last > (SELECT max(stamp, coalesce((SELECT max(last) FROM log), 0)) FROM folded)
                    OR (last IS NULL AND sequence <> (SELECT max(sequence) FROM epoch))
                """
        ),
    ]
}
