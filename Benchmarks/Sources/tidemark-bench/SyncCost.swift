// What a sync costs the server: one with nothing new against a raw io_uring echo of the same byte counts and against Redis
// asked for the same, one with five changes against Redis; then LoopsCost.swift and BesideLarge.swift. All take turns, so that a machine whose speed drifts drifts for
// all; servers on core 0, load on core 1.

import ClosedLoop
import Glibc
import TidemarkWire

struct SyncCost {
    enum Job: String, Encodable { case nothingNew, fiveChanged }
    enum Program: String, Encodable { case tidemark, echo, redis }

    struct Run: Encodable {
        var job: Job
        var connections: Int
        var depth: Int
        var program: Program
        var requestsPerSecond: Double
        var cpuMicroseconds: Double
    }

    struct Series: Encodable {
        var requestBytes: Int
        /// Rounded means over the connections; presence and details make answers differ.
        var nothingNewBytes: Int
        var fiveChangedBytes: Int
        var contactsMean: Double
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
        let response = logins.nothingNew.reduce(0) { $0 + $1.answerBytes } / many
        try pinCurrentThread(toCore: 1)
        let echoPort = try freePort()
        let request = logins.nothingNew[0].request
        let echo = try ServerProcess(
            path: programs.echo,
            arguments: [String(echoPort), String(request.count), String(response)],
            core: 0
        )
        try echo.waitUntilListening(on: echoPort)
        let echoPlans = [ConnectionPlan](
            repeating: ConnectionPlan(request: request, answerBytes: response),
            count: many
        )
        let redis = try RedisServer.start(sets: small ? 1_000 : 20_000)

        var nothingNew = [
            Contender(program: .tidemark, port: server.port, process: server.process, plans: logins.nothingNew),
            Contender(program: .echo, port: echoPort, process: echo.id, plans: echoPlans),
        ]
        var fiveChanged = [
            Contender(program: .tidemark, port: server.port, process: server.process, plans: logins.fiveChanged)
        ]
        if let redis {
            func plans(_ changed: Int) -> [ConnectionPlan] { RedisServer.plans(many, changed: changed) }
            nothingNew.append(Contender(program: .redis, port: redis.port, process: redis.process, plans: plans(0)))
            fiveChanged.append(Contender(program: .redis, port: redis.port, process: redis.process, plans: plans(5)))
        }

        var runs: [Run] = []
        for turn in 1...(small ? 1 : 9) {
            say("turn \(turn)")
            for connections in Set([64, many]).sorted() {
                for depth in [1, 16] { runs += try measure(.nothingNew, nothingNew, connections, depth, small) }
            }
            runs += try measure(.fiveChanged, fiveChanged, 64, 1, small)
        }
        // Both end with their values.
        withExtendedLifetime((server, redis)) {}
        let loops = try LoopsCost.run(programs, small: small)
        let beside = try BesideLarge.run(programs, small: small)
        let steady = try SteadyState.run(programs, small: small)
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
            ].compactMap { $0 } + [LoopsCost.goal(loops), BesideLarge.goal(beside)]
                + SteadyState.goals(steady),
            series: Series(
                requestBytes: request.count,
                nothingNewBytes: response,
                fiveChangedBytes: logins.fiveChanged.reduce(0) { $0 + $1.answerBytes } / many,
                contactsMean: logins.contactsMean,
                runs: runs,
                loops: loops,
                besideLarge: beside,
                steadyState: steady
            )
        ).print()
    }

    private static func measure(
        _ job: Job,
        _ contenders: [Contender],
        _ connections: Int,
        _ depth: Int,
        _ small: Bool
    ) throws -> [Run] {
        try contenders.map { contender in
            let result = try ClosedLoop(
                port: contender.port,
                plans: Array(contender.plans.prefix(connections)),
                depth: depth,
                seconds: small ? 0.2 : 1,
                server: contender.process
            ).run()
            let cpu = ((result.cpuMicrosecondsPerAnswer ?? 0) * 1000).rounded() / 1000
            say(
                "\(job.rawValue), \(connections) connections, depth \(depth), \(contender.program.rawValue): "
                    + "\(Int(result.answersPerSecond)) requests/s, \(cpu) µs CPU each"
            )
            return Run(
                job: job,
                connections: connections,
                depth: depth,
                program: contender.program,
                requestsPerSecond: result.answersPerSecond.rounded(),
                cpuMicroseconds: cpu
            )
        }
    }
}

/// Users spread over the graph, each with a session that stays: all of them are online and visible, as in life.
struct Logins {
    private(set) var nothingNew: [ConnectionPlan] = []
    private(set) var fiveChanged: [ConnectionPlan] = []
    let contactsMean: Double
    private var sessions: [Exchange] = []

    init(_ server: GraphServer, count: Int) throws {
        // Whoever has five contacts can see five changed.
        let ids = server.rosterSizes.filter { $0.value > 5 }.keys.sorted()
        let users = (0..<count).map { ids[$0 * ids.count / count] }
        contactsMean = Double(users.reduce(0) { $0 + server.rosterSizes[$1]! }) / Double(count)
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

    private func plan(
        _ server: GraphServer,
        _ user: UserID,
        _ session: Exchange,
        _ token: [UInt8],
        items: Int
    ) throws -> ConnectionPlan {
        let sync = Message.sync(Sync(token: Sync.TokenBytes(token)))
        let before = session.bytesReceived
        guard case .syncPage(let page)? = try session.exchange([sync]).first, page.items.count == items else {
            throw BenchError("\(items) items were expected")
        }
        return try server.plan(user, request: sync.frame(request: 9), answerBytes: session.bytesReceived - before)
    }
}
