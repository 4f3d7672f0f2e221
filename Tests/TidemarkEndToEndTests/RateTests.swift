// How often a user, or an address, may do what costs others something.

import Testing
import TidemarkClient
import TidemarkServer
import TidemarkWire

@Suite("How often") struct RateTests {
    private func server(
        loops: Int = 2,
        _ adjust: @escaping @Sendable (inout ServerConfiguration) -> Void
    ) throws -> TestServer {
        try TestServer(World.accounts(9) + World.roster(1, [2, 3])) {
            $0.loops = loops
            adjust(&$0)
        }
    }

    /// Nothing of what is refused is done; the wait is that of one more.
    private func refusal(_ raw: RawClient, _ message: Message) throws -> ErrorMessage {
        raw.send([message], firstRequest: 77)
        return try raw.error()
    }

    private func name(_ text: String) -> Message {
        .profileSet(ProfileSet(fields: [FieldChange(.fullName, text: text)]))
    }

    @Test("changes have a limit a user, presence among them; others, and who acts for the user, have their own")
    func writes() async throws {
        let server = try server { $0.userLimits.writes = RateLimit(5, per: .seconds(3_600)) }
        let raw = try RawClient.login(server, 1)
        for round in 0..<4 {
            raw.send([name("\(round)")])
            guard case .profileSetOK = try raw.message().message else {
                Issue.record("\(round)")
                return
            }
        }
        raw.send([.presenceSet(PresenceSet(wish: .away))])
        guard case .presenceSetOK = try raw.message().message else {
            Issue.record("presence")
            return
        }
        let error = try refusal(raw, name("one more"))
        #expect(error.code == ErrorCode.retryLater.rawValue && !error.closes)
        #expect(error.detail == "at most 5 changes an hour")
        #expect((700_000...720_001).contains(error.retryAfterMS), "a fifth of an hour, less what has passed")
        #expect(try refusal(raw, .presenceSet(PresenceSet(wish: .online))).code == ErrorCode.retryLater.rawValue)
        // On another device too, and reading has no such limit.
        let other = try RawClient.login(server, 1)
        #expect(try refusal(other, name("elsewhere")).code == ErrorCode.retryLater.rawValue)
        other.send([.sync(Sync())])
        #expect(
            try other.page().items.contains {
                if case .own(_, let fields, _) = $0.content { fields.first?.value == Array("3".utf8) } else { false }
            }
        )
        let another = try RawClient.login(server, 2)
        another.send([name("another")])
        guard case .profileSetOK = try another.message().message else {
            Issue.record("another user")
            return
        }
        let admin = try await AdministrationConnection.open(
            server.adminSocket,
            as: .socket,
            configuration: TestServer.client
        )
        guard case .profileSetOK = try await admin.act(for: .id(1), name("by the administrator")) else {
            Issue.record("acting")
            return
        }
    }

    @Test("messages and added contacts have limits of their own") func messagesAndAdds() throws {
        let server = try server {
            $0.userLimits.messages = RateLimit(2, per: .seconds(60))
            $0.userLimits.adds = RateLimit(3, per: .seconds(3_600))
        }
        let raw = try RawClient.login(server, 1)
        func send() -> Message {
            .messageSend(MessageSend(reader: 2, id: .random(), kind: .text, content: Array("hello".utf8)))
        }
        for _ in 0..<2 {
            raw.send([send()])
            guard case .messageSendOK = try raw.message().message else {
                Issue.record("a message")
                return
            }
        }
        #expect(try refusal(raw, send()).detail == "at most 2 messages a minute")
        for user in UserID(4)...6 {
            raw.send([.rosterAdd(RosterAdd(contact: .id(user)))])
            guard case .rosterAddOK = try raw.message().message else {
                Issue.record("a contact")
                return
            }
        }
        #expect(try refusal(raw, .rosterAdd(RosterAdd(contact: .id(7)))).detail == "at most 3 new contacts an hour")
        // Saying that messages have come never waits.
        let reader = try RawClient.login(server, 2)
        reader.send([.messageFetch(MessageFetch())])
        guard case .messagePage(let page) = try reader.message().message else {
            Issue.record("a page")
            return
        }
        #expect(page.messages.count == 2)
        for _ in 0..<10 {
            reader.send([.messageAcknowledge(MessageAcknowledge(token: page.token))])
            guard case .messageAcknowledgeOK = try reader.message().message else {
                Issue.record("acknowledged")
                return
            }
        }
    }

    @Test("new connections have a limit an address; those that there are stay", arguments: [1, 2]) func connections(
        loops: Int
    )
        throws
    {
        let server = try server(loops: loops) { $0.addressConnections = RateLimit(5, per: .seconds(60)) }
        let first = try RawClient.login(server, 1)
        for _ in 0..<4 {
            let raw = try RawClient.login(server, 2)
            withExtendedLifetime(raw) {}
        }
        let late = RawClient(port: server.port)
        late.send([.hello(Hello())])
        let error = try late.error()
        #expect(error.code == ErrorCode.retryLater.rawValue && error.closes)
        #expect(error.detail == "at most 5 connections a minute from one address")
        #expect(error.retryAfterMS > 0 && error.retryAfterMS <= 13_001)
        first.send([.ping(Ping())])
        guard case .pong = try first.message().message else {
            Issue.record("still there")
            return
        }
    }
}
