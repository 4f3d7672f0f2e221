//  A whole server in a process: opens the store, loads the directory, runs a shard and the change log on threads of
//  their own, and stops them in order. Takes no signal and calls no exit.

import Dispatch
import Foundation
import Logging
import Synchronization
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkStore
import TidemarkWire

public enum ServerError: Error, CustomStringConvertible {
    case insecure(ListenAddress)
    case nothingToListenOn
    case dataDirectory(path: String, reason: String)

    public var description: String {
        switch self {
        case .insecure(let address):
            "\(address) is reachable from other machines, and nothing is encrypted yet: listen on 127.0.0.1 or a "
                + "Unix socket, or say --insecure if the network is trusted"
        case .nothingToListenOn: "nowhere to listen: give --listen or --unix"
        case .dataDirectory(let path, let reason): "cannot make the data directory \(path): \(reason)"
        }
    }
}

public final class Server: Sendable {
    /// What the server found when it loaded.
    public struct Loaded: Sendable {
        public var users: Int
        public var entries: Int
        public var newestStamp: Stamp
        public var seconds: Double
    }

    /// Where it listens, with the ports that were taken; but for the administrator's socket in the data directory.
    public let addresses: [ListenAddress]
    public let loaded: Loaded
    public let counters: Counters

    private let changeLog: ChangeLog
    private let draining: DrainFlag
    private let waker: Waker
    private let shardEnded: DispatchGroup
    private let failure: Failure

    /// Opens, loads and listens; returns once clients can connect. `progress` is told, on the calling thread, how far
    /// loading has come.
    public init(
        _ configuration: ServerConfiguration,
        log: Logger,
        progress: LoadProgress = { _, _ in }
    ) throws {
        guard !configuration.listen.isEmpty else { throw ServerError.nothingToListenOn }
        if let open = configuration.listen.first(where: { !$0.isLocal }), !configuration.allowsInsecure {
            throw ServerError.insecure(open)
        }
        let begin = DispatchTime.now()
        let store = try Server.openStore(configuration.dataDirectory)
        let options = DirectoryOptions(popularFollowers: configuration.popularFollowers)
        let directory = try store.loadDirectory(options: options, progress: progress)
        loaded = Loaded(
            users: directory.userCount,
            entries: directory.entryCount,
            newestStamp: directory.published,
            seconds: Double(DispatchTime.now().uptimeNanoseconds - begin.uptimeNanoseconds) / 1e9
        )
        if store.forgottenAccounts > 0 {
            log.info(
                "forgot deleted accounts that nobody has any more",
                metadata: ["count": "\(store.forgottenAccounts)"]
            )
        }

        counters = Counters()
        draining = DrainFlag()
        shardEnded = DispatchGroup()
        failure = Failure()

        // The loop is made on its own thread; this one waits for where it listens, then gives it the change log.
        let start = ShardStart(directory: directory)
        shardEnded.enter()
        startThread("tidemark-loop-0") { [counters, draining, shardEnded, failure] in
            defer { shardEnded.leave() }
            do {
                try start.run(
                    configuration: configuration,
                    counters: counters,
                    draining: draining,
                    log: log
                )
            } catch {
                start.listening.complete(.failure(error))
                failure.record(error)
            }
        }
        do {
            (addresses, waker) = try start.listening.wait().get()
        } catch {
            try? store.close()
            throw error
        }
        changeLog = ChangeLog(
            store: store,
            inboxes: [start.inbox(waker: waker)],
            clock: configuration.clock,
            configuration: configuration.changeLog,
            failed: { [failure] error in
                log.critical("the change log cannot go on", metadata: ["error": "\(error)"])
                failure.record(error)
            }
        )
        if configuration.confirmsClock { changeLog.confirmClock() }
        start.changeLog.complete(.success(changeLog))
    }

    /// Makes the directory, and those above it, where they are missing; its owner's alone.
    public static func makeDataDirectory(_ directory: String) throws(ServerError) {
        do {
            try FileManager.default.createDirectory(
                atPath: directory,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            // The system's own words say more than Foundation's.
            let code = ((error as? CocoaError)?.underlying as? POSIXError)?.code.rawValue
            let reason = code.map { String(cString: strerror($0)) } ?? error.localizedDescription
            throw .dataDirectory(path: directory, reason: reason)
        }
    }

    static func openStore(_ directory: String) throws -> Store {
        try makeDataDirectory(directory)
        return try Store(directory: directory, epoch: Epoch.random(in: 1...UInt64.max))
    }

    /// Answers what was accepted, commits, closes. Returns when all is on disk.
    public func stop() throws {
        draining.set()
        waker.wake()
        shardEnded.wait()
        changeLog.close()
        if let error = failure.first { throw error }
    }

    /// Says that the clock is right, after a jump ahead of more than a day: old tombstones are collected again.
    public func confirmClock() { changeLog.confirmClock() }

    /// Called once, from a thread of the server, if it can no longer serve; `stop` throws the error.
    public func onFailure(_ body: @escaping @Sendable (any Error) -> Void) { failure.observe(body) }
}

/// What passes between the starting thread and a shard's own.
private final class ShardStart: @unchecked Sendable {
    let listening = Promise<([ListenAddress], Waker)>()
    let changeLog = Promise<ChangeLog>()
    private let inboxReady = Promise<GroupInbox>()
    /// Taken by the shard's thread, once.
    private var directory: Directory?

    init(directory: consuming Directory) { self.directory = consume directory }

    func inbox(waker: Waker) -> GroupInbox {
        let inbox = GroupInbox(wake: { waker.wake() })
        inboxReady.complete(.success(inbox))
        return inbox
    }

    func run(
        configuration: ServerConfiguration,
        counters: Counters,
        draining: DrainFlag,
        log: Logger
    ) throws {
        var loop = try EventLoop(configuration.eventLoop)
        let all = try Shard.listen(configuration, on: &loop, log: log)
        listening.complete(.success((Array(all.listeners.prefix(configuration.listen.count)), loop.waker)))
        var shard = Shard(
            index: 0,
            configuration: configuration,
            listening: all,
            directory: directory.take()!,
            inbox: try inboxReady.wait().get(),
            counters: counters,
            draining: draining,
            loop: loop,
            log: log
        )
        try shard.run(try changeLog.wait().get())
    }
}

/// A value that one thread completes and another waits for.
private final class Promise<Value: Sendable>: Sendable {
    private let completed = DispatchSemaphore(value: 0)
    private let result = Mutex<Result<Value, any Error>?>(nil)

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

private final class Failure: Sendable {
    private struct State {
        var first: (any Error)?
        var observer: (@Sendable (any Error) -> Void)?
    }
    private let state = Mutex(State())

    var first: (any Error)? { state.withLock { $0.first } }

    func record(_ error: any Error) {
        let observer = state.withLock { state in
            guard state.first == nil else { return nil as (@Sendable (any Error) -> Void)? }
            state.first = error
            return state.observer
        }
        observer?(error)
    }

    func observe(_ body: @escaping @Sendable (any Error) -> Void) {
        let already = state.withLock { state in
            state.observer = body
            return state.first
        }
        if let already { body(already) }
    }
}
