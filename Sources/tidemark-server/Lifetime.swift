import ArgumentParser

/// A time span such as "30d", "12h", "90m" or "45s".
struct Lifetime: ExpressibleByArgument {
    var seconds: UInt32

    /// Ten years: a ticket cannot be called back.
    static let secondsMax: UInt32 = 3_650 * 86_400

    init(seconds: UInt32) { self.seconds = seconds }

    init?(argument: String) {
        let units: [Character: UInt32] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        guard let unit = argument.last.flatMap({ units[$0] }), let count = UInt32(argument.dropLast()), count > 0 else {
            return nil
        }
        let (seconds, overflow) = count.multipliedReportingOverflow(by: unit)
        guard !overflow, seconds <= Self.secondsMax else { return nil }
        self.seconds = seconds
    }

    var defaultValueDescription: String { "\(seconds / 86_400)d" }
}
