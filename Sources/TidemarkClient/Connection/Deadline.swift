/// Runs `body`, which must end when cancelled, for at most `limit` of `clock`'s time.
/// - Throws: what `body` throws; `ClientError.timeout`; `CancellationError`.
func withDeadline<Value: Sendable>(
    _ limit: Duration,
    on clock: any Clock<Duration>,
    for operation: ClientError.Operation,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await clock.sleep(for: limit)
            throw ClientError.timeout(operation, after: limit)
        }
        defer { group.cancelAll() }
        return try await group.next()!
    }
}
