//  Messages on their way to other networks: for each account that stands for somebody there, a task takes its messages as a device
//  would, has the host pass them on, and acknowledges them.
//
//      applied ──▶ put(user) ──▶ task: fetch ──▶ deliver, one by one ──▶ acknowledge ──▶ fetch … until there are none

import Logging
import Synchronization
import TidemarkWire

final class MessageRouter: Sendable {
    private struct State {
        weak var server: Server?
        /// With a task; true where there is more than it may have seen.
        var busy: [UserID: Bool] = [:]
        var tasks: [UserID: Task<Void, Never>] = [:]
        var isStopped = false
    }

    private let routes: MessageRoutes
    private let log: Logger
    private let state = Mutex(State())

    init(_ routes: MessageRoutes, log: Logger) {
        self.routes = routes
        self.log = log
    }

    func has(_ name: String) -> Bool { routes.has(name) }

    /// Once there is one; what was put before waits for it.
    func begin(_ server: Server) {
        let waiting = state.withLock { state in
            state.server = server
            return Array(state.busy.keys)
        }
        for user in waiting { start(user) }
    }

    func stop() {
        let tasks = state.withLock { state in
            state.isStopped = true
            state.server = nil
            return Array(state.tasks.values)
        }
        for task in tasks { task.cancel() }
    }

    /// Something waits for the user.
    func put(_ user: UserID) {
        let isIdle = state.withLock { state in
            guard !state.isStopped else { return false }
            if state.busy[user] != nil {
                state.busy[user] = true
                return false
            }
            state.busy[user] = false
            return state.server != nil
        }
        if isIdle { start(user) }
    }

    private func start(_ user: UserID) {
        let task = Task { await route(user) }
        let isStopped = state.withLock { state in
            if state.busy[user] != nil { state.tasks[user] = task }
            return state.isStopped
        }
        if isStopped { task.cancel() }
    }

    private func route(_ user: UserID) async {
        var token: [UInt8] = []
        // The server keeps some of those that were acknowledged, for devices that have yet to see them.
        var known = 0
        while let server = state.withLock({ $0.server }) {
            do throws(CallError) {
                let page = try await server.messages(for: .id(user), MessageFetch(token: .init(token)))
                if token.isEmpty { known = page.messages.count + Int(page.left) - Int(page.waiting) }
                for message in page.messages.dropFirst(known) {
                    guard await deliver(message, to: user) else { return end(user) }
                }
                if page.messages.count > known {
                    try await server.acknowledge(MessageAcknowledge(token: page.token), for: .id(user))
                }
                known = max(0, known - page.messages.count)
                token = page.token
                if page.left > 0 { continue }
            } catch {
                switch error {
                case .refused(let error) where error.retryAfterMS > 0:
                    try? await Task.sleep(for: .milliseconds(Int(error.retryAfterMS)))
                    if Task.isCancelled { return end(user) }
                    continue
                // Such as an account that is deleted.
                case .refused, .stopped: return end(user)
                }
            }
            let isDone = state.withLock { state in
                guard state.busy[user] == true else {
                    (state.busy[user], state.tasks[user]) = (nil, nil)
                    return true
                }
                state.busy[user] = false
                return false
            }
            if isDone { return }
        }
        end(user)
    }

    private func end(_ user: UserID) { state.withLock { ($0.busy[user], $0.tasks[user]) = (nil, nil) } }

    /// False where the server stops first.
    private func deliver(_ message: MessagePage.Item, to reader: UserID) async -> Bool {
        let routed = RoutedMessage(
            id: message.id,
            sender: message.sender,
            reader: reader,
            kind: message.kind,
            content: message.content,
            stamp: message.stamp
        )
        var failures = 0
        while !Task.isCancelled {
            let pause: Duration
            do {
                switch try await routes.deliver(routed) {
                case .done: return true
                case .retry(let after): pause = after
                }
            } catch {
                if failures == 0 {
                    log.warning(
                        "a message cannot be passed on, and waits",
                        metadata: ["reader": "\(reader)", "error": "\(error)"]
                    )
                }
                pause = .seconds(min(60, 1 << min(failures, 6)))
                failures += 1
            }
            try? await Task.sleep(for: pause)
        }
        return false
    }
}
