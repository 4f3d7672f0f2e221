import ArgumentParser
import Configuration
import Foundation
import Logging
import TidemarkDirectory
import TidemarkServer
import TidemarkSettings
import TidemarkWire

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the server until SIGTERM or SIGINT.",
        discussion: """
            Without flags it serves this machine on 127.0.0.1:\(ServerConfiguration.defaultPort):

              tidemark-server serve
              tidemark-server serve --listen 127.0.0.1:9000 --unix /run/tidemark.sock
              tidemark-server serve --listen 'tls:[::]:8434' --certificate chain.pem --private-key key.pem
              TIDEMARK_LISTEN=127.0.0.1:9000,[::1]:9000 tidemark-server serve
              tidemark-server serve --config /etc/tidemark.json

            A setting is taken from the flag, else from the environment (TIDEMARK_LISTEN, TIDEMARK_UNIX, TIDEMARK_DATA, \
            TIDEMARK_KEY_FILE, TIDEMARK_SERVICES, TIDEMARK_CERTIFICATE, TIDEMARK_PRIVATE_KEY, TIDEMARK_CLIENT_AUTHORITY, TIDEMARK_INSECURE, TIDEMARK_LOG_LEVEL, TIDEMARK_RECORD, TIDEMARK_LOOPS, \
            TIDEMARK_CONNECTIONS_MAX, TIDEMARK_CONNECTIONS_PER_ADDRESS, TIDEMARK_PROXY_FROM, TIDEMARK_ADDRESS_CONNECTIONS_PER_MINUTE, TIDEMARK_FAILED_LOGINS_PER_ADDRESS, TIDEMARK_USER_WRITES_PER_MINUTE, TIDEMARK_USER_MESSAGES_PER_MINUTE, TIDEMARK_USER_ADDS_PER_HOUR, TIDEMARK_IDLE_SECONDS, \
            TIDEMARK_GRACE_SECONDS, TIDEMARK_DEVICES_PER_USER, TIDEMARK_FULL_SYNC_MB, TIDEMARK_ROSTER_POLICY, TIDEMARK_MESSAGES_PER_USER, \
            TIDEMARK_MESSAGE_KB_PER_USER, TIDEMARK_MESSAGE_DAYS, TIDEMARK_TICKET_HOURS, TIDEMARK_PASSWORD_DAYS, TIDEMARK_POPULAR_FOLLOWERS, TIDEMARK_TOMBSTONE_DAYS, TIDEMARK_CONFIG), else from the \
            file of --config; --show-config says what it comes to.

            A recording is a pcap file of all connections, above any encryption, with made-up packet headers. \
            tidemark-dump -r FILE reads it, also while it grows, and so do tcpdump and Wireshark. A disk that cannot keep \
            up leaves gaps in the recording and never slows the server:

              tidemark-server serve --record today.pcap

            The first SIGTERM or SIGINT drains: what was accepted is answered and on disk when it exits with 0. A second \
            one ends it at once (143, 130); what was acknowledged is on disk all the same.

            SIGHUP, and `tidemark admin reload`, read the key file, the services and the certificate anew. To change keys, put a new one in front of the old ones there, send SIGHUP to each \
            server, and take the old ones out once their last ticket has expired.

            \(ExitStatus.help)
            """
    )

    @Option(
        help: ArgumentHelp(
            "Listen on a numeric address and port, with tls: in front of it for TLS, proxy: for proxies that speak the PROXY protocol, version 2; port 0 takes a free one. Repeatable.",
            valueName: "host:port"
        )
    )
    var listen: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            Listen on a Unix socket, and on no port unless --listen says so. Whoever may open it may log in as any user.
            """,
            valueName: "path"
        )
    )
    var unix: String?

    @OptionGroup var place: DataOptions

    @Option(
        help: ArgumentHelp(
            "The keys of tickets. Default: ticket.keys in the data directory, made at the first start.",
            valueName: "file"
        )
    )
    var keyFile: String?

    @Option(
        help: ArgumentHelp(
            "What may log in without being a user: see add-service. Default: services in the data directory, if it is there.",
            valueName: "file"
        )
    )
    var services: String?

    @Option(
        help: ArgumentHelp(
            "For addresses with TLS: the certificate, and behind it those that lead to one that clients know. PEM.",
            valueName: "file"
        )
    )
    var certificate: String?

    @Option(help: ArgumentHelp("The certificate's key, without a passphrase. PEM.", valueName: "file"))
    var privateKey: String?

    @Option(
        help: ArgumentHelp(
            "Services may show a certificate that one of these has signed, in place of a key. PEM.",
            valueName: "file"
        )
    )
    var clientAuthority: String?

    @Flag(help: "Listen beyond this machine without TLS.")
    var insecure = false

    @Option(help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"))
    var logLevel: String?

    @Option(
        help: ArgumentHelp(
            "Record all connections into a new file. It holds everything that clients send, tickets included.",
            valueName: "file"
        )
    )
    var record: String?

    @Option(
        help: ArgumentHelp(
            """
            Serve with so many event loops, each a thread with its share of the users (default: one for each core that \
            this process may use, \(ServerConfiguration.defaultLoops) here; at most \(ServerConfiguration.loopsMax)).
            """,
            valueName: "count"
        )
    )
    var loops: Int?

    @Option(
        help: ArgumentHelp(
            """
            Take so many connections, 1 to \(ServerConfiguration.connectionsLimit) (default: \
            \(ServerConfiguration.defaultConnectionsMax), or as many as there may be open files for); one more is told to \
            come later.
            """,
            valueName: "count"
        )
    )
    var connectionsMax: Int?

    @Option(
        help: ArgumentHelp(
            """
            Take so many connections from one IPv4 address or one /64 network of IPv6 (default: \
            \(ServerConfiguration.defaultConnectionsPerAddressMax)). Give more where clients come through a proxy.
            """,
            valueName: "count"
        )
    )
    var connectionsPerAddress: Int?

    @Option(
        help: ArgumentHelp(
            "The address or network of proxies, for proxy: addresses; nobody else is heard there. Repeatable.",
            valueName: "network"
        )
    )
    var proxyFrom: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            After so many failed logins by password from one IPv4 address or one /64 network of IPv6, the next ones from \
            there wait, 1 s at first and twice as long with each (default: \(FailedLoginPolicy.defaultPerAddress)). Tickets \
            do not. Give more where clients come through a proxy.
            """,
            valueName: "count"
        )
    )
    var failedLoginsPerAddress: Int?

    @Option(
        help: ArgumentHelp(
            """
            Take so many new connections a minute from one IPv4 address or one /64 network of IPv6, all of them at once or \
            evenly (default: \(ServerConfiguration.defaultAddressConnectionsPerMinute); 0: no limit).
            """,
            valueName: "count"
        )
    )
    var addressConnectionsPerMinute: Int?

    @Option(
        help: ArgumentHelp(
            """
            A user may change its details, contacts, blocks and presence so often a minute, all at once or evenly; beyond, it \
            is told when to go on (default: \(UserLimits.defaultWritesPerMinute); 0: no limit).
            """,
            valueName: "count"
        )
    )
    var userWritesPerMinute: Int?

    @Option(
        help: ArgumentHelp(
            "And send so many messages (default: \(UserLimits.defaultMessagesPerMinute); 0: no limit).",
            valueName: "count"
        )
    )
    var userMessagesPerMinute: Int?

    @Option(
        help: ArgumentHelp(
            "And add or ask for so many contacts an hour (default: \(UserLimits.defaultAddsPerHour); 0: no limit).",
            valueName: "count"
        )
    )
    var userAddsPerHour: Int?

    @Option(
        help: ArgumentHelp(
            """
            Close a connection that says nothing for so long (default: \(ServerConfiguration.defaultIdleSeconds); 0 for \
            never; at most \(ServerConfiguration.idleSecondsLimit)). It is asked for a sign of life after half of it.
            """,
            valueName: "seconds"
        )
    )
    var idleSeconds: Int?

    @Option(
        help: ArgumentHelp(
            """
            Let a user whose connection is lost be seen as before for so long (default: \
            \(ServerConfiguration.defaultPresenceGraceSeconds); at most \
            \(ServerConfiguration.presenceGraceSecondsLimit)), in case it comes back.
            """,
            valueName: "seconds"
        )
    )
    var graceSeconds: Int?

    @Option(
        help: ArgumentHelp(
            """
            Take so many sessions of one user, 1 to \(ServerConfiguration.devicesLimit) (default: \
            \(ServerConfiguration.defaultDevicesMax)); for one more, the one that was silent for longest goes.
            """,
            valueName: "count"
        )
    )
    var devicesPerUser: Int?

    @Option(
        help: ArgumentHelp(
            """
            Send so many MiB of full syncs a second, 1 to \(ServerConfiguration.fullSyncMegabytesLimit) (default: \
            \(ServerConfiguration.defaultFullSyncMegabytes)); another one is told to come later, and keeps its book.
            """,
            valueName: "MiB"
        )
    )
    var fullSyncMB: Int?

    @Option(
        help: ArgumentHelp(
            """
            Who says whom a user has as a contact: approval, whoever is added is asked (the default); open, nobody is; \
            administered, the administration alone.
            """,
            valueName: "policy"
        )
    )
    var rosterPolicy: String?

    @Option(
        help: ArgumentHelp(
            """
            Merge a contact into answers when they are read, rather than write its changes to every follower, where it \
            has more followers than this (default: \(ServerConfiguration.defaultPopularFollowers)). Answers are the same.
            """,
            valueName: "count"
        )
    )
    var popularFollowers: Int?

    @Option(
        help: ArgumentHelp(
            """
            Keep what tells a client that a contact was removed for so long (default: \
            \(ServerConfiguration.defaultTombstoneDays); 1 to 36500). A device that was away for longer gets everything anew.
            """,
            valueName: "days"
        )
    )
    var tombstoneDays: Int?

    @Option(
        help: ArgumentHelp(
            """
            So many messages may wait for a user, a quarter of them from one sender; who sends more is told to try later \
            (default: \(MessageBounds.defaultCount); 1 to \(Limits.messagesMax)).
            """,
            valueName: "count"
        )
    )
    var messagesPerUser: Int?

    @Option(
        help: ArgumentHelp(
            """
            And so many kibibytes of them (default: \(MessageBounds.defaultBytes >> 10); \
            \(ServerConfiguration.messageKilobytesLeast) to \(ServerConfiguration.messageKilobytesLimit)).
            """,
            valueName: "KiB"
        )
    )
    var messageKBPerUser: Int?

    @Option(
        help: ArgumentHelp(
            "Delete a message after so long, read or not (default: \(ServerConfiguration.defaultMessageDays); 1 to 36500).",
            valueName: "days"
        )
    )
    var messageDays: Int?

    @Option(
        help: ArgumentHelp(
            """
            A ticket that a login by password is given is good for so long (default: \
            \(ServerConfiguration.defaultTicketHours); 1 to 8760). Its client is given another before that.
            """,
            valueName: "hours"
        )
    )
    var ticketHours: Int?

    @Option(
        help: ArgumentHelp(
            """
            Until so long after it was given, when it is due again (default: \(ServerConfiguration.defaultPasswordDays); 0 to \
            3650; 0: when the first ticket expires).
            """,
            valueName: "days"
        )
    )
    var passwordDays: Int?

    @Flag(
        help: """
            The clock is right, although it is more than a day ahead of the newest change: collect what is old by it. For \
            this start; not a setting, since a clock can jump again.
            """
    )
    var confirmClock = false

    @Flag(help: "Print every setting and where it is from, and exit.")
    var showConfig = false

    func run() async throws {
        var flags: [Key: ConfigContent] = [:]
        if !listen.isEmpty { flags[.listen] = .stringArray(listen) }
        if let unix { flags[.unix] = .string(unix) }
        if let keyFile { flags[.keyFile] = .string(keyFile) }
        if let services { flags[.services] = .string(services) }
        if let certificate { flags[.certificate] = .string(certificate) }
        if let privateKey { flags[.privateKey] = .string(privateKey) }
        if let clientAuthority { flags[.clientAuthority] = .string(clientAuthority) }
        if insecure { flags[.insecure] = .bool(true) }
        if let logLevel { flags[.logLevel] = .string(logLevel) }
        if let record { flags[.record] = .string(record) }
        if let loops { flags[.loops] = .int(loops) }
        if let connectionsMax { flags[.connectionsMax] = .int(connectionsMax) }
        if let connectionsPerAddress { flags[.connectionsPerAddress] = .int(connectionsPerAddress) }
        if !proxyFrom.isEmpty { flags[.proxyFrom] = .stringArray(proxyFrom) }
        if let addressConnectionsPerMinute { flags[.addressConnectionsPerMinute] = .int(addressConnectionsPerMinute) }
        if let userWritesPerMinute { flags[.userWritesPerMinute] = .int(userWritesPerMinute) }
        if let userMessagesPerMinute { flags[.userMessagesPerMinute] = .int(userMessagesPerMinute) }
        if let userAddsPerHour { flags[.userAddsPerHour] = .int(userAddsPerHour) }
        if let failedLoginsPerAddress { flags[.failedLoginsPerAddress] = .int(failedLoginsPerAddress) }
        if let idleSeconds { flags[.idleSeconds] = .int(idleSeconds) }
        if let graceSeconds { flags[.graceSeconds] = .int(graceSeconds) }
        if let devicesPerUser { flags[.devicesPerUser] = .int(devicesPerUser) }
        if let fullSyncMB { flags[.fullSyncMB] = .int(fullSyncMB) }
        if let rosterPolicy { flags[.rosterPolicy] = .string(rosterPolicy) }
        if let popularFollowers { flags[.popularFollowers] = .int(popularFollowers) }
        if let tombstoneDays { flags[.tombstoneDays] = .int(tombstoneDays) }
        if let messagesPerUser { flags[.messagesPerUser] = .int(messagesPerUser) }
        if let messageKBPerUser { flags[.messageKBPerUser] = .int(messageKBPerUser) }
        if let messageDays { flags[.messageDays] = .int(messageDays) }
        if let ticketHours { flags[.ticketHours] = .int(ticketHours) }
        if let passwordDays { flags[.passwordDays] = .int(passwordDays) }
        let settings = try ServeSettings(try await place.settings(flags))
        if showConfig {
            print(settings.table)
            return
        }
        try await Service(settings, confirmsClock: confirmClock).run()
    }
}
