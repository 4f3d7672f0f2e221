// What a sync costs the server: one with nothing new against a raw io_uring echo of the same byte counts and against Redis
// asked for the same, one with five changes against Redis; then LoopsCost.swift, BesideLarge.swift and SteadyState.swift. All
// take short turns, in changing order, so that a machine whose speed drifts drifts for all; servers on core 0, load on core 1.

import ClosedLoop
import Glibc
import TidemarkWire

struct SyncCost {
    enum Job: String, Encodable { case nothingNew, fiveChanged }
    /// Of the echo there is another with few receive buffers, which stay in the caches: no more than a loop of Tidemark's uses.
    enum Program: String, Encodable { case tidemark, echo, echoOfFewBuffers, redis }

    struct Run: Encodable {
        var job: Job
        var connections: Int
        var depth: Int
        var program: Program
        var requestsPerSecond: Double
        var cpuMicroseconds: Double
    }

    struct Series: Encodable {
        struct Users: Encodable {
            var connections: Int
            var contactsMean: Double
            /// Rounded means over the connections; presence and details make answers differ.
            var nothingNewBytes: Int
            var fiveChangedBytes: Int
        }
        var requestBytes: Int
        var users: [Users]
        /// What `redis-server --version` says; nil where there is none, and then its goals are missing.
        var redis: String?
        var runs: [Run]
        var loops: [LoopsCost.Run]
        var besideLarge: [BesideLarge.Run]
        var steadyState: [SteadyState.Run]
    }

    /// Who is measured, and what each connection asks of it.
    private struct Contender {
        var program: Program
        var port: UInt16
        var process: pid_t
        var plans: [ConnectionPlan]
    }

    static func run(_ programs: Programs, small: Bool) throws {
        let many = small ? 64 : 512
        let server = try GraphServer(programs)
        let logins = try Logins(server, count: many)
        try pinCurrentThread(toCore: 1)
        let request = logins.nothingNew[0].request
        let redis = try RedisServer.start(sets: small ? 1_000 : 20_000)
        let users = Set([64, many]).sorted().map { logins.spread($0) }
        var runs: [Run] = []
        for spread in users {
            let plans = spread.nothingNew
            let answer = spread.series.nothingNewBytes
            let echo = try RawEcho(programs, request: request.count, answer: answer, buffers: nil)
            let fewBuffers = try RawEcho(
                programs,
                request: request.count,
                answer: answer,
                buffers: max(128, plans.count)
            )
            let echoPlans = [ConnectionPlan](
                repeating: ConnectionPlan(request: request, answerBytes: answer),
                count: plans.count
            )
            var nothingNew = [
                Contender(program: .tidemark, port: server.port, process: server.process, plans: plans),
                Contender(program: .echo, port: echo.port, process: echo.server.id, plans: echoPlans),
                Contender(
                    program: .echoOfFewBuffers,
                    port: fewBuffers.port,
                    process: fewBuffers.server.id,
                    plans: echoPlans
                ),
            ]
            var fiveChanged = [
                Contender(program: .tidemark, port: server.port, process: server.process, plans: spread.fiveChanged)
            ]
            if let redis {
                func contender(_ changed: Int) -> Contender {
                    let plans = RedisServer.plans(plans.count, changed: changed)
                    return Contender(program: .redis, port: redis.port, process: redis.process, plans: plans)
                }
                nothingNew.append(contender(0))
                fiveChanged.append(contender(5))
            }
            for depth in [1, 16] { runs += try measure(.nothingNew, nothingNew, depth, small) }
            if plans.count == 64 { runs += try measure(.fiveChanged, fiveChanged, 1, small) }
            withExtendedLifetime((echo, fewBuffers)) {}
        }
        // Both end with their values.
        withExtendedLifetime((server, redis)) {}
        let loops = try LoopsCost.run(programs, small: small)
        let beside = try BesideLarge.run(programs, small: small)
        let steady = try SteadyState.run(programs, small: small)
        let exact = SteadyState.goals(steady)
        /// Both sides of the turn whose ratio is the median: what slows a whole turn down slows both.
        func goal(_ limit: Double, _ job: Job, _ connections: Int, _ depth: Int, _ against: Program) -> Goal? {
            func costs(_ program: Program) -> [Double] {
                runs.filter {
                    $0.job == job && $0.connections == connections && $0.depth == depth && $0.program == program
                }.map(\.cpuMicroseconds)
            }
            let turns = zip(costs(.tidemark), costs(against)).sorted { $0.0 / $0.1 < $1.0 / $1.1 }
            guard !turns.isEmpty else { return nil }
            let what = job == .nothingNew ? "a nothing-new sync" : "a sync with five changes"
            let whom = against == .echo ? "a raw io_uring echo" : "Redis's ZRANGEBYSCORE"
            return .ratioAtMost(
                limit,
                "CPU of \(what) against \(whom), \(connections) connections, depth \(depth)",
                measured: turns[turns.count / 2].0,
                against: turns[turns.count / 2].1,
                unit: "µs"
            )
        }
        Report(
            bench: "sync",
            machine: .this(),
            goals: [
                goal(1.15, .nothingNew, 64, 1, .echo), small ? nil : goal(1.15, .nothingNew, many, 1, .echo),
                goal(2, .nothingNew, 64, 16, .echo), small ? nil : goal(2, .nothingNew, many, 16, .echo),
                goal(0.75, .nothingNew, 64, 1, .redis), goal(0.4, .nothingNew, 64, 16, .redis),
                goal(0.75, .fiveChanged, 64, 1, .redis),
            ].compactMap { $0 } + [LoopsCost.goal(loops, depth: 1), LoopsCost.goal(loops, depth: 16)]
                + [BesideLarge.goal(beside)] + exact,
            series: Series(
                requestBytes: request.count,
                users: users.map(\.series),
                redis: redis?.version,
                runs: runs,
                loops: loops,
                besideLarge: beside,
                steadyState: steady
            )
        ).print()
        // These do not depend on the machine, so they are a test as well.
        if let missed = exact.first(where: { !$0.holds }) {
            throw BenchError("\(missed.figure): \(missed.value), where there may be none")
        }
    }

    private static func measure(_ job: Job, _ contenders: [Contender], _ depth: Int, _ small: Bool) throws -> [Run] {
        let loads = contenders.map {
            ClosedLoop(port: $0.port, plans: $0.plans, depth: depth, seconds: 0.1, server: $0.process)
        }
        let turns = try Turns.run(loads, turns: small ? 2 : 41)
        return zip(contenders, turns).flatMap { contender, results in
            let runs = results.map { result in
                Run(
                    job: job,
                    connections: contender.plans.count,
                    depth: depth,
                    program: contender.program,
                    requestsPerSecond: result.answersPerSecond.rounded(),
                    cpuMicroseconds: result.cpuMicroseconds
                )
            }
            say(
                "\(job.rawValue), \(contender.plans.count) connections, depth \(depth), \(contender.program.rawValue): "
                    + "\(Int(median(runs.map(\.requestsPerSecond)))) requests/s, "
                    + "\(median(runs.map(\.cpuMicroseconds))) µs CPU each, in the middle"
            )
            return runs
        }
    }
}

extension ClosedLoop.Result {
    /// Of one request, in microseconds, to the nanosecond.
    var cpuMicroseconds: Double { ((cpuMicrosecondsPerAnswer ?? 0) * 1000).rounded() / 1000 }
}

/// Users spread over the graph, each with a session that stays: all of them are online and visible, as in life.
struct Logins {
    private(set) var nothingNew: [ConnectionPlan] = []
    private(set) var fiveChanged: [ConnectionPlan] = []
    private let contacts: [Int]
    private var sessions: [Exchange] = []

    init(_ server: GraphServer, count: Int) throws {
        // Whoever has five contacts can see five changed.
        let ids = server.rosterSizes.filter { $0.value > 5 }.keys.sorted()
        let users = (0..<count).map { ids[$0 * ids.count / count] }
        contacts = users.map { server.rosterSizes[$0]! }
        var before: [Stamp] = []
        var epoch: Epoch = 0
        for user in users {
            let session = try server.connect()
            let answers = try session.exchange([
                .hello(Hello()), .authenticate(.ticket(server.ticket(user))), .sync(Sync(options: .stamps)),
            ])
            guard case .syncPage(let first)? = answers.last else { throw BenchError("not a page") }
            let pages = try session.sync(after: first, options: .stamps)
            guard let token = pages.last?.token.withUnsafeBytes({ SyncToken($0) }) else { throw BenchError("no token") }
            epoch = token.epoch
            let stamps = pages.flatMap(\.items).compactMap(\.stamp)
            before.append(stamps[stamps.count - 6])
            sessions.append(session)
        }
        // Only now, when all are online, is what they are told what they will be told.
        for (index, user) in users.enumerated() {
            let newest = try sessions[index].sync().last!.token
            nothingNew.append(try plan(server, user, sessions[index], newest, items: 0))
            var writer = ByteWriter()
            writer.token(SyncToken(settledAt: before[index], epoch: epoch))
            fiveChanged.append(try plan(server, user, sessions[index], Array(writer.array.dropFirst()), items: 5))
        }
    }

    /// So many of them, as far apart as all of them allow.
    func spread(
        _ count: Int
    ) -> (nothingNew: [ConnectionPlan], fiveChanged: [ConnectionPlan], series: SyncCost.Series.Users) {
        let places = (0..<count).map { $0 * nothingNew.count / count }
        func mean(_ values: [Int]) -> Double { Double(places.reduce(0) { $0 + values[$1] }) / Double(count) }
        return (
            places.map { nothingNew[$0] }, places.map { fiveChanged[$0] },
            SyncCost.Series.Users(
                connections: count,
                contactsMean: mean(contacts),
                nothingNewBytes: Int(mean(nothingNew.map(\.answerBytes)).rounded()),
                fiveChangedBytes: Int(mean(fiveChanged.map(\.answerBytes)).rounded())
            )
        )
    }

    private func plan(
        _ server: GraphServer,
        _ user: UserID,
        _ session: Exchange,
        _ token: [UInt8],
        items: Int
    ) throws -> ConnectionPlan {
        let sync = Message.sync(Sync(token: Sync.TokenBytes(token)))
        guard case .syncPage(let page)? = try session.exchange([sync]).first, page.items.count == items else {
            throw BenchError("\(items) items were expected")
        }
        return try server.plan(user, request: sync.frame(request: 9), answer: session.lastFrame(request: 9))
    }
}
