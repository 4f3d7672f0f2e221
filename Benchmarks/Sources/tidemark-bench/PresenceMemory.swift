// Memory of users who are online and live, each of them another: from so many to twice as many, so that what the server has
// anyway is in both. From that is taken what a connection costs that says nothing, found in the same way.

import Foundation
import Glibc
import TidemarkWire

struct PresenceMemory {
    var bytesPerUser: Double
    var resident: [String: Int]

    static func measure(_ programs: Programs, users half: Int) throws -> PresenceMemory {
        // Everybody has one contact, who has all of them.
        let edges = (0..<2 * half).map { "u\($0) hub\n" }.joined()
        var resident: [String: Int] = [:]
        func bytes(_ name: String, _ login: (Int) -> [UInt8]) throws -> Double {
            let server = try FanServer(programs, edges: edges, arguments: ["--devices-per-user", "1000"])
            var audience = try Audience(server.unix)
            for part in 0..<2 {
                // A few at a time: what a storm of logins takes in receive buffers is no user's.
                for user in 0..<half {
                    try audience.add(login: login(part * half + user))
                    if user % 50 == 49 { try audience.settle(quietMilliseconds: 10) }
                }
                try audience.settle()
                resident["\(name), \((part + 1) * half)"] = try residentBytes(of: server.process)
            }
            return Double(resident["\(name), \(2 * half)"]! - resident["\(name), \(half)"]!) / Double(half)
        }
        // As many to a user as may be.
        let idle = try bytes("idle") { FanServer.login(.trusted(.name("u\($0 / 1_000)")), options: nil) }
        let live = try bytes("live") { FanServer.login(.trusted(.name("u\($0)")), options: .subscribe) }
        say("a user online and live: \(Int(live)) B, of which \(Int(idle)) B are what any connection takes")
        return PresenceMemory(bytesPerUser: ((live - idle) * 10).rounded() / 10, resident: resident)
    }

    private static func residentBytes(of process: pid_t) throws -> Int {
        sleep(1)
        let fields = try String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { throw BenchError("statm is not as known") }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
