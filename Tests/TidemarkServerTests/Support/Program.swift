import Foundation
import TidemarkTesting

/// The programs `tidemark-server` and `tidemark`, built beside these tests, each as a process of its own.
enum Program {
    /// Nothing of this process' environment that could matter.
    static func environment(_ more: [String: String] = [:]) -> [String: String] {
        ["HOME": "/nonexistent", "PATH": "/usr/bin:/bin"].merging(more) { $1 }.merging(sanitizerOptions) { $1 }
    }

    static func run(_ arguments: String..., environment: [String: String] = [:]) throws -> ChildProcess.Outcome {
        try run(list: arguments, environment: environment)
    }

    static func run(
        _ program: String = "tidemark-server",
        list arguments: [String],
        environment: [String: String] = [:],
        directory: String? = nil
    ) throws -> ChildProcess.Outcome {
        try ChildProcess.run(
            [ChildProcess.path(ofBuilt: program)] + arguments,
            environment: self.environment(environment),
            directory: directory
        )
    }

    /// `tidemark admin`.
    static func admin(list arguments: [String]) throws -> ChildProcess.Outcome {
        try run("tidemark", list: ["admin"] + arguments)
    }

    /// `tidemark admin` on the server of a data directory.
    static func admin(_ arguments: String..., data: String) throws -> ChildProcess.Outcome {
        try admin(list: arguments + ["--data", data])
    }
}

/// A `tidemark-server serve` that runs.
final class Service {
    /// What it says on its errors is its log.
    private let process: ChildProcess

    /// With `openFiles`: the system allows it so many.
    init(_ arguments: String..., openFiles: Int? = nil) throws {
        var command = [ChildProcess.path(ofBuilt: "tidemark-server"), "serve"] + arguments
        if let openFiles {
            command = ["/bin/sh", "-c", "ulimit -n \(openFiles); exec \"$0\" \"$@\""] + command
        }
        process = try ChildProcess(command, environment: Program.environment(), output: "/dev/null")
    }

    var id: pid_t { process.id }
    var log: String { process.log }

    /// Waits until the log has a line with this text; false when the process ended without it.
    func waits(for text: String) -> Bool { process.says(text, within: 120) }

    func signal(_ number: Int32) { process.signal(number) }

    /// The exit code, or the number of the signal that ended it, negative.
    func ended() -> Int32 { process.status() }
}
