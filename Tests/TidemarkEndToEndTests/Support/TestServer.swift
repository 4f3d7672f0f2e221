import Foundation
import Logging
import Synchronization
import TidemarkClient
import TidemarkDirectory
import TidemarkRecording
import TidemarkServer
import TidemarkStore
import TidemarkTLS
import TidemarkTickets
import TidemarkWire

/// A real server in this process, on a Unix socket and a TCP port, over a data directory of its own.
final class TestServer: Sendable {
    static let key: (id: UInt16, bytes: [UInt8]) = (7, Array(1...32))

    /// Patient: many tests share two cores.
    static var client: ClientConfiguration {
        var configuration = ClientConfiguration()
        configuration.timeout = .seconds(60)
        return configuration
    }

    let directory: URL
    let clock: TestClock
    private let recorder: Recorder?
    private let adjust: @Sendable (inout ServerConfiguration) -> Void
    private let running = Mutex<Server?>(nil)

    /// The changes are what the store holds before the server starts.
    init(
        _ changes: [Change] = [],
        clock: TestClock = TestClock(),
        recorder: Recorder? = nil,
        adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    ) throws {
        self.adjust = adjust
        directory = FileManager.default.temporaryDirectory.appending(path: "tidemark-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        self.clock = clock
        self.recorder = recorder
        if !changes.isEmpty {
            let store = try Store(directory: directory.path, epoch: .random(in: 1 ... .max))
            _ = try store.loadDirectory()
            try store.commitAtOnce(changes, first: clock.microseconds())
            try store.close()
        }
        clock.advance(by: 1_000_000)
        try start()
    }

    var keys: TicketKeys { TicketKeys([Self.key]) }

    func start() throws {
        var configuration = ServerConfiguration(
            listen: [.unix(path: socketPath), .tcp(host: "127.0.0.1", port: 0)],
            dataDirectory: directory.path,
            ticketKeys: keys
        )
        configuration.recorder = recorder
        configuration.clock = { [clock] in clock.microseconds() }
        configuration.eventLoop.receiveBuffers = 1024
        // Tests leave connections open that nobody reads any more.
        configuration.drainTimeout = .milliseconds(200)
        // Who is gone is gone, but where that is what is tested.
        configuration.presenceGrace = .zero
        configuration.fullSyncBytesPerSecond = 1 << 40
        // Nobody is asked, but where that is what is tested.
        configuration.rosterPolicy = .open
        // As often as a test likes, but where that is what is tested.
        configuration.userLimits = .none
        configuration.addressConnections = .none
        adjust(&configuration)
        var log = Logger(label: "test")
        log.logLevel = .error
        let server = try Server(configuration, log: log)
        running.withLock { $0 = server }
    }

    /// For what is asked of it without a socket.
    var server: Server { running.withLock { $0! } }

    func stop() throws {
        let server = running.withLock { running in
            defer { running = nil }
            return running
        }
        try server?.stop()
    }

    func restart() throws {
        try stop()
        try start()
    }

    deinit {
        try? stop()
        try? FileManager.default.removeItem(at: directory)
    }

    // Short: the path of a Unix socket has at most 107 bytes.
    private var socketPath: String { directory.path + "/s" }

    /// After the clock was advanced by more than a day.
    func confirmClock() { running.withLock { $0!.confirmClock() } }

    func replaceCertificate(with files: TLSServerContext.Files) throws {
        try running.withLock { try $0!.replaceCertificate(with: files) }
    }

    func replaceServices(with services: Services) { running.withLock { $0!.replaceServices(with: services) } }

    func replaceTicketKeys(with keys: TicketKeys) { running.withLock { $0!.replaceTicketKeys(with: keys) } }

    var counters: Counters.Snapshot { running.withLock { $0!.counters.snapshot } }
    /// While some come and go this is about right.
    var openConnections: Int {
        let counters = counters
        return Int(counters.connections) - Int(counters.closed)
    }
    var loaded: Server.Loaded { running.withLock { $0!.loaded } }
    var port: UInt16 {
        running.withLock { server in
            for case .tcp(_, let port) in server!.addresses { return port }
            fatalError("a TCP listener")
        }
    }

    /// Where there is one.
    var tlsPort: UInt16 {
        running.withLock { server in
            for case .tls(_, let port) in server!.addresses { return port }
            fatalError("a TLS listener")
        }
    }

    /// Where there is one for proxies.
    var proxyPort: UInt16 {
        running.withLock { server in
            for case .proxy(_, let port) in server!.addresses { return port }
            fatalError("a listener for proxies")
        }
    }

    var tls: ServerAddress { .tls(host: "127.0.0.1", port: Int(tlsPort)) }
    var unix: ServerAddress { .unix(path: socketPath) }
    var adminSocket: ServerAddress { .unix(path: directory.path + "/admin.sock") }
    var tcp: ServerAddress { .tcp(host: "127.0.0.1", port: Int(port)) }

    func ticket(_ user: UserID, lifetimeSeconds: UInt32 = 3600) -> [UInt8] {
        keys.issue(user: user, nowSeconds: clock.microseconds() / 1_000_000, lifetimeSeconds: lifetimeSeconds)!
    }

    /// One that was good until a minute and a half ago.
    func expiredTicket(_ user: UserID) -> [UInt8] {
        keys.issue(user: user, nowSeconds: clock.microseconds() / 1_000_000 - 100, lifetimeSeconds: 10)!
    }

    /// Logs in over TCP with a ticket, syncs the book, and leaves the connection open.
    func login(
        _ user: UserID,
        _ book: AddressBook,
        _ settings: SyncSettings = SyncSettings()
    ) async throws -> (connection: TidemarkConnection, report: SyncReport) {
        try await TidemarkConnection.login(
            tcp,
            as: .ticket(ticket(user)),
            book: book,
            settings: settings,
            configuration: Self.client
        )
    }

    /// Logs in, syncs and leaves.
    func visit(
        _ user: UserID,
        _ book: AddressBook,
        _ settings: SyncSettings = SyncSettings()
    ) async throws -> SyncReport {
        let (connection, report) = try await login(user, book, settings)
        await connection.close()
        return report
    }

    /// Does something in a session of the user's own.
    @discardableResult
    func session<Result: Sendable>(
        _ user: UserID,
        _ body: (TidemarkConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try await TidemarkConnection.open(
            unix,
            as: .trusted(.id(user)),
            configuration: Self.client
        )
        do {
            let result = try await body(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }
}

/// A clock that moves only when told to.
final class TestClock: Sendable {
    private let now: Atomic<UInt64>

    init(microseconds: UInt64 = 1_700_000_000_000_000) { now = Atomic(microseconds) }

    func microseconds() -> UInt64 { now.load(ordering: .sequentiallyConsistent) }
    func advance(by microseconds: UInt64) { now.add(microseconds, ordering: .sequentiallyConsistent) }
    func stepBack(by microseconds: UInt64) { now.subtract(microseconds, ordering: .sequentiallyConsistent) }
}

/// Small worlds: users 1 to `users`, each with the same few fields.
enum World {
    static func account(_ user: UserID, name: String? = nil) -> [Change] {
        [
            .accountCreated(user: user, name: name ?? "user\(user)"),
            .profileChanged(
                user: user,
                fields: [
                    FieldChange(.fullName, text: "User \(user)"),
                    FieldChange(.telephone, text: "+44 20 7946 \(1000 + user)"),
                    FieldChange(.email, text: "user\(user)@example.org"),
                ]
            ),
        ]
    }

    static func accounts(_ users: UserID) -> [Change] { (1...users).flatMap { account($0) } }

    /// The owner has the contacts, numbered from 1.
    static func roster(_ owner: UserID, _ contacts: some Sequence<UserID>) -> [Change] {
        zip(1..., contacts).map { number, contact in
            .entrySet(owner: owner, contact: contact, number: UInt32(number), annotations: Annotations())
        }
    }
}
