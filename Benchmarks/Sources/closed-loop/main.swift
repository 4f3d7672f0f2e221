// closed-loop PORT REQUEST ANSWER CONNECTIONS DEPTH SECONDS [PID]     zeros against a running server
// closed-loop compare ROUNDS SECONDS SERVER...                        echo servers in turn, each pinned to core 0
//
// Prints one JSON object a run. With `compare`, servers take turns, so that what the machine does meanwhile hits all
// alike; only figures of one `compare` may be compared with each other.

import ClosedLoop
import Glibc

func usage() -> Never {
    print("usage: closed-loop PORT REQUEST_BYTES ANSWER_BYTES CONNECTIONS DEPTH SECONDS [SERVER_PID]")
    print("       closed-loop compare ROUNDS SECONDS SERVER...")
    exit(2)
}

struct Case {
    var request = 32
    var answer = 32
    var connections = 64
    var depth = 1

    func load(port: UInt16, seconds: Double, server: pid_t?) -> ClosedLoop {
        let plan = ConnectionPlan(
            request: Array(repeating: 0, count: request),
            answerBytes: answer,
            answerPrefix: Array(repeating: 0, count: min(answer, 8))
        )
        let plans = Array(repeating: plan, count: connections)
        return ClosedLoop(port: port, plans: plans, depth: depth, seconds: seconds, server: server)
    }
}

func format(_ value: Double) -> String {
    // Three decimals without Foundation.
    let thousandths = Int((value * 1000).rounded())
    let fraction = String(thousandths % 1000)
    return "\(thousandths / 1000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)"
}

/// Prints a line now, also into a pipe: runs take long.
func emit(_ line: String) {
    print(line)
    fflush(nil)
}

func report(_ server: String?, _ shape: Case, _ result: ClosedLoop.Result) {
    let name = server.map { "\"server\": \"\($0.split(separator: "/").last ?? "")\", " } ?? ""
    let cpu = result.cpuMicrosecondsPerAnswer.map { ", \"cpu_us_per_request\": \(format($0))" } ?? ""
    emit(
        "{\(name)\"request_bytes\": \(shape.request), \"answer_bytes\": \(shape.answer), "
            + "\"connections\": \(shape.connections), \"depth\": \(shape.depth), "
            + "\"requests_per_s\": \(Int(result.answersPerSecond))\(cpu)}"
    )
}

func compare(rounds: Int, seconds: Double, servers: [String]) throws {
    let shapes = [Case(), Case(depth: 16), Case(connections: 512)]
    for shape in shapes {
        var costs = servers.map { _ in [Double]() }
        for round in 0..<rounds {
            for (index, path) in servers.enumerated() {
                let port = UInt16(20_000 + (Int(getpid()) * 31 + round * 101 + index * 7) % 10_000)
                let arguments = [String(port), String(shape.request), String(shape.answer)]
                let server = try ServerProcess(path: path, arguments: arguments, core: 0)
                try server.waitUntilListening(on: port)
                let result = try shape.load(port: port, seconds: seconds, server: server.id).run()
                report(path, shape, result)
                costs[index].append(result.cpuMicrosecondsPerAnswer ?? 0)
            }
        }
        for (path, cost) in zip(servers, costs) {
            let sorted = cost.sorted()
            emit(
                "{\"server\": \"\(path.split(separator: "/").last ?? "")\", \"connections\": \(shape.connections), "
                    + "\"depth\": \(shape.depth), \"rounds\": \(rounds), "
                    + "\"cpu_us_per_request_least\": \(format(sorted[0])), "
                    + "\"cpu_us_per_request_median\": \(format(sorted[sorted.count / 2]))}"
            )
        }
    }
}

let arguments = Array(CommandLine.arguments.dropFirst())
do {
    if arguments.first == "compare" {
        guard arguments.count > 3, let rounds = Int(arguments[1]), rounds > 0, let seconds = Double(arguments[2]) else {
            usage()
        }
        try pinCurrentThread(toCore: 1)
        try compare(rounds: rounds, seconds: seconds, servers: Array(arguments[3...]))
    } else {
        let numbers = arguments.compactMap { Double($0) }
        guard numbers.count == arguments.count, (6...7).contains(numbers.count),
            numbers.prefix(6).allSatisfy({ $0 > 0 })
        else { usage() }
        let shape = Case(
            request: Int(numbers[1]),
            answer: Int(numbers[2]),
            connections: Int(numbers[3]),
            depth: Int(numbers[4])
        )
        let server = numbers.count == 7 ? pid_t(numbers[6]) : nil
        report(nil, shape, try shape.load(port: UInt16(numbers[0]), seconds: numbers[5], server: server).run())
    }
} catch {
    print("closed-loop: \(error)")
    exit(1)
}
