import Foundation

/// Shows a run's progress on standard error where that is a terminal, and nothing elsewhere.
public struct LiveLineWriter: Sendable {
    private let descriptor: Int32
    private let isTerminal: Bool
    private let isColoured: Bool

    /// TERM=dumb shows nothing, NO_COLOR no colours.
    public init(
        descriptor: Int32 = STDERR_FILENO,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1 && environment["TERM"] != "dumb"
        isColoured = environment["NO_COLOR", default: ""].isEmpty
    }

    public func show(_ progress: RunProgress) {
        guard isTerminal else { return }
        write(LiveLine.text(progress, width: columns, isColoured: isColoured))
    }

    /// Leaves an empty line for what is printed next.
    public func clear() {
        if isTerminal { write(LiveLine.cleared) }
    }

    /// Asked each time, as a window changes its size.
    private var columns: Int {
        var size = winsize()
        return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// A terminal that has gone away is no reason to stop a run.
    private func write(_ text: String) {
        try? FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).write(contentsOf: Data(text.utf8))
    }
}
