import Foundation
import Logging
import TidemarkDirectory
import TidemarkServer
import TidemarkTLS
import TidemarkWire

/// What `serve` is to do, checked.
package struct ServeSettings {
    package var listen: Setting<[ListenAddress]>
    package var unix: Setting<ListenAddress>?
    package var data: Setting<String>
    package var keyFile: Setting<String>
    package var servicesFile: Setting<String>
    package var certificate: Setting<String>?
    package var privateKey: Setting<String>?
    package var clientAuthority: Setting<String>?
    package var insecure: Setting<Bool>
    package var logLevel: Setting<Logger.Level>
    package var record: Setting<String>?
    package var loops: Setting<Int>
    package var connectionsMax: Setting<Int>
    package var connectionsPerAddress: Setting<Int>
    package var proxies: Setting<[AddressBlock]>
    package var addressConnectionsPerMinute: Setting<Int>
    package var failedLoginsPerAddress: Setting<Int>
    package var userWritesPerMinute: Setting<Int>
    package var userMessagesPerMinute: Setting<Int>
    package var userAddsPerHour: Setting<Int>
    package var idleSeconds: Setting<Int>
    package var graceSeconds: Setting<Int>
    package var devicesPerUser: Setting<Int>
    package var fullSyncMB: Setting<Int>
    package var rosterPolicy: Setting<RosterPolicy>
    package var popularFollowers: Setting<Int>
    package var tombstoneDays: Setting<Int>
    package var messagesPerUser: Setting<Int>
    package var messageKBPerUser: Setting<Int>
    package var messageDays: Setting<Int>
    package var ticketHours: Setting<Int>
    package var passwordDays: Setting<Int>

    package init(_ settings: Settings) throws {
        data = try settings.dataDirectory()
        keyFile = try settings.keyFile()
        servicesFile = try settings.servicesFile()
        certificate = try settings.text(.certificate)
        privateKey = try settings.text(.privateKey)
        clientAuthority = try settings.text(.clientAuthority)
        insecure = try settings.flag(.insecure) ?? Setting(value: false, origin: .builtIn)
        logLevel =
            try settings.text(.logLevel)?.converted(
                "a level: trace, debug, info, notice, warning, error or critical"
            ) { Logger.Level(rawValue: $0.lowercased()) } ?? Setting(value: .info, origin: .builtIn)
        record = try settings.text(.record)
        loops = try settings.number(
            .loops,
            in: 1...ServerConfiguration.loopsMax,
            default: ServerConfiguration.defaultLoops
        )
        connectionsMax = try settings.number(
            .connectionsMax,
            in: 1...ServerConfiguration.connectionsLimit,
            default: ServerConfiguration.defaultConnectionsMax
        )
        connectionsPerAddress = try settings.number(
            .connectionsPerAddress,
            in: 1...Int(Int32.max),
            default: ServerConfiguration.defaultConnectionsPerAddressMax
        )
        proxies = Setting(value: [], origin: .builtIn)
        if let given = try settings.texts(.proxyFrom) {
            proxies.origin = given.origin
            proxies.value = try given.value.map {
                try Setting(value: $0, origin: given.origin)
                    .converted("an address or a network, such as 10.0.0.0/8 or 2001:db8::/32") { AddressBlock($0) }
                    .value
            }
        }
        func rate(_ key: Key, _ value: Int) throws -> Setting<Int> {
            try settings.number(key, in: 0...ServerConfiguration.rateLimit, default: value)
        }
        addressConnectionsPerMinute = try rate(
            .addressConnectionsPerMinute,
            ServerConfiguration.defaultAddressConnectionsPerMinute
        )
        userWritesPerMinute = try rate(.userWritesPerMinute, UserLimits.defaultWritesPerMinute)
        userMessagesPerMinute = try rate(.userMessagesPerMinute, UserLimits.defaultMessagesPerMinute)
        userAddsPerHour = try rate(.userAddsPerHour, UserLimits.defaultAddsPerHour)
        failedLoginsPerAddress = try settings.number(
            .failedLoginsPerAddress,
            in: 1...Int(Int32.max),
            default: FailedLoginPolicy.defaultPerAddress
        )
        idleSeconds = try settings.number(
            .idleSeconds,
            in: 0...ServerConfiguration.idleSecondsLimit,
            default: ServerConfiguration.defaultIdleSeconds
        )
        graceSeconds = try settings.number(
            .graceSeconds,
            in: 0...ServerConfiguration.presenceGraceSecondsLimit,
            default: ServerConfiguration.defaultPresenceGraceSeconds
        )
        devicesPerUser = try settings.number(
            .devicesPerUser,
            in: 1...ServerConfiguration.devicesLimit,
            default: ServerConfiguration.defaultDevicesMax
        )
        fullSyncMB = try settings.number(
            .fullSyncMB,
            in: 1...ServerConfiguration.fullSyncMegabytesLimit,
            default: ServerConfiguration.defaultFullSyncMegabytes
        )
        rosterPolicy =
            try settings.text(.rosterPolicy)?.converted("a policy: open, approval or administered") {
                RosterPolicy(rawValue: $0)
            } ?? Setting(value: .approval, origin: .builtIn)
        popularFollowers = try settings.number(
            .popularFollowers,
            in: 1...Int(Int32.max),
            default: ServerConfiguration.defaultPopularFollowers
        )
        tombstoneDays = try settings.number(
            .tombstoneDays,
            in: 1...36_500,
            default: ServerConfiguration.defaultTombstoneDays
        )
        messagesPerUser = try settings.number(
            .messagesPerUser,
            in: 1...Limits.messagesMax,
            default: MessageBounds.defaultCount
        )
        messageKBPerUser = try settings.number(
            .messageKBPerUser,
            in: ServerConfiguration.messageKilobytesLeast...ServerConfiguration.messageKilobytesLimit,
            default: MessageBounds.defaultBytes >> 10
        )
        messageDays = try settings.number(
            .messageDays,
            in: 1...36_500,
            default: ServerConfiguration.defaultMessageDays
        )
        ticketHours = try settings.number(
            .ticketHours,
            in: 1...8_760,
            default: Int(ServerConfiguration.defaultTicketHours)
        )
        passwordDays = try settings.number(
            .passwordDays,
            in: 0...3_650,
            default: Int(ServerConfiguration.defaultPasswordDays)
        )
        unix = try settings.text(.unix).map { Setting(value: .unix(path: $0.value), origin: $0.origin) }
        if let given = try settings.texts(.listen) {
            listen = Setting(value: [], origin: given.origin)
            for text in given.value {
                listen.value.append(
                    try Setting(value: text, origin: given.origin)
                        .converted(
                            "an address; write a numeric one and a port, such as 127.0.0.1:8433 or tls:[::]:8434"
                        ) {
                            Self.address($0)
                        }.value
                )
            }
        } else if unix == nil {
            listen = Setting(
                value: [.tcp(host: "127.0.0.1", port: ServerConfiguration.defaultPort)],
                origin: .builtIn
            )
        } else {
            listen = Setting(value: [], origin: .builtIn)
        }
        // The server would say so too, but after files have been made.
        if let open = addresses.first(where: { !$0.isPrivate }), !insecure.value { throw ServerError.insecure(open) }
        if let given = certificate ?? privateKey, certificateFiles == nil {
            let missing = certificate == nil ? "--certificate" : "--private-key"
            throw ConfigurationError(origin: given.origin, reason: "\(missing) is missing: they belong together")
        }
        let proxied = addresses.first { if case .proxy = $0 { true } else { false } }
        if let proxied, proxies.value.isEmpty { throw ServerError.noProxies(proxied) }
        let encrypted = addresses.first { if case .tls = $0 { true } else { false } }
        if let encrypted, certificateFiles == nil { throw ServerError.noCertificate(encrypted) }
    }

    /// Names would have to be looked up, and may stand for several addresses.
    private static func address(_ text: String) -> ListenAddress? {
        guard let address = ListenAddress(text) else { return nil }
        switch address {
        case .unix:
            return address
        case .tcp(let host, _), .tls(let host, _), .proxy(let host, _):
            var bytes = in6_addr()
            return inet_pton(AF_INET, host, &bytes) == 1 || inet_pton(AF_INET6, host, &bytes) == 1 ? address : nil
        }
    }

    /// Nil where there are none.
    package var certificateFiles: TLSServerContext.Files? {
        guard let certificate, let privateKey else { return nil }
        return TLSServerContext.Files(
            certificate: certificate.value,
            key: privateKey.value,
            clientAuthority: clientAuthority?.value
        )
    }

    package var addresses: [ListenAddress] { listen.value + (unix.map { [$0.value] } ?? []) }

    /// A line for each setting: its name, value and origin.
    package var table: String {
        func row(_ key: Key, _ value: some CustomStringConvertible, _ origin: Settings.Origin) -> String {
            "\(key.rawValue) = \(value)   (\(origin))"
        }
        return [
            row(.listen, listen.value.map(\.description).joined(separator: ","), listen.origin),
            row(.unix, unix?.value.description ?? "", unix?.origin ?? .builtIn),
            row(.data, data.value, data.origin),
            row(.keyFile, keyFile.value, keyFile.origin),
            row(.services, servicesFile.value, servicesFile.origin),
            row(.certificate, certificate?.value ?? "", certificate?.origin ?? .builtIn),
            row(.privateKey, privateKey?.value ?? "", privateKey?.origin ?? .builtIn),
            row(.clientAuthority, clientAuthority?.value ?? "", clientAuthority?.origin ?? .builtIn),
            row(.insecure, insecure.value, insecure.origin),
            row(.logLevel, logLevel.value.rawValue, logLevel.origin),
            row(.record, record?.value ?? "", record?.origin ?? .builtIn),
            row(.loops, loops.value, loops.origin),
            row(.connectionsMax, connectionsMax.value, connectionsMax.origin),
            row(.connectionsPerAddress, connectionsPerAddress.value, connectionsPerAddress.origin),
            row(.proxyFrom, proxies.value.map(\.description).joined(separator: ","), proxies.origin),
            row(.addressConnectionsPerMinute, addressConnectionsPerMinute.value, addressConnectionsPerMinute.origin),
            row(.failedLoginsPerAddress, failedLoginsPerAddress.value, failedLoginsPerAddress.origin),
            row(.userWritesPerMinute, userWritesPerMinute.value, userWritesPerMinute.origin),
            row(.userMessagesPerMinute, userMessagesPerMinute.value, userMessagesPerMinute.origin),
            row(.userAddsPerHour, userAddsPerHour.value, userAddsPerHour.origin),
            row(.idleSeconds, idleSeconds.value, idleSeconds.origin),
            row(.graceSeconds, graceSeconds.value, graceSeconds.origin),
            row(.devicesPerUser, devicesPerUser.value, devicesPerUser.origin),
            row(.fullSyncMB, fullSyncMB.value, fullSyncMB.origin),
            row(.rosterPolicy, rosterPolicy.value.rawValue, rosterPolicy.origin),
            row(.popularFollowers, popularFollowers.value, popularFollowers.origin),
            row(.tombstoneDays, tombstoneDays.value, tombstoneDays.origin),
            row(.messagesPerUser, messagesPerUser.value, messagesPerUser.origin),
            row(.messageKBPerUser, messageKBPerUser.value, messageKBPerUser.origin),
            row(.messageDays, messageDays.value, messageDays.origin),
            row(.ticketHours, ticketHours.value, ticketHours.origin),
            row(.passwordDays, passwordDays.value, passwordDays.origin),
        ].joined(separator: "\n")
    }
}
