//  What the host is told of, until it takes it: of each user the latest, so that a host that is slow has more in one call, and
//  nothing grows but with the users.

import Synchronization
import TidemarkDirectory
import TidemarkWire

final class HostFeed: Sendable {
    private struct State {
        var presence: [UserID: Seen] = [:]
        var hints: [UserID: WakeHint] = [:]
        /// A task calls the hook.
        var isTellingPresence = false
        var isHinting = false
    }

    private let hooks: Hooks
    private let state = Mutex(State())

    init(_ hooks: Hooks) { self.hooks = hooks }

    var wantsPresence: Bool { hooks.presence != nil }
    var wantsHints: Bool { hooks.wake != nil }

    func put(_ presence: [(UserID, Seen)]) {
        guard let hook = hooks.presence else { return }
        let starts = state.withLock { state in
            for (user, seen) in presence { state.presence[user] = seen }
            guard !state.isTellingPresence, !state.presence.isEmpty else { return false }
            state.isTellingPresence = true
            return true
        }
        if starts { Task { await tellPresence(hook) } }
    }

    private func tellPresence(_ hook: @Sendable ([PresenceChange]) async -> Void) async {
        while true {
            let changes = state.withLock { state in
                defer { state.presence.removeAll(keepingCapacity: state.presence.count < 1_024) }
                if state.presence.isEmpty { state.isTellingPresence = false }
                return state.presence.map { PresenceChange(user: $0, state: $1.state, devices: $1.devices) }
            }
            if changes.isEmpty { return }
            await hook(changes)
        }
    }

    func hint(_ user: UserID, messages: Int = 0, requests: Int = 0) {
        guard let hook = hooks.wake else { return }
        let starts = state.withLock { state in
            state.hints[user, default: WakeHint(user: user, messages: 0, requests: 0)].messages += messages
            state.hints[user]!.requests += requests
            defer { state.isHinting = true }
            return !state.isHinting
        }
        if starts { Task { await hintAll(hook) } }
    }

    private func hintAll(_ hook: @Sendable ([WakeHint]) async -> Void) async {
        while true {
            let hints = state.withLock { state in
                defer { state.hints.removeAll(keepingCapacity: state.hints.count < 1_024) }
                if state.hints.isEmpty { state.isHinting = false }
                return Array(state.hints.values)
            }
            if hints.isEmpty { return }
            await hook(hints)
        }
    }
}
