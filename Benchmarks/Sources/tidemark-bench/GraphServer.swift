// A server of its own over the social graph, in a directory that is removed afterwards.

import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

final class GraphServer {
    let port: UInt16
    /// Each user's roster size, by id.
    let rosterSizes: [UserID: Int]
    private let directory: URL
    private let data: String
    private let program: String
    private let server: ServerProcess

    init(_ programs: Programs) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "tidemark-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        data = directory.appending(path: "data").path
        program = programs.server
        say("importing the graph")
        try runToEnd(
            programs.server,
            ["import", "--data", data, "--edges", programs.graph, "--both-ways", "--seed", "1"]
        )
        port = try freePort()
        rosterSizes = try Self.rosterSizes(graph: programs.graph)
        server = try ServerProcess(
            path: programs.server,
            arguments: [
                "serve", "--data", data, "--listen", "127.0.0.1:\(port)", "--log-level", "error",
            ],
            core: 0
        )
        try server.waitUntilListening(on: port, seconds: 30)
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    var process: pid_t { server.id }
    var keyFile: String { data + "/ticket.keys" }

    /// The import gives ids in the order of names' first appearance.
    private static func rosterSizes(graph: String) throws -> [UserID: Int] {
        var ids: [Substring: UserID] = [:]
        var sizes: [UserID: Int] = [:]
        let text = try String(contentsOfFile: graph, encoding: .utf8)
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            for name in line.split(separator: " ") {
                let id = ids[name] ?? UserID(ids.count + 1)
                ids[name] = id
                sizes[id, default: 0] += 1
            }
        }
        return sizes
    }

    /// A user with the median number of contacts.
    var medianUser: UserID {
        let sorted = rosterSizes.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        return sorted[sorted.count / 2].key
    }

    func ticket(_ user: UserID) throws -> [UInt8] {
        let text = try runToEnd(program, ["ticket", "--data", data, "--id", String(user), "--lifetime", "1h"])
        var base64 = text.trimmingCharacters(in: .whitespacesAndNewlines)
            .replacing("-", with: "+").replacing("_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.count % 4) % 4)
        guard let bytes = Data(base64Encoded: base64) else { throw BenchError("no ticket: \(text)") }
        return Array(bytes)
    }

    func connect() throws -> Exchange { try Exchange(port: port) }
}
