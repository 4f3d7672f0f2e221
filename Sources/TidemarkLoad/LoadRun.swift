//  A run from its start to its report. This thread starts the lanes, tells them when to begin and when to end, samples the
//  server's process and shows how far it is; the lanes do the rest.
//
//      check ──▶ lanes log in ──▶ contacts change ──▶ warm-up ──▶ measure, in seconds ──▶ last answers ──▶ report

import Foundation
import Synchronization
import TidemarkEventLoop
import TidemarkWire

/// One run of the load generator.
public final class LoadRun: Sendable {
    static let intervalNanoseconds: UInt64 = 1_000_000_000
    /// How often progress is told and memory sampled.
    private static let lookNanoseconds: UInt64 = 100_000_000
    /// Between the last lane's arrival and the start, so that all of them see it.
    private static let headStartNanoseconds: UInt64 = 25_000_000
    /// Lanes have handed an interval over so long after its end.
    private static let settleNanoseconds: UInt64 = 150_000_000
    /// An interrupted run waits no longer than this for answers.
    private static let interruptedDrainNanoseconds: UInt64 = 1_000_000_000
    /// Contacts that are changed at a time.
    private static let changersMax = 256

    private let configuration: LoadConfiguration
    private let isInterrupted = Atomic<Bool>(false)
    private let remarks = Mutex<[String]>([])

    /// - Throws: `LoadError.configuration` if it cannot be run.
    public init(_ configuration: LoadConfiguration) throws(LoadError) {
        try configuration.validate()
        self.configuration = configuration
    }

    /// Ends the run early, from any thread: what was measured so far is reported.
    public func interrupt() { isInterrupted.store(true, ordering: .releasing) }

    /// What happened that is no error and in no figure, in sentences.
    public var notes: [String] { remarks.withLock { $0 } }

    /// Runs it, on this thread and one for each lane. `progress` is told about ten times a second, on this thread.
    /// Operations that failed are counted by code in the report; throws `LoadError` when nothing could be measured.
    public func run(progress: (RunProgress) -> Void = { _ in }) throws(LoadError) -> LoadReport {
        try DescriptorLimit.raise(connections: configuration.connections, threads: configuration.threads)
        let watch = try configuration.serverPID.map { pid throws(LoadError) in try ProcessWatch(pid: pid) }
        let control = RunControl(kinds: configuration.shares.map(\.kind))
        let started = Date()
        let threads = startLanes(control)
        defer { threads.wait() }
        do throws(LoadError) {
            try waitForLanes(control, progress)
            try changeContacts(control, progress)
        } catch {
            control.abort(error)
            throw error
        }
        let times = start(control)
        let own = try ProcessWatch(pid: getpid())
        let (samples, ownSamples) = follow(control, times, watch, own, progress)
        threads.wait()
        if let error = control.error { throw error }
        return makeReport(control, times, samples, own: ownSamples, started: started)
    }

    // MARK: lanes

    private func startLanes(_ control: RunControl) -> LaneThreads {
        let seconds = UInt64(Date().timeIntervalSince1970)
        let plans = (0..<configuration.threads).map { index in
            Lane.Plan(
                configuration: configuration,
                index: index,
                users: stride(from: index, to: configuration.connections, by: configuration.threads).map {
                    configuration.user(of: $0)
                },
                changed: configuration.changed,
                nowSeconds: seconds
            )
        }
        return LaneThreads(plans, control)
    }

    private func waitForLanes(_ control: RunControl, _ progress: (RunProgress) -> Void) throws(LoadError) {
        let begin = Clock.nanoseconds
        while control.lanesArrived.load(ordering: .acquiring) < configuration.threads {
            if isInterrupted.load(ordering: .acquiring) { throw .interrupted }
            if let error = control.error { throw error }
            let ready = control.clientsReady.load(ordering: .relaxed)
            progress(
                RunProgress(
                    phase: "logging in \(ready)/\(configuration.connections)",
                    elapsed: Double(Clock.nanoseconds - begin) / 1e9,
                    duration: 0
                )
            )
            Clock.sleep(until: Clock.nanoseconds + 10_000_000)
        }
        if let error = control.error { throw error }
        let ready = control.clientsReady.load(ordering: .relaxed)
        if ready < configuration.connections {
            let missing = configuration.connections - ready
            remark("\(missing) of \(configuration.connections) connections had not logged in when the run began")
        }
    }

    /// Has the contacts of `--changed` change a detail each, as themselves.
    private func changeContacts(_ control: RunControl, _ progress: (RunProgress) -> Void) throws(LoadError) {
        guard configuration.changed > 0 else { return }
        let users = control.toChange
        var rest = users[...]
        while !rest.isEmpty {
            if isInterrupted.load(ordering: .acquiring) { throw .interrupted }
            let phase = "changing contacts \(users.count - rest.count)/\(users.count)"
            progress(RunProgress(phase: phase, elapsed: 0, duration: 0))
            try changeSome(Array(rest.prefix(Self.changersMax)))
            rest = rest.dropFirst(Self.changersMax)
        }
    }

    private func changeSome(_ users: [UserID]) throws(LoadError) {
        var edits = configuration
        (edits.workload, edits.changed, edits.verify, edits.rate) = (.edit, 0, false, nil)
        (edits.connections, edits.pipeline, edits.threads) = (users.count, 1, 1)
        let control = RunControl(kinds: [.edit])
        let seconds = UInt64(Date().timeIntervalSince1970)
        let plan = Lane.Plan(configuration: edits, index: 0, users: users, editsOnce: true, nowSeconds: seconds)
        LaneThreads([plan], control).wait()
        if let error = control.error { throw error }
        let total = control.total
        if total.completed.reduce(0, +) < users.count {
            let first = total.errors.min { $0.key.rawValue < $1.key.rawValue }
            throw .changeFailed(first.map { "\($0.key.name): \($0.value.example)" } ?? "not in time")
        }
    }

    // MARK: the measurement

    struct Times {
        var measureAt: UInt64
        var endAt: UInt64
        var seconds: Double { Double(endAt - measureAt) / 1e9 }
        var intervals: Int { Int((endAt - measureAt + intervalNanoseconds - 1) / intervalNanoseconds) }
    }

    private func start(_ control: RunControl) -> Times {
        let startAt = Clock.nanoseconds + Self.headStartNanoseconds
        let measureAt = startAt + configuration.warmUp.nanoseconds
        let times = Times(measureAt: measureAt, endAt: measureAt + configuration.duration.nanoseconds)
        control.measureAt.store(times.measureAt, ordering: .releasing)
        control.endAt.store(times.endAt, ordering: .releasing)
        control.drainUntil.store(times.endAt + configuration.timeout.nanoseconds, ordering: .releasing)
        control.startAt.store(startAt, ordering: .releasing)
        return times
    }

    /// Until the lanes have finished. Changes the end in `control` if the run is interrupted.
    private func follow(
        _ control: RunControl,
        _ times: borrowing Times,
        _ watch: ProcessWatch?,
        _ own: ProcessWatch,
        _ progress: (RunProgress) -> Void
    ) -> (server: ServerSamples, own: ServerSamples) {
        var ownSamples = ServerSamples(pid: own.pid, from: times.measureAt)
        var samples = ServerSamples(pid: watch?.pid, from: times.measureAt)
        var (shown, last) = (0, RunControl.Interval?.none)
        while control.lanesFinished.load(ordering: .acquiring) < configuration.threads {
            let now = Clock.nanoseconds
            let endAt = control.endAt.load(ordering: .acquiring)
            if isInterrupted.load(ordering: .acquiring) { stopEarly(control, now) }
            if let watch { samples.look(watch, at: now, until: endAt) }
            ownSamples.look(own, at: now, until: endAt)
            // An interval that all lanes have handed over, looked at once: it takes some of a core that may be a lane's.
            let settled = times.measureAt + Self.settleNanoseconds
            let done = now > settled ? Int((now - settled) / Self.intervalNanoseconds) : 0
            if done > shown {
                shown = done
                last = control.settledInterval(done - 1)
            }
            progress(self.progress(control, times.measureAt, endAt, now, last: last))
            let look = min(samples.next, ownSamples.next, now < endAt ? endAt : .max, now + Self.lookNanoseconds)
            Clock.sleep(until: max(look, now + 1_000_000))
        }
        let (now, endAt) = (Clock.nanoseconds, control.endAt.load(ordering: .acquiring))
        if let watch { samples.look(watch, at: now, until: endAt) }
        ownSamples.look(own, at: now, until: endAt)
        if samples.isGone {
            remark("the server's process \(samples.pid ?? 0) ended during the run; its figures end there")
        }
        return (samples, ownSamples)
    }

    private func stopEarly(_ control: RunControl, _ now: UInt64) {
        if now <= control.measureAt.load(ordering: .acquiring) { return control.abort(.interrupted) }
        // A little ahead, so that all lanes have seen it when it comes.
        let end = now + Lane.tickMax + Lane.tickMax / 4
        let endAt = control.endAt.load(ordering: .acquiring)
        guard end < endAt else { return drainSoon(control, from: max(now, endAt)) }
        control.endAt.store(end, ordering: .releasing)
        let drain = end + min(configuration.timeout.nanoseconds, Self.interruptedDrainNanoseconds)
        control.drainUntil.store(drain, ordering: .releasing)
        remark("interrupted; the figures are of the time until then")
    }

    /// Interrupted when all is measured and only late answers are missing.
    private func drainSoon(_ control: RunControl, from time: UInt64) {
        let drain = time + Self.interruptedDrainNanoseconds
        guard drain < control.drainUntil.load(ordering: .acquiring) else { return }
        control.drainUntil.store(drain, ordering: .releasing)
        remark("interrupted; what was not answered by then counts as timed out")
    }

    private func progress(
        _ control: RunControl,
        _ measureAt: UInt64,
        _ endAt: UInt64,
        _ now: UInt64,
        last: RunControl.Interval?
    ) -> RunProgress {
        if now < measureAt {
            let warmUp = configuration.warmUp.seconds
            let left = Double(measureAt - now) / 1e9
            return RunProgress(phase: "warming up", elapsed: max(0, warmUp - left), duration: warmUp)
        }
        var progress = RunProgress(
            phase: now >= endAt ? "waiting for the last answers" : configuration.workload == .idle ? "holding" : nil,
            elapsed: Double(min(now, endAt) - measureAt) / 1e9,
            duration: Double(endAt - measureAt) / 1e9,
            errors: control.failed.load(ordering: .relaxed)
        )
        guard let last, configuration.workload != .idle else { return progress }
        progress.ratePerSecond = Double(last.completed)
        if !last.figures.isEmpty { (progress.p50, progress.p99) = (last.figures.p50, last.figures.p99) }
        return progress
    }

    func remark(_ text: String) { remarks.withLock { if !$0.contains(text) { $0.append(text) } } }

    private func makeReport(
        _ control: RunControl,
        _ times: Times,
        _ samples: ServerSamples,
        own: ServerSamples,
        started: Date
    ) -> LoadReport {
        var times = times
        times.endAt = control.endAt.load(ordering: .acquiring)
        let intervals = control.allIntervals(count: times.intervals)
        return LoadReport(configuration, total: control.total, intervals, times, samples, own: own, started: started)
    }
}

/// The threads of some lanes.
final class LaneThreads: Sendable {
    private let group = DispatchGroup()

    init(_ plans: [Lane.Plan], _ control: RunControl) {
        for plan in plans {
            group.enter()
            let thread = Thread { [group] in
                do throws(EventLoopError) {
                    var lane = try Lane(plan, control: control)
                    try lane.run()
                } catch {
                    control.abort(.eventLoop(error))
                }
                control.lanesFinished.add(1, ordering: .acquiringAndReleasing)
                group.leave()
            }
            thread.name = "load-\(plan.index)"
            thread.stackSize = 1 << 20
            thread.start()
        }
    }

    func wait() { group.wait() }
}

/// Descriptors that this process may have open.
enum DescriptorLimit {
    /// Sees to it that there are enough, as far as the system lets it.
    static func raise(connections: Int, threads: Int) throws(LoadError) {
        let needed = connections + 16 * threads + 64
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        if limit.rlim_max < needed {
            // A privileged process may go beyond its hard limit.
            var more = limit
            (more.rlim_cur, more.rlim_max) = (rlim_t(needed), rlim_t(needed))
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &more) == 0 { return }
        }
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_max >= needed else {
            throw .descriptors(needed: needed, allowed: Int(clamping: limit.rlim_max))
        }
    }
}
