// The server of a host in C: started, stopped, and asked.

import CTidemark
import Dispatch
import Logging
import Synchronization
import TidemarkServer

final class EmbeddedServer: Sendable {
    let server: Server
    private let callbacks: HostCallbacks?
    private let hasStopped = Mutex(false)

    init(_ server: Server, _ callbacks: HostCallbacks?) {
        self.server = server
        self.callbacks = callbacks
    }

    /// Once; later calls wait for the first.
    func stop() throws {
        try hasStopped.withLock { hasStopped in
            guard !hasStopped else { return }
            hasStopped = true
            defer { callbacks?.drain() }
            try server.stop()
        }
    }

    /// Waits for what the server has to say, on a thread of the host's.
    func wait<Value: Sendable>(
        for body: @escaping @Sendable (Server) async throws -> Value
    ) throws -> Value {
        let (done, result) = (DispatchSemaphore(value: 0), Outcome<Value>())
        Task {
            do {
                let value = try await body(server)
                result.value.withLock { $0 = .success(value) }
            } catch {
                result.value.withLock { $0 = .failure(error) }
            }
            done.signal()
        }
        done.wait()
        return try result.value.withLock { $0! }.get()
    }
}

private final class Outcome<Value: Sendable>: Sendable {
    let value = Mutex<Result<Value, any Error>?>(nil)
}

@c @implementation
public func tidemark_version() -> UInt32 {
    UInt32(TIDEMARK_VERSION_MAJOR << 16 | TIDEMARK_VERSION_MINOR << 8 | TIDEMARK_VERSION_PATCH)
}

@c @implementation
public func tidemark_server_start(
    _ options: UnsafePointer<tidemark_options>?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> OpaquePointer? {
    making(error) {
        let options = try sized(options, "options", tidemark_options())
        let callbacks = try options.callbacks.map { try sized($0, "callbacks", tidemark_callbacks()) }
        let host = callbacks.map(HostCallbacks.init)
        let log = Logger(label: "tidemark") { [write = host?.log] _ -> any LogHandler in
            if let write { LogLines(write) } else { SwiftLogNoOpLogHandler() }
        }
        let server = try Server(configuration(options, host), log: log)
        return EmbeddedServer(server, host)
    }
}

private func configuration(_ options: tidemark_options, _ host: HostCallbacks?) throws -> ServerConfiguration {
    let addresses = try texts(options.listen, options.listen_count, "listen").map { text in
        guard let address = ListenAddress(text) else {
            throw BadArgument("\"\(text)\" is no address: 127.0.0.1:8433, tls:0.0.0.0:8434 or unix:/run/tidemark.sock")
        }
        return address
    }
    let keys = try optionalText(options.ticket_key_file, "ticket_key_file")
    var configuration = ServerConfiguration(
        listen: addresses,
        dataDirectory: try text(options.data_directory, "data_directory"),
        ticketKeys: try keys.map { try TicketKeys(file: $0) } ?? TicketKeys([])
    )
    if let certificate = try optionalText(options.certificate, "certificate") {
        configuration.certificate = TLSServerContext.Files(
            certificate: certificate,
            key: try text(options.private_key, "private_key"),
            clientAuthority: try optionalText(options.client_authority, "client_authority")
        )
    }
    configuration.allowsInsecure = options.insecure != 0
    if options.loops != 0 {
        guard options.loops <= ServerConfiguration.loopsMax else {
            let most = ServerConfiguration.loopsMax
            throw BadArgument("loops is \(options.loops); there are 1 to \(most), or 0 for one a core")
        }
        configuration.loops = Int(options.loops)
    }
    configuration.rosterPolicy =
        switch options.roster_policy {
        case status(TIDEMARK_ROSTER_APPROVAL): .approval
        case status(TIDEMARK_ROSTER_OPEN): .open
        case status(TIDEMARK_ROSTER_ADMINISTERED): .administered
        default: throw BadArgument("roster_policy is \(options.roster_policy), which is none of TIDEMARK_ROSTER_…")
        }
    let suffixes = try texts(options.route_suffixes, options.route_suffix_count, "route_suffixes")
    if let host { configuration.hooks = host.hooks(routeSuffixes: suffixes) }
    return configuration
}

private func texts(
    _ pointers: UnsafePointer<UnsafePointer<CChar>?>?,
    _ count: Int,
    _ what: String
) throws(BadArgument) -> [String] {
    guard count >= 0, pointers != nil || count == 0 else { throw BadArgument("\(what) is NULL, and has \(count)") }
    var all: [String] = []
    for place in 0..<count { all.append(try text(pointers?[place], "\(what)[\(place)]")) }
    return all
}

@c @implementation
public func tidemark_server_stop(
    _ server: OpaquePointer?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) { try object(server, as: EmbeddedServer.self).stop() }
}

@c @implementation
public func tidemark_server_release(_ server: OpaquePointer?) {
    // Whoever wants to know what went wrong stops it first.
    try? takeBack(server, as: EmbeddedServer.self)?.stop()
}

@c @implementation
public func tidemark_server_address(
    _ server: OpaquePointer?,
    _ place: Int,
    _ text: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> Int {
    guard let addresses = try? object(server, as: EmbeddedServer.self).server.addresses,
        addresses.indices.contains(place)
    else { return 0 }
    let address = "\(addresses[place])"
    if let text, capacity > 0 { write(address, UnsafeMutableRawBufferPointer(start: text, count: capacity)) }
    return address.utf8.count
}

@c @implementation
public func tidemark_server_statistics(
    _ server: OpaquePointer?,
    _ statistics: UnsafeMutablePointer<tidemark_statistics>?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        let server = try object(server, as: EmbeddedServer.self).server
        let seen = server.counters.snapshot
        var told = tidemark_statistics()
        (told.users_loaded, told.entries_loaded) = (UInt64(server.loaded.users), UInt64(server.loaded.entries))
        (told.connections, told.closed) = (seen.connections, seen.closed)
        (told.syncs, told.up_to_date, told.full) = (seen.syncs, seen.upToDate, seen.full)
        (told.pushes, told.messages, told.writes, told.errors) = (seen.pushes, seen.messages, seen.writes, seen.errors)
        try fill(statistics, "statistics", told)
    }
}
