// The server's hooks as callbacks of C: each kind on a queue of its own, so that whoever takes its time holds up its kind alone, and
// none of Swift's threads.

import CTidemark
import Dispatch
import TidemarkServer

/// What the host wants to be called with. Its context is its own to share between threads.
struct HostCallbacks: @unchecked Sendable {
    private let callbacks: tidemark_callbacks
    private let queues = ["login", "authorize", "presence", "wake", "route"].reduce(into: [:]) {
        $0[$1] = DispatchQueue(label: "tidemark \($1)")
    }

    init(_ callbacks: tidemark_callbacks) { self.callbacks = callbacks }

    var log: (@Sendable (_ level: Int32, _ line: String) -> Void)? {
        guard callbacks.log != nil else { return nil }
        return { level, line in line.withCString { callbacks.log(callbacks.context, level, $0) } }
    }

    /// Returns when no callback of the queues is running, and none waits.
    func drain() { for queue in queues.values { queue.sync {} } }

    func hooks(routeSuffixes: [String]) -> Hooks {
        var hooks = Hooks()
        if callbacks.login != nil { hooks.login = login }
        if callbacks.authorize != nil { hooks.authorize = authorize }
        if callbacks.presence != nil { hooks.presence = presence }
        if callbacks.wake != nil { hooks.wake = wake }
        if callbacks.route != nil, !routeSuffixes.isEmpty {
            hooks.routes = MessageRoutes(nameSuffixes: routeSuffixes, deliver: route)
        }
        return hooks
    }

    /// Asks on the queue, and waits for the answer without a thread.
    private func ask<Answer: Sendable>(
        _ kind: String,
        _ body: @escaping @Sendable (Arena, OpaquePointer) -> Void
    ) async -> Answer {
        await withCheckedContinuation { continuation in
            queues[kind]!.async { body(Arena(), handle(Question<Answer>(continuation))) }
        }
    }

    private func tell(_ kind: String, _ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            queues[kind]!.async {
                body()
                continuation.resume()
            }
        }
    }

    @Sendable private func login(_ attempt: LoginAttempt) async -> LoginDecision {
        await ask("login") { arena, login in
            let told = tidemark_login_attempt(
                size: MemoryLayout<tidemark_login_attempt>.size,
                bearer: arena.bytes(attempt.bearer),
                bearer_bytes: attempt.bearer.count,
                peer: arena.text(attempt.peer),
                device_class: UInt32(attempt.deviceClass.rawValue),
                device: attempt.device
            )
            callbacks.login(callbacks.context, arena.value(told), login)
        }
    }

    @Sendable private func authorize(_ proposed: ProposedWrite) async -> WriteDecision {
        await ask("authorize") { arena, write in
            callbacks.authorize(callbacks.context, arena.value(proposed.told(arena)), write)
        }
    }

    @Sendable private func presence(_ changes: [PresenceChange]) async {
        await tell("presence") {
            for change in changes {
                var told = tidemark_presence(
                    size: MemoryLayout<tidemark_presence>.size,
                    user: change.user,
                    state: UInt32(change.state.rawValue),
                    devices: UInt32(change.devices.rawValue)
                )
                callbacks.presence(callbacks.context, &told)
            }
        }
    }

    @Sendable private func wake(_ hints: [WakeHint]) async {
        await tell("wake") {
            for hint in hints {
                var told = tidemark_wake(
                    size: MemoryLayout<tidemark_wake>.size,
                    user: hint.user,
                    messages: UInt32(clamping: hint.messages),
                    requests: UInt32(clamping: hint.requests)
                )
                callbacks.wake(callbacks.context, &told)
            }
        }
    }

    @Sendable private func route(_ message: RoutedMessage) async -> RouteOutcome {
        await ask("route") { arena, route in
            let told = arena.message(
                message.id,
                sender: message.sender,
                reader: message.reader,
                message.kind,
                message.content,
                message.stamp
            )
            callbacks.route(callbacks.context, told, route)
        }
    }
}

/// What has to be answered once.
private final class Question<Answer: Sendable>: Sendable {
    private let continuation: CheckedContinuation<Answer, Never>

    init(_ continuation: CheckedContinuation<Answer, Never>) { self.continuation = continuation }

    func answer(_ answer: Answer) { continuation.resume(returning: answer) }
}

private func answer<Answer: Sendable>(_ handle: OpaquePointer?, _ answer: Answer) {
    takeBack(handle, as: Question<Answer>.self)?.answer(answer)
}

/// What the host has to say to a client, or else the usual words.
private func detail(_ pointer: UnsafePointer<CChar>?, _ usual: String) -> String {
    let text = pointer.map { String(cString: $0) } ?? usual
    // As much as an error has room for.
    var bytes = Array(text.utf8.prefix(Limits.detailBytesMax))
    while !bytes.isEmpty, String(validating: bytes, as: UTF8.self) == nil { bytes.removeLast() }
    let isText = bytes.withUnsafeBytes { Text.isValid($0) }
    return isText ? String(decoding: bytes, as: UTF8.self) : usual
}

@c @implementation
public func tidemark_login_accept(_ login: OpaquePointer?, _ name: UnsafePointer<CChar>?) {
    guard let name = try? text(name, "name"), Text.isAccountName(name) else {
        return answer(login, LoginDecision.refuse())
    }
    answer(login, LoginDecision.accept(.name(name)))
}

@c @implementation
public func tidemark_login_refuse(_ login: OpaquePointer?, _ reason: UnsafePointer<CChar>?) {
    answer(login, LoginDecision.refuse(detail: detail(reason, "this token is not good for a login")))
}

@c @implementation
public func tidemark_login_later(_ login: OpaquePointer?, _ retry_after_ms: UInt32) {
    answer(login, LoginDecision.unavailable(retryAfter: .milliseconds(Int(retry_after_ms))))
}

@c @implementation
public func tidemark_write_allow(_ write: OpaquePointer?) { answer(write, WriteDecision.allow) }

@c @implementation
public func tidemark_write_refuse(_ write: OpaquePointer?, _ reason: UnsafePointer<CChar>?) {
    answer(write, WriteDecision.refuse(detail: detail(reason, "this is not allowed here")))
}

@c @implementation
public func tidemark_route_done(_ route: OpaquePointer?) { answer(route, RouteOutcome.done) }

@c @implementation
public func tidemark_route_retry(_ route: OpaquePointer?, _ after_ms: UInt32) {
    answer(route, RouteOutcome.retry(after: .milliseconds(Int(after_ms))))
}

extension Arena {
    func message(
        _ id: MessageID,
        sender: UserID,
        reader: UserID,
        _ kind: MessageKind,
        _ content: [UInt8],
        _ stamp: Stamp
    ) -> UnsafePointer<tidemark_message> {
        var told = tidemark_message()
        told.size = MemoryLayout<tidemark_message>.size
        withUnsafeMutableBytes(of: &told.id) {
            $0.storeBytes(of: id.low.littleEndian, as: UInt64.self)
            $0.storeBytes(of: id.high.littleEndian, toByteOffset: 8, as: UInt64.self)
        }
        (told.sender, told.reader, told.kind, told.stamp) = (sender, reader, kind.rawValue, stamp)
        (told.content, told.content_bytes) = (bytes(content), content.count)
        return value(told)
    }
}

extension ProposedWrite {
    fileprivate func told(_ arena: Arena) -> tidemark_proposed_write {
        var told = tidemark_proposed_write()
        told.size = MemoryLayout<tidemark_proposed_write>.size
        told.user = user
        switch write {
        case .profileSet(let set):
            told.kind = status(TIDEMARK_WRITE_PROFILE)
            (told.fields, told.field_count) = (arena.fields(set.fields), set.fields.count)
        case .rosterAdd(let add):
            told.kind = status(TIDEMARK_WRITE_CONTACT_ADD)
            switch add.contact {
            case .id(let id): told.contact = id
            case .name(let name): told.contact_name = arena.text(name)
            }
        case .rosterRemove(let remove):
            (told.kind, told.contact) = (status(TIDEMARK_WRITE_CONTACT_REMOVE), remove.contact)
        case .rosterAnnotate(let annotate):
            (told.kind, told.contact) = (status(TIDEMARK_WRITE_CONTACT_ANNOTATE), annotate.contact)
        case .rosterAnswer(let answer):
            (told.kind, told.contact) = (status(TIDEMARK_WRITE_CONTACT_ANSWER), answer.user)
        // Of these nobody is asked.
        case .blockSet, .messageSend, .messageAcknowledge, .lastSeenSet, .passwordSet, .signOut: break
        }
        return told
    }
}
