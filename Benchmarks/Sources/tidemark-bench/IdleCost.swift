// What a connection costs that is logged in and says nothing: memory of the server's process, from so many connections to
// twice as many, so that what a loop has anyway (its rings and buffers) is in both. Beside it what the kernel holds, for
// both ends of each connection.

import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

struct IdleCost {
    struct Series: Encodable {
        var connections: [Int]
        var residentBytes: [Int]
        /// Sockets and slabs of the whole machine, the load's end of each connection included.
        var kernelBytes: [Int]
        var kernelBytesPerConnection: Double
    }

    struct Memory {
        var resident: Int
        var kernel: Int
    }

    static func run(_ programs: Programs, small: Bool) throws {
        try raiseDescriptorLimit()
        let server = try GraphServer(programs)
        let half = small ? 500 : 5_000
        // A few users with many devices: what a connection costs does not depend on whose it is.
        let users = Array(server.rosterSizes.keys.sorted().prefix(64))
        let plans = try users.map { try server.plan($0, request: [0], answerBytes: 1) }
        let load = ClosedLoop(
            port: server.port,
            plans: (0..<half).map { plans[$0 % plans.count] },
            depth: 1,
            seconds: 0
        )
        var memory: [Memory] = []
        try load.idle {
            memory.append(try settled(server.process))
            try load.idle { memory.append(try settled(server.process)) }
        }
        func each(_ figure: (Memory) -> Int) -> Double {
            (Double(figure(memory[1]) - figure(memory[0])) / Double(half) * 10).rounded() / 10
        }
        guard memory[1].resident > memory[0].resident, memory[0].resident > 0 else {
            throw BenchError("the server's memory does not grow with its connections: \(memory)")
        }
        say("an idle connection: \(each(\.resident)) B in the server, \(each(\.kernel)) B in the kernel for both ends")
        Report(
            bench: "idle",
            machine: .this(),
            goals: [
                .atMost(
                    512,
                    "user-space bytes an idle authenticated connection, from \(half) to \(2 * half)",
                    each(\.resident),
                    unit: "B"
                )
            ],
            series: Series(
                connections: [half, 2 * half],
                residentBytes: memory.map(\.resident),
                kernelBytes: memory.map(\.kernel),
                kernelBytesPerConnection: each(\.kernel)
            )
        ).print()
    }

    /// Once what was under way is done.
    static func settled(_ process: pid_t) throws -> Memory {
        sleep(1)
        let pages = try field(1, of: "/proc/\(process)/statm")
        let slab = try number("Slab:", in: "/proc/meminfo") << 10
        // TCP: … mem PAGES, of the sockets' buffers.
        let text = try String(contentsOfFile: "/proc/net/sockstat", encoding: .utf8)
        let words = text.split(separator: "\n").first { $0.hasPrefix("TCP:") }?.split(separator: " ") ?? []
        let sockets = words.last.flatMap { Int($0) } ?? 0
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        return Memory(resident: pages * page, kernel: slab + sockets * page)
    }

    private static func field(_ index: Int, of path: String) throws -> Int {
        let fields = try String(contentsOfFile: path, encoding: .utf8).split(separator: " ")
        guard index < fields.count, let value = Int(fields[index]) else { throw BenchError("\(path) is not as known") }
        return value
    }

    private static func number(_ name: String, in path: String) throws -> Int {
        let line = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").first { $0.hasPrefix(name) }
        guard let value = line?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw BenchError("\(path) has no \(name)")
        }
        return value
    }
}
