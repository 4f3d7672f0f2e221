import Foundation
import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkServer
@testable import TidemarkStore

/// vCards in and out of a data directory, and of a server that runs.
@Suite struct CardTests {
    private let directory: TemporaryDirectory
    private var data: String { directory.path + "/data" }

    init() throws { directory = try TemporaryDirectory() }

    private func card(_ lines: String...) -> String {
        (["BEGIN:VCARD", "VERSION:4.0"] + lines + ["END:VCARD"]).joined(separator: "\r\n") + "\r\n"
    }

    private func done(_ program: String = "tidemark-server", _ arguments: String...) throws -> String {
        try done(program, list: arguments)
    }

    private func done(
        _ program: String = "tidemark-server",
        list arguments: [String],
        environment: [String: String] = [:]
    ) throws -> String {
        let outcome = try Program.run(program, list: arguments, environment: environment)
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
        return outcome.output
    }

    private func profiles(_ data: String) throws -> [StoredProfile] {
        var profiles: [StoredProfile] = []
        try StoreReader(directory: data).forEachProfile { profiles.append($0) }
        return profiles
    }

    // MARK: accounts

    @Test func `accounts come from cards, and come out as cards that make the same accounts`() throws {
        let ada = card(
            "FN:Ada",
            "TEL;TYPE=home:+1",
            "TEL:+2",
            "EMAIL:ada@example.org",
            "X-PET:cat",
            "X-TIDEMARK-PRIVATE:TEL,VCARD"
        )
        let bob = card("FN:Bob", "X-TIDEMARK-NAME:bob", "EMAIL:b@example.org", "X-TIDEMARK-X300:\\;300")
        let file = try directory.file("a.vcf", ada + bob)
        let text = try done(list: ["import", "--cards", file, "--name-from", "email", "--data", data])
        #expect(text.hasPrefix("accounts: 2 added; entries: 0 added; now 2 users"))
        let first = try profiles(data)
        #expect(first.map(\.name) == ["ada@example.org", "bob"] && first.map(\.user) == [1, 2])
        #expect(
            first[0].fields == [
                FieldChange(.fullName, text: "Ada"), FieldChange(.telephone, text: "+1"),
                FieldChange(.email, text: "ada@example.org"),
                FieldChange(.vCard, text: "TEL;TYPE=home:\nTEL:+2\nX-PET:cat"),
            ]
        )
        #expect(first[0].privateFields == [.telephone, .vCard] && first[1].privateFields.isEmpty)
        #expect(first[1].fields.last == FieldChange(FieldNumber(rawValue: 300), text: ";300"))

        for version in ["4.0", "3.0"] {
            let export = try done(list: ["export", "--data", data, "--card-version", version])
            let copy = directory.path + "/copy\(version)"
            let exported = try directory.file("b.vcf", export)
            _ = try done(list: ["import", "--cards", exported, "--data", copy])
            let again = try profiles(copy).map { profile in
                // 3.0 has an N in each card.
                profile.fields.filter { version == "4.0" || $0.number != FieldNumber(name: "N") }
            }
            #expect(again == first.map(\.fields))
            #expect(try profiles(copy).map(\.privateFields) == first.map(\.privateFields))
            let check = try StoreReader(directory: copy).check()
            #expect(check.isSound, "\(check.findings)")
        }
    }

    @Test func `a card is the truth about the named fields, and says nothing twice`() throws {
        func run(_ cards: String) throws -> ImportCounts {
            let source = ImportSource(.cards(nameFrom: nil, leavingOut: ["PHOTO"]), name: "a.vcf", text: cards)
            return try Importer.run(sources: [source], dataDirectory: data).counts
        }
        let full = card("FN:Ada", "TEL:+1", "X-PET:cat", "X-TIDEMARK-X200:x", "X-TIDEMARK-NAME:ada", "PHOTO:data:,")
        #expect(try run(full).accountsCreated == 1)
        #expect(try run(full).accountsUnchanged == 1)
        #expect(try run(card("FN:Ada", "X-TIDEMARK-NAME:ada")).profilesChanged == 1)
        let left = [FieldChange(.fullName, text: "Ada"), FieldChange(FieldNumber(rawValue: 200), text: "x")]
        #expect(try profiles(data).first?.fields == left)
    }

    @Test(arguments: [
        (
            ["FN:A"],
            "a.vcf:1: the card that begins here has no X-TIDEMARK-NAME; say which property names the account: "
                + "--name-from EMAIL"
        ),
        (["X-TIDEMARK-NAME:a b"], "a.vcf:1: "), (["X-TIDEMARK-NAME:a", "TEL"], "a.vcf:4: is no property"),
        (["X-TIDEMARK-NAME:a", "NOTE:" + String(repeating: "n", count: 8_193)], "a.vcf:1: NOTE of this card has 8193"),
    ]) func `a bad card names file and line, and leaves nothing`(lines: [String], message: String) throws {
        let text = (["BEGIN:VCARD", "VERSION:4.0"] + lines + ["END:VCARD"]).joined(separator: "\n")
        let source = ImportSource(.cards(nameFrom: nil, leavingOut: []), name: "a.vcf", text: text)
        #expect {
            try Importer.run(sources: [source], dataDirectory: data)
        } throws: {
            "\($0)".hasPrefix(message)
        }
        #expect(!FileManager.default.fileExists(atPath: data))
    }

    @Test func `flags that do not go together, and a name twice`() throws {
        let both = try directory.file("a.vcf", card("X-TIDEMARK-NAME:a") + card("X-TIDEMARK-NAME:a"))
        let twice = try Program.run("import", "--cards", both, "--data", data)
        #expect(twice.status == 65 && twice.errors.contains("a.vcf:5: \"a\" stands in line 1 already"))
        #expect(try Program.run("import", "--accounts", both, "--leave-out", "FN", "--data", data).status == 64)
        #expect(try Program.run("export", "--data", data).status == 66)
        #expect(try Program.run("export", "--data", data, "--card-version", "2.1").status == 64)
    }

    // MARK: a user

    @Test func `a user's own card, and its address book as cards`() throws {
        let edges = try directory.file("e.txt", "alice bob\nalice carol\ndora bob\n")
        _ = try done(list: ["import", "--edges", edges, "--data", data])
        let socket = directory.path + "/s"
        let service = try Service("--unix", socket, "--data", data, "--roster-policy", "open")
        #expect(service.waits(for: "loaded in"))
        func tidemark(_ user: String, _ arguments: String...) throws -> ChildProcess.Outcome {
            let ticket = try done(list: ["ticket", "--user", user, "--data", data])
            let environment = [
                "TIDEMARK_SERVER": "unix:\(socket)", "TIDEMARK_BOOK": directory.path + "/\(user).sqlite",
                "TIDEMARK_TICKET": ticket.trimmingCharacters(in: .whitespacesAndNewlines), "HOME": directory.path,
            ]
            return try Program.run("tidemark", list: arguments, environment: environment)
        }
        // What a phone has of her.
        let phone = card("FN:Alice A.", "item1.TEL:+1", "item1.X-ABLabel:boat", "NOTE:a\\nb")
        let mine = try directory.file("me.vcf", phone)
        let load = try tidemark("alice", "profile", "load", mine)
        #expect(load.output == "your details are those of the card\n", "\(load.errors)")
        #expect(try tidemark("alice", "profile", "load", mine).output == "nothing changed\n")
        let shown = try tidemark("alice", "profile", "show", "--vcard").output
        #expect(shown.contains("item1.TEL:+1\r\n") && shown.contains("item1.X-ABLABEL:boat\r\n"))
        #expect(shown.hasPrefix("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Alice A.\r\n") && shown.hasSuffix("END:VCARD\r\n"))
        let asked = try Program.admin("export", "alice", "--vcard", "--card-version", "3.0", data: data)
        #expect(asked.output.contains("VERSION:3.0\r\n") && asked.output.contains("NOTE:a\\nb\r\n"), "\(asked.errors)")

        _ = try tidemark("alice", "contact", "annotate", "bob", "--alias", "B;b", "--group", "x,y", "--favourite")
        let book = try tidemark("alice", "contacts", "--vcard").output
        #expect(book.contains("X-TIDEMARK-ALIAS:B\\;b\r\nX-TIDEMARK-GROUPS:x\\,y\r\nX-TIDEMARK-FAVOURITE:yes\r\n"))
        let strangers = card("X-TIDEMARK-NAME:zeno") + card("FN:Somebody")
        let file = try directory.file("book.vcf", book + strangers)
        let added = try tidemark("dora", "contact", "load", file)
        #expect(added.status == 0)
        #expect(added.output == "1 contact added, 1 changed, 0 there already\n1 card without an account\n")
        #expect(added.errors.contains("no account is called zeno"))
        let again = try tidemark("dora", "contact", "load", file).output
        #expect(again.hasPrefix("0 contacts added, 0 changed, 2 there already"))
        let json = try tidemark("dora", "contact", "load", file, "--json").output
        #expect(json.contains(#""name":"zeno","outcome":"unknown""#) && json.contains(#""outcome":"no_account""#))
        #expect(try tidemark("dora", "contacts", "bob", "--vcard").output.contains("X-TIDEMARK-ALIAS:B\\;b"))
        let two = try tidemark("alice", "profile", "load", file)
        #expect(two.status == 65 && two.errors.contains("has 4 cards; one is yours"))
        #expect(try tidemark("alice", "profile", "load", "/nonexistent/me.vcf").status == 64)
        #expect(try tidemark("alice", "contacts", "--vcard", "--json").status == 64)
    }
}
