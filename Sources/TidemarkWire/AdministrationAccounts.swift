//  Accounts, as whoever runs the server has them made, closed and deleted.
//
//      adminAccountCreate      name text(64) | user varint
//      adminAccountDisable     user reference | isDisabled u8
//      adminAccountDelete      user reference
//      adminPasswordSet        user reference | password verifier
//      adminAccountCreateOK    stamp | user varint
//      the other replies       stamp

/// Makes an account without details, a roster or a password.
public struct AdminAccountCreate: Equatable, Sendable {
    public var name: String
    /// 0: the server chooses.
    public var user: UserID

    public init(name: String, user: UserID = 0) {
        self.name = name
        self.user = user
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        name = try reader.accountName()
        user = try reader.varint()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.text(name)
        writer.varint(user)
    }
}

public struct AdminAccountCreateOK: Equatable, Sendable {
    public var stamp: Stamp
    public var user: UserID

    public init(stamp: Stamp, user: UserID) {
        self.stamp = stamp
        self.user = user
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        stamp = try reader.varint()
        user = try reader.user()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(stamp)
        writer.varint(user)
    }
}

/// Closes an account for now, or opens it again. Its sessions end; what it has stays.
public struct AdminAccountDisable: Equatable, Sendable {
    public var user: UserReference
    public var isDisabled: Bool

    public init(user: UserReference, isDisabled: Bool) {
        self.user = user
        self.isDisabled = isDisabled
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        user = try UserReference(decoding: &reader)
        isDisabled = try reader.mark()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        user.encode(into: &writer)
        writer.u8(isDisabled ? 1 : 0)
    }
}

/// Deletes an account, its roster, messages and credentials, for good. Its number is never used again.
public struct AdminAccountDelete: Equatable, Sendable {
    public var user: UserReference

    public init(user: UserReference) { self.user = user }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        user = try UserReference(decoding: &reader)
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { user.encode(into: &writer) }
}

/// Sets a user's password, and ends its sessions and tickets.
public struct AdminPasswordSet: Equatable, Sendable {
    public var user: UserReference
    public var verifier: PasswordVerifier

    public init(user: UserReference, verifier: PasswordVerifier) {
        self.user = user
        self.verifier = verifier
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        user = try UserReference(decoding: &reader)
        verifier = try PasswordVerifier(decoding: &reader)
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        user.encode(into: &writer)
        verifier.encode(into: &writer)
    }
}

extension ByteReader {
    /// 1 to 64 bytes of text without spaces.
    mutating func accountName() throws(DecodeError) -> String {
        let begin = offset
        let name = try text(upTo: Limits.nameBytesMax)
        guard Text.isAccountName(name) else { throw DecodeError(.text, offset: begin) }
        return name
    }
}
