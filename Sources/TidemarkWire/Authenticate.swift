/// How a client says who it is. Pipelined behind the hello.
public struct Authenticate: Equatable, Sendable {
    public enum Method: UInt8, CaseIterable, Sendable {
        case ticket = 1
        case trusted = 2
        case scram = 3
        case service = 4
        case bearer = 5
    }

    public enum Credentials: Equatable, Sendable {
        /// A signed statement that the server's operator, or an earlier login, has given out; see `Ticket`.
        case ticket([UInt8])
        /// Taken at its word: on Unix sockets only.
        case trusted(UserReference)
        /// SCRAM-SHA-256: the client-first message.
        case scram([UInt8])
        /// Of one with a role, and no user: its key; empty where the certificate of its end of TLS says who it is.
        case service([UInt8])
        /// What another authority has given out, which the server hands to whoever embeds it: a token of its app's, a JWT.
        case bearer([UInt8])
    }

    public var credentials: Credentials
    /// How the session wants to be seen from its first moment on: extension 1. Nil: online.
    public var wish: PresenceSet.Wish?
    /// It is to be given a ticket, for the next time: extension 2.
    public var wantsTicket: Bool

    private static let wishTag: UInt64 = 1
    private static let ticketTag: UInt64 = 2

    public init(_ credentials: Credentials, wish: PresenceSet.Wish? = nil, wantsTicket: Bool = false) {
        self.credentials = credentials
        self.wish = wish
        self.wantsTicket = wantsTicket
    }

    public static func ticket(_ bytes: [UInt8]) -> Authenticate { Authenticate(.ticket(bytes)) }
    public static func trusted(_ user: UserReference) -> Authenticate { Authenticate(.trusted(user)) }
    public static func scram(_ bytes: [UInt8]) -> Authenticate { Authenticate(.scram(bytes)) }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        guard let method = Method(rawValue: try reader.u8()) else { throw DecodeError(.value, offset: 0) }
        switch method {
        case .ticket: credentials = .ticket(Array(try reader.block(upTo: Limits.ticketBytesMax)))
        case .trusted: credentials = .trusted(try UserReference(decoding: &reader))
        case .scram: credentials = .scram(Array(try reader.block(upTo: Limits.scramBytesMax)))
        case .service: credentials = .service(Array(try reader.block(upTo: Limits.serviceKeyBytesMax)))
        case .bearer: credentials = .bearer(Array(try reader.block(upTo: Limits.bearerBytesMax)))
        }
        var (wish, wantsTicket): (PresenceSet.Wish?, Bool) = (nil, false)
        try reader.extensions { tag, bytes in
            // Another than these is as if it were not there, as the whole extension is to those who do not know it.
            if tag == Self.wishTag, bytes.count == 1 { wish = PresenceSet.Wish(rawValue: bytes[0]) }
            if tag == Self.ticketTag { wantsTicket = true }
        }
        (self.wish, self.wantsTicket) = (wish, wantsTicket)
    }

    public func encode(into writer: inout ByteWriter) {
        switch credentials {
        case .ticket(let bytes):
            writer.u8(Method.ticket.rawValue)
            writer.block(bytes)
        case .trusted(let user):
            writer.u8(Method.trusted.rawValue)
            user.encode(into: &writer)
        case .scram(let bytes):
            writer.u8(Method.scram.rawValue)
            writer.block(bytes)
        case .service(let bytes):
            writer.u8(Method.service.rawValue)
            writer.block(bytes)
        case .bearer(let bytes):
            writer.u8(Method.bearer.rawValue)
            writer.block(bytes)
        }
        if let wish {
            writer.varint(Self.wishTag)
            writer.block([wish.rawValue])
        }
        if wantsTicket {
            writer.varint(Self.ticketTag)
            writer.block([])
        }
    }
}

/// What a session without a user may do.
public enum Role: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// Act for users: a carrier's own service.
    case backend = 1
    /// All that there is to be done with a server.
    case administrator = 2
}

/// A user by number or, where only that is known, by name. On the wire: a varint number, or 0 and the name.
public enum UserReference: Equatable, Sendable {
    case id(UserID)
    case name(String)

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        let id = try reader.varint()
        if id != 0 {
            self = .id(id)
        } else {
            let begin = reader.offset
            let name = try reader.text(upTo: Limits.nameBytesMax)
            guard Text.isAccountName(name) else { throw DecodeError(.text, offset: begin) }
            self = .name(name)
        }
    }

    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .id(let id):
            precondition(id != 0)
            writer.varint(id)
        case .name(let name):
            writer.varint(0)
            writer.text(name)
        }
    }
}

public struct AuthenticateOK: Equatable, Sendable {
    /// Who the session is; 0: nobody, but something with a role.
    public var user: UserID
    /// For the next time, where the client has asked for one: extension 1.
    public var ticket: [UInt8]?
    /// Of a login by password, by which the client knows that the server knows it: extension 2.
    public var serverFinal: [UInt8]?

    private static let ticketTag: UInt64 = 1
    /// What a session without a user may do: extension 3.
    public var role: Role?

    private static let serverFinalTag: UInt64 = 2
    private static let roleTag: UInt64 = 3

    public init(user: UserID, ticket: [UInt8]? = nil, serverFinal: [UInt8]? = nil, role: Role? = nil) {
        self.user = user
        self.ticket = ticket
        self.serverFinal = serverFinal
        self.role = role
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        user = try reader.varint()
        var (ticket, serverFinal): ([UInt8]?, [UInt8]?) = (nil, nil)
        var role: Role?
        try reader.extensions { tag, bytes in
            if tag == Self.ticketTag { ticket = Array(bytes) }
            if tag == Self.serverFinalTag { serverFinal = Array(bytes) }
            if tag == Self.roleTag, bytes.count == 1 { role = Role(rawValue: bytes[0]) }
        }
        (self.ticket, self.serverFinal, self.role) = (ticket, serverFinal, role)
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(user)
        if let ticket {
            writer.varint(Self.ticketTag)
            writer.block(ticket)
        }
        if let serverFinal {
            writer.varint(Self.serverFinalTag)
            writer.block(serverFinal)
        }
        if let role {
            writer.varint(Self.roleTag)
            writer.block([role.rawValue])
        }
    }
}

//  A ticket, 35 bytes, little-endian:
//
//      layout u8 | key id u16 | user u64 | issued u32 | expires u32 | tag, 16 bytes
//
//  Layout 1, and 2 where a server may give another one for it. The tag is the first half of HMAC-SHA256(key, all bytes before
//  it); RFC 2104, section 5, on truncation. Times are seconds since the Unix epoch.

/// What a ticket says. Whether it is true is for whoever holds the key.
public struct Ticket: Equatable, Sendable {
    public static let signedBytes = 19
    public static let tagBytes = 16
    public static let encodedBytes = signedBytes + tagBytes
    private static let layout: UInt8 = 1
    private static let renewableLayout: UInt8 = 2
    public static let layouts = layout...renewableLayout

    public var key: UInt16
    public var user: UserID
    public var issuedSeconds: UInt32
    public var expiresSeconds: UInt32
    /// Whoever logs in with it may be given another that is good for longer, issued when this one was.
    public var isRenewable: Bool

    public init(
        key: UInt16,
        user: UserID,
        issuedSeconds: UInt32,
        expiresSeconds: UInt32,
        isRenewable: Bool = false
    ) {
        self.isRenewable = isRenewable
        self.key = key
        self.user = user
        self.issuedSeconds = issuedSeconds
        self.expiresSeconds = expiresSeconds
    }

    /// Nil for bytes that are no ticket of this layout. Does not look at the tag.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.encodedBytes, Self.layouts.contains(bytes[0]) else {
            return nil
        }
        let fields: (UInt16, UInt64, UInt32, UInt32)? = bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            guard (try? reader.u8()) != nil, let key = try? reader.u16(), let user = try? reader.u64(),
                let issued = try? reader.u32(), let expires = try? reader.u32()
            else { return nil }
            return (key, user, issued, expires)
        }
        guard let fields, fields.1 != 0 else { return nil }
        self.init(
            key: fields.0,
            user: fields.1,
            issuedSeconds: fields.2,
            expiresSeconds: fields.3,
            isRenewable: bytes[0] == Self.renewableLayout
        )
    }

    /// The bytes that the tag is made over.
    public var signed: [UInt8] {
        var writer = ByteWriter(capacity: Self.encodedBytes)
        writer.u8(isRenewable ? Self.renewableLayout : Self.layout)
        writer.u16(key)
        writer.u64(user)
        writer.u32(issuedSeconds)
        writer.u32(expiresSeconds)
        return writer.array
    }
}
