import TidemarkSCRAM
import TidemarkWire

/// A session that is no user's: an administrator's, or that of a backend which acts for users.
///
/// Every request throws `ClientError`, or `CancellationError` when its task is cancelled; one that is cancelled or timed out
/// may still have been done. The server notes all that an administrator asks for in its audit log.
public final class AdministrationConnection: Sendable {
    /// Who this is.
    public enum Credentials: Equatable, Sendable {
        /// Whoever may open the administrator's socket, `admin.sock` in the server's data directory.
        case socket
        /// Of a service that the server's operator has added: at most `Limits.serviceKeyBytesMax` bytes.
        case key([UInt8])
        /// By `ClientConfiguration.certificate`.
        case certificate
    }

    public let role: Role
    public let server: HelloOK

    private let link: Link
    private let configuration: ClientConfiguration

    private init(role: Role, server: HelloOK, link: Link, configuration: ClientConfiguration) {
        self.role = role
        self.server = server
        self.link = link
        self.configuration = configuration
    }

    deinit { link.end() }

    public static func open(
        _ address: ServerAddress,
        as credentials: Credentials,
        configuration: ClientConfiguration = .init()
    ) async throws -> AdministrationConnection {
        let link = try await Link.open(address, configuration)
        let hello = Message.hello(Hello(frameLog2: configuration.frameLog2, deviceClass: .service))
        let authenticate: [Message] =
            switch credentials {
            case .socket: []
            case .key(let key): [.authenticate(Authenticate(.service(key)))]
            case .certificate: [.authenticate(Authenticate(.service([])))]
            }
        do {
            return try await withDeadline(configuration.timeout, on: configuration.clock, for: .login) {
                let slots = try await link.send([hello] + authenticate)
                guard case .helloOK(let server) = try await slots[0].value else { mismatched() }
                guard server.version == Limits.version else {
                    throw ClientError.protocolViolation(.version(server.version))
                }
                var role = Role.administrator
                if slots.count > 1 {
                    guard case .authenticateOK(let session) = try await slots[1].value, let given = session.role else {
                        throw ClientError.protocolViolation(
                            .unexpectedReply(type: MessageType.authenticateOK.rawValue, request: 2)
                        )
                    }
                    role = given
                }
                return AdministrationConnection(role: role, server: server, link: link, configuration: configuration)
            }
        } catch {
            await link.close()
            throw error
        }
    }

    /// Closes, and waits until that is done.
    public func close() async { await link.close() }

    private func request(_ message: Message, timeout: Duration? = nil) async throws -> Message {
        let link = link
        let limit = timeout ?? configuration.timeout
        return try await withDeadline(limit, on: configuration.clock, for: .request(message.type)) {
            try await link.send([message])[0].value
        }
    }

    // MARK: accounts

    /// Makes an account without details, a roster or a password. `user` is its number, above all that there ever were; 0: the
    /// server chooses.
    /// - Throws: `.server` with `notAllowed` where the name or the number is taken.
    public func createAccount(named name: String, user: UserID = 0) async throws -> AdminAccountCreateOK {
        let create = AdminAccountCreate(name: name, user: user)
        guard case .adminAccountCreateOK(let ok) = try await request(.adminAccountCreate(create)) else { mismatched() }
        return ok
    }

    /// Closes an account for now, and ends its sessions; or opens it again. Gives the change's stamp, or 0 when it was so.
    @discardableResult
    public func setDisabled(_ user: UserReference, _ isDisabled: Bool) async throws -> Stamp {
        let disable = AdminAccountDisable(user: user, isDisabled: isDisabled)
        guard case .adminAccountDisableOK(let ok) = try await request(.adminAccountDisable(disable)) else {
            mismatched()
        }
        return ok.stamp
    }

    /// Deletes an account for good, with its roster, its messages and its credentials. It goes from every roster.
    @discardableResult
    public func deleteAccount(_ user: UserReference) async throws -> Stamp {
        guard
            case .adminAccountDeleteOK(let ok) = try await request(.adminAccountDelete(AdminAccountDelete(user: user)))
        else { mismatched() }
        return ok.stamp
    }

    /// Sets a user's password. Its sessions end, and no ticket from before is good any more.
    @discardableResult
    public func setPassword(
        _ password: Password,
        of user: UserReference,
        iterations: Int = TidemarkConnection.passwordIterations
    ) async throws -> Stamp {
        // Not here: it keeps a thread busy.
        let verifier = await Task.detached { PasswordVerifier(of: password, iterations: iterations) }.value
        let set = AdminPasswordSet(user: user, verifier: verifier)
        guard case .adminPasswordSetOK(let ok) = try await request(.adminPasswordSet(set)) else { mismatched() }
        return ok.stamp
    }

    /// Asks for something in a user's place: a write, `sync`, `messageFetch` or `lastSeenGet`.
    /// - Returns: what the user would be answered.
    /// - Throws: `.server` also with what the user would be refused with.
    public func act(for user: UserReference, _ message: Message) async throws -> Message {
        try await acted(for: user, message).answer
    }

    /// The user's number.
    public func number(of user: UserReference) async throws -> UserID {
        try await acted(for: user, .messageFetch(MessageFetch(pageBytes: 1))).user
    }

    /// When the user was last seen, and whether it lets that be known.
    public func lastSeen(of user: UserID) async throws -> LastSeenGetOK {
        guard case .lastSeenGetOK(let answer) = try await act(for: .id(user), .lastSeenGet(LastSeenGet(user: user)))
        else { mismatched() }
        return answer
    }

    /// All that a user has, in a book in memory: details, contacts, requests, blocks and the messages that wait.
    public func book(of user: UserReference) async throws -> AddressBook {
        let book = try AddressBook.inMemory()
        let number = try await number(of: user)
        try await book.claim(for: number)
        var walk = SyncWalk(from: try await book.mark(), SyncSettings(stamps: true))
        while let request = walk.next {
            guard case .syncPage(let page) = try await act(for: .id(number), .sync(request)) else { mismatched() }
            try walk.took(page, try await book.apply(page, answering: request))
        }
        while true {
            let token = try await book.messageToken()
            let fetch = MessageFetch(token: Sync.TokenBytes(token))
            guard case .messagePage(let page) = try await act(for: .id(number), .messageFetch(fetch)) else {
                mismatched()
            }
            _ = try await book.apply(page, from: token)
            if page.left == 0 { return book }
        }
    }

    private func acted(for user: UserReference, _ message: Message) async throws -> (user: UserID, answer: Message) {
        guard case .adminActForOK(let acted) = try await request(.adminActFor(AdminActFor(user: user, message))) else {
            mismatched()
        }
        let answer = try? acted.body.withUnsafeBytes { bytes in
            try MessageType(rawValue: acted.type).flatMap { try Message($0, decoding: bytes) }
        }
        guard let answer, answer.type == .error || answer.type.answers(message.type) else {
            throw ClientError.protocolViolation(.unexpectedReply(type: acted.type, request: 0))
        }
        if case .error(let error) = answer { throw ClientError.server(error) }
        return (acted.user, answer)
    }

    // MARK: sessions

    /// All there are, or a user's. Those that come and go meanwhile may be there or not.
    public func sessions(of user: UserID = 0) async throws -> [AdminSessionsPage.Session] {
        var sessions: [AdminSessionsPage.Session] = []
        var after: UInt64 = 0
        repeat {
            let ask = AdminSessions(user: user, after: after)
            guard case .adminSessionsPage(let page) = try await request(.adminSessions(ask)) else { mismatched() }
            sessions += page.sessions
            after = page.next
        } while after != 0
        return sessions
    }

    /// Ends one, with a last word to its client.
    /// - Throws: `.server` with `invalidValue` where it is not there (any more).
    public func disconnect(_ session: UInt64, _ goAway: GoAway) async throws {
        _ = try await request(.adminDisconnect(AdminDisconnect(session: session, goAway: goAway)))
    }

    // MARK: the server

    /// What it has counted since its start, by names that may change with every version.
    public func statistics() async throws -> [AdminStatisticsOK.Figure] {
        guard case .adminStatisticsOK(let statistics) = try await request(.adminStatistics) else { mismatched() }
        return statistics.figures
    }

    /// Sends all clients away within `duration`, and lets nobody in until `endDrain`.
    /// - Returns: how many connections there are still.
    public func drain(over duration: Duration = .zero) async throws -> Int {
        let milliseconds = UInt32(clamping: Int64(duration / .milliseconds(1)))
        return try await drain(AdminDrain(isDraining: true, milliseconds: milliseconds))
    }

    public func endDrain() async throws { _ = try await drain(AdminDrain(isDraining: false)) }

    private func drain(_ drain: AdminDrain) async throws -> Int {
        guard case .adminDrainOK(let ok) = try await request(.adminDrain(drain)) else { mismatched() }
        return Int(ok.left)
    }

    /// Has it read its keys, services and certificates anew.
    /// - Throws: `.server` with `invalidValue` where there is something wrong with them; what is is in the text.
    public func reload() async throws { _ = try await request(.adminReload) }

    /// Copies its database into a new file on its own machine; returns when that is on disk, however long it takes.
    public func backUp(to path: String) async throws -> AdminBackupOK {
        let backup = Message.adminBackup(AdminBackup(path: path))
        guard case .adminBackupOK(let ok) = try await request(backup, timeout: .seconds(7 * 86_400)) else {
            mismatched()
        }
        return ok
    }
}
