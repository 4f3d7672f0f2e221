// What the log has and the state tables do not, or not yet all of.

import GRDB
import TidemarkDirectory
import TidemarkWire

/// A row of the log, without its bytes.
struct LogRow: Sendable {
    var first: Stamp
    var last: Stamp
    var bytes: Int
}

struct LogTail: Sendable {
    /// All rows, folded ones that an observer still needs included; oldest first.
    var rows: [LogRow] = []
    /// The unfolded ones' changes.
    var batch = FoldBatch()
    /// The state tables hold all changes up to here.
    var folded: Stamp = 0
    /// The newest change that there is.
    var newest: Stamp = 0
    /// Of the table, of accounts deleted before the tail.
    private var deletedBefore: [UserID: Stamp] = [:]

    /// Reads and checks it.
    init(_ db: Database) throws {
        let state = try PreparedStatement(db, "SELECT stamp FROM folded")
        guard try state.step(), let stamp = state.integer(0), stamp >= 0, UInt64(stamp) <= Stamp.largest else {
            throw StateReader.Inconsistency(description: "'folded' is not one stamp")
        }
        folded = UInt64(stamp)
        newest = folded
        let statement = try PreparedStatement(
            db,
            "SELECT first, last, length(bytes), CASE WHEN first > ? THEN bytes END FROM log ORDER BY first"
        )
        statement.bind(1, folded)
        var before: Stamp = 0
        while try statement.step() {
            let row = try read(statement, after: before)
            before = row.last
            rows.append(row)
        }
        newest = max(newest, before)
        if !batch.collections.isEmpty { try readDeleted(db) }
    }

    private mutating func read(_ row: PreparedStatement, after before: Stamp) throws -> LogRow {
        guard let first = row.integer(0), let last = row.integer(1), let byteCount = row.integer(2), first > 0,
            last >= first, UInt64(last) <= Stamp.largest
        else { throw StateReader.Inconsistency(description: "log row \(row.integer(0) ?? 0) is not valid") }
        let (firstStamp, lastStamp) = (UInt64(first), UInt64(last))
        guard firstStamp > before, lastStamp <= folded || firstStamp > folded else {
            throw StateReader.Inconsistency(description: "log row \(first) begins before the row before it ends")
        }
        if firstStamp > folded {
            guard let bytes = row.blob(3) else {
                throw StateReader.Inconsistency(description: "log row \(first) has no bytes")
            }
            let changes: [Change]
            do throws(DecodeError) {
                changes = try Group.changes(in: bytes)
            } catch {
                throw StateReader.Inconsistency(description: "log row \(first) is unreadable at byte \(error.offset)")
            }
            guard UInt64(changes.count) == lastStamp - firstStamp + 1 else {
                throw StateReader.Inconsistency(description: "log row \(first) does not hold what its stamps say")
            }
            guard changes.allSatisfy({ Self.isPossible($0, by: lastStamp) }) else {
                throw StateReader.Inconsistency(description: "log row \(first) has a change that nobody decided")
            }
            batch.add(Group(first: firstStamp, submissions: changes.map { Submission(change: $0, origin: 0) }))
        }
        return LogRow(first: firstStamp, last: lastStamp, bytes: Int(byteCount))
    }

    /// What a change has to be by itself; how it fits the others, loading tells.
    private static func isPossible(_ change: Change, by last: Stamp) -> Bool {
        func isUser(_ id: UserID) -> Bool { id > 0 && id <= Limits.userMax }
        return switch change {
        case .accountCreated(let user, let name): isUser(user) && Text.isAccountName(name)
        case .accountDeleted(let user), .profileChanged(let user, _), .lastSeenSet(let user, _),
            .accessSet(let user, _):
            isUser(user)
        case .privateFieldsSet(let user, let fields, let kept):
            isUser(user) && kept.allSatisfy { $0.value != nil }
                && fields.allSatisfy { field in field.value == nil || !kept.contains { $0.number == field.number } }
        case .entrySet(let owner, let contact, let number, _, _): isUser(owner) && isUser(contact) && number > 0
        case .namedEntrySet(let owner, let name, let number, _):
            isUser(owner) && number > 0 && Text.isAccountName(name)
        case .entryRemoved(let owner, let contact, nil): isUser(owner) && isUser(contact)
        case .entryRemoved(let owner, let contact, let number?):
            isUser(owner) && (isUser(contact) || Limits.number(ofPending: contact) == Int(number))
        case .blockSet(let owner, let user, _, _, _), .blockRemoved(let owner, let user):
            isUser(owner) && isUser(user) && owner != user
        case .messageSent(let reader, let sender, _, _, _, let gone):
            isUser(reader) && isUser(sender) && reader != sender && gone <= last
        case .messagesAcknowledged(let reader, let through, let gone): isUser(reader) && max(through, gone) <= last
        case .tombstonesCollected(let owner, let through): isUser(owner) && through <= last
        }
    }

    private mutating func readDeleted(_ db: Database) throws {
        let statement = try PreparedStatement(db, "SELECT id, stamp FROM deleted")
        while try statement.step() {
            guard let id = statement.integer(0), let stamp = statement.integer(1) else { continue }
            deletedBefore[UInt64(bitPattern: id)] = UInt64(bitPattern: stamp)
        }
    }

    /// When an account was deleted; nil for one that is there. Known only where the tail collects tombstones.
    func deletion(of user: UserID) -> Stamp? { batch.deletions[user] ?? deletedBefore[user] }
}
