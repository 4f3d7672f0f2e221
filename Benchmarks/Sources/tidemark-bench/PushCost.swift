// What it costs to tell a thousand followers of a change that nobody asked about, against a program that sends the same bytes to
// as many connections and does nothing else; how soon after the acknowledgement a follower has it; and what a user who is
// online takes in memory beside the connection.

import CClosedLoop
import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

struct PushCost {
    struct Turn: Encodable {
        var server: String
        var frames: Int
        var cpuMicrosecondsPerFrame: Double
    }

    struct Series: Encodable {
        var followers: Int
        var frameBytes: Int
        var turns: [Turn]
        /// Between the acknowledgement's arrival at the writer and the push's at a follower, in microseconds.
        var latency: [String: Double]
        var residentBytes: [String: Int]
    }

    static func run(_ programs: Programs, small: Bool) throws {
        try raiseDescriptorLimit()
        let followers = small ? 50 : 1_000
        let server = try FanServer(programs, followers: followers)
        let writer = try Exchange(port: server.port)
        _ = try writer.exchange([.hello(Hello()), .authenticate(.ticket(try server.ticket(name: "star")))])
        var audience = try Audience(server.tcp)
        for follower in 0..<followers { try audience.add(login: server.login(name: "f\(follower)")) }
        try audience.settle()

        var values = 0
        func change() throws {
            values += 1
            let text = String(format: "%030d", values)
            _ = try writer.exchange([.profileSet(ProfileSet(fields: [FieldChange(.note, text: text)]))])
        }
        try change()
        let frameBytes = try audience.receiveOne()

        let port = try freePort()
        let limit = try ServerProcess(path: programs.fanOut, arguments: ["\(port)", "\(frameBytes)"], core: 0)
        try limit.waitUntilListening(on: port)
        let trigger = try Trigger(port: port)
        var others = try Audience(.tcp(port: port))
        for _ in 0..<followers { try others.add(login: []) }
        try others.settle()

        var turns: [Turn] = []
        // The one that had the turn before has left the caches full of its own: so as many rounds first that do not count.
        func turn(_ name: String, _ process: pid_t, rounds: Int, _ round: () throws -> Void) throws {
            for _ in 0..<rounds { try round() }
            let before = try cpuSeconds(of: process)
            for _ in 0..<rounds { try round() }
            let seconds = try cpuSeconds(of: process) - before
            turns.append(
                Turn(
                    server: name,
                    frames: rounds * followers,
                    cpuMicrosecondsPerFrame: seconds * 1e6 / Double(rounds * followers)
                )
            )
        }
        let rounds = small ? 4 : 20
        for number in 0..<(small ? 2 : 41) {
            let pushes = {
                try turn("tidemark", server.process, rounds: rounds) {
                    try change()
                    try audience.receive(frameBytes)
                }
            }
            let sends = {
                try turn("raw", limit.id, rounds: rounds) {
                    try trigger.pull()
                    try others.receive(frameBytes)
                }
            }
            if number % 2 == 0 {
                try pushes()
                try sends()
            } else {
                try sends()
                try pushes()
            }
        }
        func costs(_ name: String) -> [Double] { turns.filter { $0.server == name }.map(\.cpuMicrosecondsPerFrame) }
        let pairs = zip(costs("tidemark"), costs("raw")).sorted { $0.0 / $0.1 < $1.0 / $1.1 }
        let middle = pairs[pairs.count / 2]
        say(
            "a pushed frame of \(frameBytes) B to \(followers): \(format(middle.0)) µs of CPU; the same bytes from a program "
                + "that only sends: \(format(middle.1)) µs"
        )
        let latencies = try PushLatency.measure(server, samples: small ? 50 : 2_000)
        say(
            "a push reaches a follower \(format(latencies[latencies.count / 2])) µs after the acknowledgement, in the middle"
        )
        let memory = try PresenceMemory.measure(programs, users: small ? 500 : 5_000)
        Report(
            bench: "push",
            machine: .this(),
            goals: [
                .ratioAtMost(
                    1.3,
                    "CPU a pushed frame, one change and \(followers) followers, against a raw sender of the same bytes",
                    measured: middle.0,
                    against: middle.1,
                    unit: "µs"
                ),
                .atMost(
                    256,
                    "memory of a user who is online and live, beside the connection",
                    memory.bytesPerUser,
                    unit: "B"
                ),
                .atMost(
                    1,
                    "p99 from the acknowledgement to the push",
                    latencies[latencies.count * 99 / 100] / 1000,
                    unit: "ms"
                ),
            ],
            series: Series(
                followers: followers,
                frameBytes: frameBytes,
                turns: turns,
                latency: Dictionary(
                    uniqueKeysWithValues: [50, 90, 99].map { ("p\($0)", latencies[latencies.count * $0 / 100]) }
                        + [("max", latencies[latencies.count - 1])]
                ),
                residentBytes: memory.resident
            )
        ).print()
    }

    private static func format(_ value: Double) -> String { String(format: "%.2f", value) }
}
