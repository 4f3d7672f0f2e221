import TidemarkWire

/// What can go wrong with a data directory, with what to do about it.
public enum StoreError: Error, Equatable, CustomStringConvertible, Sendable {
    case cannotOpen(path: String, reason: String)
    case inUse(path: String)
    case missing(path: String)
    case newerSchema(path: String, found: Int, known: Int)
    case notTidemark(path: String)
    case damaged(path: String, findings: [String])

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
        case .notTidemark(let path):
            "\(path) is an SQLite database, but not one of Tidemark's; choose another directory with --data"
        case .damaged(let path, let findings):
            "\(path) is damaged: \(findings.prefix(5).joined(separator: "; "))"
                + (findings.count > 5 ? " and \(findings.count - 5) more" : "")
                + ". Restore a backup, or run 'tidemark-server check' for the whole list"
        }
    }
}
