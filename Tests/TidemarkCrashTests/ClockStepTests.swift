// A clock that is set back and ahead: stamps rise all the same, and no client starts over.

import Foundation
import Testing
import TidemarkTesting
import TidemarkWire

extension CrashTests {
    @Suite struct ClockStepTests {
        private static let noon: UInt64 = 1_800_000_000_000_000
        private static let day: UInt64 = 86_400_000_000

        @Test func `set back and ahead while the server is down`() throws {
            var scene = try Scene(at: Self.noon)
            try scene.write(50)
            try scene.everyoneSyncs()
            for time in [Self.noon - Self.day, Self.noon + 2 * Self.day, Self.noon] {
                try scene.server.restart(at: time)
                // Nothing has changed, and nobody is told otherwise.
                try scene.everyoneSyncs(.upToDate)
                try scene.write(50)
                try scene.everyoneSyncs()
            }
            try scene.theOneThatWasAwaySyncs()
        }

        @Test func `set back and ahead while the server runs`() throws {
            var scene = try Scene(at: Self.noon)
            var time = Self.noon
            for round in 0..<30 {
                // By microseconds, so that it meets stamps that were given already; and by an hour.
                let step = UInt64(round % 5 == 0 ? 3_600_000_000 : scene.random.below(8))
                if scene.random.chance(60) { time -= step } else { time += step }
                scene.server.clock.set(time)
                try scene.write(4)
                try scene.everyoneSyncs()
            }
            try scene.server.restart(at: Self.noon - Self.day)
            try scene.write(20)
            try scene.everyoneSyncs()
            try scene.theOneThatWasAwaySyncs()
        }

        /// The clock stands still, so the changes after it get the very stamps of the changes that were lost.
        @Test func `an old copy put back, and stamps that come a second time`() throws {
            var scene = try Scene(at: Self.noon)
            try scene.write(30)
            try scene.everyoneSyncs()
            try scene.server.stop()
            let copy = scene.server.path("copy")
            try FileManager.default.copyItem(atPath: scene.server.data, toPath: copy)
            let kept = scene
            try scene.server.start()
            try scene.write(30)
            try scene.everyoneSyncs()

            try scene.server.stop()
            try FileManager.default.removeItem(atPath: scene.server.data)
            try FileManager.default.copyItem(atPath: copy, toPath: scene.server.data)
            try scene.server.start()
            // The devices are ahead of what the server has; these have not heard of what was lost.
            let ahead = scene.devices
            scene.takeBack(kept)
            #expect(scene.newest < ahead.values.map(\.newestStamp).max()!)
            try scene.write(60)
            #expect(scene.newest > ahead.values.map(\.newestStamp).max()!)
            try scene.everyoneSyncs()
            for var book in ahead.values {
                let report = try book.sync(over: scene.server.client(book.owner))
                #expect(report.answer == .full && report.reason == .epochUnknown)
                #expect(scene.model.difference(book) == nil)
            }
        }
    }
}

/// A server with a clock, its model and its users' devices.
private struct Scene {
    let server: ClockedServer
    var random: Seed
    private(set) var model: Model
    private(set) var devices: [UserID: Book] = [:]
    /// Each user's other device, which syncs at the beginning and at the end.
    private let away: [Book]
    /// The newest stamp that was acknowledged.
    private(set) var newest: Stamp = 0

    init(at time: UInt64) throws {
        random = Seed(default: .random(in: 0...999_999_999))
        server = try ClockedServer(clock: SettableClock(time))
        model = try server.begin(users: 8, from: &random)
        for user in model.users { devices[user] = try .fresh(over: server.client(user)) }
        away = Array(devices.values)
        // Of the import.
        newest = devices.values.map(\.newestStamp).max()!
    }

    /// One after the other, so that each one's stamp is known beforehand: the clock's time, or the next after the last.
    mutating func write(_ changes: Int) throws {
        for _ in 0..<changes {
            let server = server
            let stamp = try model.change(&random) { try server.client($0) }
            guard stamp != 0 else { continue }
            #expect(stamp == max(server.clock.microseconds, newest + 1), "\(random)")
            newest = stamp
        }
    }

    mutating func everyoneSyncs(_ expected: SyncAnswer? = nil) throws {
        for user in model.users { try Self.sync(&devices[user]!, self, expected) }
    }

    func theOneThatWasAwaySyncs() throws {
        for var book in away { try Self.sync(&book, self, .delta) }
    }

    private static func sync(_ book: inout Book, _ scene: Scene, _ expected: SyncAnswer?) throws {
        let client = try scene.server.client(book.owner)
        let report = try book.sync(over: client)
        #expect(report.answer != .full, "\(report.explanation); \(scene.random)")
        if let expected { #expect(report.answer == expected, "\(report.explanation); \(scene.random)") }
        #expect(scene.model.difference(book) == nil, "\(scene.random)")
        #expect(try Book.fresh(over: client).rows == book.rows, "\(scene.random)")
    }

    /// What the server and those who were in touch with it knew at an earlier time.
    mutating func takeBack(_ earlier: Scene) {
        model = earlier.model
        devices = earlier.devices
        newest = earlier.newest
    }
}
