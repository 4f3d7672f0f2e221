// What a nothing-new sync costs the server, against a raw io_uring echo of the same byte counts. The two take turns, so
// that a machine whose speed drifts drifts for both; server on core 0, load on core 1.

import ClosedLoop
import Glibc
import TidemarkWire

struct SyncCost {
    struct Run: Encodable {
        var depth: Int
        var program: String
        var requestsPerSecond: Double
        var cpuMicroseconds: Double
    }

    struct Series: Encodable {
        var connections: Int
        var requestBytes: Int
        /// Rounded mean over the connections; presence makes answers differ a little.
        var responseBytes: Int
        var contactsMean: Double
        var runs: [Run]
    }

    static func run(_ programs: Programs, small: Bool) throws {
        let connections = 64
        let server = try GraphServer(programs)
        // Users spread over the graph; all of them online and visible, as in life.
        let ids = server.rosterSizes.keys.sorted()
        let users = (0..<connections).map { ids[$0 * ids.count / connections] }
        let sessions = try users.map { user in
            let session = try server.connect()
            let answers = try session.exchange([
                .hello(Hello()), .authenticate(.ticket(server.ticket(user))), .sync(Sync()),
            ])
            return (session, answers)
        }
        var plans: [ConnectionPlan] = []
        for (user, (session, answers)) in zip(users, sessions) {
            guard case .syncPage(let first)? = answers.last, let token = try session.sync(after: first).last?.token
            else {
                throw BenchError("not a page")
            }
            let sync = Message.sync(Sync(token: Sync.TokenBytes(token)))
            let before = session.bytesReceived
            guard case .syncPage(let page)? = try session.exchange([sync]).first, page.answer == .upToDate else {
                throw BenchError("nothing new was expected")
            }
            let preamble = try [Message.hello(Hello()), .authenticate(.ticket(server.ticket(user)))]
            let preambleAnswers = [
                Message.helloOK(HelloOK(version: 1, frameLog2: 17, idleSeconds: 0, features: [])),
                .authenticateOK(AuthenticateOK(user: user)),
            ]
            plans.append(
                ConnectionPlan(
                    preamble: preamble.enumerated().flatMap { $1.frame(request: UInt16($0 + 1)) },
                    preambleAnswerBytes: preambleAnswers.reduce(0) { $0 + $1.frame(request: 0).count },
                    request: sync.frame(request: 9),
                    answerBytes: session.bytesReceived - before,
                    answerPrefix: []
                )
            )
        }
        let request = plans[0].request.count
        let response = plans.reduce(0) { $0 + $1.answerBytes } / plans.count
        try pinCurrentThread(toCore: 1)

        let echoPort = try freePort()
        let echo = try ServerProcess(
            path: programs.echo,
            arguments: [String(echoPort), String(request), String(response)],
            core: 0
        )
        try echo.waitUntilListening(on: echoPort)
        let echoPlans = [ConnectionPlan](
            repeating: ConnectionPlan(request: plans[0].request, answerBytes: response),
            count: connections
        )

        var runs: [Run] = []
        let seconds = small ? 0.2 : 3.0
        for depth in [1, 16] {
            for turn in 0..<(small ? 1 : 5) {
                for (program, port, process, plans) in [
                    ("tidemark", server.port, server.process, plans), ("echo", echoPort, echo.id, echoPlans),
                ] {
                    let result = try ClosedLoop(
                        port: port,
                        plans: plans,
                        depth: depth,
                        seconds: seconds,
                        server: process
                    ).run()
                    let cpu = result.cpuMicrosecondsPerAnswer ?? 0
                    say(
                        "depth \(depth), turn \(turn + 1), \(program): "
                            + "\(Int(result.answersPerSecond)) requests/s, \(rounded(cpu)) µs CPU each"
                    )
                    runs.append(
                        Run(
                            depth: depth,
                            program: program,
                            requestsPerSecond: result.answersPerSecond.rounded(),
                            cpuMicroseconds: rounded(cpu)
                        )
                    )
                }
            }
        }
        func median(_ depth: Int, _ program: String) -> Double {
            let values = runs.filter { $0.depth == depth && $0.program == program }.map(\.cpuMicroseconds).sorted()
            return values[values.count / 2]
        }
        let contacts = users.reduce(0) { $0 + server.rosterSizes[$1]! }
        Report(
            bench: "sync",
            machine: .this(),
            goals: [(1, 1.5), (16, 4.0)].map { depth, limit in
                .ratioAtMost(
                    limit,
                    "CPU of a nothing-new sync against a raw io_uring echo, depth \(depth)",
                    measured: median(depth, "tidemark"),
                    against: median(depth, "echo"),
                    unit: "µs"
                )
            },
            series: Series(
                connections: connections,
                requestBytes: request,
                responseBytes: response,
                contactsMean: Double(contacts) / Double(connections),
                runs: runs
            )
        ).print()
    }

    private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}
