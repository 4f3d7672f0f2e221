/// What a script can tell apart. The numbers are those of sysexits.h where it has one.
enum ExitStatus: Int32, CaseIterable {
    case refused = 1
    case usage = 64
    case badData = 65
    case notFound = 66
    case unreachable = 69
    case storage = 74
    case tryLater = 75
    case notAllowed = 77
    case notConfigured = 78

    var meaning: String {
        switch self {
        case .refused: "the server refused, for another reason than these"
        case .usage: "the command line is wrong"
        case .badData: "the server broke the protocol, or a full sync differs from it"
        case .notFound: "no such user or contact"
        case .unreachable: "the server cannot be reached, or does not answer"
        case .storage: "the address book, the login file, the recording or the output cannot be used"
        case .tryLater: "not now: try again later"
        case .notAllowed: "the credentials or the server's certificate were refused, or the action is not allowed"
        case .notConfigured:
            "no server, credentials or address book, another user's, or an unusable certificate"
        }
    }

    static var listing: String {
        (["0   done"] + allCases.map { "\($0.rawValue)".padding(to: 4) + $0.meaning }).joined(separator: "\n  ")
    }
}

extension String {
    /// Followed by spaces up to this many characters.
    func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
