import Foundation

/// One side of a plot: where a value lies between its ends, and which values are labelled.
struct Axis {
    enum Scale {
        case linear
        case logarithmic
        /// Percentiles, spread by how few lie above: each further nine takes the same room.
        case nines
    }

    struct Tick {
        var value: Double
        var label: String
    }

    let title: String
    let scale: Scale
    let lower: Double
    let upper: Double
    let ticks: [Tick]

    /// 0 at the lower end, 1 at the upper; a value beyond an end lies at it.
    func fraction(_ value: Double) -> Double {
        let from = scaled(lower)
        let to = scaled(upper)
        guard to > from else { return 0 }
        let at = scaled(value)
        return at.isNaN ? 0 : min(max((at - from) / (to - from), 0), 1)
    }

    private func scaled(_ value: Double) -> Double {
        switch scale {
        case .linear: value
        case .logarithmic: value > 0 ? log10(value) : -.infinity
        case .nines: value >= 100 ? .infinity : -log10(1 - value / 100)
        }
    }
}

// MARK: the axes that reports need

extension Axis {
    /// From zero to at least the largest value, in the unit that suits it.
    static func fromZero(_ title: String, values: [Double], units: [Units.Unit]) -> Axis {
        let largest = values.filter(\.isFinite).max() ?? 0
        let top = largest > 0 ? largest : 1
        let unit = Units.unit(for: top, in: units)
        let step = niceStep(top / unit.size / 5)
        let count = Int((top / unit.size / step - 1e-9).rounded(.up))
        let ticks = (0...max(count, 1)).map { index in
            let label = Units.plain(Double(index) * step)
            return Tick(
                value: Double(index) * step * unit.size,
                label: index == 0 ? "0" : [label, unit.name].filter { !$0.isEmpty }.joined(separator: " ")
            )
        }
        return Axis(title: title, scale: .linear, lower: 0, upper: ticks[ticks.count - 1].value, ticks: ticks)
    }

    /// Microseconds: linear from zero while the largest is less than 20 times the smallest, else logarithmic.
    static func latency(_ values: [Double]) -> Axis {
        // A clock tells no less than a nanosecond.
        let positive = values.filter { $0 > 0 && $0.isFinite }.map { max($0, 0.001) }
        guard let least = positive.min(), let largest = positive.max(), largest >= least * 20 else {
            return fromZero("latency", values: positive, units: Units.times)
        }
        let lower = roundedOneTwoFive(least, up: false)
        let upper = roundedOneTwoFive(largest, up: true)
        let decades = Int(log10(lower).rounded(.down))...Int(log10(upper).rounded(.up))
        let mantissas: [Double] = upper / lower <= 2000 ? [1, 2, 5] : [1]
        let ticks = decades.flatMap { decade in mantissas.map { $0 * pow(10, Double(decade)) } }
            .filter { $0 >= lower * 0.999 && $0 <= upper * 1.001 }
            .map { value in
                let unit = Units.unit(for: value, in: Units.times)
                return Tick(
                    value: value,
                    label: "\(Units.plain((value / unit.size * 1e6).rounded() / 1e6)) \(unit.name)"
                )
            }
        return Axis(title: "latency (logarithmic)", scale: .logarithmic, lower: lower, upper: upper, ticks: ticks)
    }

    /// Percentiles from 0 to the one that a single operation of `count` makes.
    static func percentiles(count: UInt64) -> Axis {
        let decades = min(max(log10(Double(max(count, 1))), 2), 7)
        let upper = 100 * (1 - pow(10, -decades))
        var ticks = [Tick(value: 0, label: "0 %"), Tick(value: 50, label: "50 %")]
        for nines in 1...7 where Double(nines) <= decades - 0.35 {
            let label =
                nines < 3 ? String(repeating: "9", count: nines) : "99." + String(repeating: "9", count: nines - 2)
            ticks.append(Tick(value: 100 * (1 - pow(10, -Double(nines))), label: (nines == 1 ? "90" : label) + " %"))
        }
        ticks.append(Tick(value: 100, label: "max"))
        return Axis(title: "percentile", scale: .nines, lower: 0, upper: upper, ticks: ticks)
    }

    /// Seconds since the measurement began.
    static func time(upTo seconds: Double) -> Axis {
        let end = seconds > 0 ? min(max(seconds, 1e-3), 1e9) : 1
        let steps: [Double] = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400]
        let step = end <= 60 ? niceStep(end / 10) : steps.first { end / $0 <= 12 } ?? niceStep(end / 10)
        let ticks = (0...Int((end / step + 1e-9).rounded(.down))).map { index in
            Tick(value: Double(index) * step, label: timeLabel(Double(index) * step, end: end))
        }
        return Axis(title: "time since the measurement began", scale: .linear, lower: 0, upper: end, ticks: ticks)
    }

    private static func timeLabel(_ seconds: Double, end: Double) -> String {
        if end <= 180 { return "\(Units.plain((seconds * 1e6).rounded() / 1e6)) s" }
        let whole = Int(seconds)
        if end < 7200 { return String(format: "%d:%02d min", whole / 60, whole % 60) }
        return String(format: "%d:%02d h", whole / 3600, whole / 60 % 60)
    }

    /// The least of 1, 2, 2.5, 5, 10, … (and their like) that is not less.
    static func niceStep(_ step: Double) -> Double {
        guard step > 0, step.isFinite else { return 1 }
        let decade = pow(10, log10(step).rounded(.down))
        return [1, 2, 2.5, 5].map { $0 * decade }.first { $0 >= step * (1 - 1e-9) } ?? decade * 10
    }

    private static func roundedOneTwoFive(_ value: Double, up: Bool) -> Double {
        let decade = pow(10, log10(value).rounded(.down))
        let nice = [1, 2, 5, 10].map { $0 * decade }
        return up
            ? nice.first { $0 >= value * (1 - 1e-9) } ?? decade * 10 : nice.last { $0 <= value * (1 + 1e-9) } ?? decade
    }
}
