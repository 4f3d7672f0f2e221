//  What users send each other, and what waits for its reader.
//
//      messageSend         user varint | id, 16 bytes | kind varint | content block(8192)
//      messageFetch        options u8 | pageBytes varint | token length u8 and token: of the last page, empty at first
//      messagePage         token | waiting varint | left varint | count varint | messages, stamps rising
//      a message           stamp varint, less the one before | user varint | id, 16 bytes | kind varint | content block(8192)
//      messageAcknowledge  token
//      pushMessages        the token that the client has | a page

/// What the sender calls a message, and calls it again when it does not know whether it arrived.
public struct MessageID: Hashable, Sendable, BitwiseCopyable {
    public static let byteCount = 16

    /// As they are on the wire, read as little-endian numbers.
    public var low: UInt64
    public var high: UInt64

    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    public static func random() -> MessageID {
        MessageID(low: .random(in: 0 ... .max), high: .random(in: 0 ... .max))
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        let bytes = try reader.bytes(Self.byteCount)
        low = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        high = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    public func encode(into writer: inout ByteWriter) {
        writer.u64(low)
        writer.u64(high)
    }
}

/// What kind of content a message has.
public struct MessageKind: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// UTF-8, also with line ends.
    public static let text = MessageKind(rawValue: 0)
}

/// Sends a message to a contact that has agreed to be one.
public struct MessageSend: Equatable, Sendable {
    public var reader: UserID
    public var id: MessageID
    public var kind: MessageKind
    public var content: [UInt8]

    public init(reader: UserID, id: MessageID, kind: MessageKind = .text, content: [UInt8]) {
        self.reader = reader
        self.id = id
        self.kind = kind
        self.content = content
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        self.reader = try reader.user()
        id = try MessageID(decoding: &reader)
        kind = try reader.messageKind()
        content = Array(try reader.block(upTo: Limits.messageBytesMax))
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(reader)
        id.encode(into: &writer)
        writer.varint(UInt64(kind.rawValue))
        writer.block(content)
    }
}

/// "These are the messages that I have; which came later?"
public struct MessageFetch: Equatable, Sendable {
    public struct Options: OptionSet, Equatable, Sendable, BitwiseCopyable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Push messages from the last page on.
        public static let subscribe = Options(rawValue: 1 << 0)
        static let known: Options = [.subscribe]
    }

    public var options: Options
    /// The size at which a page ends, in bytes of its body; 0 for `Limits.pageBytesDefault`.
    public var pageBytes: Int
    /// As the last page gave it; empty at first.
    public var token: Sync.TokenBytes

    public init(token: Sync.TokenBytes = Sync.TokenBytes(), options: Options = [], pageBytes: Int = 0) {
        self.options = options
        self.pageBytes = pageBytes
        self.token = token
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        options = Options(rawValue: try reader.u8())
        guard options.isSubset(of: .known) else { throw DecodeError(.reserved, offset: 0) }
        pageBytes = try reader.count(upTo: Limits.pageBytesMax)
        let begin = reader.offset
        let count = Int(try reader.u8())
        guard count <= Limits.tokenBytesMax else { throw DecodeError(.tooLong, offset: begin) }
        token = Sync.TokenBytes(try reader.bytes(count))
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.u8(options.rawValue)
        writer.varint(pageBytes)
        writer.u8(UInt8(token.count))
        token.withBytes { writer.bytes($0) }
    }
}

/// Some of the messages that the server keeps for a user.
public struct MessagePage: Equatable, Sendable {
    public struct Item: Equatable, Sendable {
        /// When the server took it.
        public var stamp: Stamp
        public var sender: UserID
        public var id: MessageID
        public var kind: MessageKind
        public var content: [UInt8]

        public init(stamp: Stamp, sender: UserID, id: MessageID, kind: MessageKind, content: [UInt8]) {
            self.stamp = stamp
            self.sender = sender
            self.id = id
            self.kind = kind
            self.content = content
        }
    }

    /// What to send next, and to acknowledge with.
    public var token: [UInt8]
    /// Messages that nobody has acknowledged, on this page or not.
    public var waiting: UInt32
    /// Messages behind this page; 0 on the last one.
    public var left: UInt32
    /// Stamps rising.
    public var messages: [Item]

    public init(token: [UInt8], waiting: UInt32, left: UInt32, messages: [Item]) {
        self.token = token
        self.waiting = waiting
        self.left = left
        self.messages = messages
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        token = try reader.pageToken()
        waiting = UInt32(try reader.count(upTo: Limits.messagesMax))
        left = UInt32(try reader.count(upTo: Limits.messagesMax))
        messages = []
        var previous: Stamp = 0
        for _ in 0..<(try reader.count(upTo: Limits.messagesMax)) {
            let begin = reader.offset
            let step = try reader.varint()
            let (stamp, isOver) = previous.addingReportingOverflow(step)
            guard step > 0, !isOver, stamp <= .largest else { throw DecodeError(.order, offset: begin) }
            previous = stamp
            messages.append(
                Item(
                    stamp: stamp,
                    sender: try reader.user(),
                    id: try MessageID(decoding: &reader),
                    kind: try reader.messageKind(),
                    content: Array(try reader.block(upTo: Limits.messageBytesMax))
                )
            )
        }
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.pageToken(token)
        writer.varint(UInt64(waiting))
        writer.varint(UInt64(left))
        writer.varint(messages.count)
        var previous: Stamp = 0
        for message in messages {
            writer.varint(message.stamp - previous)
            writer.varint(message.sender)
            message.id.encode(into: &writer)
            writer.varint(UInt64(message.kind.rawValue))
            writer.block(message.content)
            previous = message.stamp
        }
    }
}

/// Says that the user has all messages up to where `token` stands.
public struct MessageAcknowledge: Equatable, Sendable {
    /// As a page or a push gave it.
    public var token: [UInt8]

    public init(token: [UInt8]) { self.token = token }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        token = try reader.pageToken()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { writer.pageToken(token) }
}

public struct MessageAcknowledgeOK: Equatable, Sendable {
    /// Messages that nobody has acknowledged.
    public var waiting: UInt32

    public init(waiting: UInt32) { self.waiting = waiting }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        waiting = UInt32(try reader.count(upTo: Limits.messagesMax))
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { writer.varint(UInt64(waiting)) }
}

/// Messages that came since `from`, as a fetch with that token would be answered.
public struct PushMessages: Equatable, Sendable {
    /// The client takes the page only if this is the token that it has.
    public var from: [UInt8]
    public var page: MessagePage

    public init(from: [UInt8], page: MessagePage) {
        self.from = from
        self.page = page
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        from = try reader.pageToken()
        page = try MessagePage(decoding: &reader)
    }

    public func encode(into writer: inout ByteWriter) {
        writer.pageToken(from)
        page.encode(into: &writer)
    }
}

extension ByteReader {
    mutating func messageKind() throws(DecodeError) -> MessageKind {
        MessageKind(rawValue: UInt32(try count(upTo: Int(UInt32.max))))
    }
}
