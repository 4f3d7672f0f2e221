import Foundation
import TidemarkTesting
import TidemarkWire

/// A server program on a data directory of its own. All of it goes when this does: process, directory and copies.
final class Installation {
    struct Failed: Error, CustomStringConvertible {
        var description: String
    }

    private let root: String
    private(set) var server: ChildProcess?
    /// How often a server has begun to serve here.
    private(set) var openings = 0

    init() throws {
        // Short: the path of a Unix socket has at most 107 bytes.
        root = FileManager.default.temporaryDirectory.path + "/tidemark-crash-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    }

    deinit {
        server = nil
        try? FileManager.default.removeItem(atPath: root)
    }

    var data: String { root + "/data" }
    var database: String { data + "/tidemark.db" }
    var socket: String { root + "/s" }
    func path(_ name: String) -> String { "\(root)/\(name)" }

    func write(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path(name)))
        return path(name)
    }

    /// With the server stopped.
    func importFiles(accounts: String, rosters: String) throws {
        let files = (try write("accounts.csv", accounts), try write("rosters.csv", rosters))
        let child = try ServerProgram.start(["import", "--accounts", files.0, "--rosters", files.1, "--data", data])
        guard child.end() == .exit(0) else { throw Failed(description: "the import: \(child.log)") }
    }

    // MARK: from start to end

    /// The process, which does not listen yet.
    func launch(launcher: [String] = []) throws -> ChildProcess {
        let arguments = ["serve", "--unix", socket, "--data", data, "--roster-policy", "open"]
        let child = try ServerProgram.start(arguments, launcher: launcher)
        server = child
        return child
    }

    /// Returns once it serves.
    func start() throws {
        let child = try launch()
        guard child.says("loaded in") else {
            throw Failed(description: "does not start: \(String(describing: child.end(within: 1))): \(child.log)")
        }
        openings += 1
    }

    func stop() throws {
        guard let child = server else { return }
        server = nil
        child.signal(SIGTERM)
        let end = child.end()
        guard end == .exit(0) else {
            throw Failed(description: "does not stop: \(String(describing: end)): \(child.log)")
        }
    }

    /// kill -9, at this moment. Returns how it ended, which may have been before, and what it said.
    func kill() -> (end: ChildProcess.End?, log: String) {
        guard let child = server else { return (nil, "") }
        server = nil
        child.signal(SIGKILL)
        return (child.end(), child.log)
    }

    func client(_ user: UserID) throws -> Client { try Client(socket: socket, as: .id(user)) }
    func client(named name: String) throws -> Client { try Client(socket: socket, as: .name(name)) }

    /// What `tidemark-server check` says; nil when all is sound.
    func findings() throws -> String? {
        let child = try ServerProgram.start(["check", "--data", data])
        return child.end() == .exit(0) ? nil : child.log
    }
}
