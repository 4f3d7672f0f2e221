// The line that a terminal shows while a run goes on, overwritten in place.

/// How far a run has come, as of one moment.
public struct RunProgress: Equatable, Sendable {
    /// What goes on instead of measuring, such as "connecting 120/64000"; nil while measuring.
    public var phase: String?
    /// Seconds since the measurement, or the phase, began.
    public var elapsed: Double
    /// Seconds that it will take; 0 where nobody knows.
    public var duration: Double
    /// Operations completed a second over the last interval; nil before the first.
    public var ratePerSecond: Double?
    /// Of the last interval, in microseconds; nil where nothing was answered.
    public var p50: Double?
    public var p99: Double?
    /// Operations that failed since the measurement began.
    public var errors: UInt64

    public init(
        phase: String? = nil,
        elapsed: Double,
        duration: Double,
        ratePerSecond: Double? = nil,
        p50: Double? = nil,
        p99: Double? = nil,
        errors: UInt64 = 0
    ) {
        self.phase = phase
        self.elapsed = elapsed
        self.duration = duration
        self.ratePerSecond = ratePerSecond
        self.p50 = p50
        self.p99 = p99
        self.errors = errors
    }
}

public enum LiveLine {
    /// What to write for a terminal so many columns wide: the line's start, at most `width` - 1 characters (a full line
    /// would wrap), and an erased rest.
    public static func text(_ progress: RunProgress, width: Int, isColoured: Bool) -> String {
        let paint = Paint(isColoured: isColoured)
        var parts = figures(progress)
        let used = parts.reduce(0) { $0 + $1.text.count }
        if let bar = bar(progress, width: min(width - 1 - used - 2, 30)) { parts.insert(bar, at: 1) }
        var room = max(width - 1, 0)
        var line = ""
        for part in parts {
            let text = String(part.text.prefix(room))
            room -= text.count
            line += paint(text, part.style)
        }
        return "\r\(line)\(erase)"
    }

    /// Takes the line away.
    public static let cleared = "\r\(erase)"

    private static let erase = "\u{1B}[K"

    private typealias Part = (text: String, style: Paint.Style)

    private static func figures(_ progress: RunProgress) -> [Part] {
        var parts: [Part] = []
        if progress.duration > 0 {
            let whole = Units.plain(progress.duration.rounded())
            let elapsed = padded(Units.plain(min(max(progress.elapsed, 0), 1e9).rounded(.down)), to: whole.count)
            parts.append(("\(elapsed)/\(whole) s", .plain))
        } else {
            parts.append(("\(Units.plain(max(progress.elapsed, 0).rounded(.down))) s", .plain))
        }
        if let phase = progress.phase { parts.append(("  \(ForeignText.visible(phase))", .dim)) }
        if let rate = progress.ratePerSecond { parts.append(("  \(padded(Units.rate(rate), to: 9))/s", .bold)) }
        for (name, value) in [("p50", progress.p50), ("p99", progress.p99)] {
            guard let value else { continue }
            parts.append(("  \(name) \(padded(Units.duration(microseconds: value), to: 7))", .plain))
        }
        if progress.errors > 0 {
            parts.append(("  \(Units.count(progress.errors)) \(progress.errors == 1 ? "error" : "errors")", .red))
        }
        return parts
    }

    /// Nil where there is nothing to show or no room to show it.
    private static func bar(_ progress: RunProgress, width: Int) -> Part? {
        guard progress.duration > 0, width >= 8 else { return nil }
        let fraction = min(max(progress.elapsed / progress.duration, 0), 1)
        let full = Int((fraction * Double(width)).rounded(.down))
        return ("  " + String(repeating: "█", count: full) + String(repeating: "░", count: width - full), .green)
    }

    private static func padded(_ text: String, to width: Int) -> String {
        String(repeating: " ", count: max(width - text.count, 0)) + text
    }
}
