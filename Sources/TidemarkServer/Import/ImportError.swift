/// What is wrong with a file that was to be imported. Nothing of it is in the database.
public struct ImportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// As the caller named it.
    public var file: String
    /// From 1; nil when it is the file as a whole.
    public var line: Int?
    /// What is wrong, and what to do about it.
    public var reason: String

    public init(file: String, line: Int? = nil, reason: String) {
        self.file = file
        self.line = line
        self.reason = reason
    }

    /// "rosters.csv:17: no account named …", the form that editors jump to.
    public var description: String {
        line.map { "\(file):\($0): \(reason)" } ?? "\(file): \(reason)"
    }
}
