#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why there is no backup, with what to do about it. Of the file that was to be made nothing is left. Who prints it
/// knows the path.
public enum BackupError: Error, Equatable, CustomStringConvertible, Sendable {
    case notAbsolute
    case exists
    /// There is something at the path with `.part` at its end.
    case unfinished
    /// The file's size, and what is free where it would be, in bytes.
    case noRoom(needed: UInt64, free: UInt64)
    /// The disk filled up on the way.
    case diskFull
    case cannotWrite(operation: String, code: Int32)
    case underWay
    /// The server's own disk is full.
    case gaveWay
    case stopping
    /// What SQLite says of the database that was to be copied.
    case unreadable(reason: String)

    public var description: String {
        switch self {
        case .notAbsolute:
            "the path is not absolute; begin it with /"
        case .exists:
            "there is something at that path already, and a backup replaces nothing; name another, or move that away"
        case .unfinished:
            "there is an unfinished backup of that name, ending in .part; remove it if none is under way, or name another"
        case .noRoom(let needed, let free):
            "the disk has \(free) bytes free and the backup needs \(needed); make room, or name a file on another disk"
        case .diskFull:
            "the disk is full; make room, or name a file on another disk"
        case .cannotWrite(let operation, let code) where code == EACCES || code == EPERM || code == EROFS:
            "\(operation): \(String(cString: strerror(code))); the server's own user writes the file, so name a "
                + "directory where it may"
        case .cannotWrite(let operation, let code):
            "\(operation): \(String(cString: strerror(code)))"
        case .underWay:
            "another backup is under way; wait for it to end"
        case .gaveWay:
            "given up, for the server's own disk is full; make room, or name a file on another disk"
        case .stopping:
            "the server is going down; back up again when it is up, or when it is down"
        case .unreadable(let reason):
            "the database cannot be read: \(reason); 'tidemark-server check' says more"
        }
    }
}
