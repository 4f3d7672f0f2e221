// What a login costs the server, its connection included: by ticket, with a sync that finds nothing new, against a raw io_uring
// program that takes a connection, echoes as many bytes and closes; and by password, which is two round trips. Nobody has the
// users as contacts who log in, so nobody is told.

import ClosedLoop
import Glibc
import TidemarkSCRAM
import TidemarkWire

struct LoginCost {
    enum Program: String, Encodable { case ticket, password, echo, echoOfFewBuffers }

    struct Run: Encodable {
        var program: Program
        var loginsPerSecond: Double
        var cpuMicroseconds: Double
    }

    struct Series: Encodable {
        var users: Int
        var atATime: Int
        var requestBytes: Int
        var answerBytes: Int
        var iterations: Int
        var runs: [Run]
    }

    private static let iterations = 4_096

    static func run(_ programs: Programs, small: Bool) throws {
        let server = try GraphServer(programs)
        let users = try server.strangersAmongThemselves(64)
        say("setting passwords, and logging in once")
        var tickets: [Visit] = []
        var passwords: [Visit] = []
        let verifiers = try users.map { try setPassword(server, $0) }
        // Tickets of the same second are good no more.
        sleep(2)
        for (user, verifier) in zip(users, verifiers) {
            let (token, page) = try settled(server, user)
            tickets.append(try byTicket(server, user, token, page))
            passwords.append(try byPassword(server, user, verifier, token, page))
        }
        try pinCurrentThread(toCore: 1)
        let request = tickets[0].request.count
        let answer = tickets.reduce(0) { $0 + $1.answerBytes } / tickets.count
        let echoes = try [nil, 128].map { try RawEcho(programs, request: request, answer: answer, buffers: $0) }
        let echo = Visit(request: [UInt8](repeating: 0, count: request), answerBytes: answer)
        let atATime = 32
        func visits(_ port: UInt16, _ visits: [Visit], _ process: pid_t) -> Visits {
            Visits(port: port, visits: visits, server: process, concurrency: atATime)
        }
        let contenders: [(Program, Visits)] = [
            (.ticket, visits(server.port, tickets, server.process)),
            (.password, visits(server.port, passwords, server.process)),
            (.echo, visits(echoes[0].port, [echo], echoes[0].server.id)),
            (.echoOfFewBuffers, visits(echoes[1].port, [echo], echoes[1].server.id)),
        ]
        let turns = try Visits.run(contenders.map(\.1), turns: small ? 2 : 31, seconds: 0.1)
        var runs: [Run] = []
        for ((program, _), results) in zip(contenders, turns) {
            let own = results.map {
                Run(
                    program: program,
                    loginsPerSecond: $0.answersPerSecond.rounded(),
                    cpuMicroseconds: $0.cpuMicroseconds
                )
            }
            say(
                "\(program.rawValue): \(Int(median(own.map(\.loginsPerSecond)))) a second, "
                    + "\(median(own.map(\.cpuMicroseconds))) µs CPU each, in the middle"
            )
            runs += own
        }
        withExtendedLifetime((server, echoes)) {}
        func costs(_ program: Program) -> [Double] { runs.filter { $0.program == program }.map(\.cpuMicroseconds) }
        // Both sides of the turn in the middle.
        let ratios = zip(costs(.ticket), costs(.echo)).sorted { $0.0 / $0.1 < $1.0 / $1.1 }
        let more = zip(costs(.password), costs(.ticket)).map { ($0.0 - $0.1, $0.0, $0.1) }.sorted { $0.0 < $1.0 }
        let middle = more[more.count / 2]
        Report(
            bench: "login",
            machine: .this(),
            goals: [
                .ratioAtMost(
                    1.5,
                    "CPU of a login by ticket with a sync, connecting included, against a raw connect, echo and close",
                    measured: ratios[ratios.count / 2].0,
                    against: ratios[ratios.count / 2].1,
                    unit: "µs"
                ),
                Goal(
                    figure: "CPU of a login by password over one by ticket",
                    value: (middle.0 * 1_000).rounded() / 1_000,
                    unit: "µs",
                    measured: middle.1,
                    against: middle.2,
                    limit: 30,
                    holds: middle.0 <= 30
                ),
            ],
            series: Series(
                users: users.count,
                atATime: atATime,
                requestBytes: request,
                answerBytes: answer,
                iterations: iterations,
                runs: runs
            )
        ).print()
    }

    /// A token that is up to date, and the page that a sync with it gets from a session of the user's own.
    private static func settled(_ server: GraphServer, _ user: UserID) throws -> (token: [UInt8], page: Int) {
        let session = try server.connect()
        _ = try session.exchange([.hello(Hello()), .authenticate(.ticket(server.ticket(user)))])
        guard let token = try session.sync().last?.token else { throw BenchError("no token") }
        guard case .syncPage(let page)? = try session.exchange([.sync(Sync(token: Sync.TokenBytes(token)))]).first,
            page.answer == .upToDate, page.summary?.presence.isEmpty == true
        else { throw BenchError("something is new to user \(user), or somebody is online") }
        return (token, session.lastFrame(request: 3).count)
    }

    private static func bytes(_ messages: [Message], from request: UInt16 = 1) -> [UInt8] {
        messages.enumerated().flatMap { $1.frame(request: request + UInt16($0)) }
    }

    private static func byTicket(_ server: GraphServer, _ user: UserID, _ token: [UInt8], _ page: Int) throws -> Visit {
        let request = try bytes([
            .hello(Hello()), .authenticate(.ticket(server.ticket(user))), .sync(Sync(token: Sync.TokenBytes(token))),
        ])
        let welcome = bytes([.helloOK(server.hello), .authenticateOK(AuthenticateOK(user: user))])
        return Visit(request: request, answerBytes: welcome.count + page)
    }

    private static func setPassword(_ server: GraphServer, _ user: UserID) throws -> PasswordVerifier {
        let verifier = PasswordVerifier(of: try Password("pencil"), iterations: iterations)
        let own = try Exchange(path: server.socket)
        _ = try own.exchange([
            .hello(Hello()), .authenticate(.trusted(.id(user))), .passwordSet(PasswordSet(verifier)),
        ])
        return verifier
    }

    /// The password's keys are known to the client, whose work is not what is measured.
    private static func byPassword(
        _ server: GraphServer,
        _ user: UserID,
        _ verifier: PasswordVerifier,
        _ token: [UInt8],
        _ page: Int
    ) throws -> Visit {
        let password = try Password("pencil")
        let keys = ScramKeys(password, salt: verifier.salt, iterations: iterations)
        let exchange = ClientExchange(name: server.names[user]!, nonce: ServerExchange.newNonce())
        let first = Authenticate(.scram(exchange.first), wantsTicket: true)
        let nonce = ServerExchange.newNonce()
        let challenge = ServerExchange(try ClientFirst(exchange.first), verifier, nonce: nonce).serverFirst
        let challenged = bytes([.helloOK(server.hello), .authenticateChallenge(ScramStep(data: challenge))])
        let welcome = AuthenticateOK(
            user: user,
            ticket: [UInt8](repeating: 0, count: Ticket.encodedBytes),
            serverFinal: [UInt8](repeating: 0, count: 46)
        )
        let answerBytes = Message.authenticateOK(welcome).frame(request: 3).count + page
        let sync = Message.sync(Sync(token: Sync.TokenBytes(token))).frame(request: 4)
        // Behind the hello's answer, and the header and the length of the challenge.
        let skipped = challenged.count - challenge.count
        return Visit(request: bytes([.hello(Hello()), .authenticate(first)]), answerBytes: challenged.count) { answer in
            var exchange = exchange
            guard
                let last = try? exchange.final(
                    answering: Array(answer[skipped...]),
                    password: password,
                    known: { _, _ in keys }
                )
            else { preconditionFailure("no challenge: \(answer)") }
            return (Message.authenticateContinue(ScramStep(data: last)).frame(request: 3) + sync, answerBytes)
        }
    }
}
