import TidemarkWire

extension TidemarkConnection {
    /// Connects and authenticates, without a sync.
    /// - Throws: `ClientError`: `.connection(.unreachable)`; `.server` with the refusal of the hello or the credentials;
    ///   `.timeout`. `CancellationError`.
    public static func open(
        _ address: ServerAddress,
        as credentials: Credentials,
        configuration: ClientConfiguration = .init()
    ) async throws -> TidemarkConnection {
        try await open(address, as: credentials, firstSync: nil, configuration).connection
    }

    /// Connects, authenticates and asks for what the book does not have, in one round trip; then for the rest of the
    /// pages, if there is more than one.
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
        let requests =
            [.hello(hello), credentials.message(wish: configuration.presence)]
            + (firstSync.map { [Message.sync($0)] } ?? [])
        do {
            return try await withDeadline(configuration.timeout, on: configuration.clock, for: .login) {
                let slots = try await link.send(requests)
                guard case .helloOK(let server) = try await slots[0].value,
                    case .authenticateOK(let session) = try await slots[1].value
                else { preconditionFailure("the link matches answers with requests") }
                guard server.version == Limits.version else {
                    throw ClientError.protocolViolation(.version(server.version))
                }
                let connection = TidemarkConnection(
                    user: session.user,
                    server: server,
                    link: link,
                    configuration: configuration
                )
                guard firstSync != nil else { return (connection, nil) }
                do {
                    guard case .syncPage(let page) = try await slots[2].value else {
                        preconditionFailure("the link matches answers with requests")
                    }
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
