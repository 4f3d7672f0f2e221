import Foundation
import TidemarkTesting

/// The programs `tidemark-server` and `tidemark`, built beside these tests, each as a process of its own.
enum Program {
    struct Outcome {
        var status: Int32
        var output: String
        var errors: String
    }

    private static let directory: String = {
        let tests = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return ((tests ?? CommandLine.arguments[0]) as NSString).deletingLastPathComponent
    }()

    /// Without anything of this process' environment that could matter.
    static func process(
        _ arguments: [String],
        of program: String = "tidemark-server",
        environment: [String: String] = [:]
    ) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: directory + "/" + program)
        process.arguments = arguments
        process.environment = ["HOME": "/nonexistent", "PATH": "/usr/bin:/bin"].merging(environment) { $1 }
            .merging(sanitizerOptions) { $1 }
        process.standardInput = FileHandle.nullDevice
        return process
    }

    static func run(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
        try run(process(arguments, environment: environment))
    }

    /// `tidemark admin` on the server of a data directory.
    static func admin(_ arguments: String..., data: String) throws -> Outcome {
        try run(process(["admin"] + arguments + ["--data", data], of: "tidemark"))
    }

    static func run(_ process: Process) throws -> Outcome {
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Both are far smaller than a pipe holds.
        let outputData = try output.fileHandleForReading.readToEnd() ?? Data()
        let errorData = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus,
            output: String(decoding: outputData, as: UTF8.self),
            errors: String(decoding: errorData, as: UTF8.self)
        )
    }
}

/// A `tidemark-server serve` that runs.
final class Service {
    let process: Process
    private let errors = Pipe()
    private(set) var log = ""

    /// With `openFiles`: the system allows it so many.
    init(_ arguments: String..., openFiles: Int? = nil) throws {
        process = Program.process(["serve"] + arguments)
        if let openFiles, let program = process.executableURL {
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-c", "ulimit -n \(openFiles); exec \"$0\" \"$@\"", program.path, "serve"] + arguments
        }
        process.standardError = errors
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// Waits until the log has a line with this text; false when the process ended without it.
    func waits(for text: String) -> Bool {
        while !log.contains(text) {
            let data = errors.fileHandleForReading.availableData
            if data.isEmpty { return false }
            log += String(decoding: data, as: UTF8.self)
        }
        return true
    }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// The exit code, or the number of the signal that ended it, negative.
    func ended() -> Int32 {
        while waits(for: "\u{0}") {}
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }
}
