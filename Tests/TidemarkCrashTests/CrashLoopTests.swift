// Clients write as fast as they can; the server is killed at any moment, again and again; after each restart all that
// was acknowledged is there, nothing is there by half, and no device has to start over. After kill -9 the page cache
// survives, so this is about order and recovery, not about whether the disk was told.

import Foundation
import Glibc
import Testing
import TidemarkTesting
import TidemarkWire

extension CrashTests {
    @Suite struct CrashLoopTests {
        @Test func `killed at any moment, it keeps what it acknowledged`() throws {
            let environment = ProcessInfo.processInfo.environment
            let kills = environment["TIDEMARK_KILLS"].flatMap(Int.init) ?? 10
            var loop = try CrashLoop(Seed(default: .random(in: 0...999_999_999)))
            while loop.kills < kills, loop.broken.isEmpty { try loop.round() }
            try loop.end()
            print(loop.summary)
            #expect(loop.cutOff > 0, "no kill met a request under way, so the kills showed nothing")
            for promise in loop.broken.prefix(20) { Issue.record("\(promise); \(loop.seed)") }
        }
    }
}

/// The server, its clients, and all that was promised to them.
private struct CrashLoop {
    private enum Blow {
        /// While groups are committed.
        case underLoad
        /// After the writers have stopped, about when what they wrote is folded.
        case inQuiet
        /// While it drains, folds what is left and checkpoints.
        case whileStopping
    }

    private(set) var seed: Seed
    private(set) var kills = 0
    /// What was promised and not kept; all of it ends the test.
    private(set) var broken: [String] = []
    private var lost = 0
    private var acknowledged = 0
    /// Requests that a kill has left without an answer.
    private(set) var cutOff = 0

    private let installation: Installation
    private var model: Model
    private var ledgers: [UserID: Ledger]
    private var devices: [Device]
    /// Newer than this is every stamp of the next run.
    private var newestStamp: Stamp = 0
    private var runs = 0
    private var blows: [Blow] = []

    private static let users = 24
    private static let writers = 8
    private static let readers = 2

    init(_ seed: Seed) throws {
        self.seed = seed
        installation = try Installation()
        model = try installation.begin(users: Self.users, from: &self.seed)
        ledgers = [:]
        devices = []
        for user in model.users {
            ledgers[user] = Ledger(user: user, in: model)
            for (number, pageBytes) in [0, 1, 300, 2_000].enumerated() {
                var book = Book(owner: user, hasStamps: number != 3)
                _ = try book.sync(over: installation.client(user))
                devices.append(Device(book: book, diligence: [100, 60, 30, 80][number], pageBytes: pageBytes))
            }
        }
    }

    var summary: String {
        "crash loop: \(kills) kills survived, \(Self.grouped(acknowledged)) acked changes, \(lost) lost, seed \(seed.value)"
    }

    private static func grouped(_ number: Int) -> String {
        number < 1000
            ? "\(number)" : grouped(number / 1000) + "," + String("\(1000 + number % 1000)".dropFirst())
    }

    /// Load, a kill, perhaps another while it starts, and then all is looked at.
    mutating func round() throws {
        if blows.isEmpty {
            blows = ([.underLoad, .underLoad, .underLoad, .inQuiet, .whileStopping] as [Blow]).shuffled(using: &seed)
        }
        let before = broken.count
        try load(until: blows.removeLast())
        while seed.chance(25) { try startAndKill() }
        try installation.start()
        try verify()
        if broken.count > before { broken.append("the above in run \(runs)") }
    }

    mutating func end() throws {
        try installation.stop()
        if let findings = try installation.findings() { broken.append("check: \(findings)") }
    }

    // MARK: the load and the kill

    private mutating func load(until blow: Blow) throws {
        runs += 1
        let (stop, crew) = (StopFlag(), Crew())
        let writers = try model.users.shuffled(using: &seed).prefix(Self.writers).map { user in
            Writer(ledgers[user]!, client: try installation.client(user), run: runs, seed: seed.next(), stop: stop)
        }
        let socket = installation.socket
        let readers = (0..<Self.readers).map { number in
            let own = devices.indices.filter { $0 % Self.readers == number }.map { devices[$0] }
            return Reader(own, seed: seed.next(), stop: stop) { try Client(socket: socket, as: .id($0)) }
        }
        for writer in writers { crew.begin { writer.write() } }
        for reader in readers { crew.begin { reader.read() } }

        let delay = UInt32(5_000 + seed.below(295_000))
        let delayWithin = UInt32(seed.below(60_000))
        usleep(delay)
        if crew.endedCount > 0 { broken.append("a client was dropped before there was a reason") }
        switch blow {
        case .underLoad:
            break
        case .inQuiet:
            stop.set()
            guard crew.ends() else { throw Installation.Failed(description: "the clients do not end") }
            // It folds after a tenth of a second in which nobody wrote.
            usleep(80_000 + delayWithin)
        case .whileStopping:
            installation.server!.signal(SIGTERM)
            usleep(delayWithin / 2)
        }
        try killed(orEnded: blow == .whileStopping)
        guard crew.ends() else { throw Installation.Failed(description: "the clients do not end") }

        devices = readers.flatMap(\.devices)
        broken += writers.flatMap(\.faults) + readers.flatMap(\.faults)
        for writer in writers {
            ledgers[writer.ledger.user] = writer.ledger
            cutOff += writer.ledger.openCount
        }
        take(writers.flatMap(\.stamps))
    }

    private mutating func killed(orEnded mayHaveEnded: Bool) throws {
        let (end, log) = installation.kill()
        if end == .signal(SIGKILL) {
            kills += 1
        } else if !(mayHaveEnded && end == .exit(0)) {
            broken.append("the server ended by itself: \(String(describing: end)): \(log)")
        }
    }

    private mutating func startAndKill() throws {
        _ = try installation.launch()
        usleep(UInt32(seed.below(150_000)))
        try killed(orEnded: false)
    }

    /// No stamp comes twice, and all of this run's are newer than all that anybody has seen before it.
    private mutating func take(_ stamps: [Stamp]) {
        acknowledged += stamps.count
        if Set(stamps).count != stamps.count { broken.append("a stamp was given twice in run \(runs)") }
        if let first = stamps.min(), first <= newestStamp {
            broken.append("run \(runs) begins with stamp \(first), and \(newestStamp) was given before it")
        }
        newestStamp = max(newestStamp, stamps.max() ?? 0, devices.map(\.book.newestStamp).max()!)
    }

    // MARK: after the restart

    private mutating func verify() throws {
        var fresh: [UserID: Book] = [:]
        for user in model.users { fresh[user] = try Book.fresh(over: installation.client(user)) }
        for user in model.users {
            let found = ledgers[user]!.settle(with: fresh[user]!, in: &model)
            lost += found.count
            broken += found
        }
        for user in model.users {
            let book = fresh[user]!
            broken += [FieldPair.half(in: book), model.difference(book), olderThanPromised(book)].compactMap(\.self)
            newestStamp = max(newestStamp, book.newestStamp)
        }
        for at in devices.indices {
            var device = devices[at]
            let isAway = !seed.chance(device.diligence)
            let expected = fresh[device.book.owner]!
            let report = try device.book.sync(
                over: installation.client(device.book.owner),
                pageBytes: device.pageBytes
            )
            if report.answer == .full { broken.append("after a restart a full sync: \(report.explanation)") }
            let isSame =
                device.book.hasStamps
                ? device.book.rows == expected.rows : device.book.details == expected.details
            if !isSame { broken.append("a device of user \(device.book.owner) came to another book by deltas") }
            // One that is away was only asked what it would get; it keeps its old token.
            if !isAway { devices[at] = device }
        }
    }

    /// An item is as new as the newest of the entry's and the contact's acknowledged changes, or newer.
    private func olderThanPromised(_ book: Book) -> String? {
        for row in book.rows.values {
            let entry = row.user == book.owner ? 0 : ledgers[book.owner]!.entries[row.user]!.stamp
            let promised = max(entry, ledgers[row.user]!.profileStamp)
            if row.stamp! < promised {
                return "user \(book.owner) has \(row.user) of \(row.stamp!), and \(promised) was acknowledged"
            }
        }
        return nil
    }
}
