//  A table's rows and the tail's, both in the order of their keys, as one: where both have a row, the tail's counts.

import GRDB
import TidemarkDirectory
import TidemarkWire

/// The fields of one user after the other.
struct FieldRows {
    private let statement: PreparedStatement
    private let tail: LogTail
    private let overlay: [(key: FoldBatch.Pair, value: FoldBatch.Field)]
    private var next = 0
    private var row: (user: UInt64, field: Directory.StoredField)?

    init(_ tail: LogTail, _ db: Database) throws {
        self.tail = tail
        overlay = tail.batch.fields.filter { tail.batch.deletions[$0.key.a] == nil }.sorted { $0.key < $1.key }
        statement = try PreparedStatement(db, "SELECT user, number, stamp, value FROM field ORDER BY user, number")
        try advance()
    }

    /// Whose the next field is; nil when there is none.
    var user: UInt64? {
        let user = min(row?.user ?? .max, next < overlay.count ? overlay[next].key.a : .max)
        return user == .max ? nil : user
    }

    /// All fields of the next user, numbers rising; none where the next is another's.
    mutating func take(_ user: UserID) throws -> [Directory.StoredField] {
        var fields: [Directory.StoredField] = []
        while true {
            let stored = row.flatMap { $0.user == user ? $0.field : nil }
            let later = next < overlay.count && overlay[next].key.a == user ? overlay[next] : nil
            guard stored != nil || later != nil else { break }
            let laterNumber = later.map { $0.key.b } ?? .max
            if let stored, UInt64(stored.number.rawValue) < laterNumber {
                fields.append(stored)
                try advance()
                continue
            }
            if let stored, UInt64(stored.number.rawValue) == laterNumber { try advance() }
            fields.append(
                Directory.StoredField(
                    number: FieldNumber(rawValue: UInt16(laterNumber)),
                    stamp: later!.value.stamp,
                    value: later!.value.value
                )
            )
            next += 1
        }
        let bytes = fields.reduce(0) { $0 + ($1.value?.count ?? 0) }
        guard fields.count <= Limits.profileFieldsMax, bytes <= Limits.profileBytesMax else {
            throw StateReader.Inconsistency(description: "account \(user) has too many fields, or too large ones")
        }
        return fields
    }

    /// To the next row of the table that is not a deleted user's.
    private mutating func advance() throws {
        repeat {
            guard try statement.step() else {
                row = nil
                return
            }
            let before = row
            row = try read()
            // A damaged index has rows in any order.
            if let before, (row!.user, row!.field.number) <= (before.user, before.field.number) {
                throw StateReader.Inconsistency(description: "account \(row!.user): fields are not in their order")
            }
        } while tail.batch.deletions[row!.user] != nil
    }

    private func read() throws -> (UInt64, Directory.StoredField) {
        guard let user = statement.integer(0), user > 0 else {
            throw StateReader.Inconsistency(description: "a field's account is not valid")
        }
        guard let number = statement.integer(1), (1...Int64(Limits.fieldNumberMax)).contains(number),
            let stamp = statement.integer(2), stamp > 0, UInt64(stamp) <= tail.newest
        else { throw StateReader.Inconsistency(description: "account \(user): a field's number or stamp is not valid") }
        let isRemoved = statement.isNull(3)
        let value = isRemoved ? nil : statement.blob(3)
        let isValid = value.map {
            $0.count <= Limits.fieldBytesMax && FieldNumber(rawValue: UInt16(number)).accepts($0)
        }
        guard isRemoved || isValid == true else {
            throw StateReader.Inconsistency(description: "account \(user): field \(number) has no valid value")
        }
        return (
            UInt64(user),
            Directory.StoredField(
                number: FieldNumber(rawValue: UInt16(number)),
                stamp: UInt64(stamp),
                value: value.map { Array($0) }
            )
        )
    }
}

/// The entries of one owner after the other.
struct EntryRows {
    private let statement: PreparedStatement
    private let tail: LogTail
    private let overlay: [(key: FoldBatch.Pair, value: FoldBatch.Entry)]
    private var next = 0
    private var row: (owner: UInt64, entry: Directory.StoredEntry)?
    /// By number: the last owner who had it, so that none has one twice.
    private var numbers = [UInt64](repeating: 0, count: Limits.rosterEntriesMax)

    init(_ tail: LogTail, _ db: Database) throws {
        self.tail = tail
        overlay = tail.batch.entries.filter { tail.batch.deletions[$0.key.a] == nil }.sorted { $0.key < $1.key }
        statement = try PreparedStatement(
            db,
            """
            SELECT owner, contact, number, stamp, removed, favourite, annotations, pending, name FROM entry
            ORDER BY owner, contact
            """
        )
        try advance()
    }

    /// Whose the next entry is; nil when there is none.
    var owner: UInt64? {
        let owner = min(row?.owner ?? .max, next < overlay.count ? overlay[next].key.a : .max)
        return owner == .max ? nil : owner
    }

    /// All entries of the next owner; none where the next is another's.
    mutating func take(_ owner: UserID) throws -> [Directory.StoredEntry] {
        var entries: [Directory.StoredEntry] = []
        while true {
            let stored = row.flatMap { $0.owner == owner ? $0.entry : nil }
            let later = next < overlay.count && overlay[next].key.a == owner ? overlay[next] : nil
            guard stored != nil || later != nil else { break }
            let laterContact = later?.key.b ?? .max
            if var stored, stored.contact < laterContact {
                if let shown = tail.batch.shown[FoldBatch.Pair(a: owner, b: stored.contact)], !stored.isRemoved,
                    !stored.isPending
                {
                    stored.stamp = max(stored.stamp, shown)
                }
                try append(stored, of: owner, to: &entries)
                try advance()
                continue
            }
            let isSame = stored.map { $0.contact == laterContact } ?? false
            if let entry = try entry(later!, stored: isSame ? stored : nil) {
                try append(entry, of: owner, to: &entries)
            }
            if isSame { try advance() }
            next += 1
        }
        return entries
    }

    /// Nil for one that is gone whole: removed, and collected by a fold that was cut short later.
    private func entry(
        _ later: (key: FoldBatch.Pair, value: FoldBatch.Entry),
        stored: Directory.StoredEntry?
    ) throws -> Directory.StoredEntry? {
        if later.value.isErased { return nil }
        guard let number = later.value.number ?? stored?.number else {
            if let through = tail.batch.collections[later.key.a], later.value.stamp <= through { return nil }
            throw StateReader.Inconsistency(
                description: "the log removes entry \(later.key.a) -> \(later.key.b), which is not there"
            )
        }
        return Directory.StoredEntry(
            contact: later.key.b,
            number: number,
            isRemoved: later.value.annotations == nil,
            stamp: later.value.stamp,
            annotations: later.value.annotations ?? Annotations(),
            isPending: later.value.isPending,
            name: later.value.name
        )
    }

    private mutating func append(
        _ entry: Directory.StoredEntry,
        of owner: UserID,
        to entries: inout [Directory.StoredEntry]
    ) throws {
        if let through = tail.batch.collections[owner], isCollected(entry, through) { return }
        guard entry.number < Limits.rosterEntriesMax, numbers[Int(entry.number)] != owner, entry.contact != owner else {
            throw StateReader.Inconsistency(
                description: "entry \(owner) -> \(entry.contact): its number is another's too, or it is its owner's own"
            )
        }
        numbers[Int(entry.number)] = owner
        entries.append(entry)
    }

    /// As the fold's own statement has it.
    private func isCollected(_ entry: Directory.StoredEntry, _ through: Stamp) -> Bool {
        if entry.isRemoved { return entry.stamp <= through }
        return tail.deletion(of: entry.contact).map { $0 <= through } ?? false
    }

    private mutating func advance() throws {
        repeat {
            guard try statement.step() else {
                row = nil
                return
            }
            let before = row.map { ($0.owner, $0.entry.contact) }
            row = try read()
            if let before, (row!.owner, row!.entry.contact) <= before {
                throw StateReader.Inconsistency(description: "account \(row!.owner): entries are not in their order")
            }
        } while tail.batch.deletions[row!.owner] != nil
    }

    private func read() throws -> (UInt64, Directory.StoredEntry) {
        guard let owner = statement.integer(0), owner > 0, let contact = statement.integer(1), contact > 0 else {
            throw StateReader.Inconsistency(description: "an entry's owner or contact is not valid")
        }
        func invalid(_ what: String) -> StateReader.Inconsistency {
            StateReader.Inconsistency(description: "entry \(owner) -> \(contact): its \(what) not valid")
        }
        guard let number = statement.integer(2), (1..<Int64(Limits.rosterEntriesMax)).contains(number),
            let stamp = statement.integer(3), stamp > 0, UInt64(stamp) <= tail.newest
        else { throw invalid("number or stamp is") }
        guard let removed = statement.integer(4), let favourite = statement.integer(5),
            removed & ~1 == 0, favourite & ~1 == 0
        else { throw invalid("marks are") }
        var annotations = Annotations()
        if !statement.isNull(6) {
            guard let text = statement.blob(6) else { throw invalid("annotations are") }
            do throws(DecodeError) {
                var reader = ByteReader(text)
                annotations = try reader.annotationText()
            } catch {
                throw invalid("annotations are")
            }
        }
        annotations.isFavourite = favourite == 1
        let isNamed = Limits.number(ofPending: UInt64(contact)) == Int(number)
        guard let pending = statement.integer(7), pending & ~(removed ^ 1) == 0,
            isNamed || UInt64(contact) <= Limits.userMax
        else { throw invalid("marks or contact are") }
        var name: String?
        if isNamed, removed == 0 {
            guard let text = statement.text(8), (1...Limits.nameBytesMax).contains(text.count),
                let valid = Text.validated(text), Text.isAccountName(valid), pending == 1
            else { throw invalid("name is") }
            name = valid
        }
        return (
            UInt64(owner),
            Directory.StoredEntry(
                contact: UInt64(contact),
                number: UInt32(number),
                isRemoved: removed == 1,
                stamp: UInt64(stamp),
                annotations: annotations,
                isPending: pending == 1,
                name: name
            )
        )
    }
}
