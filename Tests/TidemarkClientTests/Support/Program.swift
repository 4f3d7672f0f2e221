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
        let environment = environment.merging(["HOME": home.path]) { given, _ in given }
            .merging(sanitizerOptions) { $1 }
        let directory = home.path
        // The program's server may need the thread that would wait here.
        return try await withCheckedThrowingContinuation { (done: CheckedContinuation<Outcome, any Error>) in
            Thread.detachNewThread {
                done.resume(
                    with: Result {
                        let ended = try ChildProcess.run(
                            [ChildProcess.path(ofBuilt: "tidemark")] + arguments,
                            environment: environment,
                            directory: directory,
                            into: sink
                        )
                        return Outcome(status: ended.status, output: ended.output, error: ended.errors)
                    }
                )
            }
        }
    }
}
