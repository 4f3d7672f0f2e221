import TidemarkDirectory
import TidemarkEventLoop
import TidemarkRecording
import TidemarkStore
import TidemarkTLS
import TidemarkTickets

/// Where a server listens.
public enum ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// A numeric address and a port; port 0 takes a free one.
    case tcp(host: String, port: UInt16)
    /// The same, for TLS alone.
    case tls(host: String, port: UInt16)
    /// For proxies alone, which say whose connection it is (PROXY protocol, version 2).
    case proxy(host: String, port: UInt16)
    case unix(path: String)

    /// "127.0.0.1:8433", "[::1]:8433", "tls:0.0.0.0:8434", "proxy:10.0.0.5:8435" or "unix:/run/tidemark.sock".
    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty else { return nil }
            self = .unix(path: path)
            return
        }
        let isEncrypted = text.hasPrefix("tls:")
        let isProxied = text.hasPrefix("proxy:")
        let text = isEncrypted ? String(text.dropFirst(4)) : isProxied ? String(text.dropFirst(6)) : text
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else { return nil }
        self =
            isEncrypted
            ? .tls(host: host, port: port)
            : isProxied ? .proxy(host: host, port: port) : .tcp(host: host, port: port)
    }

    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .tls(let host, let port): "tls:\(ListenAddress.tcp(host: host, port: port))"
        case .proxy(let host, let port): "proxy:\(ListenAddress.tcp(host: host, port: port))"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Whether nobody on the way can read along: there is none, or it is TLS.
    public var isPrivate: Bool {
        switch self {
        case .tcp(let host, _), .proxy(let host, _): host.hasPrefix("127.") || host == "::1"
        case .tls, .unix: true
        }
    }
}

public struct ServerConfiguration: Sendable {
    /// Where `tidemark` and `tidemark-server` meet when nothing is said.
    public static let defaultPort: UInt16 = 8433

    /// Nowhere, for a server that only its own process uses.
    public var listen: [ListenAddress]
    /// Made if it does not exist.
    public var dataDirectory: String
    /// The keys that tickets are checked with. Empty: no tickets are taken.
    public var ticketKeys: TicketKeys
    /// What may log in without being a user.
    public var services = Services()
    /// Which tickets the server gives to those who have logged in by password.
    public var ticketPolicy = TicketPolicy(
        lifetimeSeconds: defaultTicketHours * 3_600,
        renewalSeconds: defaultPasswordDays * 86_400
    )
    public static let defaultTicketHours: UInt32 = 24
    public static let defaultPasswordDays: UInt32 = 30
    /// How many iterations a name without a password is said to have: those of the passwords that are set, for it to look
    /// like one.
    public var passwordIterations = defaultPasswordIterations
    public static let defaultPasswordIterations = 100_000
    /// Listen beyond this machine on addresses without TLS.
    public var allowsInsecure = false
    /// What the addresses with TLS show; needed where there is one.
    public var certificate: TLSServerContext.Files?

    /// Event loops, each on a thread of its own with the rosters of its share of the users: 1 to 256. By default one for each
    /// core that this process may use.
    public var loops = defaultLoops
    public static let defaultLoops = min(loopsMax, EventLoopConfiguration.usableCores)
    public static let loopsMax = 256

    /// How long a connection may take to authenticate, and to complete a frame once it began one.
    public var authenticateTimeout: Duration = .seconds(10)
    public var frameTimeout: Duration = .seconds(30)
    /// How long a client may say nothing, in whole seconds up to `idleSecondsLimit`; zero for ever. It is asked for a sign of life after half of it.
    /// Whether a peer is there at all the kernel finds out by itself, with probes that no device has to wake up for.
    public var idleTimeout: Duration = .seconds(defaultIdleSeconds)
    public static let defaultIdleSeconds = 600
    public static let idleSecondsLimit = 1_000_000
    /// How long a connection whose answers have filled its share of memory may go without reading enough of them.
    public var readTimeout: Duration = .seconds(30)
    /// How long a user whose connection is lost is seen as before, in case it comes back; zero for not at all. A client that
    /// leaves for good says so: it becomes invisible first.
    public var presenceGrace: Duration = .seconds(defaultPresenceGraceSeconds)
    public static let defaultPresenceGraceSeconds = 20
    public static let presenceGraceSecondsLimit = 3_600
    /// How soon a contact's presence is told to clients that are live.
    public var presencePace = PresencePace()
    /// Sessions of one user, 1 to `devicesLimit`: with one more, the one that has been silent for longest goes.
    public var devicesMax = defaultDevicesMax
    public static let defaultDevicesMax = 16
    public static let devicesLimit = 1_000

    /// Who says whom a user has as a contact.
    public var rosterPolicy = RosterPolicy.approval

    /// How many messages may wait for a user, and for how long: what is older goes, read or not.
    public var messageBounds = MessageBounds()
    public var messageRetention: Duration = .seconds(defaultMessageDays * 86_400)
    public static let defaultMessageDays = 30
    /// The largest message has room.
    public static let messageKilobytesLeast = 16
    public static let messageKilobytesLimit = 1 << 20

    /// Bytes a second of full syncs, over all loops, beyond which another one has to wait: 1 MiB to 1 TiB. What a loop can send
    /// is several times as much.
    public var fullSyncBytesPerSecond = defaultFullSyncMegabytes << 20
    public static let defaultFullSyncMegabytes = 256
    public static let fullSyncMegabytesLimit = 1 << 20

    /// How long a draining server waits for its clients to take their last answers.
    public var drainTimeout: Duration = .seconds(5)

    /// Connections in all, 1 to `connectionsLimit`, and those from one IPv4 address or one /64 network of IPv6. One more is told
    /// to come later. They may all be on one loop, so this says how many each has room for, and not `eventLoop`.
    public var connectionsMax = defaultConnectionsMax
    public static let defaultConnectionsMax = 1_000_000
    public static let connectionsLimit = 16_000_000
    public var connectionsPerAddressMax = defaultConnectionsPerAddressMax
    public static let defaultConnectionsPerAddressMax = 20_000

    /// Connections from one IPv4 address or one /64 network of IPv6 in a minute.
    public var addressConnections = RateLimit(defaultAddressConnectionsPerMinute, per: .seconds(60))
    public static let defaultAddressConnectionsPerMinute = 60_000
    /// More in a minute or an hour is as good as no limit.
    public static let rateLimit = 1_000_000_000
    /// What a user may do in a minute or an hour.
    public var userLimits = UserLimits()

    /// Where proxies are: only these are heard on addresses for proxies, of which there are none without.
    public var proxies: [AddressBlock] = []

    /// What keeps passwords from being guessed.
    public var failedLogins = FailedLoginPolicy()

    /// How long it is remembered that a contact was removed, so that a client that was away for less needs no full sync;
    /// and how many of that an owner may have. At least 2 of them.
    public var tombstoneRetention: Duration = .seconds(defaultTombstoneDays * 86_400)
    public static let defaultTombstoneDays = 90
    public var tombstonesMax = 1_000

    /// The clock is right, although it may be more than a day ahead of where it was: old tombstones are collected.
    public var confirmsClock = false

    public var metrics = ServerMetrics()

    /// What the process that the server runs in is asked, and told.
    public var hooks = Hooks()
    /// How long a client waits for a hook that has to agree to a change; then it is told to ask again later.
    public var hookTimeout: Duration = .seconds(10)

    /// Takes down what all connections send and receive. Whoever made it finishes it, once the server has stopped.
    public var recorder: Recorder?

    /// What an administrator's `reload` does: reads keys and certificates anew, beside the event loops, and says what is wrong
    /// with them, once; nil for nothing. Nil: there is nothing to read.
    public var reload: (@Sendable (_ done: @escaping @Sendable (String?) -> Void) -> Void)?

    /// A contact with more followers is merged into answers when they are read, and its changes are not written to each
    /// follower. 1 or more; nothing of it shows in an answer.
    public var popularFollowers = defaultPopularFollowers
    public static let defaultPopularFollowers = DirectoryOptions.defaultPopularFollowers
    public var eventLoop = EventLoopConfiguration()
    public var changeLog = ChangeLogConfiguration()
    /// Microseconds since the Unix epoch.
    public var clock: WallClock = SystemClock.microseconds

    public init(listen: [ListenAddress], dataDirectory: String, ticketKeys: TicketKeys) {
        self.listen = listen
        self.dataDirectory = dataDirectory
        self.ticketKeys = ticketKeys
    }
}
