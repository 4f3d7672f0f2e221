//  What the server says unasked, in its order, until whoever follows takes it.
//
//      reading task ──▶ [ push, push, … ] ──▶ nextPush
//
//  Full, the reading task waits, and the socket with it: the server then sends fewer and larger pushes. While a request waits
//  for its answer it is never full, for that comes behind the pushes.

import Synchronization
import TidemarkWire

enum Push: Equatable, Sendable {
    case delta(PushDelta)
    case presence(PushPresence)
    case messages(PushMessages)
    /// The server's no: messages are to be fetched again.
    case messagesDue
    /// Nor this: a page has brought what pushes told of that whoever follows has not taken; and somebody else may have asked for it.
    case syncDue

    /// Whether a page, of messages or of the table, brings what this told of.
    func isBrought(byMessages: Bool) -> Bool {
        switch self {
        case .delta, .presence: !byMessages
        case .messages: byMessages
        case .messagesDue, .syncDue: false
        }
    }
}

struct PushQueue {
    static let capacity = 64

    /// Nobody has asked for pushes before.
    var isFollowed = false
    fileprivate var pushes: [Push] = []
    fileprivate var reader: CheckedContinuation<Push, any Error>?
    /// The reading task, where it waits for room.
    private var writer: CheckedContinuation<Void, Never>?

    fileprivate var isFull: Bool { pushes.count >= Self.capacity }

    fileprivate mutating func wait(_ writer: CheckedContinuation<Void, Never>) { self.writer = writer }

    /// Lets the reading task go on.
    mutating func release() {
        writer?.resume()
        writer = nil
    }

    /// A page brings all that these told of: those of messages, or the others.
    mutating func forget(messages: Bool) {
        let count = pushes.count
        pushes.removeAll { $0.isBrought(byMessages: messages) }
        if !messages, pushes.count < count { pushes.append(.syncDue) }
        release()
    }

    /// Whoever follows has just synced.
    fileprivate mutating func forgetSyncDue() { pushes.removeAll { $0 == .syncDue } }

    /// Nothing more will come.
    mutating func end(_ failure: ClientError) {
        reader?.resume(throwing: failure)
        reader = nil
        release()
    }
}

extension Link {
    func follow() { state.withLock { $0.pushes.isFollowed = true } }
    var isFollowed: Bool { state.withLock { $0.pushes.isFollowed } }

    func forgetSyncDue() { state.withLock { $0.pushes.forgetSyncDue() } }

    /// Has whoever follows fetch messages again.
    func interrupt() {
        state.withLock { state in
            if let reader = state.pushes.reader {
                state.pushes.reader = nil
                reader.resume(returning: .messagesDue)
            } else {
                state.pushes.pushes.append(.messagesDue)
            }
        }
    }

    /// - Throws: `ProtocolViolation` where nobody has asked for pushes.
    func receive(_ push: Push, _ header: FrameHeader) async throws {
        let isFull = try state.withLock { state in
            guard state.pushes.isFollowed, header.request == 0 else {
                throw ProtocolViolation.unexpectedReply(type: header.type, request: header.request)
            }
            if let reader = state.pushes.reader {
                state.pushes.reader = nil
                reader.resume(returning: push)
            } else {
                state.pushes.pushes.append(push)
            }
            return state.pushes.isFull
        }
        guard isFull else { return }
        await withCheckedContinuation { continuation in
            let mayGoOn = state.withLock { state in
                guard state.pushes.isFull, state.pending.count == 0, state.failure == nil else { return true }
                state.pushes.wait(continuation)
                return false
            }
            if mayGoOn { continuation.resume() }
        }
    }

    /// - Precondition: nobody else waits.
    /// - Throws: why the connection has ended; `CancellationError`.
    func nextPush() async throws -> Push {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome = state.withLock { state -> Result<Push, any Error>? in
                    if !state.pushes.pushes.isEmpty {
                        defer { if !state.pushes.isFull { state.pushes.release() } }
                        return .success(state.pushes.pushes.removeFirst())
                    }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if let failure = state.failure { return .failure(failure) }
                    precondition(state.pushes.reader == nil, "one follows a connection")
                    state.pushes.reader = continuation
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            state.withLock { state in
                state.pushes.reader?.resume(throwing: CancellationError())
                state.pushes.reader = nil
            }
        }
    }
}
