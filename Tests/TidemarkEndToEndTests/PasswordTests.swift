// Logging in by password, tickets in its stead, and what ends with a password.

import Foundation
import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkSCRAM
import TidemarkServer
import TidemarkTickets
import TidemarkWire

@Suite("Passwords") struct PasswordTests {
    private static let iterations = 4_096

    private func password(_ text: String = "pencil") throws -> Password { try Password(text) }

    /// User 1 has the password, user 2 none.
    private func server(
        _ access: Access? = nil,
        adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> TestServer {
        let verifier = PasswordVerifier(of: try password(), iterations: Self.iterations)
        let changes =
            World.accounts(3) + World.roster(1, [2, 3])
            + [.accessSet(user: 1, access ?? Access(verifier: verifier))]
        return try TestServer(changes) {
            $0.passwordIterations = Self.iterations
            adjust(&$0)
        }
    }

    private func open(
        _ server: TestServer,
        _ credentials: Credentials,
        wantsTicket: Bool = false,
        device: UInt64 = 0
    ) async throws -> TidemarkConnection {
        var configuration = TestServer.client
        configuration.wantsTicket = wantsTicket
        configuration.device = device
        return try await TidemarkConnection.open(server.tcp, as: credentials, configuration: configuration)
    }

    private func code(_ body: () async throws -> Void) async -> ErrorCode? {
        do {
            try await body()
            return nil
        } catch ClientError.server(let error) {
            return ErrorCode(rawValue: error.code)
        } catch {
            Issue.record(error)
            return nil
        }
    }

    @Test("a login by password syncs the book, and its ticket is good for the next one", arguments: [1, 3])
    func login(loops: Int) async throws {
        let server = try server { $0.loops = loops }
        let book = try AddressBook.inMemory()
        for _ in 0..<3 {
            let (connection, _) = try await TidemarkConnection.login(
                server.tcp,
                as: .password(name: "user1", try password()),
                book: book,
                configuration: TestServer.client
            )
            #expect(connection.user == 1 && connection.server.features.contains(.scram))
            #expect(try await book.contacts().count == 2)
            let ticket = try #require(connection.ticket)
            await connection.close()
            let next = try await TidemarkConnection.login(
                server.tcp,
                as: .ticket(ticket),
                book: book,
                configuration: TestServer.client
            )
            #expect(next.report.answer == .upToDate && next.connection.ticket == nil)
            await next.connection.close()
        }
    }

    @Test("another password, no password and no account are refused alike", arguments: [1, 3])
    func refused(loops: Int) async throws {
        let server = try server { $0.loops = loops }
        var refusals: Set<String> = []
        for (name, text) in [("user1", "Pencil"), ("user2", "pencil"), ("nobody", "pencil")] {
            do {
                _ = try await open(server, .password(name: name, try password(text)))
                Issue.record("\(name) is in")
            } catch ClientError.server(let error) {
                #expect(error.code == ErrorCode.credentialsInvalid.rawValue && error.closes)
                refusals.insert(error.detail)
            }
        }
        #expect(refusals.count == 1, "\(refusals)")
    }

    /// What a stranger gets to see of names: form, size and whether it is the same again.
    @Test("the challenges of names with and without a password cannot be told apart, also after a restart")
    func challenges() throws {
        let server = try server()
        func challenge(_ name: String) throws -> (salt: Substring, iterations: Substring, bytes: Int) {
            let peer = RawClient(port: server.port)
            peer.send([.hello(Hello()), .authenticate(.scram(ClientExchange(name: name, nonce: "abc").first))])
            _ = try peer.message()
            guard case .authenticateChallenge(let step) = try peer.message().message else { throw RawClient.Closed() }
            let parts = String(decoding: step.data, as: UTF8.self).split(separator: ",")
            try #require(parts.count == 3 && parts[0].hasPrefix("r=abc"))
            return (parts[1], parts[2], step.data.count)
        }
        let names = ["user1", "user2", "nobody", "somebody"]
        let first = try names.map(challenge)
        #expect(Set(first.map(\.salt)).count == names.count)
        #expect(Set(first.map(\.iterations)).count == 1 && Set(first.map(\.bytes)).count == 1)
        #expect(try names.map(challenge).map(\.salt) == first.map(\.salt))
        try server.restart()
        #expect(try names.map(challenge).map(\.salt) == first.map(\.salt))
    }

    @Test("an account that is closed says so to whoever knows its password, and to nobody else")
    func disabled() async throws {
        let verifier = PasswordVerifier(of: try password(), iterations: Self.iterations)
        let server = try server(Access(isDisabled: true, verifier: verifier))
        #expect(await code { _ = try await open(server, .password(name: "user1", try password())) } == .accountDisabled)
        #expect(
            await code { _ = try await open(server, .password(name: "user1", try password("x"))) }
                == .credentialsInvalid
        )
        #expect(await code { _ = try await open(server, .ticket(server.ticket(1))) } == .accountDisabled)
        #expect(await code { try await server.session(1) { _ in } } == .accountDisabled)
        try await server.session(2) { _ in }
    }

    @Test("a ticket is exchanged when it is half over, until the password is due") func renewal() async throws {
        let server = try server {
            $0.ticketPolicy = TicketPolicy(lifetimeSeconds: 1_000, renewalSeconds: 2_000)
        }
        let first = try await open(server, .password(name: "user1", try password()))
        var ticket = try #require(first.ticket)
        await first.close()
        for (seconds, isExchanged) in [(400, false), (200, true), (600, true), (700, false), (170, nil)]
            as [(UInt64, Bool?)]
        {
            server.clock.advance(by: seconds * 1_000_000)
            guard let isExchanged else {
                #expect(await code { _ = try await open(server, .ticket(ticket), wantsTicket: true) } == .ticketExpired)
                return
            }
            let next = try await open(server, .ticket(ticket), wantsTicket: true)
            #expect((next.ticket != nil) == isExchanged, "after \(seconds)")
            ticket = next.ticket ?? ticket
            await next.close()
        }
    }

    @Test("whoever does not ask for a ticket gets none, and none is given for an issuer's own") func unasked()
        async throws
    {
        let server = try server()
        let (own, trusted) = (server.ticket(1, lifetimeSeconds: 1), Credentials.trusted(.id(1)))
        let byTicket = try await open(server, .ticket(own), wantsTicket: true)
        #expect(byTicket.ticket == nil)
        await byTicket.close()
        var configuration = TestServer.client
        configuration.wantsTicket = true
        let local = try await TidemarkConnection.open(server.unix, as: trusted, configuration: configuration)
        #expect(local.ticket == nil)
        await local.close()
    }

    @Test(
        "another password signs out all other devices, and is the one that counts, also after a restart",
        arguments: [1, 2]
    )
    func change(loops: Int) async throws {
        let server = try server { $0.loops = loops }
        let here = try await open(server, .password(name: "user1", try password()), device: 1)
        let there = try await open(server, .ticket(try #require(here.ticket)), device: 2)
        #expect(await code { _ = try await there.setPassword(try password("new"), iterations: 4_096) } == .notAllowed)
        let ticket = try #require(try await here.setPassword(try password("new"), iterations: 4_096))
        while there.failure == nil { try await Task.sleep(for: .milliseconds(1)) }
        guard case .goingAway(let goAway)? = there.failure else {
            Issue.record("\(String(describing: there.failure))")
            return
        }
        #expect(goAway.reason == .signedOut)
        // This one stays, and so does what it got.
        _ = try await here.page(Sync())
        await here.close()
        for restarts in 0..<2 {
            if restarts == 1 { try server.restart() }
            #expect(
                await code { _ = try await open(server, .ticket(try #require(there.ticket ?? here.ticket))) }
                    == .ticketExpired
            )
            #expect(
                await code { _ = try await open(server, .password(name: "user1", try password())) }
                    == .credentialsInvalid
            )
            await (try await open(server, .password(name: "user1", try password("new")))).close()
            await (try await open(server, .ticket(ticket))).close()
        }
    }

    @Test("a login that began before the password was changed does not end in a session", arguments: [1, 3])
    func challengedBefore(loops: Int) async throws {
        let server = try server {
            $0.loops = loops
            // However slow the machine is.
            $0.authenticateTimeout = .seconds(600)
        }
        let peer = RawClient(port: server.port)
        var exchange = ClientExchange(name: "user1")
        peer.send([.hello(Hello()), .authenticate(.scram(exchange.first))])
        _ = try peer.message()
        guard case .authenticateChallenge(let challenge) = try peer.message().message else { throw RawClient.Closed() }
        let owner = try await open(server, .password(name: "user1", try password()))
        _ = try await owner.setPassword(try password("new"), iterations: Self.iterations)
        let proof = try exchange.final(answering: challenge.data, password: try password())
        peer.send([.authenticateContinue(ScramStep(data: proof))])
        guard case .error(let error) = try peer.message().message else {
            Issue.record("the old password is good")
            return
        }
        #expect(error.code == ErrorCode.credentialsInvalid.rawValue)
        await owner.close()
    }

    @Test("signing out ends what there is, and leaves what comes later alone") func signOut() async throws {
        let server = try server()
        let here = try await open(server, .password(name: "user1", try password()), device: 1)
        let there = try await open(server, .password(name: "user1", try password()), device: 2)
        let other = try await open(server, .ticket(server.ticket(2)))
        let kept = try #require(try await here.signOut(.others))
        while there.failure == nil { try await Task.sleep(for: .milliseconds(1)) }
        let old = try #require(here.ticket)
        #expect(await code { _ = try await open(server, .ticket(old)) } == .ticketExpired)
        // Within the same second, which the clock has not left.
        let again = try await open(server, .password(name: "user1", try password()), device: 2)
        await (try await open(server, .ticket(kept))).close()
        #expect(try await here.signOut(.all) == nil)
        while here.failure == nil || again.failure == nil { try await Task.sleep(for: .milliseconds(1)) }
        for ticket in [kept, try #require(again.ticket)] {
            #expect(await code { _ = try await open(server, .ticket(ticket)) } == .ticketExpired)
        }
        await (try await open(server, .password(name: "user1", try password()))).close()
        #expect(other.failure == nil)
        await other.close()
    }

    @Test("a ticket is exchanged for none that is good for longer by signing out the others")
    func signOutByTicket() async throws {
        let server = try server()
        let thief = try await open(server, .ticket(server.ticket(1)))
        #expect(try await thief.signOut(.others) == nil)
        #expect(await code { _ = try await open(server, .ticket(server.ticket(1))) } == .ticketExpired)
        // Nor are the tickets that a backend issues by the clock kept out for long.
        var done = 0
        while await code({ _ = try await thief.signOut(.others) }) == nil { done += 1 }
        #expect((20...60).contains(done))
        #expect(await code { _ = try await thief.signOut(.others) } == .retryLater)
        #expect(thief.failure == nil)
        await thief.close()
        await (try await open(server, .password(name: "user1", try password()))).close()
    }

    @Test("what is not safe enough is no password") func weak() async throws {
        let server = try server()
        let here = try await open(server, .password(name: "user1", try password()))
        #expect(await code { _ = try await here.setPassword(try password("new"), iterations: 4_095) } == .invalidValue)
        await here.close()
        await (try await open(server, .password(name: "user1", try password()))).close()
    }

    @Test("keys that are exchanged while the server runs count from then on") func rotation() async throws {
        let server = try server { $0.loops = 2 }
        let first = try await open(server, .password(name: "user1", try password()))
        let ticket = try #require(first.ticket)
        let newer: (id: UInt16, bytes: [UInt8]) = (8, Array(2...33))
        server.replaceTicketKeys(with: TicketKeys([newer, TestServer.key]))
        await (try await open(server, .ticket(ticket))).close()
        let second = try await open(server, .password(name: "user1", try password()))
        #expect(second.ticket.flatMap { Ticket($0) }?.key == 8)
        server.replaceTicketKeys(with: TicketKeys([newer]))
        #expect(await code { _ = try await open(server, .ticket(ticket)) } == .credentialsInvalid)
        await (try await open(server, .ticket(try #require(second.ticket)))).close()
        // Sessions stay as they are.
        _ = try await first.page(Sync())
        await first.close()
        await second.close()
    }

    @Test("a server that does not know the password is not believed") func impostor() async throws {
        // It knows the account, and another password for it.
        let server = try server()
        var configuration = TestServer.client
        configuration.passwordIterations = 5_000...10_000
        await #expect(throws: ClientError.password(.iterations(4_096, allowed: 5_000...10_000))) {
            _ = try await TidemarkConnection.open(
                server.tcp,
                as: .password(name: "user1", try password()),
                configuration: configuration
            )
        }
    }
}
