//  Where the lanes and the thread that runs them meet: a few atomic words, and tallies handed over.
//
//      lane    ready ──▶ arrived        ──▶ startAt, endAt ──▶ load ──▶ tally after tally ──▶ finished
//      runner            all arrived? ──▶ sets them             reads, samples, shows

import Histogram
import Synchronization
import TidemarkWire

final class RunControl: Sendable {
    /// When lanes begin to load, in nanoseconds of the loop's clock; 0: not yet.
    let startAt = Atomic<UInt64>(0)
    /// Since when is measured, and until when; whoever interrupts brings the end forward.
    let measureAt = Atomic<UInt64>(.max)
    let endAt = Atomic<UInt64>(.max)
    /// Until when answers are waited for.
    let drainUntil = Atomic<UInt64>(.max)
    /// All lanes are to end at once.
    let isAborted = Atomic<Bool>(false)

    let lanesArrived = Atomic<Int>(0)
    let lanesFinished = Atomic<Int>(0)
    /// Connections that have logged in at least once.
    let clientsReady = Atomic<Int>(0)
    /// As of each lane's last tick.
    let completed = Atomic<UInt64>(0)
    let failed = Atomic<UInt64>(0)

    private let shared: Mutex<Shared>

    struct Shared: Sendable {
        var error: LoadError?
        var lastFailure: Failure?
        var toChange: Set<UserID> = []
        var intervals: [Interval] = []
        var total: Tally
    }

    /// One second of all lanes.
    struct Interval: Sendable {
        var completed: UInt64 = 0
        var failed: UInt64 = 0
        /// Nil once they are worked out: a histogram is a quarter of a megabyte.
        var latencies: Histogram<UInt64>? = Tally.empty()
        var figures = Figures()

        /// In microseconds; zeros where nothing was recorded.
        struct Figures: Sendable {
            var isEmpty = true
            var p50 = 0.0
            var p90 = 0.0
            var p99 = 0.0
            var p999 = 0.0
            var maximum = 0.0
        }

        /// Works the figures out; `isFinal`: and nothing comes any more.
        mutating func settle(isFinal: Bool) {
            guard let latencies, latencies.totalCount > 0 || isFinal else { return }
            let all = LatencyFigures(latencies)
            if all.count > 0 {
                figures = Figures(
                    isEmpty: false,
                    p50: all.percentile(50).microseconds,
                    p90: all.percentile(90).microseconds,
                    p99: all.percentile(99).microseconds,
                    p999: all.percentile(99.9).microseconds,
                    maximum: Double(all.maximum) / 1e3
                )
            }
            if isFinal { self.latencies = nil }
        }
    }

    /// Behind the newest interval, so many may still get tallies of lanes that are late.
    private static let lateIntervals = 8

    init(kinds: [OperationKind]) {
        shared = Mutex(Shared(total: Tally(kinds: kinds)))
    }

    /// Ends the run for a reason that makes it worthless; the first one counts.
    func abort(_ error: LoadError) {
        shared.withLock { if $0.error == nil { $0.error = error } }
        isAborted.store(true, ordering: .releasing)
    }

    var error: LoadError? { shared.withLock { $0.error } }

    /// The failure that came last while logging in, for when nobody ever gets in.
    var lastFailure: Failure? { shared.withLock { $0.lastFailure } }
    func note(_ failure: Failure) { shared.withLock { $0.lastFailure = failure } }

    func change(_ users: Set<UserID>) { shared.withLock { $0.toChange.formUnion(users) } }
    var toChange: [UserID] { shared.withLock { $0.toChange.sorted() } }

    /// Takes what a lane counted in the `index`-th interval; nil: after the last one.
    func deliver(_ tally: Tally, interval index: Int?) {
        shared.withLock { shared in
            shared.total.add(tally)
            guard let index else { return }
            while shared.intervals.count <= index { shared.intervals.append(Interval()) }
            shared.intervals[index].completed += tally.completed.reduce(0, +)
            shared.intervals[index].failed += tally.failed.reduce(0, +)
            for each in tally.latencies where each.totalCount > 0 { shared.intervals[index].latencies?.add(each) }
        }
    }

    /// What is known of an interval, its figures worked out; it may still grow.
    func settledInterval(_ index: Int) -> Interval? {
        shared.withLock { shared in
            guard index >= 0, index < shared.intervals.count else { return nil }
            shared.intervals[index].settle(isFinal: false)
            let old = index - Self.lateIntervals
            if old >= 0 { shared.intervals[old].settle(isFinal: true) }
            return shared.intervals[index]
        }
    }

    /// All of them, when the lanes have finished.
    func allIntervals(count: Int) -> [Interval] {
        shared.withLock { shared in
            while shared.intervals.count < count { shared.intervals.append(Interval()) }
            for index in shared.intervals.indices { shared.intervals[index].settle(isFinal: true) }
            return Array(shared.intervals.prefix(count))
        }
    }

    var total: Tally { shared.withLock { $0.total } }
}
