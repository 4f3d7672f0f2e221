import TidemarkEventLoop
import TidemarkWire

/// Why a run could not take place. What goes wrong within one is counted in its report.
public enum LoadError: Error, Equatable, CustomStringConvertible {
    case configuration(String)
    /// Nothing could connect; the reason is the system's.
    case unreachable(address: String, reason: String)
    /// Connections came about, but no login was answered as it should be.
    case noLogin(address: String, reason: String)
    /// The server turned a login down.
    case loginRefused(user: UserID, code: String, detail: String)
    /// The process to watch cannot be read.
    case noProcess(pid: Int32, reason: String)
    case descriptors(needed: Int, allowed: Int)
    /// A user has fewer contacts than are to change.
    case tooFewContacts(user: UserID, contacts: Int, changed: Int)
    /// The contacts that were to change before the run did not.
    case changeFailed(String)
    case eventLoop(EventLoopError)
    /// Stopped before anything was measured.
    case interrupted
    /// `tidemark-server` could not be run, or ended with this status.
    case serverProgram(reason: String, status: Int32)

    public var description: String {
        switch self {
        case .configuration(let reason):
            reason
        case .unreachable(let address, let reason):
            "cannot connect to \(address): \(reason); is the server running there? --own-server starts one"
        case .noLogin(let address, let reason):
            Self.noLogin(address, reason)
        case .loginRefused(let user, let code, let detail):
            Self.refusal(user, code, detail)
        case .noProcess(let pid, let reason):
            "cannot watch process \(pid): \(reason); --server-pid takes the id of a running process on this machine"
        case .descriptors(let needed, let allowed):
            "so many connections need \(needed) file descriptors, and this process may have \(allowed); raise the hard limit (ulimit -Hn) or ask for fewer --connections"
        case .tooFewContacts(let user, let contacts, let changed):
            "user \(user) has \(contacts) contacts, so \(changed) cannot change; lower --changed, or provision with "
                + "more --contacts"
        case .changeFailed(let reason):
            "the contacts could not be changed before the run: \(reason)"
        case .eventLoop(let error):
            "\(error)"
        case .interrupted:
            "interrupted before anything was measured"
        case .serverProgram(let reason, _):
            reason
        }
    }

    /// The system takes connections for a server that does not, up to a number.
    private static func noLogin(_ address: String, _ reason: String) -> String {
        let isSilent = reason == "no answer" || reason.contains("no login within")
        return "nobody could log in at \(address): \(reason)"
            + (isSilent ? "; is the server overloaded or stopped?" : "")
    }

    private static func refusal(_ user: UserID, _ code: String, _ detail: String) -> String {
        let said = "the server refused to log in user \(user): \(code)\(detail.isEmpty ? "" : ", \(detail)")"
        switch code {
        case "credentialsInvalid":
            return said + """
                . Its accounts are made with
                  tidemark-load --provision DIR --users N --contacts K
                for the data directory of a server that is not running; --users and --first-user say who logs in. Over \
                TCP, --key-file must be the server's own key file (ticket.keys in its data directory).
                """
        case "methodNotAllowed":
            return said + "; users log in with tickets over TCP (--key-file), and at their word on a Unix socket "
                + "(--unix)"
        default:
            return said
        }
    }
}
