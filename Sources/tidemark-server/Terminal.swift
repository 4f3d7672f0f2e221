import Foundation

/// Where text goes; colours only where someone sees them.
struct Terminal: Sendable {
    enum Colour: String {
        case red = "31"
        case green = "32"
        case dim = "2"
    }

    static let output = Terminal(FileHandle.standardOutput)
    static let error = Terminal(FileHandle.standardError)

    private let handle: FileHandle
    let isTerminal: Bool

    private init(_ handle: FileHandle) {
        self.handle = handle
        let environment = ProcessInfo.processInfo.environment
        isTerminal = isatty(handle.fileDescriptor) == 1 && environment["TERM"] != "dumb"
        hasColours = isTerminal && environment["NO_COLOR", default: ""].isEmpty
    }

    private let hasColours: Bool

    func write(_ text: String) { try? handle.write(contentsOf: Data(text.utf8)) }

    func paint(_ text: String, _ colour: Colour) -> String {
        hasColours ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }
}

extension Int {
    /// "176,468".
    var grouped: String {
        var text = ""
        for (index, digit) in String(self).reversed().enumerated() {
            if index > 0, index % 3 == 0, digit != "-" { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}

/// One JSON object on a line, keys in order.
func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
