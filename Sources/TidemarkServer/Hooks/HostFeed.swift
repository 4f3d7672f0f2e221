//  What the host is told of, until it takes it: of each user the latest, so that a host that is slow has more in one call, and
//  nothing grows but with the users.
//
//      loops ──put──▶ [ user: latest, … ] ──all of it──▶ one task: hook, hook, …

import Synchronization
import TidemarkWire

final class HostFeed<News: Sendable>: Sendable {
    private struct State {
        var news: [UserID: News] = [:]
        /// A task calls the hook.
        var isTelling = false
    }

    private let hook: @Sendable ([News]) async -> Void
    private let state = Mutex(State())

    init(_ hook: @escaping @Sendable ([News]) async -> Void) { self.hook = hook }

    /// `change` makes a user's news of those that the host has not been told yet, if there are any.
    func put(_ user: UserID, _ change: (News?) -> News) {
        let starts = state.withLock { state in
            state.news[user] = change(state.news[user])
            defer { state.isTelling = true }
            return !state.isTelling
        }
        if starts { Task { await tell() } }
    }

    private func tell() async {
        while true {
            let news = state.withLock { state in
                defer { state.news.removeAll(keepingCapacity: state.news.count < 1_024) }
                if state.news.isEmpty { state.isTelling = false }
                return Array(state.news.values)
            }
            if news.isEmpty { return }
            await hook(news)
        }
    }
}

/// What a server's shards tell its host, where it wants to be told.
struct HostFeeds: Sendable {
    var presence: HostFeed<PresenceChange>?
    var wake: HostFeed<WakeHint>?
    var router: MessageRouter?

    init(_ hooks: Hooks, router: MessageRouter? = nil) {
        presence = hooks.presence.map { HostFeed($0) }
        wake = hooks.wake.map { HostFeed($0) }
        self.router = router
    }

    /// Something of what is applied.
    var wantsChanges: Bool { wake != nil || router != nil }
}
