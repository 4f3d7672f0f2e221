// What the process that a server runs in is asked and told, and what comes of it when it is slow, throws or calls back.

import Foundation
import Synchronization
import Testing
import TidemarkClient
import TidemarkServer
import TidemarkTesting
import TidemarkWire

@Suite("Hooks", .serialized, .timeLimit(.minutes(2))) struct HookTests {
    private static let users: UserID = 6

    private func server(
        loops: Int = 1,
        _ hooks: Hooks,
        _ adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> TestServer {
        let everybody = 1...Self.users
        let rosters = everybody.flatMap { user in World.roster(user, everybody.filter { $0 != user }) }
        return try TestServer(World.accounts(Self.users) + rosters) {
            $0.loops = loops
            $0.hooks = hooks
            // Hooks are called where other tests may be waiting for something.
            $0.authenticateTimeout = .seconds(90)
            $0.hookTimeout = .seconds(90)
            adjust(&$0)
        }
    }

    private func open(
        _ server: TestServer,
        _ bearer: String,
        _ adjust: (inout ClientConfiguration) -> Void = { _ in }
    ) async throws -> TidemarkConnection {
        var configuration = TestServer.client
        adjust(&configuration)
        return try await .open(server.tcp, as: .bearer(Array(bearer.utf8)), configuration: configuration)
    }

    private func refusal(_ body: () async throws -> Void) async -> ErrorMessage? {
        do {
            try await body()
            return nil
        } catch ClientError.server(let error) {
            return error
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    private struct Broken: Error {}

    private struct Strange: Error {
        var message: Message
        init(_ message: Message) { self.message = message }
    }

    /// What waits there would keep hooks from being called, which run where this test does.
    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }

    /// "user 3", "name user3", "wait …", "throw", "never" or anything else.
    private static func login(_ attempt: LoginAttempt) async throws -> LoginDecision {
        let words = String(decoding: attempt.bearer, as: UTF8.self).split(separator: " ").map(String.init)
        switch words.first {
        case "user": return .accept(.id(UInt64(words[1])!))
        case "name": return .accept(.name(words[1]))
        case "busy": return .unavailable(retryAfter: .seconds(7))
        case "throw": throw Broken()
        case "never":
            try? await Task.sleep(for: .seconds(3_600))
            return .refuse()
        case "wait":
            try await Task.sleep(for: .milliseconds(20))
            return .accept(.id(UInt64(words[1])!))
        default: return .refuse(detail: "not one of ours")
        }
    }

    private static var hooks: Hooks {
        var hooks = Hooks()
        hooks.login = login
        return hooks
    }

    @Test("a token of another authority is what the host says it is", arguments: [1, 3])
    func login(loops: Int) async throws {
        let server = try server(loops: loops, Self.hooks)
        for user in 1...Self.users {
            for bearer in ["user \(user)", "name user\(user)", "wait \(user)"] {
                let book = try AddressBook.inMemory()
                // With a sync behind it, which waits too.
                let (connection, report) = try await TidemarkConnection.login(
                    server.tcp,
                    as: .bearer(Array(bearer.utf8)),
                    book: book,
                    settings: SyncSettings(),
                    configuration: TestServer.client
                )
                #expect(connection.user == user && report.contacts == Int(Self.users) - 1)
                #expect(connection.server.features.contains(.bearer) && connection.ticket == nil)
                await connection.close()
            }
        }
        let connection = try await open(server, "user 2") { $0.wantsTicket = true }
        let ticket = try #require(connection.ticket)
        await connection.close()
        let again = try await TidemarkConnection.open(
            server.tcp,
            as: .ticket(ticket),
            configuration: TestServer.client
        )
        #expect(again.user == 2)
        await again.close()
    }

    @Test("who is refused, or cannot be told from others now, is told so", arguments: [1, 3])
    func refused(loops: Int) async throws {
        let server = try server(loops: loops, Self.hooks)
        let strange = await refusal { _ = try await open(server, "hello") }
        #expect(strange?.code == ErrorCode.credentialsInvalid.rawValue && strange?.detail == "not one of ours")
        let nobody = await refusal { _ = try await open(server, "user 99") }
        #expect(nobody?.code == ErrorCode.credentialsInvalid.rawValue)
        let thrown = await refusal { _ = try await open(server, "throw") }
        #expect(thrown?.code == ErrorCode.retryLater.rawValue && (thrown?.retryAfterMS ?? 0) >= 1_000)
        let busy = await refusal { _ = try await open(server, "busy") }
        #expect((7_000...8_000).contains(busy?.retryAfterMS ?? 0))
        let hasty = try self.server(loops: loops, Self.hooks) { $0.authenticateTimeout = .milliseconds(300) }
        let never = await refusal { _ = try await open(hasty, "never") }
        #expect(never?.code == ErrorCode.tooSlow.rawValue)
        try await server.server.setDisabled(.id(3), true)
        let closed = await refusal { _ = try await open(server, "user 3") }
        #expect(closed?.code == ErrorCode.accountDisabled.rawValue)
        // A server without the hook does not offer it.
        let plain = try TestServer(World.accounts(1))
        let method = await refusal { _ = try await open(plain, "user 1") }
        #expect(method?.code == ErrorCode.methodNotAllowed.rawValue)
    }

    @Test("guesses of tokens wait as those of passwords do") func guesses() async throws {
        let server = try server(Self.hooks) {
            $0.failedLogins.perAddress = 3
            $0.failedLogins.firstWaitMS = 300_000
        }
        for _ in 0..<3 {
            let error = await refusal { _ = try await open(server, "hello") }
            #expect(error?.code == ErrorCode.credentialsInvalid.rawValue)
        }
        let error = await refusal { _ = try await open(server, "user 1") }
        #expect(error?.code == ErrorCode.retryLater.rawValue)
    }

    @Test("what comes behind a token waits, and a client that goes meanwhile is forgotten") func pipelined()
        async throws
    {
        let server = try server(Self.hooks)
        for _ in 0..<50 {
            let raw = RawClient(port: server.port)
            raw.send([.hello(Hello()), .authenticate(Authenticate(.bearer(Array("wait 1".utf8))))])
            if Bool.random() { raw.send([.sync(Sync())]) }
            // Some say that they have no more to say, and some go.
            if Bool.random() { raw.finish() }
        }
        let types = try await onThread {
            let raw = RawClient(port: server.port)
            let bearer = Authenticate(.bearer(Array("wait 1".utf8)))
            raw.send([.hello(Hello()), .authenticate(bearer), .sync(Sync()), .ping(Ping())])
            return try (0..<4).map { _ in try raw.message().message.type }
        }
        #expect(types == [.helloOK, .authenticateOK, .syncPage, .pong], "one after the other")
        while server.openConnections > 0 { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test("a change is made when the host agrees, in the order in which it was asked for", arguments: [1, 3])
    func authorize(loops: Int) async throws {
        var hooks = Hooks()
        hooks.authorize = { proposed in
            try? await Task.sleep(for: .milliseconds(Int.random(in: 0...3)))
            guard case .profileSet(let set) = proposed.write else { return .allow }
            let text = set.fields[0].value.map { String(decoding: $0, as: UTF8.self) } ?? ""
            if text == "throw" { throw Broken() }
            return text.hasPrefix("no") ? .refuse(detail: "user \(proposed.user) may not") : .allow
        }
        let server = try server(loops: loops, hooks)
        let connection = try await TidemarkConnection.open(
            server.tcp,
            as: .ticket(server.ticket(2)),
            configuration: TestServer.client
        )
        func set(_ text: String) async throws { try await connection.setProfile([FieldChange(.note, text: text)]) }
        try await set("yes")
        let error = await refusal { try await set("no") }
        #expect(error?.code == ErrorCode.notAllowed.rawValue && error?.detail == "user 2 may not")
        #expect(await refusal { try await set("throw") }?.code == ErrorCode.retryLater.rawValue)
        // Not asked about.
        try await connection.send("Hello", to: 3)
        try await server.server.setProfile(
            of: .id(2),
            ProfileSet(fields: [FieldChange(.note, text: "no, by the host")])
        )
        await connection.close()
        let note = try await onThread { () -> [String] in
            let raw = try RawClient.login(server, 4)
            let sets = (0..<40).map { ProfileSet(fields: [FieldChange(.note, text: "\($0)")]) }
            raw.send(sets.map { .profileSet($0) })
            for _ in 0..<40 {
                let message = try raw.message().message
                guard case .profileSetOK = message else { throw Strange(message) }
            }
            raw.send([.sync(Sync())])
            let last = try raw.message().message
            guard case .syncPage(let page) = last else { throw Strange(last) }
            return page.items.compactMap { item -> String? in
                guard case .own(_, let fields, _) = item.content else { return nil }
                return fields.first { $0.number == .note }?.value.map { String(decoding: $0, as: UTF8.self) }
            }
        }
        #expect(note == ["39"])
    }

    @Test("a host that says nothing holds up nobody else, and what it was asked is given up") func silent() async throws
    {
        var hooks = Hooks()
        hooks.authorize = { proposed in
            if proposed.user == 1 { try? await Task.sleep(for: .seconds(3_600)) }
            return .allow
        }
        let server = try server(hooks) { $0.hookTimeout = .milliseconds(200) }
        let set = Message.profileSet(ProfileSet(fields: [FieldChange(.note, text: "x")]))
        let slow = try await onThread { try RawClient.login(server, 1) }
        slow.send([set, .ping(Ping())])
        try await server.session(2) { _ = try await $0.page(Sync()) }
        let (error, next) = try await onThread { (try slow.error(), try slow.message().message) }
        #expect(error.code == ErrorCode.retryLater.rawValue)
        #expect(next == .pong(Ping()), "it goes on")
        // And while it stops.
        slow.send([set])
        try await onThread { try server.stop() }
    }

    @Test("a hook may call the server, also to make the account that logs in", arguments: [1, 3])
    func reentrant(loops: Int) async throws {
        let calls = Calls()
        var hooks = Hooks()
        hooks.login = { attempt in
            let name = String(decoding: attempt.bearer, as: UTF8.self)
            let server = calls.server
            _ = try? await server.createAccount(named: name)
            try await server.setProfile(
                of: .name(name),
                ProfileSet(fields: [FieldChange(.fullName, text: "New \(name)")])
            )
            return .accept(.name(name))
        }
        let server = try server(loops: loops, hooks)
        calls.set(server.server)
        for name in ["ada", "bea", "cy", "ada"] {
            let connection = try await open(server, name)
            let page = try await connection.page(Sync())
            #expect(page.items.contains { if case .own(name, _, _) = $0.content { true } else { false } })
            await connection.close()
        }
        calls.set(nil)
    }

    private final class Calls: Sendable {
        private let box = Mutex<Server?>(nil)
        var server: Server { box.withLock { $0! } }
        func set(_ server: Server?) { box.withLock { $0 = server } }
    }

    private final class Told: Sendable {
        struct State {
            var presence: [UserID: PresenceState] = [:]
            var hints: [UserID: (messages: Int, requests: Int)] = [:]
            var calls = 0
            var inside = 0
        }
        let state = Mutex(State())
        var presence: [UserID: PresenceState] { state.withLock { $0.presence } }
    }

    @Test("how users are seen is told, of each the latest, by one call after the other", arguments: [1, 3])
    func presence(loops: Int) async throws {
        let told = Told()
        var hooks = Hooks()
        hooks.presence = { changes in
            told.state.withLock { state in
                state.inside += 1
                #expect(state.inside == 1)
                for change in changes { state.presence[change.user] = change.state }
            }
            try? await Task.sleep(for: .milliseconds(2))
            told.state.withLock { $0.inside -= 1 }
        }
        let server = try server(loops: loops, hooks)
        var connections: [TidemarkConnection] = []
        for user in 1...Self.users {
            connections.append(
                try await .open(server.tcp, as: .ticket(server.ticket(user)), configuration: TestServer.client)
            )
        }
        while told.presence.count < Int(Self.users) { try await Task.sleep(for: .milliseconds(1)) }
        try await connections[1].setPresence(.busy)
        try await connections[2].setPresence(.invisible)
        await connections[3].close()
        while told.presence[2] != .busy || told.presence[3] != .offline || told.presence[4] != .offline {
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(told.presence[1] == .online && told.presence[6] == .online)
        for connection in connections { await connection.close() }
    }

    @Test("who has no device online is named, to be woken", arguments: [1, 3])
    func wake(loops: Int) async throws {
        let told = Told()
        var hooks = Hooks()
        hooks.wake = { hints in
            told.state.withLock { state in
                for hint in hints {
                    state.hints[hint.user, default: (0, 0)].messages += hint.messages
                    state.hints[hint.user]!.requests += hint.requests
                }
            }
        }
        let server = try server(loops: loops, hooks) { $0.rosterPolicy = .approval }
        let here = try await TidemarkConnection.open(
            server.tcp,
            as: .ticket(server.ticket(2)),
            configuration: TestServer.client
        )
        try await server.session(1) { connection in
            for user in [2, 3, 3, 4] as [UserID] { try await connection.send("Hello", to: user) }
        }
        let dora = try await server.server.createAccount(named: "dora")
        try await server.session(dora) { _ = try await $0.addContact(.name("user5")) }
        while told.state.withLock({ $0.hints.count }) < 3 { try await Task.sleep(for: .milliseconds(1)) }
        while told.state.withLock({ $0.hints[3]?.messages }) != 2 { try await Task.sleep(for: .milliseconds(1)) }
        told.state.withLock { state in
            #expect(state.hints[2] == nil, "it has a device there")
            #expect(state.hints[4]?.messages == 1 && state.hints[5]?.requests == 1)
        }
        await here.close()
    }

    private final class Routed: Sendable {
        struct State {
            var delivered: [UserID: [String]] = [:]
            var tries = 0
            var isBroken = false
        }
        let state = Mutex(State())
    }

    @Test(
        "messages to accounts of another network are passed on in order, at least once, also after a restart",
        arguments: [1, 3]
    )
    func routes(loops: Int) async throws {
        let routed = Routed()
        var hooks = Hooks()
        hooks.routes = MessageRoutes(nameSuffixes: ["@sms"]) { message in
            try routed.state.withLock { state in
                state.tries += 1
                if state.isBroken { throw Broken() }
                if state.tries % 3 == 0 { return .retry(after: .milliseconds(1)) }
                state.delivered[message.reader, default: []].append(String(decoding: message.content, as: UTF8.self))
                return .done
            }
        }
        let server = try server(loops: loops, hooks)
        var phones: [UserID] = []
        for number in 0..<4 {
            let phone = try await server.server.createAccount(named: "+4420794600\(number)@sms")
            try await server.server.addContact(RosterAdd(contact: .id(phone)), for: .id(1))
            try await server.server.addContact(RosterAdd(contact: .id(1)), for: .id(phone))
            phones.append(phone)
        }
        func send(_ texts: Range<Int>) async throws {
            try await server.session(1) { connection in
                for text in texts { for phone in phones { try await connection.send("\(text)", to: phone) } }
                // Not another network's.
                try await connection.send("hello", to: 2)
            }
        }
        func delivered(_ count: Int) async throws {
            while routed.state.withLock({ state in phones.contains { Set(state.delivered[$0] ?? []).count < count } }) {
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        try await send(0..<20)
        try await delivered(20)
        routed.state.withLock { state in
            for phone in phones { #expect(state.delivered[phone] == (0..<20).map { "\($0)" }) }
            state.isBroken = true
        }
        try await send(20..<30)
        try await onThread { try server.stop() }
        routed.state.withLock { $0.isBroken = false }
        try server.start()
        try await delivered(30)
        for phone in phones {
            while try await server.server.messages(for: .id(phone), MessageFetch()).waiting > 0 {
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        // Nothing that the other network had before the restart came again.
        routed.state.withLock { state in
            for phone in phones { #expect(state.delivered[phone] == (0..<30).map { "\($0)" }) }
        }
        #expect(try await server.server.messages(for: .id(2), MessageFetch()).messages.count == 2)
    }
}
