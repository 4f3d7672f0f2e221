import TidemarkSCRAM
import TidemarkWire

extension TidemarkConnection {
    /// Connects and authenticates, without a sync.
    /// - Throws: `ClientError`: `.connection`, as `.unreachable`, `.untrusted` or `.unusableFile`; `.server` with the refusal of the hello or the credentials;
    ///   `.password`; `.timeout`. `CancellationError`.
    public static func open(
        _ address: ServerAddress,
        as credentials: Credentials,
        configuration: ClientConfiguration = .init()
    ) async throws -> TidemarkConnection {
        try await open(address, as: credentials, firstSync: nil, configuration).connection
    }

    /// Connects, authenticates and asks for what the book does not have, in one round trip, or two with a password; then for
    /// the rest of the pages, if there is more than one.
    ///
    /// This is the patent's login: the first one with an empty book (claim 2), every later one with its token (claim 3).
    /// In `.local` mode nothing is asked beyond the authentication.
    /// - Throws: as `open`, and as `sync`. `BookError.ownedByAnother` when the book is another user's; nothing was
    ///   stored then.
    /// - Returns: the connection, and a report whose bytes are all of the connection's.
    public static func login(
        _ address: ServerAddress,
        as credentials: Credentials,
        book: AddressBook,
        settings: SyncSettings = .init(),
        configuration: ClientConfiguration = .init()
    ) async throws -> (connection: TidemarkConnection, report: SyncReport) {
        let clock = ContinuousClock()
        let start = clock.now
        var walk = SyncWalk(from: try await book.mark(), settings)
        let asked = try await book.mayBelong(to: credentials) ? walk.next : nil
        let (connection, page) = try await open(address, as: credentials, firstSync: asked, configuration)
        do {
            try await book.claim(for: connection.user)
            if let asked, let page { try walk.took(page, try await book.apply(page, answering: asked)) }
            try await connection.finish(&walk, book)
            let (sent, received) = connection.link.bytes
            let report = try await walk.report(
                book,
                bytesSent: sent,
                bytesReceived: received,
                duration: start.duration(to: clock.now)
            )
            return (connection, report)
        } catch {
            await connection.close()
            throw error
        }
    }

    private static func open(
        _ address: ServerAddress,
        as credentials: Credentials,
        firstSync: Sync?,
        _ configuration: ClientConfiguration
    ) async throws -> (connection: TidemarkConnection, page: SyncPage?) {
        let link = try await Link.open(address, configuration)
        let hello = Hello(
            frameLog2: configuration.frameLog2,
            deviceClass: configuration.deviceClass,
            device: configuration.device
        )
        do {
            return try await withDeadline(configuration.timeout, on: configuration.clock, for: .login) {
                let login = try await authenticate(credentials, hello, on: link, with: firstSync, configuration)
                let connection = TidemarkConnection(
                    user: login.session.user,
                    server: login.server,
                    ticket: login.session.ticket,
                    link: link,
                    configuration: configuration
                )
                guard let sync = login.sync else { return (connection, nil) }
                do {
                    guard case .syncPage(let page) = try await sync.value else { mismatched() }
                    return (connection, page)
                } catch let error as ClientError where error.comesLater != nil {
                    // The session is there all the same; the sync is asked for again.
                    return (connection, nil)
                }
            }
        } catch {
            await link.close()
            throw error
        }
    }
}

extension TidemarkConnection {
    private struct Authenticated {
        var server: HelloOK
        var session: AuthenticateOK
        /// Where the page arrives, where one was asked for.
        var sync: OneShot<Message>?
    }

    private static func authenticate(
        _ credentials: Credentials,
        _ hello: Hello,
        on link: Link,
        with sync: Sync?,
        _ configuration: ClientConfiguration
    ) async throws -> Authenticated {
        var message: Authenticate
        switch credentials {
        case .ticket(let bytes): message = .ticket(bytes)
        case .trusted(let user): message = .trusted(user)
        case .bearer(let bytes): message = Authenticate(.bearer(bytes))
        case .password(let name, let password):
            return try await authenticate(name, password, hello, on: link, with: sync, configuration)
        }
        message.wish = configuration.presence
        message.wantsTicket = configuration.wantsTicket
        let slots = try await link.send([.hello(hello), .authenticate(message)] + (sync.map { [.sync($0)] } ?? []))
        let server = try await server(slots[0])
        return Authenticated(
            server: server,
            session: try await session(slots[1], of: .authenticate),
            sync: sync == nil ? nil : slots[2]
        )
    }

    /// What is asked of the session can go out with the second message; with the first one it would be nobody's.
    private static func authenticate(
        _ name: String,
        _ password: Password,
        _ hello: Hello,
        on link: Link,
        with sync: Sync?,
        _ configuration: ClientConfiguration
    ) async throws -> Authenticated {
        let exchange = ClientExchange(name: name)
        let first = Authenticate(.scram(exchange.first), wish: configuration.presence, wantsTicket: true)
        let slots = try await link.send([.hello(hello), .authenticate(first)])
        let server = try await server(slots[0])
        guard case .authenticateChallenge(let challenge) = try await slots[1].value else {
            throw ClientError.password(.malformed("no challenge"))
        }
        let allowed = configuration.passwordIterations
        // Not here: it keeps a thread busy.
        let derived = Task.detached { () throws -> (ClientExchange, [UInt8]) in
            var exchange = exchange
            let last = try exchange.final(answering: challenge.data, password: password, iterations: allowed)
            return (exchange, last)
        }
        let answered: ClientExchange
        let last: [UInt8]
        do {
            (answered, last) = try await derived.value
        } catch let error as ScramError {
            throw ClientError.password(error)
        }
        let more = try await link.send(
            [.authenticateContinue(ScramStep(data: last))] + (sync.map { [.sync($0)] } ?? [])
        )
        let session = try await session(more[0], of: .authenticateContinue)
        do throws(ScramError) {
            try answered.verify(session.serverFinal ?? [])
        } catch {
            throw ClientError.password(error)
        }
        return Authenticated(server: server, session: session, sync: sync == nil ? nil : more[1])
    }

    private static func server(_ slot: OneShot<Message>) async throws -> HelloOK {
        guard case .helloOK(let server) = try await slot.value else { mismatched() }
        guard server.version == Limits.version else {
            throw ClientError.protocolViolation(.version(server.version))
        }
        return server
    }

    private static func session(_ slot: OneShot<Message>, of request: MessageType) async throws -> AuthenticateOK {
        guard case .authenticateOK(let session) = try await slot.value else {
            // Another challenge than was asked for.
            throw ClientError.protocolViolation(
                .unexpectedReply(type: MessageType.authenticateChallenge.rawValue, request: 2)
            )
        }
        return session
    }
}

extension AddressBook {
    /// Whether the book's token may be sent before the server has said who these credentials are. A token belongs to one
    /// user and is never sent for another.
    /// - Throws: `BookError.ownedByAnother` where the credentials name another user by number.
    fileprivate func mayBelong(to credentials: Credentials) async throws -> Bool {
        guard let owner = try await mark().owner else { return true }
        switch credentials.user {
        case .id(owner): return true
        case .id(let user): throw BookError.ownedByAnother(owner: owner, user: user)
        case .name(let name): return try await ownProfile()?.name == name
        // Bytes that only the server can read. Its answer to a stranger is thrown away.
        case nil: return true
        }
    }
}
