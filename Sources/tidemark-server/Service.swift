import ArgumentParser
import Foundation
import Logging
import TidemarkDirectory
import TidemarkRecording
import TidemarkServer
import TidemarkSettings
import TidemarkTickets

/// A server from its start to its end, with what is around it: the log, the signals.
struct Service {
    private enum Event: Sendable {
        case signal(Int32)
        case hangUp
        case reload(done: @Sendable (String?) -> Void)
        case failure(any Error)
    }

    private let settings: ServeSettings
    private let log: Logger

    private let confirmsClock: Bool

    init(_ settings: ServeSettings, confirmsClock: Bool) {
        self.settings = settings
        self.confirmsClock = confirmsClock
        var log = Logger(label: "tidemark-server", factory: { StreamLogHandler.standardError(label: $0) })
        log.logLevel = settings.logLevel.value
        self.log = log
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let descriptors = Self.raiseDescriptorLimit()
        // Before anything else, so that no signal finds nobody.
        let (events, tell) = AsyncStream.makeStream(of: Event.self)
        let signals = StopSignals {
            tell.yield(.signal($0))
        } again: { [log] number in
            log.warning("\(name(of: number)) again: ended at once; all that was acknowledged is on disk")
        }
        let hangUp = HangUpSignal { tell.yield(.hangUp) }
        defer { withExtendedLifetime((signals, hangUp)) {} }

        var configuration = ServerConfiguration(
            listen: settings.addresses,
            dataDirectory: settings.data.value,
            ticketKeys: try KeyFile(setting: settings.keyFile).loadOrMake(log: log)
        )
        configuration.services = try ServicesFile(setting: settings.servicesFile).load()
        configuration.certificate = settings.certificateFiles
        configuration.allowsInsecure = settings.insecure.value
        configuration.confirmsClock = confirmsClock
        configuration.recorder = try recorder()
        configuration.loops = settings.loops.value
        configuration.connectionsMax = connectionsMax(descriptors: descriptors)
        configuration.connectionsPerAddressMax = settings.connectionsPerAddress.value
        configuration.proxies = settings.proxies.value
        configuration.addressConnections.count = settings.addressConnectionsPerMinute.value
        configuration.userLimits.writes.count = settings.userWritesPerMinute.value
        configuration.userLimits.messages.count = settings.userMessagesPerMinute.value
        configuration.userLimits.adds.count = settings.userAddsPerHour.value
        configuration.failedLogins.perAddress = settings.failedLoginsPerAddress.value
        configuration.idleTimeout = .seconds(settings.idleSeconds.value)
        configuration.presenceGrace = .seconds(settings.graceSeconds.value)
        configuration.devicesMax = settings.devicesPerUser.value
        configuration.fullSyncBytesPerSecond = settings.fullSyncMB.value << 20
        configuration.rosterPolicy = settings.rosterPolicy.value
        configuration.popularFollowers = settings.popularFollowers.value
        configuration.tombstoneRetention = .seconds(settings.tombstoneDays.value * 86_400)
        configuration.messageBounds = MessageBounds(
            count: settings.messagesPerUser.value,
            bytes: settings.messageKBPerUser.value << 10
        )
        configuration.ticketPolicy = TicketPolicy(
            lifetimeSeconds: UInt32(settings.ticketHours.value * 3_600),
            renewalSeconds: UInt32(settings.passwordDays.value * 86_400)
        )
        configuration.messageRetention = .seconds(settings.messageDays.value * 86_400)
        configuration.reload = { tell.yield(.reload(done: $0)) }
        defer { configuration.recorder?.finish() }

        // Drawn on this thread: `Server` says so.
        nonisolated(unsafe) let bar = ProgressBar()
        guard !configuration.listen.isEmpty else { throw ServerError.nothingToListenOn }
        let server = try Server(configuration, log: log) { bar.show("loading", $0, of: $1) }
        bar.clear()
        server.onFailure { tell.yield(.failure($0)) }
        announce(server)
        for await event in events {
            switch event {
            case .hangUp:
                _ = reload(server)
                continue
            case .reload(let done):
                let problems = reload(server)
                done(problems.isEmpty ? nil : problems.joined(separator: "; "))
                continue
            case .signal(let number):
                log.info("\(name(of: number)): draining; a second one ends at once")
                try server.stop()
                log.info("stopped; all that was acknowledged is on disk")
            case .failure(let error):
                log.critical("the server failed: \(error)")
                try? server.stop()
                throw error
            }
            return
        }
    }

    /// What the server was started with stays where there is something wrong with what it finds, which is returned.
    private func reload(_ server: Server) -> [String] {
        var problems: [String] = []
        do {
            let keys = try KeyFile(setting: settings.keyFile).load { log.warning("\($0)") }
            server.replaceTicketKeys(with: keys)
            log.info("read the key file \(settings.keyFile.value) anew")
        } catch {
            problems.append("the keys stay as they were: \(error)")
        }
        do {
            server.replaceServices(with: try ServicesFile(setting: settings.servicesFile).load())
            log.info("read the services \(settings.servicesFile.value) anew")
        } catch {
            problems.append("the services stay as they were: \(error)")
        }
        if let files = settings.certificateFiles {
            do {
                try server.replaceCertificate(with: files)
                log.info("read the certificate \(files.certificate) anew")
            } catch {
                problems.append("the certificate stays as it was: \(error)")
            }
        }
        for problem in problems { log.error("\(problem)") }
        return problems
    }

    /// Nil unless one is asked for.
    private func recorder() throws -> Recorder? {
        guard let file = settings.record else { return nil }
        do {
            let recorder = try Recorder(path: file.value) { [log] notice in
                switch notice {
                case .finished(let summary) where summary.isComplete: log.info("\(notice)")
                case .finished, .droppingBegan: log.warning("\(notice)")
                case .stopped: log.error("\(notice); the server goes on")
                }
            }
            log.info("recording into \(file.value), tickets included")
            return recorder
        } catch {
            throw CannotRecord(origin: file.origin, reason: "\(error)")
        }
    }

    /// To what the system allows, which is returned: a shell's usual 1,024 would be all the connections there are.
    private static func raiseDescriptorLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        let soft = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 { limit.rlim_cur = soft }
        return Int(clamping: limit.rlim_cur)
    }

    /// As set, or as many as there are descriptors for: then those beyond are told to come later, and do not wait unheard.
    private func connectionsMax(descriptors: Int) -> Int {
        let wanted = settings.connectionsMax.value
        // Files, loops, and connections that are refused.
        let kept = max(32, min(descriptors / 4, 64 + 512 * settings.loops.value))
        let room = max(1, descriptors - kept)
        guard wanted > room else { return wanted }
        let why =
            "the system allows \(descriptors) open files, of which \(kept) are for other uses (LimitNOFILE, ulimit -Hn)"
        if case .builtIn = settings.connectionsMax.origin {
            log.info("room for \(room) connections: \(why)")
        } else {
            log.notice("room for \(room) connections, not the \(wanted) of \(settings.connectionsMax.origin): \(why)")
        }
        return room
    }

    private func announce(_ server: Server) {
        let loaded = server.loaded
        log.info(
            """
            listening on \(server.addresses.map(\.description).joined(separator: ", ")); data \(settings.data.value); \
            \(loaded.users) users, \(loaded.entries) entries; newest stamp \(text(of: loaded.newestStamp)); \
            loaded in \(String(format: "%.2f", loaded.seconds)) s
            """
        )
    }
}

struct CannotRecord: Error, CustomStringConvertible {
    var origin: Settings.Origin
    var reason: String
    var description: String { "\(origin): \(reason)" }
}

private func name(of signal: Int32) -> String { signal == SIGINT ? "SIGINT" : "SIGTERM" }
