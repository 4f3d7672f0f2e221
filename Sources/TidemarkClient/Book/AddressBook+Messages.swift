import Foundation
import GRDB
import TidemarkWire

/// A message that was sent to the owner.
public struct ReceivedMessage: Equatable, Sendable {
    /// When the server took it: microseconds since 1970.
    public var stamp: Stamp
    public var sender: UserID
    /// The sender, where it is a contact of the owner's.
    public var contact: Contact?
    /// The sender's own for it.
    public var messageID: MessageID
    public var kind: MessageKind
    public var content: [UInt8]

    /// Nil for what is no text.
    public var text: String? { kind == .text ? String(validating: content, as: UTF8.self) : nil }
}

/// What became of a page of messages.
enum MessageOutcome: Equatable {
    /// It is in the book, with its token; these are new to it.
    case stored([ReceivedMessage])
    /// The book has moved on since it was asked for.
    case superseded
}

extension AddressBook {
    /// The owner's messages, oldest first: the newest `count` of them.
    public func messages(newest count: Int = 100) async throws -> [ReceivedMessage] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT stamp, sender, id, kind, content FROM message ORDER BY stamp DESC, place DESC LIMIT ?",
                arguments: [count]
            ).reversed().map { try ReceivedMessage($0, in: database) }
        }
    }

    /// Forgets messages of this time and before. They come again only where the server is set back to a backup.
    public func removeMessages(through stamp: Stamp) async throws {
        try await write { try $0.run("DELETE FROM message WHERE stamp <= ?", [Int64(bitPattern: stamp)]) }
    }

    /// Up to where the book has the messages; empty before the first page.
    func messageToken() async throws -> [UInt8] { try await read { try Self.messageToken(in: $0) } }

    private static func messageToken(in database: Database) throws -> [UInt8] {
        try Row.fetchOne(database, sql: "SELECT messages FROM mark")!.bytes(at: 0)
    }

    /// Stores a page with its token in one transaction, if it begins where the book ends. A message that is there already, by its
    /// sender and the sender's own id, is not stored again.
    func apply(_ page: MessagePage, from token: [UInt8]) async throws -> MessageOutcome {
        try await write { database in
            guard try Self.messageToken(in: database) == token else { return .superseded }
            var new: [ReceivedMessage] = []
            for item in page.messages {
                try database.run(
                    """
                    INSERT INTO message (stamp, sender, id, kind, content) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT (sender, id) DO NOTHING
                    """,
                    [
                        Int64(bitPattern: item.stamp), Int64(bitPattern: item.sender), item.id.blob,
                        Int64(item.kind.rawValue), item.content.blob,
                    ]
                )
                if database.changesCount > 0 { new.append(try ReceivedMessage(item, in: database)) }
            }
            if page.token != token { try database.run("UPDATE mark SET messages = ?", [page.token.blob]) }
            return .stored(new)
        }
    }
}

extension ReceivedMessage {
    fileprivate init(_ item: MessagePage.Item, in database: Database) throws {
        self.init(
            stamp: item.stamp,
            sender: item.sender,
            contact: try Contact.stored(in: database, where: "contact.user = ?", [Int64(bitPattern: item.sender)])
                .first,
            messageID: item.id,
            kind: item.kind,
            content: item.content
        )
    }

    fileprivate init(_ row: Row, in database: Database) throws {
        let (stamp, sender, kind): (Int64, Int64, Int64) = (row[0], row[1], row[3])
        let item = MessagePage.Item(
            stamp: UInt64(bitPattern: stamp),
            sender: UInt64(bitPattern: sender),
            id: MessageID(row.bytes(at: 2)),
            kind: MessageKind(rawValue: UInt32(truncatingIfNeeded: kind)),
            content: row.bytes(at: 4)
        )
        try self.init(item, in: database)
    }
}

extension MessageID {
    fileprivate var blob: Data {
        var writer = ByteWriter(capacity: Self.byteCount)
        encode(into: &writer)
        return writer.array.blob
    }

    fileprivate init(_ bytes: [UInt8]) {
        self = bytes.withUnsafeBytes {
            MessageID(
                low: UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)),
                high: UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }
}
