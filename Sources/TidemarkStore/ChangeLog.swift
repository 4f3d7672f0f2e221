//  The one way to change anything: a thread of its own stamps what the shards submit, commits it in groups, and
//  publishes each group to every shard, in stamp order, after it is on disk. Each shard applies a group before it
//  acknowledges any of it.
//
//      shard ──append──▶ queue ──▶ commit (FULL) ──▶ every shard's inbox ──▶ apply, acknowledge
//                                     │
//                                     └──▶ fold, when nobody waits or too much has gathered
//
//  For many machines, an engine that keeps one ordered log elsewhere takes this file's place; shards stay as they are.

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
    /// Changes in one group, and the bytes that their values hold.
    public var groupMax = 8_192
    public var groupBytesMax = 4 << 20
    /// Changes that one folding step writes.
    public var foldStep = 4_096
    /// How long it has to be quiet before less than a step is folded, in milliseconds.
    public var quietMS = 100
    /// Folded changes after which the write-ahead file goes into the database.
    public var checkpointStep = 16_384
    /// Unfolded changes, and the bytes that their values hold, beyond which folding goes before the next group.
    public var foldingLagMax = 65_536
    public var foldingLagBytesMax = 64 << 20
    /// Pages that a backup copies between two groups.
    public var backupStep = BackupCopy.pagesAStep
    /// How long the disk is left alone after it was full or could not be written, in milliseconds.
    public var fullRetryMS = 200

    public init() {}
}

/// Where a shard finds what has been committed.
public final class GroupInbox: Sendable {
    private let hasGroups = Atomic<Bool>(false)
    private let groups = Mutex<[Group]>([])
    private let wake: @Sendable () -> Void

    /// `wake` is called on the log's thread after each group.
    public init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    func put(_ group: Group) {
        groups.withLock { $0.append(group) }
        hasGroups.store(true, ordering: .releasing)
        wake()
    }

    /// All committed since the last call, in stamp order. One atomic load when there is nothing.
    public func take() -> [Group] {
        guard hasGroups.load(ordering: .acquiring) else { return [] }
        return groups.withLock { waiting in
            hasGroups.store(false, ordering: .relaxed)
            defer { waiting = [] }
            return waiting
        }
    }
}

public final class ChangeLog: Sendable {
    private struct Queue {
        var submissions: [Submission] = []
        /// What the submissions' values hold.
        var bytes = 0
        var isClosing = false
    }

    private let queue = Mutex(Queue())
    private let arrived = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)
    private let stalled = Atomic<Bool>(false)
    private let hasFailedFlag = Atomic<Bool>(false)
    let backups: BackupSlot
    private let configuration: ChangeLogConfiguration
    private let clock: WallClock
    private let inboxes: [GroupInbox]
    private let failed: @Sendable (any Error) -> Void

    /// Starts the log's thread.
    ///
    /// - Parameters:
    ///   - store: loaded; used by the log's thread alone from here on.
    ///   - inboxes: one for each shard.
    ///   - clock: what stamps are made from, in microseconds since the Unix epoch.
    ///   - configuration: the bounds of queue, groups and folding.
    ///   - failed: called once, on the log's thread, when the store cannot go on; nothing is committed after it.
    public init(
        store: sending Store,
        inboxes: [GroupInbox],
        clock: @escaping WallClock,
        configuration: ChangeLogConfiguration = ChangeLogConfiguration(),
        failed: @escaping @Sendable (any Error) -> Void
    ) {
        self.configuration = configuration
        self.clock = clock
        self.inboxes = inboxes
        self.failed = failed
        backups = BackupSlot(pagesAStep: configuration.backupStep)
        nonisolated(unsafe) let store = store
        let thread = Thread { [self] in run(store) }
        thread.name = "tidemark-log"
        thread.start()
    }

    /// Hands changes over, in order. False when too much waits already, or the disk does not take any more: then none
    /// of them was taken.
    public func append(_ submissions: [Submission]) -> Bool {
        let bytes = submissions.reduce(0) { $0 + $1.valueBytes }
        let wasTaken = queue.withLock { queue in
            guard !queue.isClosing, !stalled.load(ordering: .relaxed),
                queue.submissions.count + submissions.count <= configuration.queuedMax
            else { return false }
            queue.submissions += submissions
            queue.bytes += bytes
            return true
        }
        if wasTaken { arrived.signal() }
        return wasTaken
    }

    /// Whether a write would be taken now.
    public var hasRoom: Bool {
        !stalled.load(ordering: .relaxed)
            && queue.withLock { queue in
                !queue.isClosing && queue.submissions.count < configuration.queuedMax
                    && queue.bytes < configuration.queuedBytesMax
            }
    }

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

    // MARK: the thread

    private func run(_ store: Store) {
        defer { ended.signal() }
        do {
            while true {
                let (submissions, isLast, isClosing) = takeGroup()
                if !submissions.isEmpty {
                    publish(try commit(submissions, to: store))
                }
                let isCopying = backups.advance(store.database)
                let isFar =
                    store.foldingLag >= configuration.foldingLagMax
                    || store.foldingLagBytes >= configuration.foldingLagBytesMax
                if isFar || (isLast && store.foldingLag >= configuration.foldStep) {
                    try fold(store)
                } else if isLast {
                    if isClosing { break }
                    if !isCopying { try wait(store) }
                }
            }
            backups.close()
            try store.close()
        } catch {
            backups.close()
            // What waits will not be done, and nothing more is taken.
            queue.withLock { $0 = Queue(isClosing: true) }
            hasFailedFlag.store(true, ordering: .releasing)
            failed(error)
        }
    }

    /// For more to do. What little is unfolded is folded once it has been quiet for a while.
    private func wait(_ store: Store) throws {
        guard store.foldingLag > 0 else { return arrived.wait() }
        guard arrived.wait(timeout: .now() + .milliseconds(configuration.quietMS)) == .timedOut else { return }
        try fold(store)
    }

    private func takeGroup() -> ([Submission], isLast: Bool, isClosing: Bool) {
        queue.withLock { queue in
            var count = 0
            var bytes = 0
            while count < min(queue.submissions.count, configuration.groupMax), bytes < configuration.groupBytesMax {
                bytes += queue.submissions[count].valueBytes
                count += 1
            }
            let group = Array(queue.submissions.prefix(count))
            queue.submissions.removeFirst(count)
            queue.bytes -= bytes
            return (group, queue.submissions.isEmpty, queue.isClosing)
        }
    }

    /// A full disk is waited out: the group is kept, those behind it wait, and new writes are refused meanwhile.
    private func commit(_ submissions: [Submission], to store: Store) throws -> Group {
        while true {
            do {
                let group = try store.commit(submissions, now: clock())
                stalled.store(false, ordering: .relaxed)
                return group
            } catch let error as DatabaseError where error.mayPass {
                stalled.store(true, ordering: .relaxed)
                backups.giveWay(to: error)
                if queue.withLock({ $0.isClosing }) { throw error }
                pause()
            }
        }
    }

    /// One step. On a full disk the log's rows stay where they are, and folding is tried again later.
    private func fold(_ store: Store) throws {
        do {
            try store.fold(changesMax: configuration.foldStep)
            try store.checkpointIfDue(changesMin: configuration.checkpointStep)
        } catch let error as DatabaseError where error.mayPass {
            backups.giveWay(to: error)
            pause()
        }
    }

    func wake() { arrived.signal() }

    private func pause() { Thread.sleep(forTimeInterval: Double(configuration.fullRetryMS) / 1000) }

    private func publish(_ group: Group) {
        for inbox in inboxes { inbox.put(group) }
    }
}

extension DatabaseError {
    /// A full disk, a write that failed, a lock that somebody holds: nothing is lost, and it may pass by itself.
    var mayPass: Bool {
        switch resultCode {
        case .SQLITE_FULL, .SQLITE_BUSY: true
        default: [.SQLITE_IOERR_WRITE, .SQLITE_IOERR_SHMSIZE].contains(extendedResultCode)
        }
    }
}
