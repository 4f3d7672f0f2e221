import NIOCore
import NIOPosix
import Testing
import TidemarkWire

@testable import TidemarkClient

private let ticket = Credentials.ticket([1, 2, 3])

/// What a connection makes of servers that refuse, lie, fall silent or go.
@Suite(.timeLimit(.minutes(1))) struct ConnectionFailureTests {
    @Test("a refused hello, ticket or sync is the login's error", arguments: [0, 1, 2])
    func refusedLogin(at step: Int) async throws {
        let refusals = [
            ErrorMessage(.unsupportedVersion, detail: "speaks 2"), ErrorMessage(.ticketExpired, detail: "expired"),
            ErrorMessage(.retryLater, detail: "full syncs wait", retryAfterMS: 1500),
        ]
        try await FakeServer.run { peer in
            let answers: [Message] = [.helloOK(FakePeer.helloOK), .authenticateOK(AuthenticateOK(user: 7))]
            for at in 0...step {
                let request = try await peer.next().request
                try await peer.send(at == step ? .error(refusals[step]) : answers[at], request)
            }
            // Asked for once more at once, since nobody has waited yet.
            if step == 2 { try await peer.send(.error(refusals[step]), try await peer.next().request) }
        } _: { address in
            let book = try AddressBook.inMemory()
            var configuration = ClientConfiguration()
            configuration.syncPatience = .seconds(1)
            await #expect(throws: ClientError.server(refusals[step])) {
                try await TidemarkConnection.login(address, as: ticket, book: book, configuration: configuration)
            }
        }
    }

    @Test("a sync that has to wait is asked for again when it was told to, and the login succeeds") func patience()
        async throws
    {
        try await FakeServer.run { peer in
            try await peer.welcome()
            for wait in [UInt32(3), 1] {
                let refusal = ErrorMessage(.retryLater, detail: "full syncs wait", retryAfterMS: wait)
                try await peer.send(.error(refusal), try await peer.next().request)
            }
            try await peer.serve(TableModel())
        } _: { address in
            let book = try AddressBook.inMemory()
            let (connection, report) = try await TidemarkConnection.login(address, as: ticket, book: book)
            #expect(report.answer == .full && report.isComplete)
            await connection.close()
        }
    }

    @Test("an error that does not close fails its own request only; one that closes, or has no request, fails all")
    func errors() async throws {
        let small = ErrorMessage(.noSuchUser, detail: "nobody is called bob")
        let large = ErrorMessage(.shuttingDown, retryAfterMS: 100)
        try await FakeServer.run { peer in
            try await peer.welcome()
            try await peer.send(.error(small), try await peer.next().request)
            try await peer.send(.presenceSetOK, try await peer.next().request)
            _ = try await peer.next()
            try await peer.send(.error(large), 0)
            await peer.linger()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            await #expect(throws: ClientError.server(small)) { try await connection.addContact(.name("bob")) }
            try await connection.setPresence(.online)
            await #expect(throws: ClientError.server(large)) { try await connection.ping() }
            await #expect(throws: ClientError.server(large)) { try await connection.ping() }
            #expect(connection.failure == .server(large))
        }
    }

    struct Garbage: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var bytes: [UInt8]
        var violation: ProtocolViolation
    }

    static let samples = [
        Garbage(
            testDescription: "a reply to nothing",
            bytes: Message.pong(Ping()).frame(request: 99),
            violation: .unexpectedReply(type: 0x85, request: 99)
        ),
        Garbage(
            testDescription: "a reply of another type",
            bytes: Message.presenceSetOK.frame(request: 3),
            violation: .unexpectedReply(type: 0x96, request: 3)
        ),
        Garbage(
            testDescription: "a request",
            bytes: Message.sync(Sync()).frame(request: 3),
            violation: .unexpectedReply(type: 0x04, request: 3)
        ),
        Garbage(
            testDescription: "an unknown type",
            bytes: [0, 0, 0, 0x7E, 0, 0],
            violation: .unknownType(0x7E)
        ),
        Garbage(
            testDescription: "a push that was not asked for",
            bytes: [2, 0, 0, 0x41, 0, 0, 1, 0],
            violation: .unexpectedReply(type: 0x41, request: 0)
        ),
        Garbage(
            testDescription: "a message that is laid out",
            bytes: [0, 0, 0, 0xBB, 0, 0],
            violation: .unknownType(0xBB)
        ),
        Garbage(
            testDescription: "a body that ends early",
            bytes: [1, 0, 0, 0xFF, 3, 0, 16],
            violation: .undecodable(type: 0xFF, DecodeError(.truncated, offset: 1))
        ),
        Garbage(
            testDescription: "an error for nothing",
            bytes: Message.error(ErrorMessage(.notAllowed)).frame(request: 99),
            violation: .unexpectedReply(type: 0xFF, request: 99)
        ),
        Garbage(
            testDescription: "a reserved flag",
            bytes: [0, 0, 0x20, 0x85, 3, 0],
            violation: .undecodable(type: 0x85, DecodeError(.reserved, offset: 0))
        ),
        Garbage(
            testDescription: "noise",
            bytes: Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8),
            violation: .undecodable(type: 0x50, DecodeError(.reserved, offset: 0))
        ),
    ]

    @Test("garbage ends the connection with the rule that it breaks", arguments: samples)
    func garbage(_ garbage: Garbage) async throws {
        try await FakeServer.run { peer in
            try await peer.welcome()
            _ = try await peer.next()
            try await peer.send(garbage.bytes)
            await peer.linger()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            await #expect(throws: ClientError.protocolViolation(garbage.violation)) { try await connection.ping() }
            await #expect(throws: ClientError.protocolViolation(garbage.violation)) { try await connection.ping() }
        }
    }

    @Test("a body larger than was announced is refused as soon as its header is there")
    func frameTooLarge() async throws {
        var configuration = ClientConfiguration()
        configuration.frameLog2 = Limits.frameLog2Min
        let small = configuration
        try await FakeServer.run { peer in
            try await peer.welcome()
            try await peer.send([0, 0, 0x02, 0x85, 3, 0])
            await peer.linger()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket, configuration: small)
            await #expect(throws: ClientError.protocolViolation(.frameTooLarge(bodyBytes: 1 << 17))) {
                try await connection.ping()
            }
        }
    }

    @Test("a page that cannot be an answer ends the connection")
    func impossiblePage() async throws {
        try await FakeServer.run { peer in
            try await peer.welcome()
            let request = try await peer.next().request
            let page = SyncPage(
                answer: .full,
                reason: .noToken,
                hasStamps: false,
                token: [1],
                items: [],
                summary: nil
            )
            try await peer.send(.syncPage(page), request)
            await peer.linger()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            let book = try AddressBook.inMemory()
            let expected = ClientError.protocolViolation(.page(.empty))
            await #expect(throws: expected) { try await connection.sync(book) }
            #expect(connection.failure == expected)
            #expect(try await book.token() == [])
        }
    }

    @Test("a close between two pages leaves the first one stored, and the next login goes on from it")
    func closedBetweenPages() async throws {
        var table = TableModel()
        for number in 1...5 { table.add(UInt32(number), user: 100 + UserID(number)) }
        table.itemsPerPage = 2
        let filled = table
        try await FakeServer.run { peer in
            try await peer.welcome()
            let (request, message) = try await peer.next()
            guard case .sync(let sync) = message else { return }
            try await peer.send(.syncPage(filled.answer(sync)), request)
            if sync.token.isEmpty { _ = try await peer.next() } else { try await peer.serve(filled) }
        } _: { address in
            let book = try AddressBook.inMemory()
            await #expect(throws: ClientError.connection(.closedByServer)) {
                try await TidemarkConnection.login(address, as: ticket, book: book)
            }
            #expect(try await book.mark().isInFull)
            #expect(try await book.contactCount() == 1)
            let (_, report) = try await TidemarkConnection.login(address, as: ticket, book: book)
            #expect(report.isComplete && report.reason == .none)
            #expect(try await book.contacts().sorted { $0.number < $1.number } == filled.contacts(withStamps: false))
        }
    }

    @Test("a close inside a frame, and one instead of an answer")
    func closedInTheMiddle() async throws {
        try await FakeServer.run { peer in
            try await peer.welcome()
            let request = try await peer.next().request
            try await peer.send(Array(Message.pong(Ping(payload: [1])).frame(request: request).dropLast()))
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            await #expect(throws: ClientError.protocolViolation(.truncated)) { try await connection.ping() }
        }
        try await FakeServer.run { peer in
            try await peer.welcome()
            _ = try await peer.next()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            await #expect(throws: ClientError.connection(.closedByServer)) { try await connection.ping() }
            await #expect(throws: ClientError.connection(.closedByServer)) { try await connection.ping() }
        }
    }

    @Test("a go-away is surfaced while requests go on, and is the reason once the server has closed")
    func goAway() async throws {
        let goAway = GoAway(reason: .shuttingDown, reconnectAfterMS: 250, detail: "restart")
        try await FakeServer.run { peer in
            try await peer.welcome()
            try await peer.send(.goAway(goAway), 0)
            let (request, _) = try await peer.next()
            try await peer.send(.presenceSetOK, request)
            _ = try await peer.next()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            try await connection.setPresence(.online)
            #expect(connection.goAway == goAway)
            await #expect(throws: ClientError.goingAway(goAway)) { try await connection.ping() }
        }
    }

    @Test("no answer to a login or a request within the time that the clock says")
    func timeouts() async throws {
        let clock = TestClock()
        var configuration = ClientConfiguration()
        configuration.clock = clock
        configuration.timeout = .seconds(3)
        let fixed = configuration
        let heard = OneShot<Void>()
        try await FakeServer.run { peer in
            _ = try await peer.next()
            heard.settle(.success(()))
            await peer.linger()
        } _: { address in
            let login = Task {
                try await TidemarkConnection.login(address, as: ticket, book: try .inMemory(), configuration: fixed)
            }
            try await heard.value
            try await clock.advanceOnceSomebodySleeps(by: .seconds(3))
            await #expect(throws: ClientError.timeout(.login, after: .seconds(3))) { try await login.value }
        }
    }

    @Test("a request that timed out does not end the connection, and its late answer is nobody else's")
    func lateAnswer() async throws {
        let clock = TestClock()
        var configuration = ClientConfiguration()
        configuration.clock = clock
        let fixed = configuration
        let heard = OneShot<Void>()
        try await FakeServer.run { peer in
            try await peer.welcome()
            let late = try await peer.next().request
            heard.settle(.success(()))
            let next = try await peer.next().request
            try await peer.send(.rosterRemoveOK(WriteOK(stamp: 1)), late)
            try await peer.send(.rosterRemoveOK(WriteOK(stamp: 2)), next)
            await peer.linger()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket, configuration: fixed)
            let slow = Task { try await connection.removeContact(1) }
            try await heard.value
            try await clock.advanceOnceSomebodySleeps(by: .seconds(10))
            await #expect(throws: ClientError.timeout(.request(.rosterRemove), after: .seconds(10))) {
                try await slow.value
            }
            #expect(try await connection.removeContact(2) == 2)
        }
    }

    @Test("a cancelled request ends at once; the connection stays")
    func cancellation() async throws {
        let heard = OneShot<Void>()
        try await FakeServer.run { peer in
            try await peer.welcome()
            _ = try await peer.next()
            heard.settle(.success(()))
            try await peer.send(.presenceSetOK, try await peer.next().request)
            await peer.linger()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            let waiting = Task { try await connection.ping() }
            try await heard.value
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            try await connection.setPresence(.online)
        }
    }

    @Test("closing fails what waits and all that comes later; letting go of the connection closes it too")
    func closing() async throws {
        let heard = OneShot<Void>()
        let gone = OneShot<Void>()
        try await FakeServer.run { peer in
            try await peer.welcome()
            if (try? await peer.next()) != nil { heard.settle(.success(())) }
            await peer.linger()
            gone.settle(.success(()))
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            let waiting = Task { try await connection.ping() }
            try await heard.value
            await connection.close()
            await #expect(throws: ClientError.connection(.closedHere)) { try await waiting.value }
            await #expect(throws: ClientError.connection(.closedHere)) { try await connection.ping() }
            await connection.close()
            try await gone.value
        }
        let released = OneShot<Void>()
        try await FakeServer.run { peer in
            try await peer.welcome()
            await peer.linger()
            released.settle(.success(()))
        } _: { address in
            _ = try await TidemarkConnection.open(address, as: ticket)
            try await released.value
        }
    }

    @Test("nobody there: the address and the system's reason")
    func unreachable() async throws {
        for address in [ServerAddress.tcp(host: "127.0.0.1", port: 1), .unix(path: "/nonexistent/socket")] {
            await #expect {
                try await TidemarkConnection.open(address, as: ticket)
            } throws: { error in
                guard case .connection(.unreachable(address, let reason)) = error as? ClientError else { return false }
                return reason.contains("refused") || reason.contains("No such file")
            }
        }
    }

    @Test("connecting ends with its task")
    func cancelledConnect() async throws {
        let connecting = Task {
            try await TidemarkConnection.open(.tcp(host: "192.0.2.1", port: 9), as: ticket)
        }
        connecting.cancel()
        await #expect(throws: (any Error).self) { try await connecting.value }
    }
}
