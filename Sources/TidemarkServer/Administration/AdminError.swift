import Glibc
import TidemarkWire

/// What can be between an administrator and a server.
public enum AdminError: Error, Equatable, CustomStringConvertible, Sendable {
    case cannotConnect(path: String, code: Int32)
    /// The server's answer.
    case refused(ErrorMessage)
    /// The server is going down.
    case goneAway(detail: String)
    /// The connection ended without an answer.
    case lost
    /// An answer that is none.
    case notUnderstood

    public var description: String {
        switch self {
        case .cannotConnect(let path, let code):
            "cannot reach the server at \(path): \(String(cString: strerror(code)))"
                + (code == EACCES || code == EPERM ? "; run this as the user that the server runs as" : "")
        case .refused(let error): error.detail.isEmpty ? "the server refuses, code \(error.code)" : error.detail
        case .goneAway(let detail): "\(detail); again when it is up, or when it is down"
        case .lost: "the server has ended without an answer; look at its log"
        case .notUnderstood: "the server's answer cannot be read: is it of another version?"
        }
    }
}
