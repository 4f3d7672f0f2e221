/// What an `Interpreter` writes, and how.
public struct OutputConfiguration: Sendable {
    public enum Form: Sendable {
        /// A readable line a message.
        case lines
        /// A JSON object a line; `JSONRecord` lists the keys.
        case json
        /// Nothing until the end, then a table.
        case statistics
        /// The same as one JSON object.
        case statisticsJSON
    }

    /// The zone of the times in lines. Those in JSON, and those that are part of a message, are UTC.
    public enum Clock: Sendable {
        case local
        case utc
    }

    public var form: Form
    /// Below each line, its message's values, a line each.
    public var verbose: Bool
    /// Below each line, the frame's bytes beside their meaning.
    public var hex: Bool
    public var isColoured: Bool
    /// Without this, what would let another log in is left out: tickets' tags, SCRAM messages, password hashes.
    public var showsSecrets: Bool
    public var clock: Clock
    public var filter: MessageFilter

    public init(
        form: Form = .lines,
        verbose: Bool = false,
        hex: Bool = false,
        isColoured: Bool = false,
        showsSecrets: Bool = false,
        clock: Clock = .local,
        filter: MessageFilter = MessageFilter()
    ) {
        self.form = form
        self.verbose = verbose
        self.hex = hex
        self.isColoured = isColoured
        self.showsSecrets = showsSecrets
        self.clock = clock
        self.filter = filter
    }
}
