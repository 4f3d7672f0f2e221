import TidemarkWire

/// What is wrong with an address book on this machine.
public enum BookError: Error, Equatable, Sendable {
    /// The file belongs to another user than the one that logged in.
    case ownedByAnother(owner: UserID, user: UserID)
    /// No login has said whose book it is.
    case unowned
    /// The file was written by a later version.
    case newerSchema(found: Int, known: Int)
    /// SQLite refused; the reason is its own.
    case storage(path: String, reason: String)
}

extension BookError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .ownedByAnother(let owner, let user):
            "the address book belongs to user \(owner), and the login was user \(user)'s; name another file"
        case .unowned: "nobody has logged in with this address book"
        case .newerSchema(let found, let known):
            "the address book has layout \(found), and this version knows up to \(known); use a newer version"
        case .storage(let path, let reason): "the address book \(path) cannot be used: \(reason)"
        }
    }
}
