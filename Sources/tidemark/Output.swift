import Foundation

/// What goes to the terminal, or to whoever reads instead.
enum Output {
    /// Ends the program if it cannot be written: nobody sees what follows either.
    static func line(_ text: String) {
        var rest = Array((text + "\n").utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written < 0, errno != EINTR {
                Output.error("cannot write the output: \(String(cString: strerror(errno)))")
                exit(ExitStatus.storage.rawValue)
            }
            rest = rest.dropFirst(max(0, written))
        }
    }

    static func error(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data("tidemark: \(text)\n".utf8))
    }

    /// One object on one line; keys in snake_case and in order.
    static func json(_ value: some Encodable) {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            line(String(decoding: try encoder.encode(value), as: UTF8.self))
        } catch {
            preconditionFailure("what this program prints can be encoded: \(error)")
        }
    }

    static func bold(_ text: String) -> String { isColoured ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
    static func dim(_ text: String) -> String { isColoured ? "\u{1B}[2m\(text)\u{1B}[0m" : text }

    private static let isColoured =
        isatty(STDOUT_FILENO) == 1 && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }

    /// "2.1 ms" or "1.24 s".
    var inWords: String {
        inSeconds < 1
            ? String(format: "%.1f ms", inSeconds * 1000) : String(format: "%.2f s", inSeconds)
    }
}

/// "1 contact", "5 contacts".
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
