//  The server's own program, which imports and serves.

import Foundation
import Synchronization

/// `tidemark-server`, run as a process of its own.
public struct ServerProgram: Sendable {
    public let path: String

    /// At a path; without one, `tidemark-server` in the directory of this program. Throws `LoadError.serverProgram` if
    /// there is none.
    public init(_ given: String?) throws(LoadError) {
        path = given ?? Self.beside()
        guard FileManager.default.isExecutableFile(atPath: path) else {
            let hint = given == nil ? "name it with --server-program PATH" : "--server-program takes the program's path"
            throw .serverProgram(reason: "there is no program \(path); \(hint)", status: 66)
        }
    }

    /// With a directory in it, so that it is not searched for.
    private var absolutePath: String { URL(fileURLWithPath: path).path }

    private static func beside() -> String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "."
        return (own as NSString).deletingLastPathComponent + "/tidemark-server"
    }

    /// Has the system end a process with the thread that started it, even when that is killed.
    private static let setpriv = "/usr/bin/setpriv"

    /// A process that ends with this one's main thread, where the system has `setpriv`, and that will not see what is set
    /// for this one's own server.
    func process(_ arguments: [String]) -> Process {
        let process = Process()
        // A thread that ends earlier would take its children along.
        let isBound = Thread.isMainThread && FileManager.default.isExecutableFile(atPath: Self.setpriv)
        process.executableURL = URL(fileURLWithPath: isBound ? Self.setpriv : path)
        process.arguments = (isBound ? ["--pdeathsig", "TERM", absolutePath] : []) + arguments
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("TIDEMARK_") }
        return process
    }

    /// Imports a graph into a data directory, which is made if it does not exist. What the program says goes where this
    /// one's errors go; what it has done only unless `isQuiet`.
    ///
    /// - Throws: `LoadError.serverProgram` with the program's status, if it did not do it.
    public func provision(_ graph: ContactGraph, seed: UInt64, data: String, isQuiet: Bool) throws(LoadError) {
        let process = process(["import", "--edges", "-", "--both-ways", "--seed", "\(seed)", "--data", data])
        let pipe = Pipe()
        process.standardInput = pipe
        process.standardOutput = isQuiet ? FileHandle.nullDevice : FileHandle.standardError
        do {
            try process.run()
        } catch {
            throw .serverProgram(reason: "cannot run \(path): \(error.localizedDescription)", status: 74)
        }
        Children.add(process.processIdentifier)
        defer { Children.remove(process.processIdentifier) }
        // A program that ends early says why itself.
        try? write(graph, to: pipe.fileHandleForWriting)
        try? pipe.fileHandleForWriting.close()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw .serverProgram(
                reason: "tidemark-server import did not do it; what it says stands above",
                status: process.terminationReason == .exit ? process.terminationStatus : 74
            )
        }
    }

    private func write(_ graph: ContactGraph, to handle: FileHandle) throws {
        var text = Data()
        try graph.forEachEdge { user, contact in
            text.append(contentsOf: "load\(user) load\(contact)\n".utf8)
            if text.count >= 1 << 20 {
                try handle.write(contentsOf: text)
                text.removeAll(keepingCapacity: true)
            }
        }
        try handle.write(contentsOf: text)
    }
}

/// Processes that this one has started and that have not ended, and directories that it has made, for the moment when it
/// has to end at once.
public enum Children {
    private static let running = Mutex<Set<Int32>>([])
    private static let directories = Mutex<Set<String>>([])
    /// How long killed processes have for being gone.
    private static let endPatience: UInt64 = 1_000_000_000

    static func add(_ pid: Int32) { running.withLock { _ = $0.insert(pid) } }
    static func remove(_ pid: Int32) { running.withLock { _ = $0.remove(pid) } }

    static func add(directory: String) { directories.withLock { _ = $0.insert(directory) } }

    /// Removes the directory and what is in it.
    static func remove(directory: String) {
        try? FileManager.default.removeItem(atPath: directory)
        directories.withLock { _ = $0.remove(directory) }
    }

    /// Sends a signal to each.
    public static func signal(_ number: Int32) {
        running.withLock { for pid in $0 { kill(pid, number) } }
    }

    /// Kills them all, and removes the directories.
    public static func removeAll() {
        let killed = running.withLock { $0 }
        signal(SIGKILL)
        // One that still writes would bring a directory back.
        let end = Clock.nanoseconds + endPatience
        while killed.contains(where: { kill($0, 0) == 0 }), Clock.nanoseconds < end {
            Clock.sleep(until: Clock.nanoseconds + 1_000_000)
        }
        for directory in directories.withLock({ $0 }) { remove(directory: directory) }
    }
}
