// Who may ask for what: every message of the registry, in the hands of everybody there is, over real sockets.

import Foundation
import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkServer
import TidemarkTesting
import TidemarkTickets
import TidemarkWire

@Suite("Who may ask for what") struct AuthorityTests {
    enum Peer: String, CaseIterable, Sendable {
        /// Has said nothing yet, or only hello.
        case stranger, greeted
        case user, backend, administrator
        /// A user whose account is closed.
        case disabled
    }

    private enum Outcome: Equatable, CustomStringConvertible {
        /// One of its replies, or an error about what it asks for, not about who asks.
        case accepted
        case refused(ErrorCode)
        /// Nothing is said to it.
        case passedOver

        var description: String {
            switch self {
            case .accepted: "accepted"
            case .refused(let code): "\(code)"
            case .passedOver: "passed over"
            }
        }
    }

    private struct Entry {
        var type: UInt8
        var name: String
        var direction: String
        var kind: String
        var requires: String
        var roles: [String]
        var replies: [String]
        var isSpoken: Bool
    }

    // MARK: what is expected

    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func json(_ path: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: repository.appending(path: path)))
    }

    private static func registry() throws -> [Entry] {
        guard case .array(let messages)? = try json("Protocol/registry.json")["messages"] else { return [] }
        return messages.map { message in
            func texts(_ key: String) -> [String] {
                guard case .array(let values)? = message[key] else { return [] }
                return values.compactMap(\.text)
            }
            guard case .number(let number)? = message["number"] else { preconditionFailure("a number") }
            return Entry(
                type: UInt8(number),
                name: message["name"]?.text ?? "",
                direction: message["direction"]?.text ?? "",
                kind: message["kind"]?.text ?? "",
                requires: message["requires"]?.text ?? "",
                roles: texts("roles"),
                replies: texts("replies"),
                isSpoken: message["status"]?.text == "spoken"
            )
        }
    }

    private static func expected(_ entry: Entry, of peer: Peer) -> Outcome {
        guard entry.kind == "request" else {
            return entry.direction == "both" ? .passedOver : .refused(.unexpectedMessage)
        }
        switch (peer, entry.requires) {
        case (.stranger, "none"): return .accepted
        case (.stranger, _): return .refused(.notAuthenticated)
        case (_, "none"): return .refused(.unexpectedMessage)
        case (_, "hello") where entry.direction == "both": return .accepted
        // Behind a challenge only.
        case (.greeted, "hello") where entry.name == "authenticateContinue": return .refused(.unexpectedMessage)
        case (.greeted, "hello"): return .accepted
        case (.greeted, _): return .refused(.notAuthenticated)
        case (.user, "hello"): return .refused(.unexpectedMessage)
        case (.user, "session"): return entry.isSpoken ? .accepted : .refused(.notSupported)
        case (.user, _): return .refused(entry.isSpoken ? .notAllowed : .notSupported)
        case (_, "hello"): return .refused(.methodNotAllowed)
        case (_, "session"): return .refused(.notAuthenticated)
        default:
            if !entry.isSpoken { return .refused(.notSupported) }
            return entry.roles.contains(peer.rawValue) ? .accepted : .refused(.notAllowed)
        }
    }

    // MARK: who asks

    private static let backendKey = [UInt8](repeating: 1, count: 32)
    private static let administratorKey = [UInt8](repeating: 2, count: 32)

    private func server() throws -> TestServer {
        var services = Services()
        services.add(.init("billing", .backend), .key, Services.digest(Self.backendKey))
        services.add(.init("operations", .administrator), .key, Services.digest(Self.administratorKey))
        let known = services
        let closed = Change.accessSet(user: 5, Access(isDisabled: true))
        return try TestServer(World.accounts(5) + World.roster(1, [2]) + [closed]) {
            $0.loops = 2
            $0.services = known
            $0.reload = { done in done(nil) }
        }
    }

    private func open(_ peer: Peer, _ server: TestServer) throws -> RawClient {
        let raw = RawClient(port: server.port)
        if peer == .stranger { return raw }
        raw.send([.hello(Hello())])
        _ = try raw.message()
        let credentials: Authenticate? =
            switch peer {
            case .user: .ticket(server.ticket(1))
            case .backend: Authenticate(.service(Self.backendKey))
            case .administrator: Authenticate(.service(Self.administratorKey))
            case .stranger, .greeted, .disabled: nil
            }
        guard let credentials else { return raw }
        raw.send([.authenticate(credentials)], firstRequest: 2)
        guard case .authenticateOK = try raw.message().message else { throw RawClient.Closed() }
        return raw
    }

    /// What a vector has behind its header: the one of the type's own name, or with the shortest.
    private static func bodies() throws -> [UInt8: [UInt8]] {
        var bodies: [UInt8: [UInt8]] = [:]
        let folder = repository.appending(path: "Protocol/vectors/valid")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        let preferred = ["admin-drain-end.json", "authenticate-ticket.json"]
        for file in preferred + files.sorted(by: { ($0.count, $0) < ($1.count, $1) }) {
            let vector = try json("Protocol/vectors/valid/\(file)")
            guard vector["frames"] == nil, let text = vector["hex"]?.text else { continue }
            let digits = Array(text.filter { !$0.isWhitespace })
            let bytes = stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...$0 + 1]), radix: 16)! }
            guard bytes[2] >> 4 == 0, bodies[bytes[3]] == nil else { continue }
            bodies[bytes[3]] = Array(bytes.dropFirst(Limits.headerBytes))
        }
        return bodies
    }

    private static let request: UInt16 = 99
    /// What is wrong with what is asked for, whoever asks.
    private static let aboutTheRequest: Set<ErrorCode> = [
        .noSuchUser, .noSuchContact, .invalidValue, .limitExceeded, .changedSince, .retryLater,
    ]
    /// What these vectors ask for: a file where none can be made, another password with a ticket alone, an unknown token, a key
    /// that is not this server's.
    private static let elseRefused: [String: (code: ErrorCode, detail: String)] = [
        "adminBackup": (.notAllowed, "No such file"), "passwordSet": (.notAllowed, "log in with the password first"),
        "messageAcknowledge": (.notAllowed, "this token is of no messages here"),
        "authenticate": (.credentialsInvalid, ""),
    ]

    private func outcome(_ entry: Entry, _ body: [UInt8], _ raw: RawClient) throws -> Outcome {
        var writer = ByteWriter()
        let mark = writer.beginFrame(MessageType(rawValue: entry.type)!, request: Self.request)
        writer.bytes(body)
        writer.endFrame(mark)
        raw.send(writer.array)
        if entry.kind != "request", entry.direction == "both" {
            // What is passed over has no answer, and the next request has.
            raw.send([.ping(Ping())], firstRequest: 100)
        }
        while true {
            let (header, bytes, _) = try raw.frame()
            guard let type = MessageType(rawValue: header.type) else { throw RawClient.Closed() }
            if type == .pong, header.request == 100 { return .passedOver }
            guard header.request == Self.request || type == .error else { continue }
            guard type == .error else {
                #expect(entry.replies.contains("\(type)"), "\(entry.name) is answered by \(type)")
                return .accepted
            }
            guard case .error(let error)? = try bytes.withUnsafeBytes({ try Message(.error, decoding: $0) }),
                let code = ErrorCode(rawValue: error.code)
            else { throw RawClient.Closed() }
            if Self.aboutTheRequest.contains(code) { return .accepted }
            if let other = Self.elseRefused[entry.name], other.code == code,
                other.detail.isEmpty || error.detail.contains(other.detail)
            {
                return .accepted
            }
            return .refused(code)
        }
    }

    @Test("every message of the registry, in everybody's hands", arguments: Peer.allCases.filter { $0 != .disabled })
    func matrix(peer: Peer) throws {
        let server = try server()
        let bodies = try Self.bodies()
        let registry = try Self.registry()
        #expect(registry.count == MessageType.allCases.count)
        for entry in registry {
            guard entry.isSpoken || entry.kind == "request" else { continue }
            // The one before may have signed its user out, with all tickets of that second.
            server.clock.advance(by: 2_000_000)
            let raw = try open(peer, server)
            let body = bodies[entry.type] ?? []
            #expect(!body.isEmpty || !entry.isSpoken || MessageType(rawValue: entry.type)!.mayBeEmpty, "\(entry.name)")
            let expected = Self.expected(entry, of: peer)
            // A stranger's pong is passed over, and so is its ping's answer: it gets none.
            if peer == .stranger, expected == .passedOver { continue }
            let found = try outcome(entry, body, raw)
            #expect(found == expected, "\(entry.name) of \(peer)")
        }
    }

    @Test("whose account is closed is told so, whatever it asks for behind") func disabled() throws {
        let server = try server()
        let bodies = try Self.bodies()
        for entry in try Self.registry() where entry.kind == "request" {
            let raw = RawClient(port: server.port)
            var writer = ByteWriter()
            Message.hello(Hello()).encode(into: &writer, request: 1)
            Message.authenticate(.ticket(server.ticket(5))).encode(into: &writer, request: 2)
            let mark = writer.beginFrame(MessageType(rawValue: entry.type)!, request: Self.request)
            writer.bytes(bodies[entry.type] ?? [])
            writer.endFrame(mark)
            raw.send(writer.array)
            _ = try raw.message()
            let (request, message) = try raw.message()
            guard case .error(let error) = message else {
                Issue.record("\(entry.name): \(message)")
                continue
            }
            #expect(request == 2 && error.code == ErrorCode.accountDisabled.rawValue && raw.isClosed(), "\(entry.name)")
        }
    }

    /// User 1 has user 2 as a contact; user 3 has to do with neither.
    private static let ofAnotherUser: [(message: Message, outcome: ErrorCode?)] = [
        (.sync(Sync()), nil),
        (.profileSet(ProfileSet(fields: [FieldChange(.fullName, text: "Three")])), nil),
        (.rosterAdd(RosterAdd(contact: .name("user4"))), nil),
        (.rosterRemove(RosterRemove(contact: 2)), .noSuchContact),
        (.rosterAnnotate(RosterAnnotate(contact: 2, annotations: Annotations(alias: "mine"))), .noSuchContact),
        (.rosterAnswer(RosterAnswer(user: 1, answer: .approve)), .noSuchContact),
        (.blockSet(BlockSet(user: 4, isBlocked: true)), nil),
        (.presenceSet(PresenceSet(wish: .busy)), nil),
        (.messageSend(MessageSend(reader: 2, id: .random(), kind: .text, content: [0x61])), .noSuchContact),
        (.messageFetch(MessageFetch()), nil),
        (.messageAcknowledge(MessageAcknowledge(token: [4, 1])), .notAllowed),
        (
            .passwordSet(
                PasswordSet(
                    PasswordVerifier(
                        iterations: 4_096,
                        salt: Array(1...16),
                        storedKey: Array(1...32),
                        serverKey: Array(1...32)
                    )
                )
            ), .notAllowed
        ),
        (.lastSeenSet(LastSeenSet(isShown: true)), nil),
        (.lastSeenGet(LastSeenGet(user: 2)), .noSuchContact),
        (.signOut(SignOut(scope: .others)), nil),
    ]

    @Test("another user gets nothing of what it has nothing to do with, and changes nothing of it") func anotherUser()
        throws
    {
        let server = try server()
        let spoken = try Self.registry().filter { $0.requires == "session" && $0.kind == "request" && $0.isSpoken }
        #expect(Set(Self.ofAnotherUser.map { "\($0.message.type)" }) == Set(spoken.map(\.name)))
        let sender = try RawClient.login(server, 1)
        sender.send([.messageSend(MessageSend(reader: 2, id: .random(), kind: .text, content: Array("secret".utf8)))])
        guard case .messageSendOK = try sender.message().message else { throw RawClient.Closed() }
        func state(_ user: UserID) throws -> (page: SyncPage, messages: MessagePage) {
            let raw = try RawClient.login(server, user)
            raw.send([.sync(Sync(options: [.stamps, .asides])), .messageFetch(MessageFetch())])
            let page = try raw.page()
            guard case .messagePage(let messages) = try raw.message().message else { throw RawClient.Closed() }
            return (page, messages)
        }
        let before = try (UserID(1)...2).map(state)
        let raw = try RawClient.login(server, 3)
        for (message, outcome) in Self.ofAnotherUser {
            raw.send([message], firstRequest: 50)
            let (request, answer) = try raw.message()
            #expect(request == 50)
            if case .error(let error) = answer {
                #expect(ErrorCode(rawValue: error.code) == outcome, "\(message.type): \(error.detail)")
            } else {
                #expect(
                    outcome == nil && answer.type.answers(message.type),
                    "\(message.type) is answered by \(answer.type)"
                )
            }
            if case .syncPage(let page) = answer {
                #expect(page.items.count == 1 && page.summary?.presence.isEmpty == true)
            }
            if case .messagePage(let page) = answer { #expect(page.messages.isEmpty) }
        }
        let after = try (UserID(1)...2).map(state)
        for (then, now) in zip(before, after) {
            #expect(then.page.items == now.page.items && then.page.summary?.digest == now.page.summary?.digest)
            #expect(then.messages.messages == now.messages.messages)
        }
    }
}

extension MessageType {
    /// Those that say nothing but their type.
    fileprivate var mayBeEmpty: Bool {
        switch self {
        case .ping, .pong, .presenceSetOK, .adminStatistics, .adminReload, .adminReloadOK, .adminDisconnectOK: true
        default: false
        }
    }
}
