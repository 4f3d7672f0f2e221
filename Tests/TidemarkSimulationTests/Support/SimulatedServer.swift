//  A whole server on the test's own thread, in steps, on a clock that moves when told to:
//
//      turn(shard)   one iteration of that shard's loop: what has come in, what is to be told
//      commit        one group of the change log, to disk and to every shard
//      kill          all of it is gone, as by SIGKILL; start reads what the disk has
//
//  Loops, shards, log and store are the product's. What threads and clocks decide elsewhere, the test decides here.

import Foundation
import Glibc
import Logging
import Synchronization
import TidemarkDirectory
import TidemarkTickets
import TidemarkWire

@testable import TidemarkEventLoop
@testable import TidemarkServer
@testable import TidemarkStore

/// The machine's clocks, which agree.
final class SimulatedClock: Sendable {
    private let elapsed = Atomic<UInt64>(0)

    /// Milliseconds since the simulation began.
    var milliseconds: UInt64 { elapsed.load(ordering: .relaxed) / 1_000_000 }
    var monotonic: MonotonicTime {
        MonotonicTime(nanoseconds: 1_000_000_000_000 + elapsed.load(ordering: .relaxed))
    }
    /// Of the Unix epoch.
    var microseconds: UInt64 { 1_700_000_000_000_000 + elapsed.load(ordering: .relaxed) / 1_000 }

    func advance(milliseconds: Int) { elapsed.add(UInt64(milliseconds) * 1_000_000, ordering: .relaxed) }
}

final class SimulatedServer {
    static let key: (id: UInt16, bytes: [UInt8]) = (7, Array(1...32))

    let clock: SimulatedClock
    private(set) var configuration: ServerConfiguration
    private var epoch: UInt64
    private var running: Running?

    private struct Running {
        let store: Store
        let log: ChangeLog
        var pace: ChangeLog.Pace
        let shards: [SimulatedShard]
        let counters: Counters
    }

    private final class SimulatedShard {
        var shard: Shard

        init(_ shard: consuming Shard) { self.shard = shard }
    }

    /// `changes` are what the store holds before the server starts.
    init(
        _ changes: [Change],
        clock: SimulatedClock,
        loops: Int,
        epoch: UInt64,
        adjust: (inout ServerConfiguration) -> Void = { _ in }
    ) throws {
        self.clock = clock
        self.epoch = epoch
        let directory = FileManager.default.temporaryDirectory.appending(path: "tidemark-sim-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        // Of several loops each would listen on a port, and the kernel choose among them.
        let address: ListenAddress =
            loops == 1 ? .tcp(host: "127.0.0.1", port: 0) : .unix(path: directory + "/s")
        configuration = ServerConfiguration(
            listen: [address],
            dataDirectory: directory,
            ticketKeys: TicketKeys([Self.key])
        )
        configuration.loops = loops
        configuration.clock = { clock.microseconds }
        configuration.eventLoop.clock = { clock.monotonic }
        configuration.eventLoop.gatherTime = .zero
        configuration.eventLoop.submissions = 256
        configuration.eventLoop.completions = 1_024
        configuration.eventLoop.receiveBuffers = 64
        configuration.connectionsMax = 1_024
        configuration.fullSyncBytesPerSecond = 1 << 40
        configuration.presenceGrace = .seconds(2)
        configuration.userLimits = .none
        adjust(&configuration)
        let store = try Store(directory: directory, epoch: epoch)
        _ = try store.loadDirectory()
        try store.commitAtOnce(changes, first: clock.microseconds - 1_000_000)
        try store.close()
        try start()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(atPath: configuration.dataDirectory)
    }

    /// Where clients find it.
    private(set) var address = ListenAddress.unix(path: "")
    var loops: Int { configuration.loops }
    var counters: Counters.Snapshot { running!.counters.snapshot }

    func ticket(_ user: UserID) -> [UInt8] {
        configuration.ticketKeys.issue(user: user, nowSeconds: clock.microseconds / 1_000_000, lifetimeSeconds: 86_400)!
    }

    // MARK: from start to end

    func start() throws {
        epoch += 1
        let store = try Store(directory: configuration.dataDirectory, epoch: epoch)
        let map = ShardMap(count: loops)
        var options = DirectoryOptions(popularFollowers: configuration.popularFollowers)
        options.presencePace = configuration.presencePace
        let directories = try store.loadDirectories(map, options: options)
        var log = Logger(label: "simulation")
        log.logLevel = .critical
        let counters = Counters(shards: loops)
        let common = Shard.Common(
            configuration: configuration,
            counters: counters,
            draining: DrainFlag(),
            admission: Admission(connectionsMax: 1_024, perAddressMax: 1_024),
            failedLogins: FailedLogins(FailedLoginPolicy()),
            keyring: Keyring(configuration.ticketKeys),
            feeds: HostFeeds(configuration.hooks),
            services: ServiceRegister(configuration.services),
            secret: store.secret,
            log: log
        )
        let changeLog = ChangeLog(
            of: store,
            clock: configuration.clock,
            configuration: configuration.changeLog,
            failed: { fatalError("\($0)") }
        )
        let inboxes = (0..<loops).map { _ in GroupInbox(wake: {}) }
        let pace = ChangeLog.Pace(groups: GroupList(inboxes))
        var wakers: [Waker] = []
        var shards: [SimulatedShard] = []
        var loopsMade = LoopList()
        for index in 0..<loops {
            var limits = configuration.eventLoop
            limits.connectionsMax = 1_024
            var loop = try EventLoop(limits)
            let listening =
                index == 0
                ? try Listening(first: common, on: &loop)
                : try Listening(another: common, as: [], on: &loop)
            if index == 0 {
                address = listening.listeners[0]
                // Its connections have it too: so little is on the way to whoever does not read.
                var bytes: Int32 = 4_096
                setsockopt(loop.listeners[0].descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, 4)
            }
            wakers.append(loop.waker)
            loopsMade.append(loop, listening)
        }
        let team = ShardTeam(wakers: wakers)
        for index in 0..<loops {
            let (loop, listening) = loopsMade.takeFirst()
            shards.append(
                SimulatedShard(
                    Shard(
                        index: index,
                        common,
                        listening: listening,
                        directory: directories.take(index),
                        team: team,
                        inbox: inboxes[index],
                        changeLog: changeLog,
                        loop: loop.take()
                    )
                )
            )
        }
        running = Running(store: store, log: changeLog, pace: pace, shards: shards, counters: counters)
    }

    /// Loops until their shards are made: each in a box, for they are not copied.
    private struct LoopList {
        final class Box {
            private var loop: EventLoop?
            init(_ loop: consuming EventLoop) { self.loop = consume loop }
            func take() -> EventLoop { loop.take()! }
        }

        private var loops: [(Box, Listening)] = []

        mutating func append(_ loop: consuming EventLoop, _ listening: Listening) {
            loops.append((Box(loop), listening))
        }

        mutating func takeFirst() -> (Box, Listening) { loops.removeFirst() }
    }

    /// What is not committed is gone, and nobody is told anything.
    func kill() {
        guard let running else { return }
        // Shards share their profiles, and so end alike.
        for shard in running.shards { shard.shard.finish() }
        self.running = nil
        try? running.store.abandon()
    }

    // MARK: steps

    func turn(_ shard: Int) throws { try running!.shards[shard].shard.turn(until: MonotonicTime(nanoseconds: 0)) }

    func turnAll() throws { for shard in 0..<loops { try turn(shard) } }

    /// Live sessions whose clients have yet to read what they were sent.
    var sessionsBehind: Int {
        running!.shards.reduce(0) { sum, each in
            sum + (0..<each.shard.clients.count).count { each.shard.live[$0].isBehind }
        }
    }

    /// Nil where nothing waits.
    func commit() throws -> Group? {
        guard running!.log.hasWaiting else { return nil }
        return try running!.log.commitGroup(running!.store, &running!.pace)
    }

    /// Some of what the log does beside committing.
    func fold(rows: Int) throws {
        let store = running!.store
        if !store.hasSteps { store.beginFold() }
        try store.step(rowsMax: rows)
        try store.checkpointIfDue(framesMin: 64)
    }
}
