import Foundation

/// What goes to people, and to whoever reads instead.
enum Terminal {
    static let outputHasColours =
        isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
        && ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty

    /// - Throws: `CannotWrite`; a reader who has gone is no error.
    static func print(_ text: String) throws(CannotWrite) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written >= 0 {
                rest = rest.dropFirst(written)
                continue
            }
            switch errno {
            case EINTR: continue
            case EPIPE: return
            case let number: throw CannotWrite(path: "standard output", reason: String(cString: strerror(number)))
            }
        }
    }

    /// A line on standard error.
    static func say(_ text: String, unless isQuiet: Bool = false) {
        if isQuiet { return }
        try? FileHandle.standardError.write(contentsOf: Data("tidemark-load: \(text)\n".utf8))
    }
}
