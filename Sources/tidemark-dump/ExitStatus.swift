/// What a script can tell apart. The numbers are those of sysexits.h where it has one.
enum ExitStatus: Int32, CaseIterable {
    case unreadable = 1
    case usage = 64
    case output = 74
    case notAllowed = 77

    var meaning: String {
        switch self {
        case .unreadable: "the source could not be read, wholly or in part; what was read is printed"
        case .usage: "the command line is wrong, or there is nothing to read from"
        case .output: "the output could not be written"
        case .notAllowed: "no permission to capture on the interface"
        }
    }

    static var listing: String {
        let lines = ["0   the source was read to its end, or you stopped it (^C, --count)"]
        return (lines + allCases.map { "\($0.rawValue)".padding(to: 4) + $0.meaning }).joined(separator: "\n  ")
    }
}

extension String {
    /// Followed by spaces up to this many characters.
    func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
