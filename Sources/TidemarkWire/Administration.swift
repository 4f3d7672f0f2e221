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
