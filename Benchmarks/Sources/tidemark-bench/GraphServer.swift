// A server of its own over the social graph, in a directory that is removed afterwards.

import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

final class GraphServer {
    let port: UInt16
    /// For TLS, where there is a certificate.
    let tlsPort: UInt16
    /// Each user's contacts, by id.
    let contacts: [UserID: Set<UserID>]
    let names: [UserID: String]
    private let directory: URL
    let data: String
    /// Where a client is taken at its word.
    let socket: String
    private let program: String
    private let server: ServerProcess

    let hello: HelloOK

    /// The server on one core, with all its threads; nil: wherever. With a hub, a user of that name has so many contacts more
    /// than anybody of the graph. Few users are driven by many connections, and some pull whole rosters as fast as they can, unless
    /// the server is to be limited as it is by default.
    init(
        _ programs: Programs,
        core: Int? = 0,
        loops: Int? = nil,
        hubContacts: Int = 0,
        isLimited: Bool = false,
        certificate: Certificate? = nil
    ) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "tidemark-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        data = directory.appending(path: "data").path
        socket = directory.appending(path: "s").path
        program = programs.server
        say("importing the graph")
        try runToEnd(
            programs.server,
            ["import", "--data", data, "--edges", programs.graph, "--both-ways", "--seed", "1"]
        )
        if hubContacts > 0 {
            let edges = directory.appending(path: "hub").path
            try (0..<hubContacts).map { "hub spoke\($0)\n" }.joined().write(
                toFile: edges,
                atomically: true,
                encoding: .utf8
            )
            try runToEnd(programs.server, ["import", "--data", data, "--edges", edges, "--seed", "2"])
        }
        port = try freePort()
        let tlsPort = try freePort()
        self.tlsPort = tlsPort
        let encryption = certificate.map { $0.arguments(port: tlsPort) } ?? []
        (contacts, names) = try Self.contacts(graph: programs.graph)
        server = try ServerProcess(
            path: programs.server,
            arguments: [
                "serve", "--data", data, "--listen", "127.0.0.1:\(port)", "--unix", socket,
                "--log-level", "error",
            ] + (isLimited ? [] : ["--devices-per-user", "1000", "--full-sync-mb", "1048576"])
                + (loops.map { ["--loops", String($0)] } ?? [])
                + encryption,
            core: core
        )
        try server.waitUntilListening(on: port, seconds: 30)
        guard case .helloOK(let hello)? = try Exchange(port: port).exchange([.hello(Hello())]).first else {
            throw BenchError("no hello")
        }
        self.hello = hello
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    var process: pid_t { server.id }
    var keyFile: String { data + "/ticket.keys" }

    /// Each user's roster size.
    var rosterSizes: [UserID: Int] { contacts.mapValues(\.count) }

    /// The import gives ids in the order of names' first appearance.
    private static func contacts(graph: String) throws -> ([UserID: Set<UserID>], names: [UserID: String]) {
        var ids: [Substring: UserID] = [:]
        var contacts: [UserID: Set<UserID>] = [:]
        let text = try String(contentsOfFile: graph, encoding: .utf8)
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let ends = line.split(separator: " ").map { name in
                let id = ids[name] ?? UserID(ids.count + 1)
                ids[name] = id
                return id
            }
            contacts[ends[0], default: []].insert(ends[1])
            contacts[ends[1], default: []].insert(ends[0])
        }
        return (contacts, Dictionary(uniqueKeysWithValues: ids.map { ($1, String($0)) }))
    }

    /// So many users of whom nobody is a contact of another.
    func strangersAmongThemselves(_ count: Int) throws -> [UserID] {
        var known: Set<UserID> = []
        var found: [UserID] = []
        for user in contacts.keys.sorted() where !known.contains(user) && found.count < count {
            found.append(user)
            known.formUnion(contacts[user]!)
        }
        guard found.count == count else { throw BenchError("there are not \(count) strangers") }
        return found
    }

    /// The first ids of two groups of `count` users in a row, nobody of one a contact of anybody of the other.
    func strangers(_ count: Int) throws -> (UserID, UserID) {
        let size = UserID(count)
        let starts = Array(stride(from: UserID(1), through: UserID(contacts.count) + 1 - size, by: UserID.Stride(size)))
        for first in starts {
            let known = (first..<first + size).reduce(into: Set<UserID>()) { $0.formUnion(contacts[$1] ?? []) }
            if let second = starts.first(where: { start in
                start != first && (start..<start + size).allSatisfy { !known.contains($0) }
            }) {
                return (first, second)
            }
        }
        throw BenchError("no two groups of \(count) strangers")
    }

    /// While nobody writes.
    func copyDatabase(to path: String) throws {
        try FileManager.default.copyItem(atPath: data + "/tidemark.db", toPath: path)
        if FileManager.default.fileExists(atPath: data + "/tidemark.db-wal") {
            try FileManager.default.copyItem(atPath: data + "/tidemark.db-wal", toPath: path + "-wal")
        }
    }

    /// A user with the median number of contacts.
    var medianUser: UserID {
        let sorted = rosterSizes.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        return sorted[sorted.count / 2].key
    }

    func ticket(_ user: UserID) throws -> [UInt8] { try ticket(["--id", String(user)]) }
    func ticket(name: String) throws -> [UInt8] { try ticket(["--user", name]) }

    private func ticket(_ user: [String]) throws -> [UInt8] {
        let text = try runToEnd(program, ["ticket", "--data", data, "--lifetime", "1h"] + user)
        var base64 = text.trimmingCharacters(in: .whitespacesAndNewlines)
            .replacing("-", with: "+").replacing("_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.count % 4) % 4)
        guard let bytes = Data(base64Encoded: base64) else { throw BenchError("no ticket: \(text)") }
        return Array(bytes)
    }

    /// A connection that logs the user in and then asks one thing again and again, to which the answer is always the same.
    func plan(_ user: UserID, request: [UInt8], answer: [UInt8]) throws -> ConnectionPlan {
        var plan = try plan(user, request: request, answerBytes: answer.count)
        plan.answerPrefix = answer
        return plan
    }

    /// A connection that logs the user in and then asks one thing again and again.
    func plan(_ user: UserID, request: [UInt8], answerBytes: Int) throws -> ConnectionPlan {
        let preamble = try [Message.hello(Hello()), .authenticate(.ticket(ticket(user)))]
        let answers = [
            Message.helloOK(hello), .authenticateOK(AuthenticateOK(user: user)),
        ]
        return ConnectionPlan(
            preamble: preamble.enumerated().flatMap { $1.frame(request: UInt16($0 + 1)) },
            preambleAnswerBytes: answers.reduce(0) { $0 + $1.frame(request: 0).count },
            request: request,
            answerBytes: answerBytes
        )
    }

    func connect() throws -> Exchange { try Exchange(port: port) }
}
