import Synchronization

/// A value that arrives once, at one waiter. What comes first stands: the value, a failure, or the waiter's
/// cancellation; later ones are dropped.
final class OneShot<Value: Sendable>: Sendable {
    private enum State {
        case empty
        case waiting(CheckedContinuation<Value, any Error>)
        case settled(Result<Value, any Error>)
    }

    private let state = Mutex(State.empty)

    /// False if it was settled before.
    @discardableResult
    func settle(_ result: Result<Value, any Error>) -> Bool {
        let (isFirst, waiter) = state.withLock { state -> (Bool, CheckedContinuation<Value, any Error>?) in
            switch state {
            case .settled:
                return (false, nil)
            case .empty:
                state = .settled(result)
                return (true, nil)
            case .waiting(let continuation):
                state = .settled(result)
                return (true, continuation)
            }
        }
        waiter?.resume(with: result)
        return isFirst
    }

    /// Waits for it.
    /// - Precondition: nobody else waits.
    /// - Throws: what it was settled with, or `CancellationError`.
    var value: Value {
        get async throws {
            try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    let settled = state.withLock { state -> Result<Value, any Error>? in
                        switch state {
                        case .settled(let result):
                            return result
                        case .empty:
                            state = .waiting(continuation)
                            return nil
                        case .waiting:
                            preconditionFailure("one waiter at a time")
                        }
                    }
                    if let settled { continuation.resume(with: settled) }
                }
            } onCancel: {
                settle(.failure(CancellationError()))
            }
        }
    }
}
