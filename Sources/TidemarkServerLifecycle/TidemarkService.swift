//  A server as a service of swift-service-lifecycle: started with the others of its group, and drained when the group shuts down.

import Dispatch
import Logging
import ServiceLifecycle
import Synchronization
import TidemarkServer

/// Starts a server when it is run, and stops it when its group shuts down or its task is cancelled. Run once.
public final class TidemarkService: Service {
    private let configuration: ServerConfiguration
    private let log: Logger
    private let started: @Sendable (Server) -> Void

    /// - Parameters:
    ///   - configuration: the server's.
    ///   - log: where it writes.
    ///   - started: called once, when clients can connect: where a host takes the server for calls in process.
    public init(
        _ configuration: ServerConfiguration,
        log: Logger,
        started: @escaping @Sendable (Server) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.log = log
        self.started = started
    }

    /// Returns when the server has stopped: what was accepted is answered and on disk.
    ///
    /// - Throws: what keeps the server from starting, or has ended it.
    public func run() async throws {
        // Loading and draining take threads that may wait.
        let server = try await Self.onThread { [configuration, log] in try Server(configuration, log: log) }
        started(server)
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        server.onFailure { _ in end.yield() }
        await withTaskCancellationOrGracefulShutdownHandler {
            for await _ in ends { break }
        } onCancelOrGracefulShutdown: {
            end.yield()
        }
        try await Self.onThread { try server.stop() }
    }

    private static func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue(label: "tidemark-service").async { continuation.resume(with: Result { try body() }) }
        }
    }
}
