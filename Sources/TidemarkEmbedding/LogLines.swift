import CTidemark
import Logging

/// The server's log as lines, for a callback of the host's.
struct LogLines: LogHandler {
    let write: @Sendable (_ level: Int32, _ line: String) -> Void
    var metadata = Logger.Metadata()
    var logLevel = Logger.Level.info

    init(_ write: @escaping @Sendable (_ level: Int32, _ line: String) -> Void) { self.write = write }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let told = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        write(Self.number(event.level), "\(event.message)\(told)")
    }

    private static func number(_ level: Logger.Level) -> Int32 {
        switch level {
        case .trace, .debug: status(TIDEMARK_LOG_DEBUG)
        case .info, .notice: status(TIDEMARK_LOG_INFO)
        case .warning: status(TIDEMARK_LOG_WARNING)
        case .error, .critical: status(TIDEMARK_LOG_ERROR)
        }
    }
}
