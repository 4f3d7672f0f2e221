//  Committed groups as they come, for an observer in this process: it reads nothing from the disk for as long as it keeps up.
//
//      log's thread ──put──▶ [ group, group, … ] ──take──▶ observer
//
//  The log never waits for it. What is too much to keep is dropped, and the observer reads it from the log's rows.

import Synchronization

final class GroupTap: Sendable {
    fileprivate struct State {
        var groups: [Group] = []
        var weight = 0
        /// Some are missing behind those that were taken.
        var isBroken = true
        var isClosed = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    /// What waits, in changes or KiB of their values, beyond which all of it is dropped.
    private let weightMax: Int

    init(weightMax: Int) { self.weightMax = weightMax }

    func put(_ group: Group, valueBytes: Int) {
        let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.isClosed, group.changeCount > 0 else { return nil }
            if !state.isBroken {
                state.groups.append(group)
                state.weight += max(group.changeCount, valueBytes / 1_024)
                if state.weight > weightMax { state.drop() }
            }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    /// From here on, which is right behind what the log has now, all is kept again. On the log's thread.
    func mend() {
        state.withLock { state in
            state.drop()
            state.isBroken = false
        }
    }

    func close() {
        let waiting = state.withLock { state in
            state.isClosed = true
            state.drop()
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    enum Taken {
        /// None: wait.
        case groups([Group])
        /// They have to be read from the log.
        case broken
        case closed
    }

    func take() -> Taken {
        state.withLock { state in
            if state.isClosed { return .closed }
            if state.isBroken { return .broken }
            defer {
                state.groups = []
                state.weight = 0
            }
            return .groups(state.groups)
        }
    }

    /// Returns when there may be something to take, or its task is cancelled. One waits at a time.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mayGoOn = state.withLock { state in
                    precondition(state.waiting == nil, "one reads an observer")
                    if state.isClosed || state.isBroken || !state.groups.isEmpty || Task.isCancelled { return true }
                    state.waiting = continuation
                    return false
                }
                if mayGoOn { continuation.resume() }
            }
        } onCancel: {
            let waiting = state.withLock { state in
                defer { state.waiting = nil }
                return state.waiting
            }
            waiting?.resume()
        }
    }
}

extension GroupTap.State {
    fileprivate mutating func drop() {
        groups = []
        weight = 0
        isBroken = true
    }
}
