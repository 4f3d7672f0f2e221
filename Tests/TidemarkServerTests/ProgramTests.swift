import Foundation
import Testing
import TidemarkStore
import TidemarkTesting
import TidemarkTickets
import TidemarkWire

@testable import TidemarkServer

/// The program as its user meets it: output, messages, exit codes, signals.
@Suite struct ProgramTests {
    private let directory: TemporaryDirectory
    private var data: String { directory.path + "/data" }

    init() throws { directory = try TemporaryDirectory() }

    private func importGraph() throws {
        let edges = try directory.file("e.txt", "alice bob\nbob carol\n")
        #expect(try Program.run("import", "--edges", edges, "--both-ways", "--data", data).status == 0)
    }

    // MARK: import

    @Test func `an import says what it did`() throws {
        let edges = try directory.file("e.txt", "alice bob\nalice bob\n")
        let first = try Program.run("import", "--edges", edges, "--data", data)
        #expect(first.status == 0)
        #expect(
            first.output.hasPrefix(
                "accounts: 2 added; entries: 1 added, 1 repeated in the file; now 2 users, 1 entries, newest"
            )
        )
        // No bar where there is no terminal.
        #expect(first.errors == "")
        let second = try Program.run("import", "--edges", edges, "--data", data, "--json")
        let report = try JSONDecoder().decode(ImportReport.self, from: Data(second.output.utf8))
        #expect(report.counts.entriesUnchanged == 1 && report.counts.accountsCreated == 0 && report.users == 2)
    }

    @Test func `an import that fails names file, line and reason`() throws {
        let rosters = try directory.file("r.csv", "owner,contact\nalice,bob\n")
        let outcome = try Program.run("import", "--rosters", rosters, "--data", data)
        #expect(outcome.status == 65)
        #expect(
            outcome.errors
                == "tidemark-server: error: \(rosters):2: no account named \"alice\"; create it first or put "
                + "it into --accounts\n"
        )
        let missing = try Program.run("import", "--edges", "/nonexistent/e.txt", "--data", data)
        #expect(missing.status == 66)
        #expect(missing.errors.hasPrefix("tidemark-server: error: cannot read /nonexistent/e.txt: "))
        #expect(try Program.run("import", "--data", data).status == 64)
    }

    @Test func `an import that is killed leaves nothing`() throws {
        let edges = try directory.file("e.txt", (0..<30_000).map { "\($0) \($0 + 1)\n" }.joined())
        let process = try ChildProcess(
            [ChildProcess.path(ofBuilt: "tidemark-server"), "import", "--edges", edges, "--both-ways", "--data", data],
            environment: Program.environment()
        )
        // Killed while it writes: the write-ahead log has grown.
        let log = data + "/tidemark.db-wal"
        func size() -> Int { (try? FileManager.default.attributesOfItem(atPath: log)[.size] as? Int) ?? 0 }
        while process.end(within: 0) == nil, size() < 1_000_000 { usleep(1_000) }
        process.signal(SIGKILL)
        #expect(process.end() == .signal(SIGKILL), "it was done before it could be killed")
        let check = try StoreReader(directory: data).check()
        #expect(check.isSound, "\(check.findings)")
        #expect(check.users == 0 && check.newestStamp == 0)
    }

    // MARK: serve

    @Test func `a server says where it is, makes its key file, and drains`() throws {
        try importGraph()
        let service = try Service("--listen", "127.0.0.1:0", "--unix", directory.path + "/s", "--data", data)
        #expect(service.waits(for: "loaded in"))
        #expect(service.log.contains("listening on 127.0.0.1:"))
        #expect(service.log.contains(", unix:\(directory.path)/s; data \(data); 3 users, 4 entries; newest stamp "))
        let keys = data + "/ticket.keys"
        let mode = try FileManager.default.attributesOfItem(atPath: keys)[.posixPermissions] as? Int
        #expect(mode == 0o600)

        // Beside it: tickets and checks, but no import and no second server.
        let ticket = try Program.run("ticket", "--user", "bob", "--data", data, "--lifetime", "1h")
        #expect(ticket.status == 0)
        let bytes = try #require(decode(ticket.output))
        #expect(
            try TicketKeys(file: keys).ticket(bytes, nowSeconds: UInt64(Date.now.timeIntervalSince1970)).map(\.user)
                == .success(2)
        )
        #expect(try Program.run("check", "--data", data).status == 0)
        let edges = directory.path + "/e.txt"
        let refused = try Program.run("import", "--edges", edges, "--data", data)
        #expect(refused.status == 69)
        #expect(refused.errors.contains("\(data) is in use by another tidemark-server; stop it first"))
        #expect(try Program.run("serve", "--listen", "127.0.0.1:0", "--data", data).status == 69)

        service.signal(SIGTERM)
        #expect(service.ended() == 0)
        #expect(service.log.contains("stopped; all that was acknowledged is on disk"))
    }

    @Test func `told to by SIGHUP, it reads its keys anew, and keeps them where they cannot be read`() throws {
        let keys = try directory.file("keys", TicketKeys.newFile())
        let service = try Service("--listen", "127.0.0.1:0", "--data", data, "--key-file", keys)
        #expect(service.waits(for: "loaded in"))
        _ = try directory.file("keys", "2 \(String(repeating: "0a", count: 32))\n")
        service.signal(SIGHUP)
        #expect(service.waits(for: "read the key file \(keys) anew"))
        _ = try directory.file("keys", "nonsense\n")
        service.signal(SIGHUP)
        #expect(service.waits(for: "the keys stay as they were: \(keys):1: not a key"))
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
    }

    @Test func `interrupted, it drains as well`() throws {
        let service = try Service("--listen", "127.0.0.1:0", "--data", data)
        #expect(service.waits(for: "loaded in"))
        service.signal(SIGINT)
        #expect(service.ended() == 0)
    }

    @Test(arguments: [SIGTERM, SIGINT]) func `a second signal ends it at once`(signal: Int32) throws {
        let service = try Service("--unix", directory.path + "/s", "--data", data)
        #expect(service.waits(for: "loaded in"))
        // It does not hang up, so the server would wait for it for some time.
        let session = try UnixSession(directory.path + "/s")
        service.signal(SIGTERM)
        #expect(service.waits(for: "a second one ends at once"))
        service.signal(signal)
        #expect(service.ended() == 128 + signal)
        #expect(service.log.contains("\(signal == SIGINT ? "SIGINT" : "SIGTERM") again: ended at once"))
        #expect(!service.log.contains("stopped; all that was acknowledged"))
        withExtendedLifetime(session) {}
    }

    @Test func `without descriptors the next ones wait, nobody else notices, and nothing is tried in vain`() throws {
        let service = try Service("--unix", directory.path + "/s", "--data", data, "--loops", "1", openFiles: 64)
        #expect(service.waits(for: "loaded in"))
        let id = service.id
        let first = try UnixSession(directory.path + "/s")
        // The administrator's connections are not counted, so there are as many as there are descriptors.
        var sessions = try (0..<70).map { _ in try UnixSession(connecting: data + "/admin.sock") }
        #expect(service.waits(for: "no descriptor or no memory is left"))
        let inside = sessions.count { $0.isAnswered(withinMilliseconds: 0) }
        #expect((20..<64).contains(inside))
        // Accepting rests: not a thousandth of the time goes into it.
        let ticks = try cpuTicks(id)
        #expect(!sessions[inside].isAnswered(withinMilliseconds: 1_000))
        #expect(try cpuTicks(id) - ticks < 20)
        guard case .pong = try first.ask(.ping(Ping())) else { throw UnixSession.Failed() }
        // As some go, others come in, in their order.
        while !sessions.isEmpty {
            #expect(sessions[0].isAnswered(withinMilliseconds: 20_000))
            sessions.removeFirst()
        }
        #expect(service.waits(for: "new connections are accepted again"))
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
    }

    @Test func `with however few descriptors it starts, or says what there is not enough for`() throws {
        for openFiles in 10..<64 {
            let service = try Service("--listen", "127.0.0.1:0", "--data", data, "--loops", "2", openFiles: openFiles)
            if service.waits(for: "loaded in") {
                service.signal(SIGTERM)
                #expect(service.ended() == 0, "\(openFiles)")
                break
            }
            let status = service.ended()
            #expect(status > 0 && status < 128 && !service.log.isEmpty, "\(openFiles): \(status), \(service.log)")
        }
    }

    /// Hundredths of a second that the process has used.
    private func cpuTicks(_ id: Int32) throws -> Int {
        let fields = try String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8).split(separator: ")")[1].split(
            separator: " "
        )
        return Int(fields[11])! + Int(fields[12])!
    }

    @Test func `with few descriptors there is room for few connections, and that is said`() throws {
        let service = try Service("--unix", directory.path + "/s", "--data", data, openFiles: 400)
        #expect(service.waits(for: "the system allows 400 open files"))
        #expect(service.waits(for: "loaded in"))
        #expect(service.log.contains("room for 300 connections: the system allows"))
        let sessions = try (0..<300).map { _ in try UnixSession(directory.path + "/s") }
        let refused = try UnixSession(connecting: directory.path + "/s")
        guard case .error(let error) = try refused.hear().message else { throw UnixSession.Failed() }
        #expect(error.code == ErrorCode.retryLater.rawValue)
        #expect(service.waits(for: "there are as many as --connections-max allows"))
        #expect(service.waits(for: "no connection was refused for a second; before, 1 were"))
        #expect(sessions.count == 300)
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
    }

    @Test func `an address that is taken`() throws {
        let service = try Service("--unix", directory.path + "/s", "--data", data)
        #expect(service.waits(for: "loaded in"))
        let second = try Program.run("serve", "--unix", directory.path + "/s", "--data", directory.path + "/other")
        #expect(second.status == 69)
        #expect(second.errors.contains("another process answers on \(directory.path)/s"))
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
    }

    @Test func `a key file that was named has to be there`() throws {
        let outcome = try Program.run(
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            data,
            "--key-file",
            directory.path + "/keys"
        )
        #expect(outcome.status == 78)
        #expect(outcome.errors.contains("--key-file: there is no key file \(directory.path)/keys"))
    }

    // MARK: ticket and check

    private func decode(_ text: String) -> [UInt8]? {
        var text = text.trimmingCharacters(in: .newlines).replacing("-", with: "+").replacing("_", with: "/")
        while text.count % 4 != 0 { text += "=" }
        return Data(base64Encoded: text).map(Array.init)
    }

    @Test func `a ticket by id needs only a key file`() throws {
        let keys = try directory.file("keys", TicketKeys.newFile())
        let outcome = try Program.run("ticket", "--id", "17", "--key-file", keys, "--lifetime", "30d", "--json")
        #expect(outcome.status == 0)
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        )
        #expect(object["user"] as? Int == 17)
        let bytes = try #require(decode(object["ticket"] as? String ?? ""))
        let ticket = try #require(Ticket(bytes))
        #expect(ticket.user == 17 && ticket.expiresSeconds - ticket.issuedSeconds == 30 * 86_400)
        #expect(object["expiresSeconds"] as? Int == Int(ticket.expiresSeconds))
    }

    @Test func `a ticket for nobody`() throws {
        try importGraph()
        let keys = try directory.file("keys", TicketKeys.newFile())
        let outcome = try Program.run("ticket", "--user", "dave", "--key-file", keys, "--data", data)
        #expect(outcome.status == 67)
        #expect(outcome.errors.contains("no account named \"dave\" in \(data)/tidemark.db; check the name"))
        let none = try Program.run("ticket", "--user", "dave", "--data", data)
        #expect(none.status == 78)
        #expect(none.errors.contains("'tidemark-server serve' without --key-file makes one at its first start"))
        for lifetime in ["0d", "5", "5w", "-1d", "9999999d"] {
            #expect(try Program.run("ticket", "--id", "1", "--key-file", keys, "--lifetime=\(lifetime)").status == 64)
        }
        #expect(try Program.run("ticket", "--key-file", keys).status == 64)
    }

    @Test func `a check says what is wrong`() throws {
        try importGraph()
        let sound = try Program.run("check", "--data", data)
        #expect(sound.status == 0)
        #expect(sound.output.hasPrefix("\(data)/tidemark.db: sound\n  users          3\n  entries        4\n"))
        let file = URL(fileURLWithPath: data + "/tidemark.db")
        var bytes = try Data(contentsOf: file)
        bytes[2_048] ^= 0xFF
        try bytes.write(to: file)
        let damaged = try Program.run("check", "--data", data)
        #expect(damaged.status == 1)
        #expect(damaged.output.hasPrefix("\(data)/tidemark.db: damaged, "))
        let object = try Program.run("check", "--data", data, "--json")
        #expect(object.status == 1)
        #expect(try !JSONDecoder().decode(StoreCheck.self, from: Data(object.output.utf8)).isSound)
        #expect(try Program.run("check", "--data", directory.path + "/none").status == 66)
    }

    @Test(arguments: [[], ["serve"], ["import"], ["ticket"], ["check"], ["backup"], ["restore"]])
    func `help teaches with examples and exit codes`(command: [String]) throws {
        let help = try Program.run(list: command + ["--help"])
        #expect(help.status == 0)
        #expect(help.output.contains("\n  tidemark-server \(command.first ?? "serve")"))
        #expect(help.output.contains("Exit codes: 0 done;"))
    }
}
