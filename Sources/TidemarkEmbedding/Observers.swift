// What is committed, for a host in C: a task asks for it, and a queue calls the host, one change after the other.

import CTidemark
import Dispatch
import Synchronization
import TidemarkServer

/// The host's functions, which share its context between threads.
private struct ObserverCallbacks: @unchecked Sendable {
    let changed: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<tidemark_change>?) -> Void
    let ended: (@convention(c) (UnsafeMutableRawPointer?, tidemark_status) -> Void)?
    let context: UnsafeMutableRawPointer?
}

private final class EmbeddedObserver: Sendable {
    let server: EmbeddedServer
    let observer: ChangeObserver
    private let callbacks: ObserverCallbacks
    private let queue: DispatchQueue
    private let isReleased = Atomic(false)
    private let done = DispatchSemaphore(value: 0)
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ server: EmbeddedServer, _ observer: ChangeObserver, _ callbacks: ObserverCallbacks) {
        self.server = server
        self.observer = observer
        self.callbacks = callbacks
        queue = DispatchQueue(label: "tidemark observer \(observer.name)")
    }

    func begin() {
        task.withLock {
            $0 = Task { [self] in
                let end = await follow()
                await call { [callbacks] in callbacks.ended?(callbacks.context, end) }
                done.signal()
            }
        }
    }

    private func follow() async -> tidemark_status {
        do {
            for try await changes in observer {
                await call { [self] in
                    for change in changes where !isReleased.load(ordering: .relaxed) {
                        let arena = Arena()
                        callbacks.changed(callbacks.context, arena.change(change))
                    }
                }
            }
            return status(TIDEMARK_STOPPED)
        } catch {
            return code(of: error)
        }
    }

    private func call(_ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            queue.async {
                body()
                continuation.resume()
            }
        }
    }

    /// Returns when nothing of it is called any more.
    func end() {
        isReleased.store(true, ordering: .relaxed)
        task.withLock { $0?.cancel() }
        done.wait()
    }
}

@c @implementation
public func tidemark_observe(
    _ server: OpaquePointer?,
    _ name: UnsafePointer<CChar>?,
    _ changed: (@convention(c) (UnsafeMutableRawPointer?, UnsafePointer<tidemark_change>?) -> Void)?,
    _ ended: (@convention(c) (UnsafeMutableRawPointer?, tidemark_status) -> Void)?,
    _ context: UnsafeMutableRawPointer?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> OpaquePointer? {
    making(error) {
        let server = try object(server, as: EmbeddedServer.self)
        let name = try text(name, "name")
        guard let changed else { throw BadArgument("changed is NULL") }
        let callbacks = ObserverCallbacks(changed: changed, ended: ended, context: context)
        let observer = EmbeddedObserver(server, try server.wait { try await $0.observe(as: name) }, callbacks)
        observer.begin()
        return observer
    }
}

@c @implementation
public func tidemark_observer_advance(
    _ observer: OpaquePointer?,
    _ stamp: tidemark_stamp,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        let observer = try object(observer, as: EmbeddedObserver.self)
        try observer.server.wait { [observer = observer.observer] _ in try await observer.advance(to: stamp) }
    }
}

@c @implementation
public func tidemark_observer_release(_ observer: OpaquePointer?) {
    takeBack(observer, as: EmbeddedObserver.self)?.end()
}

@c @implementation
public func tidemark_observer_forget(
    _ server: OpaquePointer?,
    _ name: UnsafePointer<CChar>?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        let name = try text(name, "name")
        try object(server, as: EmbeddedServer.self).wait { try await $0.stopObserving(as: name) }
    }
}

extension Arena {
    fileprivate func change(_ change: CommittedChange) -> UnsafePointer<tidemark_change> {
        var told = tidemark_change()
        told.size = MemoryLayout<tidemark_change>.size
        told.stamp = change.stamp
        func set(_ kind: Int, _ user: UserID, _ other: UserID = 0) {
            (told.kind, told.user, told.other) = (status(kind), user, other)
        }
        func note(_ annotations: Annotations) {
            told.alias = text(annotations.alias)
            (told.groups, told.group_count) = (texts(annotations.groups), annotations.groups.count)
            told.is_favourite = annotations.isFavourite ? 1 : 0
        }
        switch change.kind {
        case .accountCreated(let user, let name):
            set(TIDEMARK_CHANGE_ACCOUNT_CREATED, user)
            told.name = text(name)
        case .accountDeleted(let user): set(TIDEMARK_CHANGE_ACCOUNT_DELETED, user)
        case .accessSet(let user, let isDisabled):
            set(TIDEMARK_CHANGE_ACCESS, user)
            told.is_disabled = isDisabled ? 1 : 0
        case .profileChanged(let user, let seen, let hidden):
            set(TIDEMARK_CHANGE_PROFILE, user)
            told.fields = fields(seen + hidden)
            (told.field_count, told.private_count) = (seen.count + hidden.count, hidden.count)
        case .contactSet(let owner, let contact, let annotations, let isPending):
            set(TIDEMARK_CHANGE_CONTACT_SET, owner, contact)
            note(annotations)
            told.is_pending = isPending ? 1 : 0
        case .namedContactSet(let owner, let name, _, let annotations):
            set(TIDEMARK_CHANGE_CONTACT_SET, owner)
            note(annotations)
            (told.name, told.is_pending) = (text(name), 1)
        case .contactRemoved(let owner, let contact): set(TIDEMARK_CHANGE_CONTACT_REMOVED, owner, contact)
        case .namedContactRemoved(let owner, _): set(TIDEMARK_CHANGE_CONTACT_REMOVED, owner)
        case .blocked(let owner, let user): set(TIDEMARK_CHANGE_BLOCKED, owner, user)
        case .unblocked(let owner, let user): set(TIDEMARK_CHANGE_UNBLOCKED, owner, user)
        case .messageSent(let id, let sender, let reader, let kind, let content):
            set(TIDEMARK_CHANGE_MESSAGE_SENT, sender, reader)
            told.message = message(id, sender: sender, reader: reader, kind, content, change.stamp)
        case .messagesAcknowledged(let reader, let through):
            set(TIDEMARK_CHANGE_MESSAGES_ACKNOWLEDGED, reader)
            told.through = through
        case .lastSeenSet(let user, _): set(TIDEMARK_CHANGE_LAST_SEEN, user)
        }
        return value(told)
    }
}
