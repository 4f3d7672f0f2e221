//  The one way to change anything: a thread of its own stamps what the shards submit, commits it in groups, and
//  publishes each group to every shard, in stamp order, after it is on disk. Each shard applies a group before it
//  acknowledges any of it.
//
//      shard ──append──▶ queue ──▶ group ──▶ commit (FULL) ──▶ all shards' inboxes at once ──▶ apply, acknowledge
//                                               │
//                                               └── with it, a step of folding or trimming; by themselves when it is quiet
//
//  An acknowledgement waits for its group to fill or `groupDelay`, for one commit with its step, and for one checkpoint:
//  each has a bound. For many machines, an engine that keeps one ordered log elsewhere takes this file's place; shards
//  stay as they are.

import Dispatch
import Foundation
import GRDB
import Synchronization
import TidemarkDirectory
import TidemarkWire

public struct ChangeLogConfiguration: Sendable {
    /// Submissions waiting for the disk, and the bytes that their values hold, beyond which writes are refused with
    /// "retry later".
    public var queuedMax = 65_536
    public var queuedBytesMax = 64 << 20
    /// A group is closed with so many changes, or so many bytes of values; with fewer once there are `groupEnough`, or so
    /// long after its first change came. A writer that is alone does not wait.
    public var groupMax = 2_048
    public var groupBytesMax = 1 << 20
    /// So many changes wait for no others: with them a commit is no longer mostly its page and its sync.
    public var groupEnough = 256
    public var groupDelay: Duration = .milliseconds(2)
    /// Folding begins with so many changes, or so many bytes of values: the more, the more of them are to the same rows.
    public var foldAt = 65_536
    public var foldAtBytes = 16 << 20
    /// Or when it has been quiet for so long, in milliseconds.
    public var quietMS = 100
    /// Rows that one step of folding writes, or twice its group's changes: about 2 µs each.
    public var stepRows = 1_024
    /// Pages in the write-ahead file after which they go into the database: 2 MB of the usual ones.
    public var checkpointFrames = 1_024
    /// Unfolded changes, and the bytes that their values hold, beyond which folding goes before the next group.
    public var foldingLagMax = 262_144
    public var foldingLagBytesMax = 64 << 20
    /// Changes that a shard may have before it, or KiB of their values, beyond which the log waits for it.
    public var appliedLagMax = 65_536
    /// Changes that wait in memory for an observer in this process, or KiB of their values, beyond which it reads them from the
    /// disk.
    public var followerLagMax = 65_536
    /// Pages that a backup copies between two groups.
    public var backupStep = BackupCopy.pagesAStep
    /// How long the disk is left alone after it was full or could not be written, in milliseconds.
    public var fullRetryMS = 200

    public init() {}
}

public final class ChangeLog: Sendable {
    typealias Request = @Sendable (Store?) throws -> Void

    private struct Queue {
        var submissions: [Submission] = []
        /// What the submissions' values hold.
        var bytes = 0
        /// When the first of them came, or the group before them was taken: nanoseconds of `DispatchTime`.
        var firstAt: UInt64 = 0
        var requests: [Request] = []
        var isClosing = false
    }

    private let queue = Mutex(Queue())
    private let arrived = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)
    private let stalled = Atomic<Bool>(false)
    private let hasFailedFlag = Atomic<Bool>(false)
    let backups: BackupSlot
    /// Of observers in this process.
    let taps = Mutex<[GroupTap]>([])
    let configuration: ChangeLogConfiguration
    let clock: WallClock
    let clockWatch: Mutex<ClockWatch>
    private let failed: @Sendable (any Error) -> Void

    /// Starts the log's thread.
    ///
    /// - Parameters:
    ///   - store: loaded; used by the log's thread alone from here on.
    ///   - inboxes: one for each shard.
    ///   - clock: what stamps are made from, in microseconds since the Unix epoch.
    ///   - configuration: the bounds of queue, groups and folding.
    ///   - failed: called once, on the log's thread, when the store cannot go on; nothing is committed after it.
    public convenience init(
        store: sending Store,
        inboxes: [GroupInbox],
        clock: @escaping WallClock,
        configuration: ChangeLogConfiguration = ChangeLogConfiguration(),
        failed: @escaping @Sendable (any Error) -> Void
    ) {
        self.init(of: store, clock: clock, configuration: configuration, failed: failed)
        nonisolated(unsafe) let store = store
        let groups = GroupList(inboxes)
        startThread("tidemark-log") { [self] in run(store, groups) }
    }

    /// Without its thread: whoever made it has it commit, by `commitGroup`.
    init(
        of store: Store,
        clock: @escaping WallClock,
        configuration: ChangeLogConfiguration,
        failed: @escaping @Sendable (any Error) -> Void
    ) {
        self.configuration = configuration
        self.clock = clock
        clockWatch = Mutex(
            ClockWatch(
                newest: store.stamper.last,
                record: store.clock,
                wall: clock(),
                at: DispatchTime.now().uptimeNanoseconds
            )
        )
        self.failed = failed
        backups = BackupSlot(pagesAStep: configuration.backupStep)
    }

    /// Hands changes over, in order. False when too much waits already, or the disk does not take any more: then none
    /// of them was taken.
    public func append(_ submissions: [Submission]) -> Bool {
        let bytes = submissions.reduce(0) { $0 + $1.valueBytes }
        let (wasTaken, wakes) = queue.withLock { queue in
            let before = queue.submissions.count
            guard !queue.isClosing, !stalled.load(ordering: .relaxed),
                before + submissions.count <= configuration.queuedMax,
                queue.bytes + bytes <= configuration.queuedBytesMax || before == 0
            else { return (false, false) }
            if queue.submissions.isEmpty { queue.firstAt = DispatchTime.now().uptimeNanoseconds }
            if queue.submissions.isEmpty { queue.submissions = submissions } else { queue.submissions += submissions }
            queue.bytes += bytes
            // The thread sleeps for the first, and for a group that need not wait any more; in between it has the clock.
            let enough = configuration.groupEnough
            return (true, before == 0 || (before < enough && before + submissions.count >= enough))
        }
        if wakes { arrived.signal() }
        return wasTaken
    }

    /// Whether the disk is full or cannot be written; it is tried again and again.
    public var isStalled: Bool { stalled.load(ordering: .relaxed) }

    /// Whether a write would be taken now.
    public var hasRoom: Bool {
        !stalled.load(ordering: .relaxed)
            && queue.withLock { queue in
                !queue.isClosing && queue.submissions.count < configuration.queuedMax
                    && queue.bytes < configuration.queuedBytesMax
            }
    }

    /// Whether something is taken and not committed.
    var hasWaiting: Bool { queue.withLock { !$0.submissions.isEmpty } }

    /// Whether the store could not go on: what was taken and is not published never will be.
    public var hasFailed: Bool { hasFailedFlag.load(ordering: .acquiring) }

    /// Commits and publishes all that was taken, folds it, and closes the store.
    public func close() {
        let isFirst = queue.withLock { queue in
            defer { queue.isClosing = true }
            return !queue.isClosing
        }
        if isFirst { arrived.signal() }
        ended.wait()
        ended.signal()
    }

    /// Has the log's thread do something with the store, between two groups; with nil where the log fails before. Returns
    /// false once the log is closed.
    func request(_ body: @escaping Request) -> Bool {
        let wasTaken = queue.withLock { queue in
            if !queue.isClosing { queue.requests.append(body) }
            return !queue.isClosing
        }
        if wasTaken { arrived.signal() }
        return wasTaken
    }

    // MARK: the thread

    /// What only the thread knows.
    struct Pace {
        /// When folding is tried again after the disk was full.
        var stepsAt = DispatchTime(uptimeNanoseconds: 0)
        /// Changes in the last group.
        var lastGroup = 0
        /// Where the shards find what is committed.
        var groups: GroupList

        init(groups: GroupList) { self.groups = groups }
    }

    private func run(_ store: Store, _ groups: GroupList) {
        defer {
            for tap in taps.withLock({ $0 }) { tap.close() }
            ended.signal()
        }
        do {
            var pace = Pace(groups: groups)
            while try turn(store, &pace) {}
            backups.close()
            try store.close(clock: endClock())
        } catch {
            backups.close()
            // What waits will not be done, and nothing more is taken.
            queue.withLock { queue in
                queue.submissions = []
                queue.isClosing = true
            }
            for request in takeRequests() { try? request(nil) }
            store.leaveOpen()
            hasFailedFlag.store(true, ordering: .releasing)
            failed(Self.inWords(error, store))
        }
    }

    /// What was damaged before is met where it is folded, long after the start perhaps: then it is told as at the start, with
    /// the file and what to do.
    private static func inWords(_ error: any Error, _ store: Store) -> any Error {
        if let told = try? StoreError(error, path: store.path), case .damaged = told { return told }
        return error
    }

    /// One group, or one step behind the groups, or a wait for more to do. False when all is done.
    private func turn(_ store: Store, _ pace: inout Pace) throws -> Bool {
        try serveRequests(store)
        let isDue =
            store.waitingChanges >= configuration.foldAt || store.waitingBytes >= configuration.foldAtBytes
        // What is folded is trimmed before the next fold begins.
        if isDue, !store.hasSteps { beginFold(store) }
        let isFar =
            store.foldingLag >= configuration.foldingLagMax || store.foldingLagBytes >= configuration.foldingLagBytesMax
        if isFar, !queue.withLock({ $0.isClosing }) {
            // Groups wait, the queue fills, and writes are refused.
            beginFold(store)
            if DispatchTime.now() < pace.stepsAt {
                pause()
            } else if store.hasSteps {
                try step(store, &pace)
            } else {
                arrived.wait()
            }
            return true
        }
        if pace.groups.changesBehind > configuration.appliedLagMax, !queue.withLock({ $0.isClosing }) {
            Thread.sleep(forTimeInterval: 0.001)
            return true
        }
        let isCopying = backups.advance(store.database)
        switch waiting(pace) {
        case .none:
            if queue.withLock({ $0.isClosing && $0.submissions.isEmpty && $0.requests.isEmpty }) { return false }
            if !isCopying || store.hasSteps { try rest(store, &pace) }
        case .some(let delay) where delay > 0:
            // Others may join this group. A step goes with its commit, not before it with a sync of its own.
            _ = arrived.wait(timeout: .now() + .nanoseconds(delay))
        case .some:
            try commitGroup(store, &pace)
        }
        return true
    }

    /// Of what waits: commits it, with a step of folding, and publishes it.
    @discardableResult
    func commitGroup(_ store: Store, _ pace: inout Pace) throws -> Group {
        let (submissions, bytes) = takeGroup()
        pace.lastGroup = submissions.count
        let canStep = store.hasSteps && DispatchTime.now() >= pace.stepsAt
        let rows = canStep ? max(configuration.stepRows, 2 * submissions.count) : 0
        let group = try commit(submissions, rowsMax: rows, to: store)
        pace.groups.publish(group, valueBytes: bytes)
        for tap in taps.withLock({ $0 }) { tap.put(group, valueBytes: bytes) }
        try checkpoint(store, &pace)
        return group
    }

    /// How many nanoseconds the next group is left open; nil when nothing waits.
    private func waiting(_ pace: Pace) -> Int? {
        queue.withLock { queue in
            guard !queue.submissions.isEmpty else { return nil }
            let isFull =
                queue.submissions.count >= min(configuration.groupEnough, configuration.groupMax)
                || queue.bytes >= configuration.groupBytesMax
            let isAlone = queue.submissions.count == 1 && pace.lastGroup <= 1
            if isFull || isAlone || queue.isClosing { return 0 }
            let due = queue.firstAt + UInt64(configuration.groupDelay / .nanoseconds(1))
            let now = DispatchTime.now().uptimeNanoseconds
            return due > now ? Int(due - now) : 0
        }
    }

    /// Nothing waits: a step, or sleep until something comes. What little is unfolded is folded once it has been quiet.
    private func rest(_ store: Store, _ pace: inout Pace) throws {
        let now = DispatchTime.now()
        if store.hasSteps, now >= pace.stepsAt {
            try step(store, &pace)
        } else if store.hasSteps {
            _ = arrived.wait(timeout: pace.stepsAt)
        } else if store.waitingChanges > 0 {
            if arrived.wait(timeout: now + .milliseconds(configuration.quietMS)) == .timedOut { beginFold(store) }
        } else {
            arrived.wait()
        }
    }

    /// What one throws ends the log; those behind it are told so.
    private func serveRequests(_ store: Store) throws {
        var requests = takeRequests()[...]
        while let request = requests.popFirst() {
            do {
                try request(store)
            } catch {
                queue.withLock { $0.requests.insert(contentsOf: requests, at: 0) }
                throw error
            }
        }
    }

    private func takeRequests() -> [Request] {
        queue.withLock { queue in
            defer { queue.requests = [] }
            return queue.requests
        }
    }

    private func takeGroup() -> (submissions: [Submission], bytes: Int) {
        queue.withLock { queue in
            var count = 0
            var bytes = 0
            while count < min(queue.submissions.count, configuration.groupMax), bytes < configuration.groupBytesMax {
                bytes += queue.submissions[count].valueBytes
                count += 1
            }
            queue.bytes -= bytes
            queue.firstAt = DispatchTime.now().uptimeNanoseconds
            if count == queue.submissions.count {
                defer { queue.submissions = [] }
                return (queue.submissions, bytes)
            }
            let group = Array(queue.submissions.prefix(count))
            queue.submissions.removeFirst(count)
            return (group, bytes)
        }
    }

    /// A full disk is waited out: the group is kept, those behind it wait, and new writes are refused meanwhile.
    private func commit(_ submissions: [Submission], rowsMax: Int, to store: Store) throws -> Group {
        let (now, record) = readClock()
        while true {
            do {
                let group = try store.commit(submissions, now: now, clock: record, rowsMax: rowsMax)
                stalled.store(false, ordering: .relaxed)
                return group
            } catch let error as DatabaseError where error.mayPass {
                stalled.store(true, ordering: .relaxed)
                backups.giveWay(to: error)
                if queue.withLock({ $0.isClosing }) { throw try StoreError(error, path: store.path) }
                pause()
            }
        }
    }

    /// On a full disk the log's rows stay where they are, and folding is tried again later.
    private func step(_ store: Store, _ pace: inout Pace) throws {
        do {
            try store.step(rowsMax: configuration.stepRows)
        } catch let error as DatabaseError where error.mayPass {
            backups.giveWay(to: error)
            pace.stepsAt = .now() + .milliseconds(configuration.fullRetryMS)
        }
        try checkpoint(store, &pace)
    }

    private func beginFold(_ store: Store) { store.beginFold { [arrived] in arrived.signal() } }

    private func checkpoint(_ store: Store, _ pace: inout Pace) throws {
        guard DispatchTime.now() >= pace.stepsAt else { return }
        do {
            try store.checkpointIfDue(framesMin: configuration.checkpointFrames)
        } catch let error as DatabaseError where error.mayPass {
            backups.giveWay(to: error)
            pace.stepsAt = .now() + .milliseconds(configuration.fullRetryMS)
        }
    }

    func wake() { arrived.signal() }

    private func pause() { Thread.sleep(forTimeInterval: Double(configuration.fullRetryMS) / 1000) }
}

extension DatabaseError {
    /// A full disk, a write that failed, a lock that somebody holds: nothing is lost, and it may pass by itself.
    var mayPass: Bool {
        switch resultCode {
        case .SQLITE_FULL, .SQLITE_BUSY, .SQLITE_READONLY: true
        default: [.SQLITE_IOERR_WRITE, .SQLITE_IOERR_TRUNCATE, .SQLITE_IOERR_SHMSIZE].contains(extendedResultCode)
        }
    }
}
