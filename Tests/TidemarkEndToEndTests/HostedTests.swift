// A server as a part of its host: a service among others, with metrics of the host's, without a socket, and not alone.

import Foundation
import Logging
import MetricsTestKit
import ServiceLifecycle
import Synchronization
import Testing
import TidemarkClient
import TidemarkServer
import TidemarkServerLifecycle
import TidemarkTesting
import TidemarkWire

@Suite("Hosted", .serialized, .timeLimit(.minutes(2))) struct HostedTests {
    private let directory = FileManager.default.temporaryDirectory.appending(
        path: "tidemark-hosted-\(UUID().uuidString)"
    )

    private var log: Logger {
        var log = Logger(label: "hosted")
        log.logLevel = .error
        return log
    }

    private func configuration(_ name: String = "data") -> ServerConfiguration {
        var configuration = ServerConfiguration(
            listen: [],
            dataDirectory: directory.path + "/" + name,
            ticketKeys: TicketKeys([TestServer.key])
        )
        configuration.loops = 1
        return configuration
    }

    private final class Box: Sendable {
        let server = Mutex<Server?>(nil)
    }

    @Test("as a service it starts with its group, and drains with it") func service() async throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let box = Box()
        let service = TidemarkService(configuration(), log: log) { server in box.server.withLock { $0 = server } }
        let group = ServiceGroup(services: [service], logger: log)
        let running = Task { try await group.run() }
        while box.server.withLock({ $0 == nil }) { try await Task.sleep(for: .milliseconds(1)) }
        let server = box.server.withLock { $0! }
        let ada = try await server.createAccount(named: "ada")
        await group.triggerGracefulShutdown()
        try await running.value
        await #expect(throws: CallError.stopped) { _ = try await server.sync(.id(ada)) }
        // It was on disk.
        let again = try Server(configuration(), log: log)
        #expect(try await again.sync(.name("ada")).items.count == 1)
        try again.stop()
    }

    @Test("a service that cannot start, or is cancelled, says so and ends") func failing() async throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        var open = configuration()
        open.listen = [.tcp(host: "0.0.0.0", port: 0)]
        await #expect(throws: ServerError.self) { try await TidemarkService(open, log: log).run() }
        let box = Box()
        let service = TidemarkService(configuration(), log: log) { server in box.server.withLock { $0 = server } }
        let running = Task { try await service.run() }
        while box.server.withLock({ $0 == nil }) { try await Task.sleep(for: .milliseconds(1)) }
        running.cancel()
        try await running.value
    }

    @Test("several in a process do not know of each other, and each has metrics of its own") func several() async throws
    {
        defer { try? FileManager.default.removeItem(at: directory) }
        let metrics = TestMetrics()
        let servers = try (0..<3).map { index in
            var configuration = configuration("data\(index)")
            configuration.metrics.factory = metrics
            configuration.metrics.dimensions = [("server", "\(index)")]
            return try Server(configuration, log: log)
        }
        for (index, server) in servers.enumerated() {
            for name in 0...index { _ = try await server.createAccount(named: "user\(name)") }
            for _ in 0..<(10 * (index + 1)) { _ = try await server.sync(.name("user0")) }
        }
        for server in servers { try server.stop() }
        for index in servers.indices {
            let dimensions = [("server", "\(index)")]
            #expect(try metrics.expectCounter("tidemark.syncs", dimensions).totalValue == Int64(10 * (index + 1)))
            #expect(try metrics.expectCounter("tidemark.writes", dimensions).totalValue == Int64(index + 1))
            #expect(try metrics.expectGauge("tidemark.connections.open", dimensions).lastValue == 0)
            #expect(try metrics.expectGauge("tidemark.log.stalled", dimensions).lastValue == 0)
        }
    }

    @Test("what the README shows is this, and works") func readme() async throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let (directory, accounts, log) = (directory.path, [[UInt8]: String](), log)
        // README {
        var configuration = ServerConfiguration(listen: [], dataDirectory: directory, ticketKeys: TicketKeys([]))
        configuration.hooks.login = { attempt in
            accounts[attempt.bearer].map { .accept(.name($0)) } ?? .refuse()
        }
        let server = try Server(configuration, log: log)  // loads, listens, and returns
        let observer = try await server.observe(as: "billing")  // what is committed from here on, also after a restart
        let ada = try await server.createAccount(named: "ada")
        let title = ProfileUpsert(user: ada, fields: [FieldChange(.title, text: "Countess")])
        let report = try await server.upsert([title])  // many at once; each stamped, and told to contacts as it happens
        let page = try await server.sync(.id(ada))  // what a client of hers would get; `SyncBatch` is for many
        for try await changes in observer {  // at least once, in order
            try await observer.advance(to: changes.last!.stamp)
            if changes.last!.stamp >= report.newestStamp { break }
        }
        try server.stop()  // answers what was accepted, and commits it
        // }
        #expect(report.changed == 1 && page.items.count == 1)
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)
        let shown = source.split(separator: "        // README {\n")[1].split(separator: "        // }\n")[0]
            .split(separator: "\n", omittingEmptySubsequences: false).map { $0.dropFirst(8) }.joined(separator: "\n")
        let text = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        #expect(text.contains(shown))
    }
}
