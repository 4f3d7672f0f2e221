//  A user's request, made by whoever runs the server.
//
//      adminActFor      user reference | type u8 | body block(131071)
//      adminActForOK    user varint | type u8 | body block(1048000)

/// Does what the user would do: a write, stamped and told like any other, or a sync.
public struct AdminActFor: Equatable, Sendable {
    public var user: UserReference
    /// Of the request.
    public var type: UInt8
    public var body: [UInt8]

    public init(user: UserReference, type: UInt8, body: [UInt8]) {
        self.user = user
        self.type = type
        self.body = body
    }

    public init(user: UserReference, _ request: Message) {
        var writer = ByteWriter()
        request.encodeBody(into: &writer)
        self.init(user: user, type: request.type.rawValue, body: writer.array)
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        user = try UserReference(decoding: &reader)
        type = try reader.u8()
        body = Array(try reader.block(upTo: Limits.requestBodyBytesMax))
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        user.encode(into: &writer)
        writer.u8(type)
        writer.block(body)
    }
}

/// What the user would be answered; an error too.
public struct AdminActForOK: Equatable, Sendable {
    /// The user's number.
    public var user: UserID
    public var type: UInt8
    public var body: [UInt8]

    public init(user: UserID, type: UInt8, body: [UInt8]) {
        self.user = user
        self.type = type
        self.body = body
    }

    public init(user: UserID, _ reply: Message) {
        var writer = ByteWriter()
        reply.encodeBody(into: &writer)
        self.init(user: user, type: reply.type.rawValue, body: writer.array)
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        user = try reader.user()
        type = try reader.u8()
        body = Array(try reader.block(upTo: Limits.actedBytesMax))
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(user)
        writer.u8(type)
        writer.block(body)
    }
}
