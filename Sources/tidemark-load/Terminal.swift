import Foundation

/// What goes to people, and to whoever reads instead.
enum Terminal {
    static let outputHasColours =
        isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
        && ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty

    static func print(_ text: String) {
        try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    }

    /// A line on standard error.
    static func say(_ text: String, unless isQuiet: Bool = false) {
        if isQuiet { return }
        try? FileHandle.standardError.write(contentsOf: Data("tidemark-load: \(text)\n".utf8))
    }
}
