import Foundation
import Synchronization
import Testing
import TidemarkSCRAM
import TidemarkWire

@testable import TidemarkClient

/// The command line with passwords: what is kept of a login, and what is never.
@Suite(.timeLimit(.minutes(2))) struct PasswordProgramTests {
    private static let iterations = 4_096
    private static let ticket = ticket(1)
    private static let newer = ticket(2)

    /// What the server has heard.
    private final class Seen: Sendable {
        let messages = Mutex<[Message]>([])
    }

    /// A renewable one.
    private static func ticket(_ mark: UInt8) -> [UInt8] {
        [2, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: mark, count: 24)
    }

    /// A server of one account, which knows its password, and gives out a ticket and then another.
    private static func serving(
        password: String,
        _ seen: Seen
    ) throws -> FakeServer.Script {
        let verifier = PasswordVerifier(of: try Password(password), iterations: iterations)
        return { peer in
            let hello = try await peer.next().request
            try await peer.send(.helloOK(FakePeer.helloOK), hello)
            var (request, message) = try await peer.next()
            seen.messages.withLock { $0.append(message) }
            guard case .authenticate(let said) = message else { return }
            var welcome = AuthenticateOK(user: 7, ticket: newer)
            if case .scram(let first) = said.credentials {
                let exchange = ServerExchange(try ClientFirst(first), verifier, nonce: "server")
                try await peer.send(.authenticateChallenge(ScramStep(data: exchange.serverFirst)), request)
                (request, message) = try await peer.next()
                guard case .authenticateContinue(let step) = message else { return }
                do {
                    welcome = AuthenticateOK(user: 7, ticket: ticket, serverFinal: try exchange.finish(step.data))
                } catch {
                    try await peer.send(.error(ErrorMessage(.credentialsInvalid, detail: "\(error)")), request)
                    return await peer.linger()
                }
            }
            try await peer.send(.authenticateOK(welcome), request)
            let table = TableModel()
            while let (request, message) = try? await peer.next() {
                seen.messages.withLock { $0.append(message) }
                switch message {
                case .sync(let sync): try await peer.send(.syncPage(table.answer(sync)), request)
                case .passwordSet: try await peer.send(.passwordSetOK(CredentialsOK(stamp: 9, ticket: newer)), request)
                case .signOut: try await peer.send(.signOutOK(CredentialsOK(stamp: 9, ticket: newer)), request)
                default: return
                }
            }
        }
    }

    private func accounts(_ program: Program) throws -> String {
        try String(contentsOfFile: program.home.file(".config/tidemark/accounts.json"), encoding: .utf8)
    }

    @Test("a login by password keeps a ticket and not the password; a newer ticket takes its place") func login()
        async throws
    {
        let program = try Program()
        let seen = Seen()
        let file = program.home.file("password")
        try "pencil with spaces \nnot this".write(toFile: file, atomically: true, encoding: .utf8)
        try await FakeServer.run(Self.serving(password: "pencil with spaces ", seen)) { (address) async throws in
            let login = try await program.run(
                "login",
                "--server",
                "\(address)",
                "--user",
                "owner",
                "--password-file",
                file
            )
            #expect(login.status == 0, "\(login)")
            #expect(try accounts(program).contains(TicketText.encode(Self.ticket)))
            #expect(try !accounts(program).contains("pencil"))
            seen.messages.withLock { $0 = [] }
            #expect(try await program.run("sync").status == 0)
            let authenticate = Authenticate(.ticket(Self.ticket), wish: .invisible, wantsTicket: true)
            #expect(seen.messages.withLock { $0.first } == .authenticate(authenticate))
            #expect(try accounts(program).contains(TicketText.encode(Self.newer)))
        }
    }

    @Test("another password is refused, and nothing is remembered") func refused() async throws {
        let program = try Program()
        let seen = Seen()
        let file = program.home.file("password")
        try "pencil".write(toFile: file, atomically: true, encoding: .utf8)
        try await FakeServer.run(Self.serving(password: "another", seen)) { (address) async throws in
            let login = try await program.run(
                "login",
                "--server",
                "\(address)",
                "--user",
                "owner",
                "--password-file",
                file
            )
            #expect(login.status == 77 && login.error.contains("no such account, or another password"), "\(login)")
            #expect(!FileManager.default.fileExists(atPath: program.home.file(".config/tidemark/accounts.json")))
            #expect(!FileManager.default.fileExists(atPath: program.home.file(".local/share/tidemark/owner.sqlite")))
        }
    }

    @Test("with a ticket alone nobody sets a password or signs the others out, and is told before it is asked")
    func ticketAlone() async throws {
        let program = try Program()
        let seen = Seen()
        try await FakeServer.run(Self.serving(password: "pencil", seen)) { (address) async throws in
            let given = ["--ticket", TicketText.encode(Self.ticket), "--account", "mine"]
            #expect(try await program.run(list: ["login", "--server", "\(address)"] + given).status == 0)
            seen.messages.withLock { $0 = [] }
            for command in ["password", "sign-out"] {
                let refused = try await program.run(command)
                #expect(refused.status == 78 && refused.error.contains("say whose: --user NAME"), "\(refused)")
            }
            #expect(seen.messages.withLock { $0.isEmpty })
        }
    }

    @Test("a secret is read from a pipe as from a file") func pipe() async throws {
        let program = try Program()
        let seen = Seen()
        let pipe = program.home.file("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        try await FakeServer.run(Self.serving(password: "pencil", seen)) { (address) async throws in
            async let login = program.run(
                list: ["login", "--server", "\(address)", "--user", "owner", "--password-file", pipe]
            )
            try await Task.detached { try "pencil\n".write(toPipe: pipe) }.value
            #expect(try await login.status == 0)
        }
    }

    @Test("another password is set, and signing out exchanges the ticket or forgets it") func changes() async throws {
        let program = try Program()
        let seen = Seen()
        let (old, new) = (program.home.file("old"), program.home.file("new"))
        try "pencil\n".write(toFile: old, atomically: true, encoding: .utf8)
        try "crayon\n".write(toFile: new, atomically: true, encoding: .utf8)
        try await FakeServer.run(Self.serving(password: "pencil", seen)) { (address) async throws in
            let owner = ["--server", "\(address)", "--user", "owner", "--password-file", old]
            #expect(try await program.run(list: ["login"] + owner).status == 0)
            let set = try await program.run(list: ["password", "--new-password-file", new, "--json"] + owner)
            #expect(set.status == 0 && set.json["changed"] as? Bool == true, "\(set)")
            let sent = seen.messages.withLock { messages in
                for case .passwordSet(let set) in messages { return set.verifier as PasswordVerifier? }
                return nil
            }
            let verifier = try #require(sent)
            // It is that of the new one, which never left this machine.
            let keys = ScramKeys(try Password("crayon"), salt: verifier.salt, iterations: Int(verifier.iterations))
            #expect(keys.verifier(salt: verifier.salt, iterations: Int(verifier.iterations)) == verifier)
            #expect(verifier.iterations == 100_000)
            #expect(try accounts(program).contains(TicketText.encode(Self.newer)))
            #expect(try await program.run(list: ["sign-out"] + owner).status == 0)
            #expect(try accounts(program).contains(TicketText.encode(Self.newer)))
            #expect(try await program.run("sign-out", "--all").status == 0)
            #expect(try !accounts(program).contains("ticket"))
            let gone = try await program.run("sync")
            #expect(gone.status == 78 && gone.error.contains("use --user"), "\(gone)")
        }
    }

    @Test("a password that cannot be is told before anybody is asked") func unusable() async throws {
        let program = try Program()
        let file = program.home.file("password")
        try "a\u{202E}b".write(toFile: file, atomically: true, encoding: .utf8)
        let server = ["--server", "127.0.0.1:1"]
        var outcome = try await program.run(list: ["login", "--user", "a", "--password-file", file] + server)
        #expect(outcome.status == 64 && outcome.error.contains("may not have the character U+202E"), "\(outcome)")
        outcome = try await program.run(list: ["login", "--user", "a", "--password-file", "/nonexistent"] + server)
        #expect(outcome.status == 64 && outcome.error.contains("cannot be read"), "\(outcome)")
        outcome = try await program.run(list: ["login", "--password-file", file] + server)
        #expect(outcome.status == 64, "\(outcome)")
        outcome = try await program.run(list: ["login", "--user", "a", "--ticket", "AQID"] + server)
        #expect(outcome.status == 64, "\(outcome)")
    }
}

extension String {
    fileprivate func write(toPipe path: String) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.write(contentsOf: Data(utf8))
        try file.close()
    }
}
