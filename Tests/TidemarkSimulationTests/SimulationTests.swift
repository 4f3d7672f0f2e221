// A server, many devices and a bad network on one thread and one clock. After all has come to rest, what each device has is
// what the model says, whatever was lost, delayed, answered late or begun anew on the way.

import Foundation
import Testing
import TidemarkTesting

@Suite("A simulated server and its devices", .serialized) struct SimulationTests {
    typealias Shape = SimulatedWorld.Shape

    /// More with `tools/test --long`.
    static let isLong = ProcessInfo.processInfo.environment["TIDEMARK_LONG"] != nil
    static let seeds: UInt64 = isLong ? 60 : 3

    static let shapes = [
        Shape(name: "one loop"),
        Shape(name: "two loops", loops: 2),
        Shape(name: "three loops, popular contacts", loops: 3, users: 10, popularFollowers: 2),
        Shape(name: "connections are lost all the time", loops: 2, losses: 120),
        Shape(name: "the server is killed", loops: 2, kills: 6),
        Shape(name: "nothing is late", loops: 2, losses: 0, delayMax: 0),
        Shape(name: "devices that do not read", sleepMax: 20_000, messageBytes: 3_000, fieldBytes: 5_000),
    ]

    @Test("every book, view and list of messages is the model's once all has come to rest", arguments: shapes)
    func converges(shape: Shape) throws {
        for seed in 1...Self.seeds {
            let world = try SimulatedWorld(shape, seed: seed * 1_000)
            try world.live()
            try world.settle()
            world.check()
            let counts = world.devices.map(\.counts)
            #expect(counts.reduce(0) { $0 + $1.pushes } > 0 && counts.reduce(0) { $0 + $1.presencePushes } > 0)
            #expect(counts.reduce(0) { $0 + $1.messagePushes } > 0)
            #expect(world.kills > 0 || shape.kills == 0)
            #expect(world.behind > 0 || shape.sleepMax == 0)
            print(
                """
                simulation: \(shape.name), seed \(seed * 1_000): \(world.commits) commits, \(world.kills) kills, \(world.behind) steps with somebody behind, \
                \(counts.reduce(0) { $0 + $1.logins }) logins, \(counts.reduce(0) { $0 + $1.givenUp }) given up, pushes \
                \(counts.reduce(0) { $0 + $1.pushes }) + \(counts.reduce(0) { $0 + $1.presencePushes }) + \
                \(counts.reduce(0) { $0 + $1.messagePushes }), \(counts.reduce(0) { $0 + $1.discarded }) discarded, \
                \(counts.reduce(0) { $0 + $1.refused }) refused
                """
            )
        }
    }
}
