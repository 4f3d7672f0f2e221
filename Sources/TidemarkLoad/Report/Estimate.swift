/// A mean, and how far it may be from the true one.
struct Estimate: Equatable {
    var mean: Double
    var standardError: Double
    /// Degrees of freedom of the standard error.
    var degrees: Double
}

extension Estimate {
    /// From runs that know nothing of each other; nil with fewer than three, whose spread says next to nothing.
    init?(runs values: [Double]) {
        guard values.count >= 3 else { return nil }
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        self.init(mean: mean, standardError: (squares / (count - 1) / count).squareRoot(), degrees: count - 1)
    }

    /// From values that followed each other within a run, so that each resembles the one before: as many as
    /// n (1 - r) / (1 + r) independent ones, r being the correlation of neighbours. Nil with fewer than eight.
    init?(series values: [Double]) {
        guard values.count >= 8 else { return nil }
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        let deviations = values.map { $0 - mean }
        let squares = deviations.reduce(0) { $0 + $1 * $1 }
        guard squares > 0 else {
            self.init(mean: mean, standardError: 0, degrees: count - 1)
            return
        }
        let neighbours = zip(deviations, deviations.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
        // The plain estimate of r is too small by about (1 + 4r) / n. A negative r is not believed: it would make the
        // noise smaller than that of independent values.
        let correlation = min(max((count * neighbours / squares + 1) / (count - 4), 0), 0.95)
        let independent = max(count * (1 - correlation) / (1 + correlation), 2)
        // Values that resemble each other spread less around their own mean than around the true one.
        let variance = squares / count / (1 - 1 / independent)
        self.init(mean: mean, standardError: (variance / independent).squareRoot(), degrees: independent - 1)
    }

    /// The mean of several with errors that know nothing of each other; nil without any.
    init?(meanOf parts: [Estimate]) {
        guard !parts.isEmpty else { return nil }
        let count = Double(parts.count)
        let mean = parts.reduce(0) { $0 + $1.mean } / count
        let (error, degrees) = Self.combined(parts)
        self.init(mean: mean, standardError: error / count, degrees: degrees)
    }

    /// The same relative error around another value, for a figure of a whole run whose intervals gave the error.
    func moved(to value: Double) -> Estimate {
        let scale = mean == 0 ? 1 : abs(value / mean)
        return Estimate(mean: value, standardError: standardError * scale, degrees: degrees)
    }

    /// Half of the 95 % interval of the difference between two.
    static func halfWidth(_ a: Estimate, _ b: Estimate) -> Double {
        let (error, degrees) = combined([a, b])
        return error * studentQuantile(degrees)
    }

    /// The standard error of a sum, with Welch's and Satterthwaite's degrees of freedom.
    private static func combined(_ parts: [Estimate]) -> (error: Double, degrees: Double) {
        let variances = parts.map { $0.standardError * $0.standardError }
        let variance = variances.reduce(0, +)
        guard variance > 0 else { return (0, parts.reduce(0) { $0 + $1.degrees }) }
        let weights = zip(variances, parts).reduce(0) { $0 + $1.0 * $1.0 / $1.1.degrees }
        return (variance.squareRoot(), variance * variance / weights)
    }

    /// What Student's t exceeds in absolute value once in 20 times. Between the table's rows the value follows
    /// 1 / degrees closely, and from above.
    static func studentQuantile(_ degrees: Double) -> Double {
        let inverse = 1 / max(degrees, 1)
        guard let index = studentTable.firstIndex(where: { 1 / $0.degrees <= inverse }), index > 0 else {
            return studentTable[0].quantile
        }
        let (above, below) = (studentTable[index - 1], studentTable[index])
        let share = (inverse - 1 / below.degrees) / (1 / above.degrees - 1 / below.degrees)
        return below.quantile + share * (above.quantile - below.quantile)
    }

    private static let studentTable: [(degrees: Double, quantile: Double)] = [
        (1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (6, 2.447), (7, 2.365), (8, 2.306), (9, 2.262),
        (10, 2.228), (12, 2.179), (15, 2.131), (20, 2.086), (30, 2.042), (60, 2.000), (120, 1.980), (.infinity, 1.960),
    ]
}
