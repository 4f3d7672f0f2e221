// What TLS costs the server: a sync that finds nothing new by TLS 1.3 against the same one plain, one at a time; with many in
// flight against a raw echo through OpenSSL's memory BIOs, of the same byte counts; and the memory of an idle connection. In
// turns, as SyncCost.swift.

import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

struct TLSCost {
    enum Program: String, Encodable { case plain, tls, tlsEcho, tlsEchoOfFewBuffers }

    struct Run: Encodable {
        var depth: Int
        var program: Program
        var requestsPerSecond: Double
        var cpuMicroseconds: Double
    }

    struct Series: Encodable {
        var connections: Int
        var requestBytes: Int
        var answerBytes: Int
        var openSSL: String
        var runs: [Run]
        var idleConnections: [Int]
        var idleResidentBytes: [Int]
    }

    private struct Contender {
        var program: Program
        var load: ClosedLoop
    }

    static func run(_ programs: Programs, small: Bool) throws {
        let connections = 64
        let certificate = try Certificate()
        let client = try certificate.client()
        let server = try GraphServer(programs, certificate: certificate)
        let plans = try Logins(server, count: connections).nothingNew
        let request = plans[0].request
        let answer = plans.reduce(0) { $0 + $1.answerBytes } / plans.count
        try pinCurrentThread(toCore: 1)
        let echoes = try [nil, 128].map { buffers in
            try Echo(programs, certificate, request: request.count, answer: answer, buffers: buffers)
        }
        let echoPlans = [ConnectionPlan](
            repeating: ConnectionPlan(request: request, answerBytes: answer),
            count: connections
        )
        var runs: [Run] = []
        for depth in [1, 16] {
            func load(_ port: UInt16, _ plans: [ConnectionPlan], _ process: pid_t, isEncrypted: Bool) -> ClosedLoop {
                ClosedLoop(
                    port: port,
                    plans: plans,
                    depth: depth,
                    seconds: 0.1,
                    server: process,
                    encryption: isEncrypted ? client : nil
                )
            }
            let contenders = [
                Contender(program: .plain, load: load(server.port, plans, server.process, isEncrypted: false)),
                Contender(program: .tls, load: load(server.tlsPort, plans, server.process, isEncrypted: true)),
                Contender(
                    program: .tlsEcho,
                    load: load(echoes[0].port, echoPlans, echoes[0].server.id, isEncrypted: true)
                ),
                Contender(
                    program: .tlsEchoOfFewBuffers,
                    load: load(echoes[1].port, echoPlans, echoes[1].server.id, isEncrypted: true)
                ),
            ]
            runs += try measure(contenders, depth, small)
        }
        withExtendedLifetime(echoes) {}
        let half = small ? 200 : 2_000
        let memory = try idle(server, certificate, half)
        let idle = (Double(memory[1] - memory[0]) / Double(half)).rounded()
        say("an idle connection by TLS: \(Int(idle)) B in the server")
        Report(
            bench: "tls",
            machine: .this(),
            goals: [
                goal(1.5, runs, depth: 1, .plain, "the same plain"),
                goal(1.6, runs, depth: 16, .tlsEcho, "a raw echo through OpenSSL's memory BIOs"),
                .atMost(
                    14 * 1024,
                    "user-space bytes an idle authenticated connection by TLS 1.3, from \(half) to \(2 * half)",
                    idle,
                    unit: "B"
                ),
            ],
            series: Series(
                connections: connections,
                requestBytes: request.count,
                answerBytes: answer,
                openSSL: try runToEnd("/usr/bin/openssl", ["version"]).trimmingCharacters(in: .whitespacesAndNewlines),
                runs: runs,
                idleConnections: [half, 2 * half],
                idleResidentBytes: memory
            )
        ).print()
    }

    private final class Echo {
        let port: UInt16
        let server: ServerProcess

        init(_ programs: Programs, _ certificate: Certificate, request: Int, answer: Int, buffers: Int?) throws {
            port = try freePort()
            if let buffers { setenv("TIDEMARK_ECHO_BUFFERS", String(buffers), 1) }
            defer { unsetenv("TIDEMARK_ECHO_BUFFERS") }
            server = try ServerProcess(
                path: programs.tlsEcho,
                arguments: [String(port), String(request), String(answer), certificate.certificate, certificate.key],
                core: 0
            )
            try server.waitUntilListening(on: port)
        }
    }

    private static func measure(_ contenders: [Contender], _ depth: Int, _ small: Bool) throws -> [Run] {
        let turns = try Turns.run(contenders.map(\.load), turns: small ? 2 : 41)
        return zip(contenders, turns).flatMap { contender, results in
            let runs = results.map {
                Run(
                    depth: depth,
                    program: contender.program,
                    requestsPerSecond: $0.answersPerSecond.rounded(),
                    cpuMicroseconds: $0.cpuMicroseconds
                )
            }
            say(
                "depth \(depth), \(contender.program.rawValue): \(Int(median(runs.map(\.requestsPerSecond)))) requests/s, "
                    + "\(median(runs.map(\.cpuMicroseconds))) µs CPU each, in the middle"
            )
            return runs
        }
    }

    /// Both sides of the turn whose ratio is the median.
    private static func goal(_ limit: Double, _ runs: [Run], depth: Int, _ against: Program, _ what: String) -> Goal {
        func costs(_ program: Program) -> [Double] {
            runs.filter { $0.depth == depth && $0.program == program }.map(\.cpuMicroseconds)
        }
        let turns = zip(costs(.tls), costs(against)).sorted { $0.0 / $0.1 < $1.0 / $1.1 }
        return .ratioAtMost(
            limit,
            "CPU of a nothing-new sync by TLS 1.3 against \(what), 64 connections, depth \(depth)",
            measured: turns[turns.count / 2].0,
            against: turns[turns.count / 2].1,
            unit: "µs"
        )
    }

    private static func idle(_ server: GraphServer, _ certificate: Certificate, _ half: Int) throws -> [Int] {
        let users = Array(server.rosterSizes.keys.sorted().prefix(64))
        let plans = try users.map { try server.plan($0, request: [0], answerBytes: 1) }
        let load = ClosedLoop(
            port: server.tlsPort,
            plans: (0..<half).map { plans[$0 % plans.count] },
            depth: 1,
            seconds: 0,
            encryption: try certificate.client()
        )
        var memory: [Int] = []
        try load.idle {
            memory.append(try IdleCost.settled(server.process).resident)
            try load.idle { memory.append(try IdleCost.settled(server.process).resident) }
        }
        return memory
    }
}
