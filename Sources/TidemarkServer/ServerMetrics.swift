//  What a server has done, handed once a second to the metrics system that its process has set up (swift-metrics); nothing where it
//  has set up none. Read beside the event loops, which count for themselves.

import CoreMetrics
import Synchronization
import TidemarkDirectory

/// Where the figures go, and what sets one server's apart from another's.
public struct ServerMetrics: Sendable {
    /// Nil: what the process has bootstrapped `MetricsSystem` with.
    public var factory: (any MetricsFactory)?
    /// Of every figure, as ("server", "eu-1").
    public var dimensions: [(String, String)] = []
    /// How often: a second or more is enough.
    public var interval: Duration = .seconds(1)

    public init() {}
}

/// A counter by each name of `Counters.Snapshot.figures`, "tidemark.syncs" and so on; and gauges of what there is now:
/// "tidemark.connections.open", and "tidemark.log.stalled", 1 while the disk takes no writes.
final class MetricsReporter: Sendable {
    private struct State {
        var told: [UInt64]
        var isOver = false
    }

    private let counters: Counters
    private let isStalled: @Sendable () -> Bool
    private let totals: [Counter]
    private let open: Gauge
    private let stalled: Gauge
    private let state: Mutex<State>
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ metrics: ServerMetrics, _ counters: Counters, isStalled: @escaping @Sendable () -> Bool) {
        let factory = metrics.factory ?? MetricsSystem.factory
        self.counters = counters
        self.isStalled = isStalled
        let figures = counters.snapshot.figures
        totals = figures.map {
            Counter(label: "tidemark.\($0.name)", dimensions: metrics.dimensions, factory: factory)
        }
        open = Gauge(label: "tidemark.connections.open", dimensions: metrics.dimensions, factory: factory)
        stalled = Gauge(label: "tidemark.log.stalled", dimensions: metrics.dimensions, factory: factory)
        state = Mutex(State(told: figures.map { _ in 0 }))
    }

    func begin(every interval: Duration) {
        let reporting = Task { [weak self] in
            while !Task.isCancelled, let reporter = self {
                reporter.report()
                try? await Task.sleep(for: interval)
            }
        }
        task.withLock { $0 = reporting }
    }

    /// Tells what is left to be told.
    func stop() {
        task.withLock { $0 }?.cancel()
        report()
        state.withLock { $0.isOver = true }
    }

    private func report() {
        let now = counters.snapshot
        let changes = state.withLock { state -> [UInt64] in
            if state.isOver { return [] }
            defer { state.told = now.figures.map(\.value) }
            return zip(now.figures, state.told).map { $0.value &- $1 }
        }
        for (total, change) in zip(totals, changes) where change > 0 { total.increment(by: Int64(clamping: change)) }
        if changes.isEmpty { return }
        open.record(Int64(clamping: now.connections - min(now.connections, now.closed)))
        stalled.record(isStalled() ? 1 : 0)
    }
}
