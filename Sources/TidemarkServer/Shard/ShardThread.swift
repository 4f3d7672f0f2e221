//  A shard's thread, and what passes between it and the thread that starts the server:
//
//      started ──▶ listening (where, and how to wake it)
//      begin: the log, the other shards  ──▶ serves until drained ──▶ drained
//      finish: the log is closed  ──▶ applies the rest ──▶ ended

import Dispatch
import Synchronization
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkStore

final class ShardThread: Sendable {
    /// What there is only once all shards listen.
    struct Surroundings: Sendable {
        var team: ShardTeam
        var inbox: GroupInbox
        var changeLog: ChangeLog
    }

    let waker: Waker
    /// Those of the configuration, with the ports that were taken, and the administrator's.
    let listeners: [ListenAddress]

    private let begun: Promise<Surroundings>
    private let drained: Promise<Void>
    private let logClosed: Promise<Void>
    private let ended: Promise<Void>

    /// Makes the loop on a thread of its own, and returns once it listens: the first shard where the configuration says, the
    /// others where the first one does. `failed` is called on the thread, once, where it ends before it should.
    init(
        _ index: Int,
        _ common: Shard.Common,
        directories: ShardDirectories,
        first: ShardThread?,
        failed: @escaping @Sendable (any Error) -> Void
    ) throws {
        let started = Promise<(Listening, Waker)>()
        let begun = Promise<Surroundings>()
        let drained = Promise<Void>()
        let logClosed = Promise<Void>()
        let ended = Promise<Void>()
        let addresses = first?.listeners
        startThread("tidemark-loop-\(index)") {
            defer { ended.complete(.success(())) }
            do {
                var limits = common.configuration.eventLoop
                // And for the administrator, and for some who are told to come later.
                limits.connectionsMax = common.configuration.connectionsMax + 4_096
                var loop = try EventLoop(limits)
                let listening =
                    if let addresses {
                        try Listening(another: common, as: addresses, on: &loop)
                    } else {
                        try Listening(first: common, on: &loop)
                    }
                started.complete(.success((listening, loop.waker)))
                let surroundings = try begun.wait().get()
                // However it ends: nobody waits for it, and nothing more is sent to it.
                defer {
                    surroundings.inbox.leave()
                    _ = surroundings.team.mailboxes[index].close()
                }
                var shard = Shard(
                    index: index,
                    common,
                    listening: listening,
                    directory: directories.take(index),
                    team: surroundings.team,
                    inbox: surroundings.inbox,
                    changeLog: surroundings.changeLog,
                    loop: loop
                )
                defer { drained.complete(.success(())) }
                try shard.run()
                surroundings.inbox.standAside()
                drained.complete(.success(()))
                _ = logClosed.wait()
                shard.finish()
            } catch {
                started.complete(.failure(error))
                if !(error is NeverBegun) { failed(error) }
            }
        }
        let (listening, waker) = try started.wait().get()
        (listeners, self.waker) = (listening.listeners, waker)
        self.begun = begun
        self.drained = drained
        self.logClosed = logClosed
        self.ended = ended
    }

    private struct NeverBegun: Error {}

    func begin(_ surroundings: Surroundings) { begun.complete(.success(surroundings)) }

    /// Instead: another shard could not start.
    func giveUp() {
        begun.complete(.failure(NeverBegun()))
        _ = ended.wait()
    }

    func waitUntilDrained() { _ = drained.wait() }

    /// Once the log is closed.
    func finish() {
        logClosed.complete(.success(()))
        _ = ended.wait()
    }
}

/// A value that one thread completes and others wait for.
final class Promise<Value: Sendable>: Sendable {
    private let completed = DispatchSemaphore(value: 0)
    private let result = Mutex<Result<Value, any Error>?>(nil)

    /// The first one counts.
    func complete(_ value: Result<Value, any Error>) {
        let isFirst = result.withLock { result in
            guard result == nil else { return false }
            result = value
            return true
        }
        if isFirst { completed.signal() }
    }

    func wait() -> Result<Value, any Error> {
        completed.wait()
        defer { completed.signal() }
        return result.withLock { $0! }
    }
}
