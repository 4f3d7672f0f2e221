import Foundation
import TidemarkTesting

/// The `tidemark` program, run as a user would, in a home of its own.
struct Program {
    let home: TemporaryDirectory
    var environment: [String: String] = [:]

    struct Outcome: Sendable {
        var status: Int32
        var output: String
        var error: String

        /// The output as one JSON object.
        var json: [String: Any] {
            (try? JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]) ?? [:]
        }
    }

    init() throws { home = try TemporaryDirectory() }

    func run(_ arguments: String...) async throws -> Outcome { try await run(list: arguments) }

    /// With a sink, a file, its output goes there, and nothing of it is returned.
    func run(list arguments: [String], into sink: String? = nil) async throws -> Outcome {
        let process = Process()
        // SwiftPM puts programs beside the bundle of the tests.
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("tidemark")
        process.arguments = arguments
        process.environment = environment.merging(["HOME": home.path]) { given, _ in given }
            .merging(sanitizerOptions) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: home.path)
        let output = home.file("output-\(UUID().uuidString)")
        let error = output + "-error"
        for path in [output, error] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: sink ?? output)
        process.standardError = FileHandle(forWritingAtPath: error)
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
            process.terminationHandler = { _ in done.resume() }
            do { try process.run() } catch { done.resume(throwing: error) }
        }
        return Outcome(
            status: process.terminationStatus,
            output: try String(contentsOfFile: output, encoding: .utf8),
            error: try String(contentsOfFile: error, encoding: .utf8)
        )
    }
}
