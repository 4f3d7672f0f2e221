// What a host pays that has the server in its own process: a nothing-new sync in batches, from one thread; details of many users
// set at once, against SQLite's bare C API that upserts the same rows; and what an observer of all changes takes away from that.

#if EMBED

    import Foundation
    import Logging
    import Synchronization
    import TidemarkServer

    struct EmbedCost {
        struct Syncs: Encodable {
            var batch: Int
            var threads: Int
            var nanosecondsEach: Double
        }

        /// Of one sync by itself, in microseconds.
        struct Single: Encodable {
            var kind: String
            var p50: Double
            var p99: Double
        }

        struct Writes: Encodable {
            var program: String
            var changesPerSecond: Double
        }

        struct Series: Encodable {
            var users: Int
            var loops: Int
            var syncs: [Syncs]
            var single: [Single]
            var writes: [Writes]
        }

        static func run(_ programs: Programs, small: Bool) async throws {
            let directory = FileManager.default.temporaryDirectory.appending(
                path: "tidemark-bench-\(UUID().uuidString)"
            )
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: directory) }
            let data = directory.appending(path: "data").path
            say("importing the graph")
            let edges = ["--edges", programs.graph, "--both-ways", "--seed", "1"]
            try runToEnd(programs.server, ["import", "--data", data] + edges)
            let copy = directory.appending(path: "bare").path
            try FileManager.default.copyItem(atPath: data, toPath: copy)

            var configuration = ServerConfiguration(listen: [], dataDirectory: data, ticketKeys: TicketKeys([]))
            // One loop, so that the caller has a core.
            configuration.loops = 1
            var log = Logger(label: "bench")
            log.logLevel = .error
            let server = try Server(configuration, log: log)
            let users = server.loaded.users
            var series = Series(users: users, loops: 1, syncs: [], single: [], writes: [])
            series.syncs = try await syncs(server, users, small: small)
            series.single = try await singles(server, users, small: small)

            // In turns, and the middle one's both sides.
            var upserts: [(ours: Double, bare: Double)] = []
            var observed: [(with: Double, without: Double)] = []
            let seconds = small ? 0.3 : 2.0
            for turn in 1...(small ? 1 : 9) {
                let bare = try bare(copy + "/tidemark.db", programs, users, seconds)
                let without = try await changes(server, users, seconds)
                let observer = Observing(server)
                try await observer.begin()
                let with = try await changes(server, users, seconds)
                let seen = try await observer.end()
                upserts.append((without, bare))
                observed.append((with, without))
                series.writes += [
                    Writes(program: "bare", changesPerSecond: bare.rounded()),
                    Writes(program: "upsert", changesPerSecond: without.rounded()),
                    Writes(program: "upsert, observed", changesPerSecond: with.rounded()),
                ]
                say(
                    "turn \(turn): bare \(Int(bare)) changes/s, upserted \(Int(without)), observed \(Int(with)) "
                        + "(\(seen) changes seen)"
                )
            }
            try server.stop()
            let upsert = upserts.sorted { $0.ours / $0.bare < $1.ours / $1.bare }[upserts.count / 2]
            let cost = observed.sorted { $0.with / $0.without < $1.with / $1.without }[observed.count / 2]
            let each = series.syncs.first { $0.batch == 64 && $0.threads == 1 }!.nanosecondsEach / 1_000
            Report(
                bench: "embed",
                machine: .this(),
                goals: [
                    .atMost(
                        0.5,
                        "a nothing-new sync in process, in batches of 64 from one thread, of Swift",
                        each,
                        unit: "µs"
                    ),
                    .ratioAtLeast(
                        1,
                        "details of users set in bulk, a second, against SQLite's C API upserting the same rows",
                        measured: upsert.ours,
                        against: upsert.bare,
                        unit: "a second"
                    ),
                    .ratioAtLeast(
                        0.9,
                        "the same while an observer takes all changes, against without",
                        measured: cost.with,
                        against: cost.without,
                        unit: "a second"
                    ),
                ],
                series: series
            ).print()
        }

        // MARK: syncs

        /// Tokens that are up to date.
        private static func tokens(_ server: Server, _ users: Int) -> [Sync.TokenBytes] {
            let batch = SyncBatch()
            for user in 1...users { batch.add(user: UserID(user), token: .init()) }
            var tokens = [Sync.TokenBytes](repeating: .init(), count: users)
            var open = Array(0..<users)
            while !open.isEmpty {
                batch.removeAll()
                for user in open { batch.add(user: UserID(user + 1), token: tokens[user]) }
                server.syncAndWait(batch)
                var left: [Int] = []
                for (at, user) in open.enumerated() {
                    guard let page = batch.page(at: at) else { continue }
                    tokens[user] = .init(page.token)
                    if page.summary == nil { left.append(user) }
                }
                open = left
            }
            return tokens
        }

        private static func syncs(_ server: Server, _ users: Int, small: Bool) async throws -> [Syncs] {
            let tokens = tokens(server, users)
            var results: [Syncs] = []
            for (batch, threads) in [(1, 1), (16, 1), (64, 1), (256, 1), (64, 2)] {
                var times: [Double] = []
                for _ in 0..<(small ? 1 : 15) {
                    times.append(
                        try await elapsed(
                            server,
                            tokens,
                            batch,
                            threads,
                            rounds: small ? 50 : 200_000 / batch / threads
                        )
                    )
                }
                let each = times.sorted()[times.count / 2]
                results.append(Syncs(batch: batch, threads: threads, nanosecondsEach: each.rounded()))
                say("\(threads) threads, batches of \(batch): \(Int(each)) ns a sync")
            }
            return results
        }

        /// Nanoseconds for each sync of all threads together.
        private static func elapsed(
            _ server: Server,
            _ tokens: [Sync.TokenBytes],
            _ size: Int,
            _ threads: Int,
            rounds: Int
        ) async throws -> Double {
            let begin = secondsNow()
            await withTaskGroup(of: Void.self) { group in
                for thread in 0..<threads {
                    group.addTask {
                        await onThread {
                            let batch = SyncBatch()
                            var user = thread * 1_009
                            for _ in 0..<rounds {
                                batch.removeAll()
                                for _ in 0..<size {
                                    user = (user + 7_919) % tokens.count
                                    batch.add(user: UserID(user + 1), token: tokens[user])
                                }
                                server.syncAndWait(batch)
                                for at in 0..<size {
                                    precondition(batch.outcome(at: at) == .upToDate)
                                }
                            }
                        }
                    }
                }
            }
            return (secondsNow() - begin) * 1e9 / Double(rounds * size * threads)
        }

        private static func onThread(_ body: @escaping @Sendable () -> Void) async {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    body()
                    continuation.resume()
                }
            }
        }

        private static func singles(_ server: Server, _ users: Int, small: Bool) async throws -> [Single] {
            let tokens = tokens(server, users)
            let count = small ? 200 : 20_000
            let waiting = Samples()
            await onThread {
                let batch = SyncBatch()
                for turn in 0..<count {
                    let user = turn * 7_919 % users
                    let begin = secondsNow()
                    batch.removeAll()
                    batch.add(user: UserID(user + 1), token: tokens[user])
                    server.syncAndWait(batch)
                    waiting.add(secondsNow() - begin)
                }
            }
            let calling = Samples()
            for turn in 0..<count {
                let user = turn * 7_919 % users
                let begin = secondsNow()
                _ = try await server.sync(.id(UserID(user + 1)), token: tokens[user].array)
                calling.add(secondsNow() - begin)
            }
            return [waiting.summary("a batch of one, from a thread"), calling.summary("sync, from a task")]
        }

        private final class Samples: Sendable {
            private let seconds = Mutex<[Double]>([])
            func add(_ time: Double) { seconds.withLock { $0.append(time) } }
            func summary(_ kind: String) -> Single {
                let sorted = seconds.withLock { $0.sorted() }
                func at(_ share: Double) -> Double {
                    (sorted[Int(Double(sorted.count - 1) * share)] * 1e8).rounded() / 100
                }
                say("\(kind): p50 \(at(0.5)) µs, p99 \(at(0.99)) µs")
                return Single(kind: kind, p50: at(0.5), p99: at(0.99))
            }
        }

        // MARK: writes

        /// Changes a second, of a note of 30 bytes, of the 64 users whose rows SQLite's side upserts; four calls at a time.
        private static func changes(_ server: Server, _ users: Int, _ seconds: Double) async throws -> Double {
            let begin = secondsNow()
            let end = begin + seconds
            let done = try await withThrowingTaskGroup(of: Int.self) { group in
                for caller in 0..<4 {
                    group.addTask {
                        var done = 0
                        while secondsNow() < end {
                            let upserts = (0..<256).map { turn in
                                let user = 1 + (turn + 16 * caller) % 64 * users / 64
                                let text = "\(caller).\(done + turn).\(begin)".padding(
                                    toLength: 30,
                                    withPad: "x",
                                    startingAt: 0
                                )
                                return ProfileUpsert(user: UserID(user), fields: [FieldChange(.note, text: text)])
                            }
                            let report = try await server.upsert(upserts)
                            guard report.changed == 256 else { throw BenchError("\(report)") }
                            done += 256
                        }
                        return done
                    }
                }
                return try await group.reduce(0, +)
            }
            return Double(done) / (secondsNow() - begin)
        }

        private static func bare(_ file: String, _ programs: Programs, _ users: Int, _ seconds: Double) throws -> Double
        {
            let owners = (0..<64).map { String(1 + $0 * users / 64) }
            let field = String(FieldNumber.note.rawValue)
            let output = try runToEnd(programs.bareSQLite, ["upsert", file, String(seconds), "1000", field] + owners)
            return Double(output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        }

        /// Takes all that is committed, and passes it once a second.
        private final class Observing: Sendable {
            private let server: Server
            private let task = Mutex<Task<Int, any Error>?>(nil)

            init(_ server: Server) { self.server = server }

            func begin() async throws {
                let observer = try await server.observe(as: "bench")
                let taking = Task { () -> Int in
                    var seen = 0
                    var passed = secondsNow()
                    do {
                        for try await changes in observer {
                            seen += changes.count
                            guard secondsNow() - passed > 1, let last = changes.last else { continue }
                            try await observer.advance(to: last.stamp)
                            passed = secondsNow()
                        }
                    } catch is CancellationError {}
                    return seen
                }
                task.withLock { $0 = taking }
            }

            func end() async throws -> Int {
                guard let taking = task.withLock({ $0 }) else { return 0 }
                taking.cancel()
                let seen = try await taking.value
                try await server.stopObserving(as: "bench")
                return seen
            }
        }
    }

#endif
