/// What a terminal's colours stand for.
enum Colour {
    case faint
    case toServer
    case toClient
    case warning

    var code: StaticString {
        switch self {
        case .faint: "\u{1B}[2m"
        case .toServer: "\u{1B}[36m"
        case .toClient: "\u{1B}[32m"
        case .warning: "\u{1B}[1;31m"
        }
    }

    static var end: StaticString { "\u{1B}[0m" }
}
