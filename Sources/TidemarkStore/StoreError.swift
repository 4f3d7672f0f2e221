import GRDB
import TidemarkWire

/// What can go wrong with a data directory, with what to do about it.
public enum StoreError: Error, Equatable, CustomStringConvertible, Sendable {
    case cannotOpen(path: String, reason: String)
    case inUse(path: String)
    case missing(path: String)
    case newerSchema(path: String, found: Int, known: Int)
    case notTidemark(path: String)
    case damaged(path: String, findings: [String])
    case full(path: String)
    case busy(path: String)
    case empty(path: String)
    case readOnly(path: String)
    /// The write-ahead file is there, and the database that it belongs to is not.
    case orphaned(path: String)

    /// Where the database said so itself. What is no error of the file's stays what it was.
    init(_ error: any Error, path: String) throws {
        switch error {
        case let error as StoreError:
            self = error
        case let error as StateReader.Inconsistency:
            self = .damaged(path: path, findings: [error.description])
        case let error as DatabaseError:
            let reason = error.message ?? error.description
            switch error.resultCode {
            case .SQLITE_NOTADB: self = .damaged(path: path, findings: ["it is not an SQLite database"])
            // The statements are the program's own: where one does not fit, the schema is not what it was.
            case .SQLITE_CORRUPT, .SQLITE_ERROR: self = .damaged(path: path, findings: ["SQLite: \(reason)"])
            case .SQLITE_FULL: self = .full(path: path)
            case .SQLITE_IOERR where error.extendedResultCode == .SQLITE_IOERR_SHMSIZE: self = .full(path: path)
            case .SQLITE_READONLY: self = .readOnly(path: path)
            case .SQLITE_BUSY: self = .busy(path: path)
            default: self = .cannotOpen(path: path, reason: reason)
            }
        default:
            throw error
        }
    }

    public var description: String {
        switch self {
        case .cannotOpen(let path, let reason):
            "cannot open \(path): \(reason)"
        case .inUse(let path):
            "\(path) is in use by another tidemark-server; stop it first, or choose another directory with --data"
        case .missing(let path):
            "there is no database \(path) yet; 'tidemark-server import' or 'serve' makes one, or choose another "
                + "directory with --data"
        case .newerSchema(let path, let found, let known):
            "\(path) was written by a newer Tidemark (schema \(found), this one knows \(known)); run that version"
        case .empty(let path):
            "\(path) is an empty file: it was cut, or a first start was. Restore a backup; or, if nothing was ever in it, "
                + "delete it, and the next start makes a new one"
        case .busy(let path):
            "another program reads \(path), a 'check' or a shell perhaps: end it, or wait until it has ended, and start again"
        case .full(let path):
            "the disk of \(path) is full; make room on it, then start again. Nothing is lost"
        case .readOnly(let path):
            "cannot write to \(path): the file or its file system is read-only; make it writable, or choose another "
                + "directory with --data"
        case .orphaned(let path):
            "\(path) is not there, but \(path)-wal is, with changes that belong to it: put the database back beside it, or "
                + "restore a backup into another directory; a new database would be the end of them"
        case .notTidemark(let path):
            "\(path) is an SQLite database, but not one of Tidemark's; choose another directory with --data"
        case .damaged(let path, let findings):
            "\(path) is damaged: \(findings.prefix(5).joined(separator: "; "))"
                + (findings.count > 5 ? " and \(findings.count - 5) more" : "")
                + ". Restore a backup, or run 'tidemark-server check' for the whole list"
        }
    }
}
