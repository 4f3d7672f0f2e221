import Foundation

/// Figures as people read them: three digits and a unit that suits, or an exponent where the digits would be too many.
enum Units {
    /// A double has no more digits than this one before the point, and no reader counts them.
    private static let exponentFrom = 1e15

    struct Unit {
        var size: Double
        var name: String
    }

    static let times = [
        Unit(size: 1, name: "µs"), Unit(size: 1e3, name: "ms"), Unit(size: 1e6, name: "s"),
    ]
    static let sizes = [
        Unit(size: 1, name: "B"), Unit(size: 1024, name: "KiB"), Unit(size: 1_048_576, name: "MiB"),
        Unit(size: 1_073_741_824, name: "GiB"), Unit(size: 1_099_511_627_776, name: "TiB"),
    ]
    static let thousands = [
        Unit(size: 1, name: ""), Unit(size: 1e3, name: "k"), Unit(size: 1e6, name: "M"), Unit(size: 1e9, name: "G"),
    ]

    /// The largest unit in which the value, at three digits, is at least 1.
    static func unit(for value: Double, in units: [Unit]) -> Unit {
        units.last { abs(value) >= $0.size * ($0.size > 1 ? 0.9995 : 0) } ?? units[0]
    }

    /// "412 µs", "1.24 ms", "31.0 s".
    static func duration(microseconds: Double) -> String { figure(microseconds, in: times) }

    /// "512 B", "1.24 MiB".
    static func bytes(_ bytes: Double) -> String { figure(bytes, in: sizes) }

    /// "176,468", and below a hundred "17.6".
    static func rate(_ perSecond: Double) -> String {
        guard perSecond.isFinite else { return "–" }
        let isGrouped = (99.95..<exponentFrom).contains(abs(perSecond))
        return isGrouped ? grouped(perSecond.rounded()) : threeDigits(perSecond)
    }

    /// "176,468".
    static func count(_ count: some BinaryInteger) -> String { grouped(digits: String(count)) }

    /// "0.12 %", "+3.4 %" when signed.
    static func percent(_ percent: Double, isSigned: Bool = false) -> String {
        guard percent.isFinite else { return "–" }
        let magnitude = abs(percent)
        let digits =
            switch magnitude {
            case 0: 0
            case ..<0.01: 4
            case ..<1: 2
            case ..<1000: 1
            default: 0
            }
        let text = magnitude < exponentFrom ? String(format: "%.\(digits)f", magnitude) : threeDigits(magnitude)
        let sign = percent < 0 ? "-" : isSigned && percent > 0 ? "+" : ""
        return "\(sign)\(text) %"
    }

    /// "30", "2.5": as few digits as say it.
    static func plain(_ value: Double) -> String {
        value.isFinite ? String(format: "%.10g", value) : "–"
    }

    static func threeDigits(_ value: Double) -> String {
        guard value.isFinite else { return "–" }
        switch abs(value) {
        case 0: return "0"
        case ..<9.995: return String(format: "%.2f", value)
        case ..<99.95: return String(format: "%.1f", value)
        case ..<exponentFrom: return String(format: "%.0f", value)
        default: return String(format: "%.2e", value)
        }
    }

    private static func figure(_ value: Double, in units: [Unit]) -> String {
        guard value.isFinite else { return "–" }
        let unit = unit(for: value, in: units)
        let isWholeBytes = unit.name == "B"
        let text = isWholeBytes ? String(format: "%.0f", value) : threeDigits(value / unit.size)
        return "\(text) \(unit.name)"
    }

    private static func grouped(_ whole: Double) -> String { grouped(digits: String(format: "%.0f", whole)) }

    private static func grouped(digits: String) -> String {
        var text = ""
        for (index, digit) in digits.reversed().enumerated() {
            if index > 0, index % 3 == 0, digit != "-" { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}
