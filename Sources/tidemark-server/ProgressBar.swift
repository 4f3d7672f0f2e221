import Dispatch

/// A line on the terminal that is drawn over itself. Nothing where standard error is no terminal.
final class ProgressBar {
    private static let width = 30
    private let terminal = Terminal.error
    private var drawnAt = DispatchTime(uptimeNanoseconds: 0)
    private var isDrawn = false

    func show(_ phase: String, _ done: Int, of total: Int) {
        guard terminal.isTerminal, total > 0 else { return }
        let now = DispatchTime.now()
        // Ten times a second, and each phase's end.
        guard done == total || now.uptimeNanoseconds - drawnAt.uptimeNanoseconds > 100_000_000 else { return }
        drawnAt = now
        isDrawn = true
        let filled = Self.width * done / total
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.width - filled)
        terminal.write("\r\u{1B}[K\(phase) \(bar) \(100 * done / total) % \(done.grouped)/\(total.grouped)")
    }

    func clear() {
        if isDrawn { terminal.write("\r\u{1B}[K") }
        isDrawn = false
    }
}
