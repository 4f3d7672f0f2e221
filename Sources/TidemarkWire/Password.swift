//  What a server keeps of a password, and what passes between a client that knows the password and a server that has that.
//
//      password verifier   iterations varint | salt block(64) | StoredKey 32 bytes | ServerKey 32 bytes
//      passwordSet         password verifier
//      signOut             scope u8
//      passwordSetOK, signOutOK      stamp
//      authenticateContinue, authenticateChallenge      data block(768)

/// RFC 5802, section 3: whoever has it can tell whether somebody knows the password, and cannot log in with it.
public struct PasswordVerifier: Equatable, Sendable {
    public static let keyBytes = 32
    /// Of the salts that are made here.
    public static let newSaltBytes = 16

    /// 1 to `Limits.iterationsMax`.
    public var iterations: UInt32
    /// At most `Limits.saltBytesMax`.
    public var salt: [UInt8]
    public var storedKey: [UInt8]
    public var serverKey: [UInt8]

    public init(iterations: UInt32, salt: [UInt8], storedKey: [UInt8], serverKey: [UInt8]) {
        precondition(storedKey.count == Self.keyBytes && serverKey.count == Self.keyBytes)
        self.iterations = iterations
        self.salt = salt
        self.storedKey = storedKey
        self.serverKey = serverKey
    }

    /// Other than messages it has no end of its own: something may follow.
    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        iterations = UInt32(try reader.count(upTo: Limits.iterationsMax))
        guard iterations > 0 else { throw DecodeError(.value, offset: begin) }
        salt = Array(try reader.block(upTo: Limits.saltBytesMax))
        storedKey = Array(try reader.bytes(Self.keyBytes))
        serverKey = Array(try reader.bytes(Self.keyBytes))
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(UInt64(iterations))
        writer.block(salt)
        writer.bytes(storedKey)
        writer.bytes(serverKey)
    }
}

/// Sets the password of the session's user, who has logged in with the one before. All its other devices are signed out.
public struct PasswordSet: Equatable, Sendable {
    public var verifier: PasswordVerifier

    public init(_ verifier: PasswordVerifier) { self.verifier = verifier }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        verifier = try PasswordVerifier(decoding: &reader)
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { verifier.encode(into: &writer) }
}

/// Ends sessions of the session's user, and takes no ticket any more that was issued before.
public struct SignOut: Equatable, Sendable {
    public enum Scope: UInt8, CaseIterable, Sendable {
        /// All sessions but this one, which gets a new ticket.
        case others = 2
        case all = 3
    }

    public var scope: Scope

    public init(scope: Scope) { self.scope = scope }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        guard let scope = Scope(rawValue: try reader.u8()) else { throw DecodeError(.value, offset: 0) }
        self.scope = scope
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { writer.u8(scope.rawValue) }
}

/// The acknowledgement of `PasswordSet` and `SignOut`.
public struct CredentialsOK: Equatable, Sendable {
    /// The change's stamp.
    public var stamp: Stamp
    /// In place of the one that is taken no more: extension 1.
    public var ticket: [UInt8]?

    private static let ticketTag: UInt64 = 1

    public init(stamp: Stamp, ticket: [UInt8]? = nil) {
        self.stamp = stamp
        self.ticket = ticket
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        stamp = try reader.varint()
        var ticket: [UInt8]?
        try reader.extensions { tag, bytes in
            if tag == Self.ticketTag { ticket = Array(bytes) }
        }
        self.ticket = ticket
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(stamp)
        if let ticket {
            writer.varint(Self.ticketTag)
            writer.block(ticket)
        }
    }
}

/// One message of a SCRAM exchange, behind the first.
public struct ScramStep: Equatable, Sendable {
    /// At most `Limits.scramBytesMax`.
    public var data: [UInt8]

    public init(data: [UInt8]) { self.data = data }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        data = Array(try reader.block(upTo: Limits.scramBytesMax))
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { writer.block(data) }
}
