import Foundation
import Testing
import TidemarkStore
import TidemarkTesting
import TidemarkWire

@testable import TidemarkServer

/// `tidemark-server backup` and `restore`, as their user meets them.
@Suite struct BackupTests {
    private let directory: TemporaryDirectory
    private var data: String { directory.path + "/data" }
    private var socket: String { directory.path + "/s" }
    private var file: String { directory.path + "/backup.db" }
    private var restored: String { directory.path + "/restored" }

    private struct Report: Decodable {
        var path: String
        var bytes: Int
        var newestStamp: Stamp
        var byServer: Bool
    }

    private struct Restored: Decodable {
        var path: String
        var users: Int
        var entries: Int
        var newestStamp: Stamp
    }

    init() throws { directory = try TemporaryDirectory() }

    private func importGraph(_ data: String? = nil, edges: String = "alice bob\nbob carol\n") throws {
        let edges = try directory.file("e.txt", edges)
        #expect(try Program.run("import", "--edges", edges, "--both-ways", "--data", data ?? self.data).status == 0)
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ outcome: ChildProcess.Outcome) throws -> Value {
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try JSONDecoder().decode(type, from: Data(outcome.output.utf8))
    }

    private var names: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()) ?? []
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func `serve, write, back up, write more, restore, serve, check`() throws {
        try importGraph()
        let service = try Service("--unix", socket, "--data", data)
        #expect(service.waits(for: "loaded in"))
        #expect(try mode(data + "/admin.sock") == 0o600)
        let alice = try UnixSession(socket, user: "alice")
        try alice.setName("Alice before")
        let backup = try Program.run("backup", file, "--data", data, "--json")
        let report = try decode(Report.self, backup)
        #expect(report.byServer && report.path == file)
        #expect(try mode(file) == 0o600)
        let size = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int
        #expect(report.bytes == size)
        #expect(service.waits(for: "backed up"))

        // The answer of a write is a stamp: the backup has the one before it, and not the one after.
        let before = report.newestStamp
        try alice.setName("Alice after")
        #expect(try StoreReader(directory: data).check().newestStamp > before)

        let made = try Program.run("restore", file, "--data", restored)
        #expect(made.status == 0 && made.errors == "")
        #expect(made.output.hasPrefix("\(restored)/tidemark.db: restored from \(file)\n  users          3\n"))
        #expect(made.output.contains("\n  entries        4\n  newest stamp   \(before) ("))
        #expect(made.output.contains("Tickets: copy the key file to \(restored)/ticket.keys, or 'serve' makes a new"))
        #expect(made.output.contains("full sync by themselves"))
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
        #expect(!FileManager.default.fileExists(atPath: data + "/admin.sock"))

        let second = try Service("--unix", socket, "--data", restored)
        #expect(second.waits(for: "3 users, 4 entries; newest stamp \(before) "))
        let bob = try UnixSession(socket, user: "bob")
        guard case .syncPage(let page) = try bob.ask(.sync(Sync())) else {
            Issue.record("a page")
            return
        }
        #expect("\(page)".contains(Array("Alice before".utf8).description))
        #expect(!"\(page)".contains(Array("Alice after".utf8).description))
        try bob.setName("Bob, later")
        second.signal(SIGTERM)
        #expect(second.ended() == 0)
        #expect(try Program.run("check", "--data", restored).status == 0)
    }

    @Test func `what it says, with a server and without`() throws {
        try importGraph()
        let offline = try Program.run("backup", file, "--data", data)
        #expect(offline.status == 0 && offline.errors == "")
        let lines = offline.output.split(separator: "\n")
        #expect(lines.count == 2 && lines[0].hasPrefix("\(file): ") && lines[0].hasSuffix(" s"))
        #expect(lines[0].contains(" bytes, newest stamp "))
        #expect(lines[1].hasPrefix("Not in it: the key file \(data)/ticket.keys, the services \(data)/services, "))
        #expect(try !decode(Report.self, Program.run("backup", file + "2", "--data", data, "--json")).byServer)

        let service = try Service("--unix", socket, "--data", data)
        #expect(service.waits(for: "loaded in"))
        let online = try Program.run("backup", file + "3", "--data", data)
        #expect(online.status == 0)
        #expect(online.output.contains(" s, by the running server\n"))
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
        // Bytes that were never written to, but for the epoch that serving began.
        for name in ["backup.db", "backup.db2", "backup.db3"] {
            let place = restored + name
            let made = try decode(
                Restored.self,
                Program.run("restore", directory.path + "/" + name, "--data", place, "--json")
            )
            #expect(made.users == 3 && made.entries == 4 && made.path == place + "/tidemark.db")
        }
    }

    @Test func `a name without a directory is in the one of the caller`() throws {
        try importGraph()
        let service = try Service("--unix", socket, "--data", data)
        #expect(service.waits(for: "loaded in"))
        let backup = try Program.run(list: ["backup", "here.db", "--data", data], directory: directory.path)
        #expect(backup.status == 0)
        #expect(names.contains("here.db"))
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
    }

    @Test(arguments: [true, false])
    func `nothing is replaced, and it says what is in the way`(isServed: Bool) throws {
        try importGraph()
        var service: Service?
        if isServed {
            service = try Service("--unix", socket, "--data", data)
            #expect(service!.waits(for: "loaded in"))
        }
        let there = try directory.file("there.db", "theirs")
        let exists = try Program.run("backup", there, "--data", data)
        #expect(exists.status == 73)
        #expect(
            exists.errors
                == "tidemark-server: error: no backup \(there): there is something at that path already, and a backup "
                + "replaces nothing; name another, or move that away\n"
        )
        #expect(try directory.bytes(of: "there.db") == Array("theirs".utf8))
        let part = try directory.file("half.db.part", "theirs")
        let unfinished = try Program.run("backup", directory.path + "/half.db", "--data", data)
        #expect(unfinished.status == 73)
        #expect(unfinished.errors.contains("ending in .part; remove it if none is under way"))
        #expect(FileManager.default.fileExists(atPath: part))
        let nowhere = try Program.run("backup", "/nonexistent/x.db", "--data", data)
        #expect(nowhere.status == 73)
        #expect(nowhere.errors.contains("no backup /nonexistent/x.db: open: No such file or directory"))
        #expect(try Program.run("backup", directory.path + "/", "--data", data).status == 64)
        #expect(try Program.run("backup", "--data", data).status == 64)
        #expect(try Program.run("backup", String(repeating: "p", count: 1_024), "--data", data).status == 64)
        #expect(try Program.run("backup", file, "--data", directory.path + "/none").status == 66)
        #expect(names.filter { $0.hasPrefix("backup") } == [])
        if let service {
            service.signal(SIGTERM)
            #expect(service.ended() == 0)
        }
    }

    @Test func `a socket that a killed server left is no obstacle`() throws {
        try importGraph()
        let killed = try Service("--unix", socket, "--data", data)
        #expect(killed.waits(for: "loaded in"))
        let alice = try UnixSession(socket, user: "alice")
        try alice.setName("Alice, acknowledged")
        killed.signal(SIGKILL)
        #expect(killed.ended() == -SIGKILL)
        #expect(FileManager.default.fileExists(atPath: data + "/admin.sock"))
        // What it had acknowledged is in its log only.
        let newest = try StoreReader(directory: data).check().newestStamp
        let report = try decode(Report.self, Program.run("backup", file, "--data", data, "--json"))
        #expect(!report.byServer && report.newestStamp == newest)
        let next = try Service("--unix", socket, "--data", data)
        #expect(next.waits(for: "loaded in"))
        #expect(try decode(Report.self, Program.run("backup", file + "2", "--data", data, "--json")).byServer)
        next.signal(SIGTERM)
        #expect(next.ended() == 0)
    }

    @Test func `a data directory whose path is longer than a socket's may be`() throws {
        let deep = directory.path + "/" + String(repeating: "a long way down/", count: 8) + "data"
        try importGraph(deep)
        let service = try Service("--unix", socket, "--data", deep)
        #expect(service.waits(for: "loaded in"))
        #expect(!service.log.contains("no socket for the administrator"))
        #expect(try mode(deep + "/admin.sock") == 0o600)
        #expect(try decode(Report.self, Program.run("backup", file, "--data", deep, "--json")).byServer)
        service.signal(SIGKILL)
        #expect(service.ended() == -SIGKILL)
        #expect(try !decode(Report.self, Program.run("backup", file + "2", "--data", deep, "--json")).byServer)
        let next = try Service("--unix", socket, "--data", deep)
        #expect(next.waits(for: "loaded in"))
        #expect(try decode(Report.self, Program.run("backup", file + "3", "--data", deep, "--json")).byServer)
        next.signal(SIGTERM)
        #expect(next.ended() == 0)
        #expect(!FileManager.default.fileExists(atPath: deep + "/admin.sock"))
    }

    @Test func `without its socket the server serves, and a backup says what to do`() throws {
        try importGraph()
        try Data().write(to: URL(fileURLWithPath: data + "/admin.sock"))
        let service = try Service("--unix", socket, "--data", data)
        #expect(service.waits(for: "loaded in"))
        #expect(service.log.contains("no socket for the administrator: backups have to wait until the server has"))
        try UnixSession(socket, user: "alice").setName("Alice")
        let refused = try Program.run("backup", file, "--data", data)
        #expect(refused.status == 69)
        #expect(refused.errors.contains("\(data) is in use, and nobody answers on its admin.sock: "))
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
        // The file was never the server's.
        #expect(FileManager.default.fileExists(atPath: data + "/admin.sock"))
    }

    @Test func `the administrator's session, and a user who would like it`() throws {
        try importGraph()
        let service = try Service("--unix", socket, "--data", data)
        #expect(service.waits(for: "loaded in"))
        let administrator = try UnixSession(data + "/admin.sock")
        #expect(try administrator.ask(.ping(Ping(payload: [1]))) == .pong(Ping(payload: [1])))
        func code(_ message: Message) -> ErrorCode? {
            if case .error(let error) = message { ErrorCode(rawValue: error.code) } else { nil }
        }
        #expect(code(try administrator.ask(.adminBackup(AdminBackup(path: "relative.db")))) == .notAllowed)
        #expect(code(try administrator.ask(.adminBackup(AdminBackup(path: "")))) == .notAllowed)
        // As long as may be, which is more than is read before a session.
        let long = "/" + String(repeating: "p", count: Limits.pathBytesMax - 1)
        #expect(code(try administrator.ask(.adminBackup(AdminBackup(path: long)))) == .notAllowed)
        guard case .adminBackupOK = try administrator.ask(.adminBackup(AdminBackup(path: file))) else {
            Issue.record("a backup")
            return
        }
        #expect(code(try administrator.ask(.sync(Sync()))) == .notAuthenticated)
        #expect(throws: UnixSession.Failed.self) { try administrator.hear() }

        let other = try UnixSession(data + "/admin.sock")
        #expect(code(try other.ask(.authenticate(.trusted(.name("alice"))))) == .methodNotAllowed)

        let alice = try UnixSession(socket, user: "alice")
        #expect(code(try alice.ask(.adminBackup(AdminBackup(path: file + "2")))) == .notAllowed)
        try alice.setName("still here")
        #expect(!names.contains("backup.db2"))
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
    }

    /// More than a few steps' worth of it.
    private func importMany() throws {
        try importGraph(edges: (0..<20_000).map { "\($0) \($0 + 1)\n" }.joined())
    }

    @Test func `under load: acknowledgements and pings go on while a backup is made`() throws {
        try importMany()
        let service = try Service("--unix", socket, "--data", data)
        #expect(service.waits(for: "loaded in"))
        let user = try UnixSession(socket, user: "5")
        let administrator = try UnixSession(data + "/admin.sock")
        try user.setName("before")
        try administrator.say(.adminBackup(AdminBackup(path: file)))
        try administrator.say(.ping(Ping()))
        // The ping overtakes.
        let first = try administrator.hear()
        #expect(first.message == .pong(Ping()))
        var stamps: [Stamp] = []
        while !names.contains("backup.db") {
            let set = ProfileSet(fields: [FieldChange(.fullName, text: "change \(stamps.count)")])
            guard case .profileSetOK(let ok) = try user.ask(.profileSet(set)) else { throw UnixSession.Failed() }
            stamps.append(ok.stamp)
        }
        guard case .adminBackupOK(let report) = try administrator.hear().message else {
            Issue.record("a backup")
            return
        }
        #expect(stamps.count > 2, "all was over too soon")
        #expect(stamps.contains(report.stamp) || report.stamp < stamps[0])
        let made = try decode(Restored.self, Program.run("restore", file, "--data", restored, "--json"))
        #expect(made.newestStamp == report.stamp && made.users == 20_001 && made.entries == 40_000)
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
        #expect(try Program.run("check", "--data", data).status == 0)
    }

    @Test func `a server that stops, or is killed, half-way leaves no backup`() throws {
        try importMany()
        for number in [SIGTERM, SIGKILL] {
            let service = try Service("--unix", socket, "--data", data)
            #expect(service.waits(for: "loaded in"))
            let administrator = try UnixSession(data + "/admin.sock")
            try administrator.say(.adminBackup(AdminBackup(path: file + "\(number)")))
            while !names.contains(where: { $0.hasPrefix("backup.db\(number)") }) { usleep(200) }
            service.signal(number)
            #expect(service.ended() == (number == SIGTERM ? 0 : -SIGKILL))
            if number == SIGTERM { #expect(!names.contains { $0.hasSuffix(".part") }) }
            #expect(try Program.run("check", "--data", data).status == 0)
            // One that has its name is whole, whenever the server ended.
            for name in names where name.hasPrefix("backup.db\(number)") && !name.hasSuffix(".part") {
                let made = try Program.run("restore", directory.path + "/" + name, "--data", restored + name)
                #expect(made.status == 0)
            }
        }
    }

    @Test func `what restore refuses`() throws {
        try importGraph()
        #expect(try Program.run("backup", file, "--data", data).status == 0)
        let occupied = try Program.run("restore", file, "--data", data)
        #expect(occupied.status == 73)
        #expect(occupied.errors.contains("there is a database already, \(data)/tidemark.db, and a backup replaces n"))
        let missing = try Program.run("restore", file + ".none", "--data", restored)
        #expect(missing.status == 66)
        #expect(missing.errors.contains("cannot read the backup \(file).none: No such file or directory\n"))
        var bytes = try directory.bytes(of: "backup.db")
        for offset in 8_192..<8_292 { bytes[offset] ^= 0xFF }
        try directory.setBytes(of: "damaged.db", bytes)
        let damaged = try Program.run("restore", directory.path + "/damaged.db", "--data", restored)
        #expect(damaged.status == 65)
        #expect(damaged.errors.contains("damaged.db is no sound backup, and nothing was restored:\n  "))
        #expect(!names.contains("restored"))
        let nowhere = try Program.run("restore", file, "--data", file + "/data")
        #expect(nowhere.status == 73)
        #expect(nowhere.errors.contains("cannot make the directory \(file)/data: "))
    }
}
