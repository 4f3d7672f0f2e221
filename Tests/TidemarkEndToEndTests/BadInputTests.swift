import Testing
import TidemarkWire

/// Each gets the error that the specification names, its own connection alone closes, and nothing changes.
@Suite("Bad input") struct BadInputTests {
    static let hello = Message.hello(Hello()).frame(request: 1)

    /// What a peer sends, and the error it must get.
    struct Case: CustomTestStringConvertible, Sendable {
        var name: String
        var bytes: @Sendable (TestServer) -> [UInt8]
        var code: ErrorCode
        var rule: DecodeError.Rule?
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(
            name: "text of another protocol",
            bytes: { _ in Array("GET / HTTP/1.1\r\n\r\n".utf8) },
            code: .frameTooLarge
        ),
        Case(
            name: "random bytes behind a small length",
            bytes: { _ in [4, 0, 0, 1, 1, 0, 0xDE, 0xAD, 0xBE, 0xEF] },
            code: .badFrame,
            rule: .mark
        ),
        Case(
            name: "a hello cut short",
            bytes: { _ in [3, 0, 0, 1, 1, 0, 0x54, 0x4D, 1] },
            code: .badFrame,
            rule: .truncated
        ),
        Case(name: "an oversized length", bytes: { _ in [0, 8, 0, 1, 1, 0] }, code: .frameTooLarge),
        Case(name: "an unknown type", bytes: { _ in hello + [0, 0, 0, 0x3F, 2, 0] }, code: .unknownType),
        Case(
            name: "a sync before authentication",
            bytes: { _ in hello + Message.sync(Sync()).frame(request: 2) },
            code: .notAuthenticated
        ),
        Case(
            name: "a write before the hello",
            bytes: { _ in Message.rosterRemove(RosterRemove(contact: 2)).frame(request: 1) },
            code: .notAuthenticated
        ),
        Case(
            name: "a forged ticket",
            bytes: { server in
                var ticket = server.ticket(1)
                ticket[ticket.count - 1] ^= 1
                return hello + Message.authenticate(.ticket(ticket)).frame(request: 2)
            },
            code: .credentialsInvalid
        ),
        Case(
            name: "a ticket with another's number",
            bytes: { server in
                var ticket = server.ticket(1)
                ticket[3] = 2
                return hello + Message.authenticate(.ticket(ticket)).frame(request: 2)
            },
            code: .credentialsInvalid
        ),
        Case(
            name: "an expired ticket",
            bytes: { hello + Message.authenticate(.ticket($0.expiredTicket(1))).frame(request: 2) },
            code: .ticketExpired
        ),
        Case(
            name: "a ticket for nobody",
            bytes: { hello + Message.authenticate(.ticket($0.ticket(99))).frame(request: 2) },
            code: .credentialsInvalid
        ),
        Case(
            name: "trust asked for over TCP",
            bytes: { _ in hello + Message.authenticate(.trusted(.id(1))).frame(request: 2) },
            code: .methodNotAllowed
        ),
        Case(
            name: "a version from the future",
            bytes: { _ in Message.hello(Hello(versionMin: 2, versionMax: 9)).frame(request: 1) },
            code: .unsupportedVersion
        ),
        Case(name: "a second hello", bytes: { _ in hello + hello }, code: .unexpectedMessage),
        Case(name: "a server's message", bytes: { _ in hello + [0, 0, 0, 0x84, 2, 0] }, code: .unexpectedMessage),
        Case(name: "reserved flags", bytes: { _ in hello + [0, 0, 0x80, 5, 2, 0] }, code: .badFrame, rule: .reserved),
        Case(name: "request id 0", bytes: { _ in hello + [0, 0, 0, 5, 0, 0] }, code: .badFrame, rule: .value),
        Case(
            name: "a write with an overlong number",
            bytes: { server in
                hello + Message.authenticate(.ticket(server.ticket(1))).frame(request: 2)
                    + [3, 0, 0, 0x12, 3, 0, 0x80, 0x00, 2]
            },
            code: .badFrame,
            rule: .varint
        ),
    ]

    @Test("gets the error the specification names, and that connection alone closes", arguments: cases)
    func refused(_ bad: Case) throws {
        let server = try TestServer(World.accounts(3) + World.roster(1, [2, 3]))
        let bystander = RawClient(port: server.port)
        bystander.send([.hello(Hello()), .authenticate(.ticket(server.ticket(2)))])
        _ = try bystander.message()
        _ = try bystander.message()

        let peer = RawClient(port: server.port)
        peer.send(bad.bytes(server))
        var error: ErrorMessage?
        while error == nil {
            if case .error(let found) = try peer.message().message { error = found }
        }
        #expect(error?.code == bad.code.rawValue)
        #expect(error?.decode?.rule == bad.rule)
        #expect(error?.closes == true)
        peer.finish()
        #expect(peer.isClosed())

        bystander.send([.sync(Sync())], firstRequest: 3)
        #expect(try bystander.page().answer == .full)
        #expect(server.counters.writes == 0)
        try server.stop()
    }

    @Test("a frame cut short by the peer's end closes quietly, and nothing changes") func cutShort() throws {
        let server = try TestServer(World.accounts(2))
        let peer = RawClient(port: server.port)
        let login =
            Message.hello(Hello()).frame(request: 1)
            + Message.authenticate(.ticket(server.ticket(1))).frame(request: 2)
        let write = Message.rosterAdd(RosterAdd(contact: .id(2))).frame(request: 3)
        peer.send(login + write.dropLast())
        peer.finish()
        _ = try peer.message()
        _ = try peer.message()
        #expect(peer.isClosed())
        #expect(server.counters.writes == 0)
    }

    @Test("a broken frame behind a write: the write is acknowledged, then the error comes, then the end")
    func brokenBehindWrite() throws {
        let server = try TestServer(World.accounts(2))
        let peer = RawClient(port: server.port)
        peer.send([
            .hello(Hello()), .authenticate(.ticket(server.ticket(1))), .rosterAdd(RosterAdd(contact: .id(2))),
        ])
        peer.send([0, 0, 0, 0x3F, 4, 0])
        _ = try peer.message()
        _ = try peer.message()
        guard case .rosterAddOK = try peer.message().message else {
            Issue.record("the acknowledgement")
            return
        }
        #expect(try peer.error().code == ErrorCode.unknownType.rawValue)
        peer.finish()
        #expect(peer.isClosed())
    }

    @Test("ten thousand writes in one go are all done, in order") func burst() throws {
        let server = try TestServer(World.accounts(1))
        let peer = RawClient(port: server.port)
        let writes = (0..<10_000).map { number in
            Message.profileSet(ProfileSet(fields: [FieldChange(.note, text: "\(number)")]))
        }
        peer.send([.hello(Hello()), .authenticate(.ticket(server.ticket(1)))] + writes)
        _ = try peer.message()
        _ = try peer.message()
        var last: Stamp = 0
        for number in writes.indices {
            let (request, message) = try peer.message()
            guard case .profileSetOK(let done) = message, request == UInt16(number + 3), done.stamp > last else {
                Issue.record("write \(number): \(message)")
                return
            }
            last = done.stamp
        }
    }

    @Test("an unknown type that may be passed over is passed over") func ignorable() throws {
        let server = try TestServer(World.accounts(1))
        let peer = RawClient(port: server.port)
        peer.send(Self.hello + [2, 0, 0x10, 0x3F, 9, 0, 1, 2] + Message.ping(Ping(payload: [7])).frame(request: 5))
        _ = try peer.message()
        let (request, message) = try peer.message()
        #expect(request == 5 && message == .pong(Ping(payload: [7])))
    }

    @Test("a message laid out for later is answered, and the connection stays") func laidOut() throws {
        let server = try TestServer(World.accounts(1))
        let peer = RawClient(port: server.port)
        peer.send([.hello(Hello()), .authenticate(.ticket(server.ticket(1)))])
        peer.send([0, 0, 0, MessageType.adminExport.rawValue, 3, 0])
        _ = try peer.message()
        _ = try peer.message()
        let error = try peer.error()
        #expect(error.code == ErrorCode.notSupported.rawValue && !error.closes)
        peer.send([.ping(Ping())], firstRequest: 4)
        #expect(try peer.message().message == .pong(Ping()))
    }

    @Test("a request that breaks a rule of its meaning changes nothing, and the session goes on") func refusedWrites()
        throws
    {
        let server = try TestServer(World.accounts(2))
        let peer = RawClient(port: server.port)
        peer.send([
            .hello(Hello()), .authenticate(.ticket(server.ticket(1))),
            .rosterAdd(RosterAdd(contact: .name("nobody"))), .rosterAdd(RosterAdd(contact: .id(1))),
            .rosterRemove(RosterRemove(contact: 2)),
            .rosterAnnotate(RosterAnnotate(contact: 2, annotations: Annotations(alias: "x"))), .sync(Sync()),
        ])
        _ = try peer.message()
        _ = try peer.message()
        #expect(try peer.error().code == ErrorCode.noSuchUser.rawValue)
        #expect(try peer.error().code == ErrorCode.notAllowed.rawValue)
        #expect(try peer.error().code == ErrorCode.noSuchContact.rawValue)
        #expect(try peer.error().code == ErrorCode.noSuchContact.rawValue)
        #expect(try peer.page().items.count == 1)
        #expect(server.counters.writes == 0)
    }
}
