//  A server for one run, with data of its own, that leaves nothing behind.
//
//      temporary directory ──▶ import ──▶ serve ──▶ it answers ──▶ … run … ──▶ SIGTERM ──▶ directory removed

import Foundation
import TidemarkTickets

/// A server that this process has started on a fresh directory.
public final class OwnServer {
    private static let startPatience: UInt64 = 30_000_000_000
    private static let stopPatience: UInt64 = 10_000_000_000

    public let pid: Int32
    /// Where it listens.
    public let target: LoadTarget
    /// The keys that it made for itself.
    public let tickets: TicketKeys?

    private let process: Process
    private let directory: String

    /// Provisions and starts one, and returns when it answers.
    ///
    /// - Parameters:
    ///   - program: what to run.
    ///   - graph: the accounts and contacts that it has; users are numbered from 1.
    ///   - seed: of the accounts' details.
    ///   - socket: a Unix socket to listen on; nil: a free TCP port of 127.0.0.1.
    ///   - say: told in a line what happens; nil: nobody wants to hear it, of the import neither.
    /// - Throws: `LoadError.serverProgram`; nothing is left behind then.
    public init(
        _ program: ServerProgram,
        _ graph: ContactGraph,
        seed: UInt64,
        socket: String?,
        say: ((String) -> Void)?
    ) throws(LoadError) {
        let directory = try Self.makeDirectory()
        let process: Process
        do throws(LoadError) {
            say?("importing accounts and contacts into \(directory)")
            try program.provision(graph, seed: seed, data: directory + "/data", isQuiet: say == nil)
            target = try socket.map { .unix(path: $0) } ?? .tcp(host: "127.0.0.1", port: Self.freePort())
            process = program.process(Self.arguments(target, data: directory + "/data"))
            try Self.start(process, program)
        } catch {
            Children.remove(directory: directory)
            throw error
        }
        pid = process.processIdentifier
        self.directory = directory
        self.process = process
        do throws(LoadError) {
            try Self.waitUntilReady(process, target)
            // Over TCP users show tickets; the server has made its keys at its start.
            tickets = try socket == nil ? Self.keys(directory + "/data/ticket.keys") : nil
        } catch {
            Self.stop(process)
            Children.remove(directory: directory)
            throw error
        }
        say?("started \(program.path), process \(pid), on \(target)")
    }

    /// Ends the server and removes its data.
    public func stop() {
        Self.stop(process)
        Children.remove(directory: directory)
    }

    private static func arguments(_ target: LoadTarget, data: String) -> [String] {
        let listen =
            switch target {
            case .tcp: ["--listen", "\(target)"]
            case .unix(let path): ["--unix", path]
            }
        // However many connections there are, a user may have several: who has few users drives these, as fast as it goes.
        let unlimited = [
            "--address-connections-per-minute", "--user-writes-per-minute", "--user-messages-per-minute",
            "--user-adds-per-hour",
        ]
        return ["serve", "--data", data, "--log-level", "warning", "--devices-per-user", "1000"] + listen
            + unlimited.flatMap { [$0, "0"] }
    }

    private static func makeDirectory() throws(LoadError) -> String {
        var template = Array(
            FileManager.default.temporaryDirectory.appending(path: "tidemark-load-XXXXXX").path.utf8CString
        )
        guard mkdtemp(&template) != nil else {
            throw .serverProgram(reason: "cannot make a temporary directory: \(errorText())", status: 73)
        }
        let directory = template.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        Children.add(directory: directory)
        return directory
    }

    private static func errorText() -> String { String(cString: strerror(errno)) }

    private static func start(_ process: Process, _ program: ServerProgram) throws(LoadError) {
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.standardError
        do {
            try process.run()
        } catch {
            throw .serverProgram(reason: "cannot run \(program.path): \(error.localizedDescription)", status: 74)
        }
        Children.add(process.processIdentifier)
    }

    private static func stop(_ process: Process) {
        defer { Children.remove(process.processIdentifier) }
        process.terminate()
        let end = Clock.nanoseconds + stopPatience
        while process.isRunning, Clock.nanoseconds < end { Clock.sleep(until: Clock.nanoseconds + 5_000_000) }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    private static func waitUntilReady(_ process: Process, _ target: LoadTarget) throws(LoadError) {
        let end = Clock.nanoseconds + startPatience
        while !Probe.answers(target) {
            guard process.isRunning else {
                throw .serverProgram(
                    reason: "the server ended at once; what it says stands above",
                    status: process.terminationStatus
                )
            }
            guard Clock.nanoseconds < end else {
                throw .serverProgram(reason: "the server does not answer after 30 s", status: 69)
            }
            Clock.sleep(until: Clock.nanoseconds + 10_000_000)
        }
    }

    private static func keys(_ path: String) throws(LoadError) -> TicketKeys {
        do {
            return try TicketKeys(file: path)
        } catch {
            throw .serverProgram(reason: "\(error)", status: 78)
        }
    }

    /// One that nobody listens on at this moment.
    private static func freePort() throws(LoadError) -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = Probe.loopback(port: 0)
        var bytes = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, bytes) == 0 && getsockname(descriptor, $0, &bytes) == 0
            }
        }
        guard result else { throw .serverProgram(reason: "no free port: \(errorText())", status: 69) }
        return UInt16(bigEndian: address.sin_port)
    }
}

/// Whether somebody listens.
enum Probe {
    static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    static func answers(_ target: LoadTarget) -> Bool {
        switch target {
        case .tcp(_, let port):
            return withUnsafePointer(to: loopback(port: port)) { connects(AF_INET, $0) }
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            return withUnsafePointer(to: address) { connects(AF_UNIX, $0) }
        }
    }

    private static func connects<Address>(_ family: Int32, _ address: UnsafePointer<Address>) -> Bool {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size)) == 0
        }
    }
}
