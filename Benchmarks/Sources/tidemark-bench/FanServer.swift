// A server of its own over rosters that are made up, in a directory that is removed afterwards.

import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

final class FanServer {
    let port: UInt16
    private let directory: URL
    private let data: String
    private let program: String
    private let server: ServerProcess

    /// Users f0, f1, … who all have "star" and 43 others; and "fan", who has "lone".
    convenience init(_ programs: Programs, followers: Int) throws {
        var edges = "fan lone\n"
        for follower in 0..<followers {
            edges += "f\(follower) star\n"
            for other in 0..<43 { edges += "f\(follower) g\((follower * 43 + other * 7) % 2_000)\n" }
        }
        try self.init(programs, edges: edges, arguments: [])
    }

    /// On one core, with all its threads.
    init(_ programs: Programs, edges: String, arguments: [String]) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "tidemark-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        data = directory.appending(path: "data").path
        program = programs.server
        let file = directory.appending(path: "edges").path
        try edges.write(toFile: file, atomically: true, encoding: .utf8)
        try runToEnd(program, ["import", "--data", data, "--edges", file, "--seed", "1"])
        port = try freePort()
        server = try ServerProcess(
            path: program,
            arguments: [
                "serve", "--data", data, "--listen", "127.0.0.1:\(port)", "--unix", directory.appending(path: "s").path,
                "--log-level", "error", "--loops", "1",
            ] + arguments,
            core: 0
        )
        try server.waitUntilListening(on: port, seconds: 30)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    var process: pid_t { server.id }
    var tcp: ServerSocket { .tcp(port: port) }
    var unix: ServerSocket { .unix(path: directory.appending(path: "s").path) }

    func ticket(name: String) throws -> [UInt8] {
        let text = try runToEnd(program, ["ticket", "--data", data, "--lifetime", "1h", "--user", name])
        var base64 = text.trimmingCharacters(in: .whitespacesAndNewlines)
            .replacing("-", with: "+").replacing("_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.count % 4) % 4)
        guard let bytes = Data(base64Encoded: base64) else { throw BenchError("no ticket: \(text)") }
        return Array(bytes)
    }

    /// What makes a session of this user's live.
    func login(name: String) throws -> [UInt8] { Self.login(.ticket(try ticket(name: name)), options: .subscribe) }

    /// Nil options: without a sync.
    static func login(_ credentials: Authenticate, options: Sync.Options?) -> [UInt8] {
        login(credentials, sync: options.map { Sync(options: $0) })
    }

    static func login(_ credentials: Authenticate, sync: Sync?) -> [UInt8] {
        var messages: [Message] = [.hello(Hello()), .authenticate(credentials)]
        if let sync { messages.append(.sync(sync)) }
        return messages.enumerated().flatMap { $1.frame(request: UInt16($0 + 1)) }
    }
}
