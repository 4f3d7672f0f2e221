//  A histogram's contents taken out once, to be asked many things: its own questions walk all its buckets each time.

import Histogram

struct LatencyFigures: Sendable {
    /// Rising, in nanoseconds, each with the number of values at or below it.
    private var values: [(nanoseconds: UInt64, upTo: UInt64)] = []
    private(set) var count: UInt64 = 0
    private(set) var mean = 0.0
    private(set) var standardDeviation = 0.0
    private(set) var minimum: UInt64 = 0
    private(set) var maximum: UInt64 = 0

    init(_ histogram: Histogram<UInt64>) {
        guard histogram.totalCount > 0 else { return }
        maximum = histogram.maxRecorded
        var (sum, squares) = (0.0, 0.0)
        for bucket in histogram.recordedValues() {
            let value = min(bucket.value, maximum)
            count += bucket.count
            values.append((value, count))
            let middle = Double(min(histogram.medianEquivalentForValue(bucket.value), maximum))
            sum += middle * Double(bucket.count)
            squares += middle * middle * Double(bucket.count)
        }
        minimum = values.first.map { histogram.lowestEquivalentForValue($0.nanoseconds) } ?? 0
        mean = sum / Double(count)
        standardDeviation = max(0, squares / Double(count) - mean * mean).squareRoot()
    }

    /// The value that `percent` of all are at or below, in microseconds, and how many those are. 0 of none.
    func percentile(_ percent: Double) -> (microseconds: Double, count: UInt64) {
        guard count > 0, percent > 0 else { return (Double(minimum) / 1e3, values.isEmpty ? 0 : min(1, count)) }
        // Rounding must not ask for one more than there are.
        let wanted = min(count, max(1, UInt64((percent / 100 * Double(count) - 1e-6).rounded(.up))))
        var (low, high) = (0, values.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if values[middle].upTo >= wanted { high = middle } else { low = middle + 1 }
        }
        return (Double(values[low].nanoseconds) / 1e3, values[low].upTo)
    }
}
