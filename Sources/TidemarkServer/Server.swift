//  A whole server in a process: opens the store, loads the directory, runs the shards and the change log on threads of
//  their own, and stops them in order. Takes no signal and calls no exit.

import Dispatch
import Foundation
import Logging
import Synchronization
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkStore
import TidemarkTLS
import TidemarkTickets
import TidemarkWire

public enum ServerError: Error, CustomStringConvertible {
    case insecure(ListenAddress)
    case nothingToListenOn
    case noProxies(ListenAddress)
    case noCertificate(ListenAddress)
    case dataDirectory(path: String, reason: String)
    case auditLog(path: String, reason: String)

    public var description: String {
        switch self {
        case .insecure(let address):
            "\(address) is reachable from other machines, who could read along: listen on tls:\(address) with a "
                + "certificate, on 127.0.0.1 or a Unix socket, or say --insecure if the network is trusted"
        case .noCertificate(let address): "\(address) needs a certificate: give --certificate and --private-key"
        case .auditLog(let path, let reason): "cannot write the audit log \(path): \(reason)"
        case .noProxies(let address):
            "\(address) is for proxies, who say whose a connection is: name the networks that they are in, --proxy-from 10.0.0.0/8"
        case .nothingToListenOn: "nowhere to listen: give --listen or --unix"
        case .dataDirectory(let path, let reason): "cannot make the data directory \(path): \(reason)"
        }
    }
}

public final class Server: Sendable {
    /// What the server found when it loaded.
    public struct Loaded: Sendable {
        public var users: Int
        public var entries: Int
        public var newestStamp: Stamp
        public var seconds: Double
    }

    /// Where it listens, with the ports that were taken; but for the administrator's socket in the data directory.
    public let addresses: [ListenAddress]
    public let loaded: Loaded
    public let counters: Counters

    let changeLog: ChangeLog
    private let draining: DrainFlag
    private let shards: [ShardThread]
    let team: ShardTeam
    private let failure: Failure
    private let keyring: Keyring
    private let audit: AuditLog
    private let services: ServiceRegister
    private let certificate: TLSServerContext?
    private let router: MessageRouter?
    private let metrics: MetricsReporter

    /// Opens, loads and listens; returns once clients can connect. `progress` is told, on the calling thread, how far
    /// loading has come.
    public init(
        _ configuration: ServerConfiguration,
        log: Logger,
        progress: LoadProgress = { _, _ in }
    ) throws {
        precondition((1...ServerConfiguration.loopsMax).contains(configuration.loops))
        if let open = configuration.listen.first(where: { !$0.isPrivate }), !configuration.allowsInsecure {
            throw ServerError.insecure(open)
        }
        let proxied = configuration.listen.first { if case .proxy = $0 { true } else { false } }
        if let proxied, configuration.proxies.isEmpty { throw ServerError.noProxies(proxied) }
        let encrypted = configuration.listen.first { if case .tls = $0 { true } else { false } }
        if let encrypted, configuration.certificate == nil { throw ServerError.noCertificate(encrypted) }
        certificate = try configuration.certificate.map { try TLSServerContext($0) }
        if certificate != nil, encrypted == nil {
            log.warning("there is a certificate, and no tls: address to show it at")
        }
        Self.noteExpiry(of: certificate, at: configuration.clock(), log)
        let begin = DispatchTime.now()
        let store = try Server.openStore(configuration.dataDirectory)
        var options = DirectoryOptions(popularFollowers: configuration.popularFollowers)
        options.presencePace = configuration.presencePace
        let map = ShardMap(count: configuration.loops)
        let directories = try store.loadDirectories(map, options: options, progress: progress)
        loaded = Loaded(
            users: directories.userCount,
            entries: directories.entryCount,
            newestStamp: directories[0].published,
            seconds: Double(DispatchTime.now().uptimeNanoseconds - begin.uptimeNanoseconds) / 1e9
        )
        if store.forgottenAccounts > 0 {
            log.info(
                "forgot deleted accounts that nobody has any more",
                metadata: ["count": "\(store.forgottenAccounts)"]
            )
        }

        do {
            audit = try AuditLog(dataDirectory: configuration.dataDirectory, log: log)
        } catch {
            try? store.close()
            throw error
        }
        counters = Counters(shards: map.count)
        draining = DrainFlag()
        router = configuration.hooks.routes.map { MessageRouter($0, log: log) }
        failure = Failure()
        keyring = Keyring(configuration.ticketKeys)
        services = ServiceRegister(configuration.services)
        let admission = Admission(
            connectionsMax: configuration.connectionsMax,
            perAddressMax: configuration.connectionsPerAddressMax,
            rate: configuration.addressConnections
        )
        let common = Shard.Common(
            configuration: configuration,
            counters: counters,
            draining: draining,
            admission: admission,
            failedLogins: FailedLogins(configuration.failedLogins),
            keyring: keyring,
            certificate: certificate,
            audit: audit,
            feeds: HostFeeds(configuration.hooks, router: router),
            services: services,
            secret: store.secret,
            log: log
        )
        do {
            shards = try Self.startShards(map.count, common, directories, failure)
        } catch {
            try? store.close()
            throw error
        }
        addresses = Array(shards[0].listeners.prefix(configuration.listen.count))
        let inboxes = shards.map { shard in GroupInbox(wake: { [waker = shard.waker] in waker.wake() }) }
        changeLog = ChangeLog(
            store: store,
            inboxes: inboxes,
            clock: configuration.clock,
            configuration: configuration.changeLog,
            failed: { [failure] error in
                log.critical("the change log cannot go on", metadata: ["error": "\(error)"])
                failure.record(error)
            }
        )
        if configuration.confirmsClock { changeLog.confirmClock() }
        team = ShardTeam(wakers: shards.map(\.waker))
        for (shard, inbox) in zip(shards, inboxes) {
            shard.begin(ShardThread.Surroundings(team: team, inbox: inbox, changeLog: changeLog))
        }
        metrics = MetricsReporter(configuration.metrics, counters) { [changeLog] in changeLog.isStalled }
        router?.begin(self)
        metrics.begin(every: configuration.metrics.interval)
    }

    /// They listen, and serve nobody yet.
    private static func startShards(
        _ count: Int,
        _ common: Shard.Common,
        _ directories: ShardDirectories,
        _ failure: Failure
    ) throws -> [ShardThread] {
        var shards: [ShardThread] = []
        do {
            for index in 0..<count {
                shards.append(
                    try ShardThread(
                        index,
                        common,
                        directories: directories,
                        first: shards.first,
                        failed: { [failure] in failure.record($0) }
                    )
                )
            }
            return shards
        } catch {
            for shard in shards { shard.giveUp() }
            throw error
        }
    }

    /// Makes the directory, and those above it, where they are missing; its owner's alone.
    public static func makeDataDirectory(_ directory: String) throws(ServerError) {
        do {
            try FileManager.default.createDirectory(
                atPath: directory,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            // The system's own words say more than Foundation's.
            let code = ((error as? CocoaError)?.underlying as? POSIXError)?.code.rawValue
            let reason = code.map { String(cString: strerror($0)) } ?? error.localizedDescription
            throw .dataDirectory(path: directory, reason: reason)
        }
    }

    static func openStore(_ directory: String) throws -> Store {
        try makeDataDirectory(directory)
        return try Store(directory: directory, epoch: Epoch.random(in: 1...UInt64.max))
    }

    /// Answers what was accepted, commits, closes. Returns when all is on disk.
    public func stop() throws {
        router?.stop()
        draining.set()
        for shard in shards { shard.waker.wake() }
        for shard in shards { shard.waitUntilDrained() }
        changeLog.close()
        for shard in shards { shard.finish() }
        audit.finish()
        metrics.stop()
        if let error = failure.first { throw error }
    }

    /// From now on connections are shown the certificate of these files; those that there are stay. Where there is something wrong
    /// with it, all stays as it was. Nothing where there is no address with TLS.
    public func replaceCertificate(with files: TLSServerContext.Files) throws { try certificate?.reload(files) }

    /// When the certificate is good no more, in seconds since 1970-01-01 UTC; nil without one.
    public var certificateExpires: Int64? { certificate?.expires }

    private static func noteExpiry(of certificate: TLSServerContext?, at microseconds: UInt64, _ log: Logger) {
        guard let expires = certificate?.expires else { return }
        let days = (expires - Int64(microseconds / 1_000_000)) / 86_400
        if days < 14 {
            log.warning("the certificate is not good for long; have a new one issued", metadata: ["days": "\(days)"])
        }
    }

    /// From now on tickets are checked and signed with these keys; sessions stay as they are.
    public func replaceTicketKeys(with keys: TicketKeys) { keyring.replace(with: keys) }

    /// From now on these services may log in; sessions of those that are not among them end.
    public func replaceServices(with newer: Services) {
        services.replace(with: newer)
        for mailbox in team.mailboxes { mailbox.putOtherServices() }
    }

    /// Says that the clock is right, after a jump ahead of more than a day: old tombstones are collected again.
    public func confirmClock() { changeLog.confirmClock() }

    /// Called once, from a thread of the server, if it can no longer serve; `stop` throws the error.
    public func onFailure(_ body: @escaping @Sendable (any Error) -> Void) { failure.observe(body) }
}

private final class Failure: Sendable {
    private struct State {
        var first: (any Error)?
        var observer: (@Sendable (any Error) -> Void)?
    }
    private let state = Mutex(State())

    var first: (any Error)? { state.withLock { $0.first } }

    func record(_ error: any Error) {
        let observer = state.withLock { state in
            guard state.first == nil else { return nil as (@Sendable (any Error) -> Void)? }
            state.first = error
            return state.observer
        }
        observer?(error)
    }

    func observe(_ body: @escaping @Sendable (any Error) -> Void) {
        let already = state.withLock { state in
            state.observer = body
            return state.first
        }
        if let already { body(already) }
    }
}
