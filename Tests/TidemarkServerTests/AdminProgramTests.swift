import Foundation
import Testing
import TidemarkTesting

/// `tidemark admin` and `tidemark-server add-service`, as whoever runs a server meets them.
@Suite struct AdminProgramTests {
    private let directory: TemporaryDirectory
    private var data: String { directory.path + "/data" }

    init() throws { directory = try TemporaryDirectory() }

    private func serve() throws -> Service {
        let edges = try directory.file("e.txt", "alice bob\nbob carol\n")
        #expect(try Program.run("import", "--edges", edges, "--both-ways", "--data", data).status == 0)
        let service = try Service("--listen", "127.0.0.1:0", "--data", data, "--roster-policy", "administered")
        #expect(service.waits(for: "loaded in"))
        return service
    }

    private func done(_ arguments: String...) throws -> String {
        let outcome = try Program.admin(list: arguments + ["--data", data])
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
        return outcome.output
    }

    private struct Write: Decodable {
        var stamp: UInt64
        var changed: Bool
        var user: UInt64?
    }

    private func write(_ output: String) throws -> Write {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Write.self, from: Data(output.utf8))
    }

    @Test func `an account is made, changed, looked at, closed and deleted`() throws {
        let service = try serve()
        let password = try directory.file("password", "pencil\n")
        #expect(try write(done("create", "dora", "--password-file", password, "--json")).user == 4)
        #expect(try done("profile", "set", "dora", "FN=Dora Maar") == "changed 1 field\n")
        #expect(try done("profile", "show", "#4").contains("Dora Maar"))
        #expect(try done("contact", "add", "dora", "bob") == "dora has bob as a contact\n")
        #expect(try done("contact", "list", "dora").contains("1 contact"))
        #expect(try done("explain", "dora").hasPrefix("full (noToken): 2 items"))
        #expect(try done("contact", "remove", "dora", "bob").hasPrefix("dora does not have bob"))
        #expect(try done("disable", "dora") == "dora is closed\n")
        #expect(try done("disable", "dora") == "dora is closed already\n")
        #expect(try write(done("enable", "dora", "--json")).changed)
        #expect(try done("password", "dora", "--new-password-file", password) == "dora has another password now\n")
        #expect(try done("sign-out", "dora").hasPrefix("dora is signed out"))
        let export = try done("export", "dora")
        let exported = try #require(try JSONSerialization.jsonObject(with: Data(export.utf8)) as? [String: Any])
        let parts: Set = ["profile", "contacts", "requests", "blocks", "messages", "last_seen", "sessions"]
        #expect(Set(exported.keys) == parts)
        #expect((exported["last_seen"] as? [String: Any])?["user"] as? Int == 4)
        // Nobody can be asked.
        #expect(try Program.admin("delete", "dora", data: data).status == 64)
        #expect(try write(done("delete", "dora", "--yes", "--json")).changed)
        let again = try Program.admin("delete", "dora", "--yes", data: data)
        #expect(again.status == 66 && again.errors.contains("no such user"))
        #expect(try write(done("create", "dora", "--json")).user == 5)
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
        #expect(try Program.run("check", "--data", data).status == 0)
        let nobody = try Program.admin("statistics", data: data)
        #expect(nobody.status == 69 && nobody.errors.contains("no server runs on \(data)"))
    }

    @Test func `the server is looked at, copied, drained and told to read its files anew`() throws {
        let service = try serve()
        #expect(try done("sessions") == "0 sessions\n")
        let figures = try JSONDecoder().decode([String: UInt64].self, from: Data(done("statistics", "--json").utf8))
        #expect(figures["users"] == 3 && figures["writes"] == 0)
        #expect(try done("backup", directory.path + "/copy.db").hasPrefix("backed up into"))
        #expect(try Program.admin("backup", "here.db", data: data).status == 77)
        #expect(try done("drain", "--over", "1").hasPrefix("nobody is let in any more"))
        #expect(try done("drain", "--end") == "clients are let in again\n")
        #expect(try Program.admin("disconnect", "0.1.1", data: data).errors.contains("no such session"))
        #expect(try Program.admin("disconnect", "1", data: data).status == 64)
        #expect(try done("reload").hasPrefix("keys, services"))
        _ = try directory.file("data/services", "nonsense\n")
        let refused = try Program.admin("reload", data: data)
        #expect(refused.status == 1 && refused.errors.contains("the services stay as they were"))
        #expect(refused.errors.contains("data/services:1: not four words"))
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
    }

    @Test func `a service is added with a key, and known from then on`() throws {
        let service = try serve()
        let port = try #require(service.log.firstMatch(of: /127\.0\.0\.1:(\d+)/)?.1)
        let added = try Program.run("add-service", "billing", "--role", "backend", "--data", data)
        #expect(added.status == 0)
        let key = try directory.file("billing.key", added.output)
        func asBackend(_ arguments: String...) throws -> ChildProcess.Outcome {
            let how = ["--server", "127.0.0.1:\(port)", "--key-file", key]
            return try Program.admin(list: arguments + how)
        }
        let before = try asBackend("contact", "list", "alice")
        #expect(before.status == 77 && before.errors.contains("credentialsInvalid"))
        #expect(try done("reload").hasPrefix("keys, services"))
        #expect(try asBackend("contact", "list", "alice").output.contains("1 contact"))
        let refused = try asBackend("sessions")
        #expect(refused.status == 77 && refused.errors.contains("not for a backend"))
        let text = try String(contentsOfFile: data + "/services", encoding: .utf8)
        #expect(!text.contains(added.output.trimmingCharacters(in: .newlines)))
        #expect(try Program.run("add-service", "a b", "--role", "backend", "--data", data).status == 64)
        #expect(try Program.run("add-service", "x", "--role", "king", "--data", data).status == 64)
        let noFile = try Program.run("add-service", "x", "--role", "backend", "--certificate", "/no", "--data", data)
        #expect(noFile.status == 78)
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
    }
}
