import Foundation
import TidemarkTesting

/// The program `tidemark-server`, built beside these tests.
enum ServerProgram {
    private static let path: String = {
        let tests = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return ((tests ?? CommandLine.arguments[0]) as NSString).deletingLastPathComponent + "/tidemark-server"
    }()

    /// `launcher` is a command that runs the program, in place of this process doing so.
    static func start(_ arguments: [String], launcher: [String] = []) throws -> ChildProcess {
        try ChildProcess(
            launcher + [path] + arguments,
            // Nothing of this process' environment. A trap must end it at once, not after a backtrace of seconds.
            environment: [
                "HOME": "/nonexistent", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SWIFT_BACKTRACE": "enable=no",
            ].merging(sanitizerOptions) { $1 }
        )
    }
}
