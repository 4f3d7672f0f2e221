// What a sync costs on two loops, against one: on two cores that the load has a part of, so nothing is pinned.

import CClosedLoop
import ClosedLoop
import TidemarkWire

struct LoopsCost {
    struct Run: Encodable {
        var loops: Int
        var connections: Int
        var depth: Int
        var requestsPerSecond: Double
        var cpuMicroseconds: Double
    }

    private static let connections = 64

    static func run(_ programs: Programs, small: Bool) throws -> [Run] {
        let before = closed_loop_cores()
        // The load too is wherever there is room.
        guard closed_loop_set_cores(.max) == 0 else { throw BenchError("cannot leave the core") }
        defer { _ = closed_loop_set_cores(before) }
        let servers = try [1, 2].map { loops in
            let server = try GraphServer(programs, core: nil, loops: loops)
            return (loops: loops, server: server, logins: try Logins(server, count: connections))
        }
        var runs: [Run] = []
        for depth in [1, 16] {
            let loads = servers.map { _, server, logins in
                ClosedLoop(
                    port: server.port,
                    plans: logins.nothingNew,
                    depth: depth,
                    seconds: 0.1,
                    server: server.process
                )
            }
            let turns = try Turns.run(loads, turns: small ? 2 : 41)
            for (server, results) in zip(servers, turns) {
                let these = results.map { result in
                    Run(
                        loops: server.loops,
                        connections: connections,
                        depth: depth,
                        requestsPerSecond: result.answersPerSecond.rounded(),
                        cpuMicroseconds: result.cpuMicroseconds
                    )
                }
                say(
                    "\(server.loops) loops, \(connections) connections, depth \(depth): "
                        + "\(Int(median(these.map(\.requestsPerSecond)))) requests/s, "
                        + "\(median(these.map(\.cpuMicroseconds))) µs CPU each, in the middle"
                )
                runs += these
            }
        }
        return runs
    }

    static func goal(_ runs: [Run], depth: Int) -> Goal {
        func costs(_ loops: Int) -> [Double] {
            runs.filter { $0.loops == loops && $0.depth == depth }.map(\.cpuMicroseconds)
        }
        let turns = zip(costs(2), costs(1)).sorted { $0.0 / $0.1 < $1.0 / $1.1 }
        return .ratioAtMost(
            1.1,
            "CPU of a nothing-new sync with two loops against one, depth \(depth), load on the same two cores",
            measured: turns[turns.count / 2].0,
            against: turns[turns.count / 2].1,
            unit: "µs"
        )
    }
}
