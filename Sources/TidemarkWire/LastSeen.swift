//  When somebody was last online: asked for, never told unasked, and only of who lets it be known.
//
//      lastSeenSet     isShown u8
//      lastSeenGet     user
//      lastSeenGetOK   isShown u8 | at varint

/// Whether the session's user lets its contacts know when it was last seen.
public struct LastSeenSet: Equatable, Sendable {
    public var isShown: Bool

    public init(isShown: Bool) { self.isShown = isShown }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        isShown = try reader.mark()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { writer.u8(isShown ? 1 : 0) }
}

/// Asks when a contact was last seen; of oneself, what others are told.
public struct LastSeenGet: Equatable, Sendable {
    public var user: UserID

    public init(user: UserID) { self.user = user }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        user = try reader.user()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { writer.varint(user) }
}

public struct LastSeenGetOK: Equatable, Sendable {
    /// The user lets it be known, as far as the asker is to know.
    public var isShown: Bool
    /// Seconds since 1970-01-01 UTC; 0 where there is no time: not shown, online now, or not seen since it is shown.
    public var at: UInt32

    public init(isShown: Bool, at: UInt32) {
        self.isShown = isShown
        self.at = at
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        isShown = try reader.mark()
        at = UInt32(try reader.count(upTo: Int(UInt32.max)))
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.u8(isShown ? 1 : 0)
        writer.varint(UInt64(at))
    }
}

extension ByteReader {
    /// A byte that is 0 or 1.
    mutating func mark() throws(DecodeError) -> Bool {
        let begin = offset
        let mark = try u8()
        guard mark <= 1 else { throw DecodeError(.reserved, offset: begin) }
        return mark == 1
    }
}
