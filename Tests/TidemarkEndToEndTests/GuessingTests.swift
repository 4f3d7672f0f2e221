// Whoever guesses passwords has to wait, and whoever has a ticket does not.

import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkSCRAM
import TidemarkServer
import TidemarkWire

@Suite("Guessing passwords") struct GuessingTests {
    private static let iterations = 4_096

    /// Users 1 and 2 have the password "pencil". A wait is an hour, so that no test sees its end.
    private func server(loops: Int = 1, perAddress: Int = 1_000, perName: Int = 1_000) throws -> TestServer {
        let verifier = PasswordVerifier(of: try Password("pencil"), iterations: Self.iterations)
        let access: [Change] = [1, 2].map { .accessSet(user: $0, Access(verifier: verifier)) }
        return try TestServer(World.accounts(2) + access) {
            $0.loops = loops
            // However slow the machine is.
            $0.authenticateTimeout = .seconds(600)
            $0.passwordIterations = Self.iterations
            $0.failedLogins.perAddress = perAddress
            $0.failedLogins.perName = perName
            $0.failedLogins.firstWaitMS = 3_600_000
            $0.failedLogins.longestWaitMS = 3_600_000
        }
    }

    /// Nil: it is in.
    private func tryPassword(_ text: String, of name: String, at address: ServerAddress) async throws -> ErrorMessage? {
        do {
            let connection = try await TidemarkConnection.open(
                address,
                as: .password(name: name, try Password(text)),
                configuration: TestServer.client
            )
            await connection.close()
            return nil
        } catch ClientError.server(let error) {
            return error
        }
    }

    private func isWait(_ error: ErrorMessage?) -> Bool {
        error?.code == ErrorCode.retryLater.rawValue && error?.closes == true
            && (3_590_000...4_050_000).contains(error?.retryAfterMS ?? 0)
    }

    @Test(
        "after some failures an address waits, whatever the name and the password, but for tickets",
        arguments: [1, 3]
    )
    func address(loops: Int) async throws {
        let server = try server(loops: loops, perAddress: 3)
        for name in ["user1", "user2", "nobody"] {
            let error = try await tryPassword("guess", of: name, at: server.tcp)
            #expect(error?.code == ErrorCode.credentialsInvalid.rawValue)
        }
        for (name, text) in [("user1", "pencil"), ("user2", "guess"), ("nobody", "guess"), ("new", "guess")] {
            let error = try await tryPassword(text, of: name, at: server.tcp)
            #expect(isWait(error) && error?.detail.contains("your address") == true, "\(String(describing: error))")
        }
        try await server.session(1) { _ in }
        // It has no address.
        #expect(try await tryPassword("pencil", of: "user1", at: server.unix) == nil)
    }

    @Test("a name waits too, from wherever, whether it is an account's or not; others do not", arguments: [1, 3])
    func name(loops: Int) async throws {
        let server = try server(loops: loops, perName: 2)
        for name in ["user1", "nobody"] {
            for address in [server.tcp, server.unix] {
                let error = try await tryPassword("guess", of: name, at: address)
                #expect(error?.code == ErrorCode.credentialsInvalid.rawValue)
            }
            for address in [server.tcp, server.unix] {
                let error = try await tryPassword("pencil", of: name, at: address)
                #expect(isWait(error) && error?.detail.contains("this name") == true, "\(String(describing: error))")
            }
        }
        #expect(try await tryPassword("pencil", of: "user2", at: server.tcp) == nil)
        try await server.session(1) { _ in }
    }

    @Test("the right password clears a name, and no address") func success() async throws {
        let server = try server(perAddress: 5, perName: 2)
        for _ in 0..<4 {
            #expect(try await tryPassword("guess", of: "user1", at: server.tcp)?.code == 6)
            #expect(try await tryPassword("pencil", of: "user1", at: server.tcp) == nil)
        }
        #expect(try await tryPassword("guess", of: "user1", at: server.tcp)?.code == 6)
        #expect(isWait(try await tryPassword("pencil", of: "user1", at: server.tcp)))
    }

    /// Each has its challenge before the first one fails.
    @Test("many challenges at once are no way around it") func atOnce() throws {
        let server = try server(perAddress: 3)
        let peers = try (0..<20).map { _ in
            let peer = RawClient(port: server.port)
            peer.send([.hello(Hello()), .authenticate(.scram(ClientExchange(name: "user1").first))])
            _ = try peer.message()
            guard case .authenticateChallenge = try peer.message().message else { throw RawClient.Closed() }
            return peer
        }
        var codes: [UInt8: Int] = [:]
        for peer in peers {
            peer.send([.authenticateContinue(ScramStep(data: Array("c=biws,r=x,p=AAAA".utf8)))])
            guard case .error(let error) = try peer.message().message else { throw RawClient.Closed() }
            codes[error.code, default: 0] += 1
        }
        #expect(codes == [ErrorCode.credentialsInvalid.rawValue: 3, ErrorCode.retryLater.rawValue: 17])
    }
}
