// What the table for people and the page say alike.

extension LoadReport {
    /// The percentiles that tables show.
    static let shownPercentiles: [Double] = [50, 75, 90, 95, 99, 99.9, 99.99]

    /// All together, then each kind where there are several.
    var shownOperations: [Operations] { kinds.count > 1 ? [total] + kinds : kinds.isEmpty ? [total] : kinds }

    var isOpenLoop: Bool { configuration.rate != nil }

    /// "closed loop" or "open loop at 1,000/s".
    var loopText: String {
        configuration.rate.map { "open loop at \(Units.rate($0))/s" } ?? "closed loop"
    }

    /// Each connection is one user; more than that are not seen.
    var usersText: String {
        let (users, connections) = (configuration.users, configuration.connections)
        return users > connections
            ? "\(Units.count(connections)) of \(Units.count(users)) users" : "\(Units.count(users)) users"
    }

    /// "sync 70 %, edit 30 %".
    var mixText: String {
        configuration.mix.map { "\(ForeignText.visible($0.kind)) \(Units.plain($0.percent)) %" }
            .joined(separator: ", ")
    }

    var latencyMeaning: String {
        isOpenLoop
            ? "from when an operation was due to the last byte of its answer"
            : "from sending an operation to the last byte of its answer"
    }

    /// What else a reader of latencies must know where something failed.
    var failureMeaning: String? {
        let hasFailed = total.failed > 0 || kinds.contains { $0.failed > 0 }
        return hasFailed ? "failed operations count with the time they had waited" : nil
    }
}

extension LoadReport.Operations {
    /// Answered or failed.
    var ended: UInt64 { completed &+ failed }

    /// Of those that ended, in percent.
    var failedPercent: Double { ended == 0 ? 0 : Double(failed) / Double(ended) * 100 }
}

extension LoadReport.Latency {
    /// The latency that so many percent of the operations did not exceed; where it is not listed, the next that is.
    /// Nil without operations.
    func at(_ percentile: Double) -> Double? {
        guard hasValues else { return nil }
        return percentiles.first { $0.percentile >= percentile - 1e-9 }?.microseconds ?? maximum
    }

    var hasValues: Bool { percentiles.contains { $0.count > 0 } }
}

extension LoadReport.Interval {
    /// A last interval may be of any length, even none.
    var completedPerSecond: Double { seconds > 0 ? Double(completed) / seconds : 0 }
    var failedPerSecond: Double { seconds > 0 ? Double(failed) / seconds : 0 }
    /// Only then do its latencies mean anything.
    var hasLatency: Bool { completed > 0 || failed > 0 }
}
