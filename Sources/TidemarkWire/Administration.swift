// What whoever runs a server asks of it, in a session of the administrator's.

/// Copies the server's database into a new file on the server's own machine. Answered when the copy is on disk.
public struct AdminBackup: Equatable, Sendable {
    /// Absolute, and of a file that is not there; at most `Limits.pathBytesMax` bytes.
    public var path: String

    public init(path: String) { self.path = path }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        path = try reader.text(upTo: Limits.pathBytesMax)
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { writer.text(path) }
}

public struct AdminBackupOK: Equatable, Sendable {
    /// Of the last change in the copy; 0 where there is none.
    public var stamp: Stamp
    /// The copy's size.
    public var bytes: UInt64

    public init(stamp: Stamp, bytes: UInt64) {
        self.stamp = stamp
        self.bytes = bytes
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        stamp = try reader.varint()
        bytes = try reader.varint()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(stamp)
        writer.varint(bytes)
    }
}

/// Sends the clients away, so that the server can be stopped, and lets nobody in meanwhile; or lets them in again.
public struct AdminDrain: Equatable, Sendable {
    public var isDraining: Bool
    /// Over which the clients are sent away, in milliseconds.
    public var milliseconds: UInt32

    public init(isDraining: Bool, milliseconds: UInt32 = 0) {
        self.isDraining = isDraining
        self.milliseconds = milliseconds
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        isDraining = try reader.mark()
        milliseconds = UInt32(try reader.count(upTo: Int(UInt32.max)))
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.u8(isDraining ? 1 : 0)
        writer.varint(UInt64(milliseconds))
    }
}

public struct AdminDrainOK: Equatable, Sendable {
    /// How many connections are still there.
    public var left: UInt32

    public init(left: UInt32) { self.left = left }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        left = UInt32(try reader.count(upTo: Int(UInt32.max)))
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) { writer.varint(UInt64(left)) }
}
