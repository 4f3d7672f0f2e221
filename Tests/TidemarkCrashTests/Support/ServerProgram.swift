import TidemarkTesting

/// The program `tidemark-server`, built beside these tests.
enum ServerProgram {
    /// `launcher` is a command that runs the program, in place of this process doing so.
    static func start(_ arguments: [String], launcher: [String] = []) throws -> ChildProcess {
        try ChildProcess(
            launcher + [ChildProcess.path(ofBuilt: "tidemark-server")] + arguments,
            // Nothing of this process' environment. A trap must end it at once, not after a backtrace of seconds.
            environment: [
                "HOME": "/nonexistent", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SWIFT_BACKTRACE": "enable=no",
            ].merging(sanitizerOptions) { $1 }
        )
    }
}
