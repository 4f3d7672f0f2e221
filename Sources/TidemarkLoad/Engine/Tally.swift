//  What a lane has counted in one interval. It is handed over whole at the interval's end, and a new one begun: the path
//  of an answer records into one histogram, and whatever else is wanted is worked out by another thread.

import Histogram
import TidemarkWire

struct Tally: Sendable {
    /// Latencies above an hour count as an hour.
    static let latencyMax: UInt64 = 3_600_000_000_000

    struct Errors: Sendable {
        var count: UInt64 = 0
        /// What the first one said.
        var example = ""
    }

    /// Nanoseconds, by the kind's raw value.
    var latencies: [Histogram<UInt64>]
    var completed: [UInt64]
    var failed: [UInt64]
    /// Of `completed`: answered after the measurement's time was up.
    var late: [UInt64]
    /// Of syncs: items in their answers.
    var items: [UInt64]
    var errors: [FailureCode: Errors] = [:]
    /// Operations that were sent within the measurement.
    var sent: UInt64 = 0
    /// Due and never sent.
    var unsent: UInt64 = 0
    var bytesSent: UInt64 = 0
    var bytesReceived: UInt64 = 0

    /// Kinds that do not occur cost nothing.
    init(kinds: [OperationKind]) {
        latencies = OperationKind.allCases.map { kind in
            Histogram(
                highestTrackableValue: kinds.contains(kind) ? Self.latencyMax : 2,
                numberOfSignificantValueDigits: kinds.contains(kind) ? .three : .one
            )
        }
        let none = [UInt64](repeating: 0, count: OperationKind.allCases.count)
        (completed, failed, late, items) = (none, none, none, none)
    }

    static func empty() -> Histogram<UInt64> {
        Histogram(highestTrackableValue: latencyMax, numberOfSignificantValueDigits: .three)
    }

    @inline(__always)
    mutating func complete(_ kind: OperationKind, nanoseconds: UInt64, count: Int = 1) {
        let index = Int(kind.rawValue)
        latencies[index].record(min(nanoseconds, Self.latencyMax), count: UInt64(truncatingIfNeeded: count))
        completed[index] &+= UInt64(truncatingIfNeeded: count)
    }

    mutating func fail(_ kind: OperationKind, nanoseconds: UInt64, count: UInt64 = 1) {
        let index = Int(kind.rawValue)
        latencies[index].record(min(nanoseconds, Self.latencyMax), count: count)
        failed[index] &+= count
    }

    mutating func count(_ failure: Failure, count: UInt64 = 1) {
        var errors = self.errors[failure.code] ?? Errors(count: 0, example: failure.detail)
        errors.count += count
        self.errors[failure.code] = errors
    }

    mutating func add(_ other: Tally) {
        for index in latencies.indices {
            // A kind that does not occur has nothing to add, and in another layout.
            if other.latencies[index].totalCount > 0 { latencies[index].add(other.latencies[index]) }
            completed[index] += other.completed[index]
            failed[index] += other.failed[index]
            late[index] += other.late[index]
            items[index] += other.items[index]
        }
        for (code, more) in other.errors {
            var errors = self.errors[code] ?? Errors(count: 0, example: more.example)
            errors.count += more.count
            self.errors[code] = errors
        }
        sent += other.sent
        unsent += other.unsent
        bytesSent += other.bytesSent
        bytesReceived += other.bytesReceived
    }

    /// All kinds together.
    var together: Histogram<UInt64> {
        latencies.reduce(into: Tally.empty()) { sum, each in if each.totalCount > 0 { sum.add(each) } }
    }

    var isEmpty: Bool { completed.allSatisfy { $0 == 0 } && failed.allSatisfy { $0 == 0 } && errors.isEmpty }
}
