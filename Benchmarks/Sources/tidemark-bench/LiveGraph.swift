// The social graph, live: each of its users on three devices, a thousand changes a second by each of them in turn, the server
// killed and started again in the middle. At the end every book is what a first login gets, and has all that was acknowledged.

import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

struct LiveGraph {
    struct Series: Encodable {
        var users: Int
        var devices: Int
        var changes: Int
        var seconds: Double
        /// Until all devices were back, after the server was killed.
        var returnSeconds: Double
        var counts: GraphCrowd.Counts
    }

    private static let devicesEach = 3
    private static let fields: [FieldNumber] = [.note, .title, .telephone]

    static func run(_ programs: Programs, small: Bool) throws {
        try raiseDescriptorLimit()
        let (rate, seconds) = small ? (200, 4.0) : (1_000, 60.0)
        let server = try LiveGraphServer(programs, usersMax: small ? 200 : .max)
        let users = (1...UserID(server.users)).map { $0 }
        var crowd = try GraphCrowd(server.unix, users: users.flatMap { Array(repeating: $0, count: devicesEach) })
        say("first logins of \(crowd.count) devices")
        try arrive(&crowd)

        var made = 0
        var spent = 0.0
        var returnSeconds = 0.0
        for half in 0..<2 {
            say("\(rate) changes a second for \(Int(seconds / 2)) s")
            let begin = secondsNow()
            let count = Int(Double(rate) * seconds / 2)
            for turn in 0..<count {
                let due = begin + Double(turn) / Double(rate)
                repeat {
                    try crowd.read(milliseconds: Int32(max(0, (due - secondsNow()) * 1_000)))
                } while secondsNow() < due
                // Users and their devices in turn.
                let place = (made * 7_919) % crowd.count
                if made % 10 == 9 {
                    try crowd.annotate(place, "alias \(made)")
                } else {
                    try crowd.write(place, fields[made % fields.count], "changed \(made)")
                }
                made += 1
            }
            spent += secondsNow() - begin
            guard half == 0 else { break }
            say("the server is killed, and starts again")
            try server.restart()
            while crowd.connected > 0 { try crowd.read(milliseconds: 100) }
            let back = secondsNow()
            try arrive(&crowd)
            returnSeconds = secondsNow() - back
        }
        try settle(&crowd)

        say("comparing \(crowd.count) books with first logins")
        let different = try differences(crowd, server, users)
        let lost = lost(crowd, users)
        say(
            "\(made) changes, \(crowd.counts.pushes) pushes, \(crowd.counts.diverged) diverged, \(different) books differ, "
                + "\(lost) acknowledged values missing"
        )
        Report(
            bench: "graph",
            machine: .this(),
            goals: [
                .atMost(
                    0,
                    "books of \(crowd.count) devices that are not the server's at the end",
                    Double(different),
                    unit: "books"
                ),
                .atMost(
                    0,
                    "last pages after which count or digest differed",
                    Double(crowd.counts.diverged),
                    unit: "pages"
                ),
                .atMost(0, "acknowledged values that are not there", Double(lost), unit: "values"),
                .ratioAtLeast(
                    0.95,
                    "changes a second, against those that were to be made",
                    measured: (Double(made) / spent).rounded(),
                    against: Double(rate),
                    unit: "changes/s"
                ),
            ],
            series: Series(
                users: users.count,
                devices: crowd.count,
                changes: made,
                seconds: spent,
                returnSeconds: returnSeconds,
                counts: crowd.counts
            )
        ).print()
        guard different == 0, lost == 0, crowd.counts.diverged == 0 else {
            throw BenchError("books are not the server's")
        }
    }

    /// Some at a time, until the last has all pages.
    private static func arrive(_ crowd: inout GraphCrowd) throws {
        for place in 0..<crowd.count {
            try crowd.connect(place)
            while crowd.syncing >= 64 { try crowd.read(milliseconds: 1_000) }
        }
        while crowd.syncing > 0 { try crowd.read(milliseconds: 1_000) }
    }

    /// Until nothing has come for three seconds.
    private static func settle(_ crowd: inout GraphCrowd) throws {
        var quietSince = secondsNow()
        while secondsNow() - quietSince < 3 {
            if try crowd.read(milliseconds: 100) { quietSince = secondsNow() }
        }
    }

    /// How many books are not what a first login of their users gets.
    private static func differences(
        _ crowd: borrowing GraphCrowd,
        _ server: LiveGraphServer,
        _ users: [UserID]
    ) throws -> Int {
        var fresh = try GraphCrowd(server.unix, users: users)
        for place in 0..<fresh.count {
            try fresh.connect(place, subscribing: false)
            while fresh.syncing >= 64 { try fresh.read(milliseconds: 1_000) }
        }
        while fresh.syncing > 0 { try fresh.read(milliseconds: 1_000) }
        return (0..<crowd.count).count { !crowd.book($0).isSame(as: fresh.book($0 / devicesEach)) }
    }

    /// Values that were acknowledged, and that their user's own book does not have.
    private static func lost(_ crowd: borrowing GraphCrowd, _ users: [UserID]) -> Int {
        users.enumerated().reduce(0) { sum, each in
            let own = crowd.book(each.offset * devicesEach).own
            let known = crowd.acknowledged[each.element] ?? [:]
            return sum + known.count { own[$0.key] != $0.value.value }
        }
    }
}

/// The graph, or a part of it, behind a Unix socket; it can be killed.
private final class LiveGraphServer {
    private let directory: URL
    private let program: String
    private let port: UInt16
    private var server: ServerProcess?
    let users: Int

    init(_ programs: Programs, usersMax: Int) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "tidemark-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        program = programs.server
        let (edges, users) = try Self.edges(graph: programs.graph, usersMax: usersMax)
        self.users = users
        let file = directory.appending(path: "edges").path
        try edges.write(toFile: file, atomically: true, encoding: .utf8)
        say("importing the graph of \(users) users")
        try runToEnd(
            program,
            ["import", "--data", directory.appending(path: "data").path, "--edges", file, "--both-ways", "--seed", "1"]
        )
        port = try freePort()
        try start()
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    var unix: ServerSocket { .unix(path: directory.appending(path: "s").path) }

    /// Those among the first users; an import gives ids in the order in which the names first come.
    private static func edges(graph: String, usersMax: Int) throws -> (String, Int) {
        var names: [Substring: Int] = [:]
        var edges = ""
        for line in try String(contentsOfFile: graph, encoding: .utf8).split(separator: "\n") where !line.hasPrefix("#")
        {
            let ends = line.split(separator: " ")
            let fresh = ends.filter { names[$0] == nil }
            if names.count + fresh.count > usersMax { continue }
            for name in fresh { names[name] = names.count }
            edges += "\(line)\n"
        }
        return (edges, names.count)
    }

    private func start() throws {
        let process = try ServerProcess(
            path: program,
            arguments: [
                "serve", "--data", directory.appending(path: "data").path, "--listen", "127.0.0.1:\(port)", "--unix",
                directory.appending(path: "s").path, "--log-level", "error", "--roster-policy", "open",
                // All come at once.
                "--full-sync-mb", "1048576",
            ]
        )
        try process.waitUntilListening(on: port, seconds: 60)
        server = consume process
        // The kernel goes on listening for a while for a ring whose process was killed: only an answer tells that the next is there.
        let end = secondsNow() + 30
        while try !answers() {
            if secondsNow() > end { throw BenchError("the server does not answer") }
            usleep(20_000)
        }
    }

    private func answers() throws -> Bool {
        guard let descriptor = try? unix.connect() else { return false }
        defer { close(descriptor) }
        var timeout = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        let hello = Message.hello(Hello()).frame(request: 1)
        var byte: UInt8 = 0
        return send(descriptor, hello, hello.count, Int32(MSG_NOSIGNAL)) == hello.count
            && recv(descriptor, &byte, 1, 0) == 1
    }

    /// Killed, not asked.
    func restart() throws {
        server = nil
        try start()
    }
}
