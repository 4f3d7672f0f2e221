//  The messages of one reader after the other, the tail's over the table's.

import GRDB
import TidemarkDirectory
import TidemarkWire

struct MessageRows {
    private let statement: PreparedStatement
    private let tail: LogTail
    private let overlay: [(key: FoldBatch.Pair, value: Directory.StoredMessage)]
    private var next = 0
    private var row: (reader: UserID, acknowledged: Stamp, message: Directory.StoredMessage)?

    init(_ tail: LogTail, _ db: Database) throws {
        self.tail = tail
        overlay = tail.batch.messages.filter { tail.batch.deletions[$0.key.a] == nil }.sorted { $0.key < $1.key }
        statement = try PreparedStatement(
            db,
            """
            SELECT reader, stamp, sender, id, kind, content, unheard,
                coalesce((SELECT acknowledged FROM mailbox WHERE mailbox.reader = message.reader), 0)
            FROM message ORDER BY reader, stamp
            """
        )
        try advance()
    }

    /// All that is kept for the next reader; nil when there is none.
    mutating func take() throws -> StateChunk.Mailbox? {
        let reader = min(row?.reader ?? .max, next < overlay.count ? overlay[next].key.a : .max)
        if reader == .max { return nil }
        let drop = tail.batch.drops[reader] ?? FoldBatch.Drop()
        var mailbox = StateChunk.Mailbox(reader: reader, acknowledged: drop.acknowledged, messages: [])
        while let message = try takeOne(of: reader, &mailbox) {
            mailbox.messages.append(message)
        }
        mailbox.messages.removeAll { drop.drops($0) }
        return mailbox
    }

    /// By stamp.
    private mutating func takeOne(
        of reader: UserID,
        _ mailbox: inout StateChunk.Mailbox
    ) throws -> Directory.StoredMessage? {
        let stored = row?.reader == reader ? row : nil
        let later = next < overlay.count && overlay[next].key.a == reader ? overlay[next].value : nil
        if let stored { mailbox.acknowledged = max(mailbox.acknowledged, stored.acknowledged) }
        // A row of both was written by a fold that was cut short.
        if let later, later.stamp <= stored?.message.stamp ?? .max {
            next += 1
            if later.stamp == stored?.message.stamp { try advance() }
            return later
        }
        if stored != nil { try advance() }
        return stored?.message
    }

    /// To the next row of the table that is not a deleted reader's.
    private mutating func advance() throws {
        repeat {
            guard try statement.step() else {
                row = nil
                return
            }
            let before = row
            row = try read()
            if let before, (row!.reader, row!.message.stamp) <= (before.reader, before.message.stamp) {
                throw StateReader.Inconsistency(description: "account \(row!.reader): messages are not in their order")
            }
        } while tail.batch.deletions[row!.reader] != nil
    }

    private func read() throws -> (reader: UserID, acknowledged: Stamp, message: Directory.StoredMessage) {
        func isUser(_ id: Int64) -> Bool { id > 0 && UInt64(id) <= Limits.userMax }
        guard let reader = statement.integer(0), isUser(reader) else {
            throw StateReader.Inconsistency(description: "a message's reader is not valid")
        }
        func isStamp(_ value: Int64) -> Bool { value >= 0 && UInt64(value) <= tail.newest }
        guard let stamp = statement.integer(1), stamp > 0, isStamp(stamp), let sender = statement.integer(2),
            isUser(sender), let bytes = statement.blob(3), bytes.count == MessageID.byteCount,
            let kind = statement.integer(4).flatMap({ UInt32(exactly: $0) }), let content = statement.blob(5),
            content.count <= Limits.messageBytesMax,
            let acknowledged = statement.integer(7), isStamp(acknowledged)
        else { throw StateReader.Inconsistency(description: "a message of account \(reader) is not valid") }
        var unheard: Int?
        if !statement.isNull(6) {
            guard let bytes = statement.integer(6), (0...Int64(Limits.messageBytesMax)).contains(bytes),
                content.isEmpty
            else { throw StateReader.Inconsistency(description: "a message of account \(reader) is not valid") }
            unheard = Int(bytes)
        }
        var id = ByteReader(bytes)
        return (
            UInt64(reader), UInt64(acknowledged),
            Directory.StoredMessage(
                stamp: UInt64(stamp),
                sender: UInt64(sender),
                id: try MessageID(decoding: &id),
                kind: MessageKind(rawValue: kind),
                content: Array(content),
                unheardBytes: unheard
            )
        )
    }
}
