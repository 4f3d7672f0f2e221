//  What a run has measured, as `--json` prints it; docs/load-report.schema.json is the published schema. Times are in
//  microseconds and sizes in bytes unless a name says otherwise.

/// One run of the load generator.
public struct LoadReport: Codable, Equatable, Sendable {
    /// Raised when a key changes its meaning or goes away; keys may be added within a version.
    public static let schemaName = "tidemark-load-report/1"

    public var schema = LoadReport.schemaName
    /// ISO 8601, UTC.
    public var started: String
    public var machine: Machine
    public var configuration: Configuration
    /// How long was measured.
    public var seconds: Double
    /// All kinds together.
    public var total: Operations
    /// By kind, in the order of `Configuration.mix`.
    public var kinds: [Operations]
    public var errors: [ErrorCount]
    /// Of an open loop.
    public var schedule: Schedule?
    public var bytesSent: UInt64
    public var bytesReceived: UInt64
    /// Each about a second long, in order.
    public var intervals: [Interval]
    /// Where the server's process could be watched.
    public var server: ServerUse?
    /// Of this side's own process; nil in reports of an earlier version.
    public var load: LoadUse?

    public struct Machine: Codable, Equatable, Sendable {
        public var processor: String
        public var cores: Int
        public var kernel: String
    }

    public struct Configuration: Codable, Equatable, Sendable {
        /// "sync", "login", "first-sync", "edit", "mixed" or "idle".
        public var workload: String
        /// Kinds of operation and their shares in percent.
        public var mix: [Share]
        public var server: String
        public var connections: Int
        public var pipeline: Int
        public var threads: Int
        public var users: Int
        public var seed: UInt64
        public var durationSeconds: Double
        public var warmUpSeconds: Double
        /// Operations a second asked for; nil in a closed loop.
        public var rate: Double?
        /// Contacts that changed since each sync's token.
        public var changed: Int
        /// Whether the content of every answer was checked.
        public var verify: Bool
    }

    public struct Share: Codable, Equatable, Sendable {
        public var kind: String
        public var percent: Double
    }

    public struct Operations: Codable, Equatable, Sendable {
        /// "all" in `total`.
        public var kind: String
        /// Answered as they should be.
        public var completed: UInt64
        /// Completed before the measurement's time was up.
        public var perSecond: Double
        public var failed: UInt64
        /// Of `completed`: answered after the measurement's time was up; they count in latencies and not in the rate.
        /// Nil where there were none.
        public var completedLate: UInt64?
        /// Of a sync: mean of the items in an answer. Nil for other kinds.
        public var itemsMean: Double?
        public var latency: Latency
    }

    /// From the intended send time in an open loop, from the actual one in a closed loop, to the last byte of the answer.
    /// An operation that failed or was never answered counts with the time it had waited.
    public struct Latency: Codable, Equatable, Sendable {
        public var mean: Double
        public var minimum: Double
        public var maximum: Double
        public var standardDeviation: Double
        /// Percentiles rising, from 0 to 100, with many near the end; 50, 75, 90, 95, 99, 99.9 and 99.99 are always there.
        public var percentiles: [Percentile]
    }

    public struct Percentile: Codable, Equatable, Sendable {
        public var percentile: Double
        public var microseconds: Double
        /// Operations at or below it.
        public var count: UInt64
    }

    public struct ErrorCount: Codable, Equatable, Sendable {
        /// "retryLater" and the other error codes of the protocol, or "timeout", "closed", "connect", "wrongType",
        /// "wrongRequest", "invalid", "mismatch".
        public var code: String
        /// Failures of this kind from the start of the warm-up on: operations, and connections that could not be made
        /// or were lost.
        public var count: UInt64
        /// What the first one said.
        public var example: String
    }

    public struct Schedule: Codable, Equatable, Sendable {
        public var asked: Double
        /// Operations a second that were sent.
        public var achieved: Double
        /// How far `achieved` is from `asked`, in percent of it; below zero: too few.
        public var errorPercent: Double
        /// Due and never sent, because no connection had room for it, not even after the time was up.
        public var unsent: UInt64
    }

    public struct Interval: Codable, Equatable, Sendable {
        /// Since the measurement began.
        public var start: Double
        public var seconds: Double
        public var completed: UInt64
        public var failed: UInt64
        /// Of what was answered or failed within the interval; 0 where nothing was.
        public var p50: Double
        public var p99: Double
        /// Further percentiles, which give `--compare` the noise of theirs; nil if not kept.
        public var p90: Double?
        public var p999: Double?
        public var maximum: Double
        /// Of the server's process: CPU seconds a second, and resident bytes.
        public var serverCores: Double?
        public var serverResidentBytes: UInt64?
    }

    public struct LoadUse: Codable, Equatable, Sendable {
        /// User and system time within the measurement.
        public var cpuSeconds: Double
    }

    public struct ServerUse: Codable, Equatable, Sendable {
        public var pid: Int32
        /// User and system time within the measurement.
        public var cpuSeconds: Double
        public var cpuMicrosecondsPerOperation: Double
        public var residentBytesBefore: UInt64
        public var residentBytesAfter: UInt64
        /// The largest that was sampled.
        public var residentBytesMax: UInt64
    }
}
