import Foundation
import Logging
import Synchronization
import TidemarkServer
import TidemarkTickets
import TidemarkWire

/// A server in this process, for the program has no way to be told the time. Goes with its directory.
final class ClockedServer {
    private let root: String
    private var server: Server?
    let clock: SettableClock

    init(clock: SettableClock) throws {
        self.clock = clock
        root = FileManager.default.temporaryDirectory.path + "/tidemark-clock-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    }

    deinit {
        try? stop()
        try? FileManager.default.removeItem(atPath: root)
    }

    var data: String { root + "/data" }
    func path(_ name: String) -> String { "\(root)/\(name)" }

    /// Users with rosters, imported and served.
    func begin(users: Int, from random: inout some RandomNumberGenerator) throws -> Model {
        let files = Model.Files(users: users, from: &random)
        _ = try Importer.run(
            sources: [
                ImportSource(.accounts, name: "accounts.csv", text: files.accounts),
                ImportSource(.rosters, name: "rosters.csv", text: files.rosters),
            ],
            dataDirectory: data,
            clock: { [clock] in clock.microseconds }
        )
        try start()
        return try Model(files) { try Client(socket: root + "/s", as: .name($0)).user }
    }

    func start() throws {
        var configuration = ServerConfiguration(
            listen: [.unix(path: root + "/s")],
            dataDirectory: data,
            ticketKeys: TicketKeys()
        )
        configuration.rosterPolicy = .open
        configuration.userLimits = .none
        configuration.clock = { [clock] in clock.microseconds }
        var log = Logger(label: "test")
        log.logLevel = .error
        server = try Server(configuration, log: log)
    }

    func stop() throws {
        defer { server = nil }
        try server?.stop()
    }

    /// With the clock set to another time in between.
    func restart(at microseconds: UInt64) throws {
        try stop()
        clock.set(microseconds)
        try start()
    }

    func client(_ user: UserID) throws -> Client { try Client(socket: root + "/s", as: .id(user)) }
}

/// Moves only when it is set.
final class SettableClock: Sendable {
    private let now: Atomic<UInt64>

    init(_ microseconds: UInt64) { now = Atomic(microseconds) }

    var microseconds: UInt64 { now.load(ordering: .acquiring) }
    func set(_ microseconds: UInt64) { now.store(microseconds, ordering: .releasing) }
}
