import Foundation
import Synchronization
import Testing
import TidemarkWire

@testable import TidemarkClient

/// The command line: arguments, what is remembered, output and exit codes.
@Suite(.timeLimit(.minutes(2))) struct ProgramTests {
    /// Welcomes, and answers syncs from a table and each other request as told.
    private static func serving(
        _ table: TableModel,
        user: UserID = 7,
        _ answer: @escaping @Sendable (Message) -> Message? = { _ in nil }
    ) -> FakeServer.Script {
        { peer in
            try await peer.welcome(user: user)
            while let (request, message) = try? await peer.next() {
                if case .sync(let sync) = message {
                    try await peer.send(.syncPage(table.answer(sync)), request)
                } else if let reply = answer(message) {
                    try await peer.send(reply, request)
                }
            }
        }
    }

    private static var table: TableModel {
        var table = TableModel()
        table.add(
            1,
            user: 100,
            fields: [1: "Ada L.", 200: "x"],
            annotations: Annotations(alias: "a", groups: ["g"], isFavourite: true)
        )
        table.add(2, user: 101)
        table.editOwn(1, "Me")
        table.online = [ContactPresence(number: 1, state: .away)]
        return table
    }

    @Test("login, then sync, contacts and profile, from what the login remembered")
    func remembered() async throws {
        let program = try Program()
        try await FakeServer.run(Self.serving(Self.table)) { (address) async throws in
            let login = try await program.run("login", "--server", "\(address)", "--trusted-user", "owner", "--json")
            #expect(login.status == 0, "\(login.error)")
            #expect(
                Set(login.json.keys) == [
                    "account", "answer", "reason", "contacts", "removed", "fields", "own_profile", "pages",
                    "bytes_sent", "bytes_received", "seconds", "online", "waiting_messages", "book_contacts",
                ]
            )
            #expect(login.json["answer"] as? String == "full" && login.json["reason"] as? String == "no_token")
            let full = try await program.run(list: ["contacts"], into: "/dev/full")
            #expect(full.status == 74 && full.error.contains("cannot write the output: No space left"))
            #expect(login.json["contacts"] as? Int == 2 && login.json["account"] as? String == "owner")

            let accounts = program.home.file(".config/tidemark/accounts.json")
            let mode = try FileManager.default.attributesOfItem(atPath: accounts)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let book = program.home.file(".local/share/tidemark/owner.sqlite")
            #expect(try FileManager.default.attributesOfItem(atPath: book)[.posixPermissions] as? Int == 0o600)

            let sync = try await program.run("sync")
            #expect(sync.status == 0 && sync.error.isEmpty)
            let lines = sync.output.split(separator: "\n")
            #expect(lines.count == 2 && lines[0] == "online: a (away)")
            let line = /up to date: 0 contacts, 0 fields, \d+ B sent, \d+ B received, [\d.]+ m?s/
            #expect(lines[1].wholeMatch(of: line) != nil)
            #expect(try await program.run("login", "--json").json["answer"] as? String == "up_to_date")
            #expect(try await program.run("sync", "--mode", "full", "--json").json["answer"] as? String == "full")
        }
        // The server is gone now.
        let contacts = try await program.run("contacts", "--json")
        let first = try #require((contacts.json["contacts"] as? [[String: Any]])?.first)
        #expect(first["name"] as? String == "user100" && first["alias"] as? String == "a")
        #expect(first["groups"] as? [String] == ["g"] && first["favourite"] as? Bool == true)
        #expect(first["fields"] as? [String: String] == ["FN": "Ada L.", "X200": "x"])
        #expect(try await program.run("contacts", "user101").output.contains("user 101"))
        let profile = try await program.run("profile", "show", "--json").json
        #expect(profile["name"] as? String == "owner" && profile["fields"] as? [String: String] == ["FN": "Me"])
        let local = try await program.run("sync", "--mode", "local", "--json")
        #expect(local.json["answer"] as? String == "local" && local.json["book_contacts"] as? Int == 2)
        #expect(try await program.run("sync").status == 69)
        #expect(try await program.run("contacts", "nobody").status == 66)
    }

    @Test("two accounts side by side; the last login is the one that is meant where none is named")
    func accounts() async throws {
        let program = try Program()
        try await FakeServer.run { peer in
            let hello = try await peer.next().request
            let (request, message) = try await peer.next()
            guard case .authenticate(let said) = message, case .trusted(.name(let name)) = said.credentials else {
                return
            }
            var table = TableModel()
            table.owner = name == "ann" ? 1 : 2
            table.own.user = table.owner
            table.own.name = name
            try await peer.send(.helloOK(FakePeer.helloOK), hello)
            try await peer.send(.authenticateOK(AuthenticateOK(user: table.owner)), request)
            try await peer.serve(table)
        } _: { (address) async throws in
            for name in ["ann", "bob"] {
                #expect(try await program.run("login", "--server", "\(address)", "--trusted-user", name).status == 0)
            }
            #expect(try await program.run("profile", "show", "--json").json["name"] as? String == "bob")
            #expect(
                try await program.run("profile", "show", "--account", "ann", "--json").json["name"] as? String == "ann"
            )
            #expect(
                try await program.run("sync", "--account", "ann", "--json").json["answer"] as? String == "up_to_date"
            )
            let unknown = try await program.run("sync", "--account", "carol")
            #expect(unknown.status == 78 && unknown.error.contains("only ann, bob"))
            let mixed = try await program.run("sync", "--account", "ann", "--trusted-user", "bob")
            #expect(mixed.status == 78 && mixed.error.contains("belongs to user 1"))
        }
    }

    @Test("server, ticket and book from the environment; nothing is remembered without a login")
    func environment() async throws {
        let seen = Mutex<[Message]>([])
        var program = try Program()
        try await FakeServer.run { peer in
            let hello = try await peer.next().request
            let (request, message) = try await peer.next()
            seen.withLock { $0.append(message) }
            try await peer.send(.helloOK(FakePeer.helloOK), hello)
            try await peer.send(.authenticateOK(AuthenticateOK(user: 7)), request)
            try await peer.serve(Self.table)
        } _: { (address) async throws in
            program.environment = [
                "TIDEMARK_SERVER": "\(address)", "TIDEMARK_TICKET": "AQID", "TIDEMARK_BOOK": program.home.file("book"),
            ]
            #expect(try await program.run("sync", "--json").json["contacts"] as? Int == 2)
            // Of a command that is done at once nobody sees that it comes and goes.
            #expect(seen.withLock { $0 } == [.authenticate(Authenticate(.ticket([1, 2, 3]), wish: .invisible))])
            #expect(!FileManager.default.fileExists(atPath: program.home.file(".config")))
        }
    }

    @Test("writes say what was typed, and the book follows")
    func writes() async throws {
        let seen = Mutex<[Message]>([])
        let program = try Program()
        let script = Self.serving(Self.table) { message in
            seen.withLock { $0.append(message) }
            switch message {
            case .profileSet: return .profileSetOK(WriteOK(stamp: 11))
            case .rosterAdd: return .rosterAddOK(RosterAddOK(stamp: 12, contact: 102, number: 3))
            case .rosterRemove: return .rosterRemoveOK(WriteOK(stamp: 13))
            case .rosterAnnotate: return .rosterAnnotateOK(WriteOK(stamp: 0))
            case .presenceSet: return .presenceSetOK
            default: return nil
            }
        }
        try await FakeServer.run(script) { (address) async throws in
            #expect(try await program.run("login", "--server", "\(address)", "--trusted-user", "owner").status == 0)
            let set = try await program.run("profile", "set", "TEL=+44 20", "fn=Ada L.", "--remove", "NOTE", "--json")
            #expect(set.json["stamp"] as? Int == 11 && set.json["changed"] as? Bool == true, "\(set.error)")
            let add = try await program.run(
                "contact",
                "add",
                "bob",
                "--alias",
                "B",
                "--group",
                "x",
                "--group",
                "y",
                "--json"
            )
            #expect(add.json["user"] as? Int == 102 && add.json["number"] as? Int == 3)
            #expect(try await program.run("contact", "add", "#104").output == "added #104, user 102\n")
            #expect(try await program.run("contact", "remove", "user101").output == "removed user101\n")
            #expect(try await program.run("contact", "annotate", "user100", "--no-alias").output == "nothing changed\n")
            #expect(try await program.run("contact", "annotate", "#100", "--group", "h", "--no-favourite").status == 0)
            #expect(try await program.run("presence", "set", "busy", "--json").json["presence"] as? String == "busy")
            let watch = try await program.run(
                "watch",
                "--count",
                "1",
                "--presence",
                "away",
                "--json"
            )
            #expect(watch.json["event"] as? String == "synced" && watch.json["answer"] != nil && watch.status == 0)
        }
        #expect(
            seen.withLock { $0 } == [
                .profileSet(
                    ProfileSet(fields: [
                        FieldChange(.fullName, text: "Ada L."), FieldChange(.telephone, text: "+44 20"),
                        FieldChange(.note, nil),
                    ])
                ),
                .rosterAdd(RosterAdd(contact: .name("bob"), annotations: Annotations(alias: "B", groups: ["x", "y"]))),
                .rosterAdd(RosterAdd(contact: .id(104))), .rosterRemove(RosterRemove(contact: 101)),
                .rosterAnnotate(
                    RosterAnnotate(contact: 100, annotations: Annotations(groups: ["g"], isFavourite: true))
                ),
                .rosterAnnotate(RosterAnnotate(contact: 100, annotations: Annotations(alias: "a", groups: ["h"]))),
                // Each when it leaves.
                .presenceSet(PresenceSet(wish: .invisible)), .presenceSet(PresenceSet(wish: .invisible)),
            ]
        )
    }

    @Test("when a contact was last seen is shown, and shown to contacts or not")
    func lastSeen() async throws {
        let seen = Mutex<[Message]>([])
        let program = try Program()
        var table = Self.table
        table.add(3, user: 102)
        let script = Self.serving(table) { message in
            seen.withLock { $0.append(message) }
            switch message {
            case .lastSeenSet(let set): return .lastSeenSetOK(WriteOK(stamp: set.isShown ? 11 : 0))
            case .lastSeenGet(let get):
                return switch get.user {
                case 102: .lastSeenGetOK(LastSeenGetOK(isShown: true, at: 1_763_803_600))
                case 101: .lastSeenGetOK(LastSeenGetOK(isShown: false, at: 0))
                default: .lastSeenGetOK(LastSeenGetOK(isShown: true, at: 0))
                }
            default: return nil
            }
        }
        try await FakeServer.run(script) { (address) async throws in
            #expect(try await program.run("login", "--server", "\(address)", "--trusted-user", "owner").status == 0)
            func lastSeen(_ arguments: String...) async throws -> Program.Outcome {
                try await program.run(list: ["presence", "last-seen"] + arguments)
            }
            #expect(try await lastSeen("user100").output.hasSuffix(": is online\n"))
            #expect(try await lastSeen("user102").output.hasSuffix(": 2025-11-22T09:26:40Z\n"))
            #expect(try await lastSeen("#101").output.hasSuffix(": does not say\n"))
            #expect(try await lastSeen("user102", "--json").json["at"] as? Int == 1_763_803_600)
            #expect(try await lastSeen().output == "shown from now on\n")
            #expect(try await lastSeen("--show").output == "contacts are told when you were last seen\n")
            #expect(try await lastSeen("--hide").output == "nobody is told when you were last seen already\n")
            #expect(try await lastSeen("--hide", "--json").json["stamp"] as? Int == 0)
            #expect(try await lastSeen("user100", "--hide").status == 64)
            #expect(try await lastSeen("nobody").status == 66)
        }
        #expect(
            seen.withLock { $0 }.prefix(6) == [
                .lastSeenGet(LastSeenGet(user: 100)), .lastSeenGet(LastSeenGet(user: 102)),
                .lastSeenGet(LastSeenGet(user: 101)), .lastSeenGet(LastSeenGet(user: 102)),
                .lastSeenGet(LastSeenGet(user: 7)),
                .lastSeenSet(LastSeenSet(isShown: true)),
            ]
        )
    }

    @Test("who asks and who is blocked is shown, and answered by name or number")
    func consent() async throws {
        let seen = Mutex<[Message]>([])
        let program = try Program()
        var table = Self.table
        table.setAside(.request(user: 201, name: "ann"))
        table.setAside(.request(user: 202, name: "bob"))
        table.setAside(.block(user: 203, note: "eve"))
        let script = Self.serving(table) { message in
            seen.withLock { $0.append(message) }
            switch message {
            case .rosterAnswer(let answer): return .rosterAnswerOK(WriteOK(stamp: answer.user == 100 ? 0 : 11))
            case .blockSet(let set):
                return set.user == 1 ? .error(ErrorMessage(.noSuchUser, detail: "no")) : .blockSetOK(WriteOK(stamp: 12))
            default: return nil
            }
        }
        try await FakeServer.run(script) { (address) async throws in
            #expect(try await program.run("login", "--server", "\(address)", "--trusted-user", "owner").status == 0)
            #expect(
                try await program.run("contact", "requests").output == "ann  user 201\nbob  user 202\n2 requests\n"
            )
            let requests = try await program.run("contact", "requests", "--json").json["requests"] as? [[String: Any]]
            #expect(requests?.map { $0["name"] as? String } == ["ann", "bob"])
            #expect(requests?.map { $0["user"] as? Int } == [201, 202])
            let approved = try await program.run("contact", "approve", "ann").output
            #expect(approved == "ann has you as a contact now; `tidemark contact refuse '#201'` takes that back\n")
            #expect(try await program.run("contact", "refuse", "#202", "--json").json["user"] as? Int == 202)
            #expect(try await program.run("contact", "refuse", "user100").output == "nothing changed\n")
            #expect(try await program.run("contact", "approve", "nobody").status == 66)
            #expect(try await program.run("contact", "block", "bob").output == "bob is blocked\n")
            #expect(try await program.run("contact", "block", "#1").status == 66)
            #expect(try await program.run("contact", "blocks").output == "eve  user 203\n1 block\n")
            let blocks = try await program.run("contact", "blocks", "--json").json["blocks"] as? [[String: Any]]
            #expect(blocks?.map { $0["note"] as? String } == ["eve"])
            #expect(try await program.run("contact", "unblock", "eve").output == "eve is blocked no longer\n")
            #expect(try await program.run("contact", "unblock", "#203", "--json").json["stamp"] as? Int == 12)
            #expect(try await program.run("contact", "unblock", "ann").status == 66)
        }
        #expect(
            seen.withLock { $0 } == [
                .rosterAnswer(RosterAnswer(user: 201, answer: .approve)),
                .rosterAnswer(RosterAnswer(user: 202, answer: .refuse)),
                .rosterAnswer(RosterAnswer(user: 100, answer: .refuse)),
                .blockSet(BlockSet(user: 202, isBlocked: true, note: "bob")),
                .blockSet(BlockSet(user: 1, isBlocked: true)),
                .blockSet(BlockSet(user: 203, isBlocked: false)), .blockSet(BlockSet(user: 203, isBlocked: false)),
            ]
        )
    }

    @Test("messages are sent to contacts, fetched and shown, and what would move the cursor is not obeyed")
    func messages() async throws {
        let seen = Mutex<[Message]>([])
        let program = try Program()
        var table = Self.table
        table.setAside(.request(user: 201, name: "ann"))
        let token = [UInt8](repeating: 7, count: 16)
        let items = [
            MessagePage.Item(
                stamp: 1_795_000_000_000_000,
                sender: 100,
                id: MessageID(low: 1, high: 2),
                kind: .text,
                content: Array("one\ntwo \u{1B}[2J".utf8)
            ),
            MessagePage.Item(
                stamp: 1_795_000_001_000_000,
                sender: 999,
                id: MessageID(low: 3, high: 4),
                kind: MessageKind(rawValue: 9),
                content: [0, 255]
            ),
        ]
        let script = Self.serving(table) { message in
            seen.withLock { $0.append(message) }
            switch message {
            case .messageSend(let send):
                return send.content == Array("full".utf8)
                    ? .error(ErrorMessage(.limitExceeded, detail: "too many")) : .messageSendOK(WriteOK(stamp: 11))
            case .messageFetch(let fetch):
                let isFirst = fetch.token.isEmpty
                return .messagePage(
                    MessagePage(token: token, waiting: isFirst ? 2 : 0, left: 0, messages: isFirst ? items : [])
                )
            case .messageAcknowledge: return .messageAcknowledgeOK(MessageAcknowledgeOK(waiting: 0))
            default: return nil
            }
        }
        let id = "000102030405060708090a0b0c0d0e0f"
        try await FakeServer.run(script) { (address) async throws in
            #expect(try await program.run("login", "--server", "\(address)", "--trusted-user", "owner").status == 0)
            #expect(
                try await program.run("message", "send", "user100", "hi", "--id", id).output == "sent to user100\n"
            )
            #expect(try await program.run("message", "send", "user101", "hi", "--json").json["user"] as? Int == 101)
            #expect(try await program.run("message", "send", "user100", "full").status == 1)
            #expect(try await program.run("message", "send", "nobody", "hi").status == 66)
            #expect(try await program.run("message", "send", "user100", "").status == 64)
            let list = try await program.run("message", "list").output
            #expect(
                list
                    == "2026-11-18T11:06:40Z a: one\n    two \u{241B}[2J\n2026-11-18T11:06:41Z user 999: 2 bytes of kind 9\n"
                    + "2 messages, 2 new\n"
            )
            let json = try await program.run("message", "list", "--count", "1", "--json").json
            #expect(json["new"] as? Int == 0)
            let message = (json["messages"] as? [[String: Any]])?.first
            #expect(message?["user"] as? Int == 999 && message?["kind"] as? Int == 9)
            #expect(message?["bytes"] as? String == "AP8=" && message?["text"] == nil && message?["name"] == nil)
            #expect(message?["id"] as? String == "03000000000000000400000000000000")
        }
        let said = seen.withLock { $0 }
        guard case .messageSend(let first) = said.first else {
            Issue.record("nothing was sent")
            return
        }
        #expect(first.reader == 100 && first.content == Array("hi".utf8))
        #expect(first.id == MessageID(low: 0x0706_0504_0302_0100, high: 0x0F0E_0D0C_0B0A_0908))
        #expect(said.filter { if case .messageAcknowledge = $0 { true } else { false } }.count == 1)
    }

    @Test(
        "what is typed wrong is said before anything is sent, with exit code 64",
        arguments: [
            ["nonsense"], ["sync", "--mode", "sideways"], ["profile", "set"], ["profile", "set", "FN"],
            ["profile", "set", "COLOUR=red"], ["profile", "set", "FN=a", "--remove", "fn"], ["contact", "add"],
            ["contact", "annotate", "bob"], ["contact", "annotate", "bob", "--alias", "b", "--no-alias"],
            ["login", "--mode", "local"], ["sync", "--ticket", "AQID", "--trusted-user", "a"],
            ["sync", "--ticket", "!!"], ["sync", "--server", "nohost", "--ticket", "AQID", "--book", "BOOK"],
            ["presence", "set", "asleep"], ["watch", "--count", "0"], ["watch", "--for", "0"],
            ["sync", "--timeout", "0"], ["message", "send", "bob"], ["message", "send", "bob", "x", "--id", "12"],
            ["message", "list", "--count", "0"],
        ]
    )
    func usage(_ arguments: [String]) async throws {
        let program = try Program()
        let arguments = arguments.map { $0 == "BOOK" ? program.home.file("book") : $0 }
        var outcome = try await program.run(list: arguments)
        #expect(outcome.status == 64, "\(outcome)")
        #expect(!outcome.error.isEmpty)
        outcome = try await program.run(list: arguments + ["--json"])
        #expect(outcome.status == 64)
        #expect(outcome.json["exit_code"] as? Int == 64 || arguments == ["nonsense"], "\(outcome)")
    }

    @Test(
        "each refusal has its exit code",
        arguments: [
            (ErrorCode.ticketExpired, 77), (.credentialsInvalid, 77), (.methodNotAllowed, 77), (.accountDisabled, 77),
            (.retryLater, 75), (.shuttingDown, 75), (.unsupportedVersion, 65), (.internalError, 1),
        ] as [(ErrorCode, Int32)]
    )
    func refused(_ code: ErrorCode, _ status: Int32) async throws {
        let program = try Program()
        try await FakeServer.run { peer in
            let hello = try await peer.next().request
            try await peer.send(.helloOK(FakePeer.helloOK), hello)
            try await peer.send(
                .error(ErrorMessage(code, detail: "because", retryAfterMS: 5)),
                try await peer.next().request
            )
            await peer.linger()
        } _: { (address) async throws in
            let outcome = try await program.run("login", "--server", "\(address)", "--ticket", "AQID", "--json")
            #expect(outcome.status == status, "\(outcome)")
            #expect(outcome.json["exit_code"] as? Int == Int(status))
            #expect(outcome.error.contains("\(code)") && outcome.error.contains("because"))
            #expect(!FileManager.default.fileExists(atPath: program.home.file(".config/tidemark/accounts.json")))
        }
    }

    @Test("no such user, a server that talks nonsense, one that is not there, nothing configured, a spoilt book")
    func otherFailures() async throws {
        let program = try Program()
        let nobody = Self.serving(Self.table) { _ in .error(ErrorMessage(.noSuchUser, detail: "nobody is called zoe")) }
        try await FakeServer.run(nobody) { (address) async throws in
            #expect(try await program.run("login", "--server", "\(address)", "--trusted-user", "owner").status == 0)
            #expect(try await program.run("contact", "add", "zoe").status == 66)
            #expect(try await program.run("contact", "remove", "zoe").status == 66)
        }
        try await FakeServer.run { peer in
            _ = try await peer.next()
            try await peer.send(Array("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n".utf8))
            await peer.linger()
        } _: { (address) async throws in
            let outcome = try await program.run("sync", "--server", "\(address)", "--timeout", "5")
            #expect(outcome.status == 65, "\(outcome)")
        }
        let bare = try Program()
        #expect(try await bare.run("sync").status == 78)
        #expect(try await bare.run("contacts").status == 78)
        #expect(
            try await bare.run("sync", "--server", "127.0.0.1:1", "--ticket", "AQID", "--book", bare.home.file("b"))
                .status == 69
        )
        #expect(
            try await bare.run("sync", "--server", "127.0.0.1:1", "--ticket", "AQID", "--book", "relative").status == 69
        )
        #expect(FileManager.default.fileExists(atPath: bare.home.file("relative")))
        #expect(
            try await bare.run("sync", "--server", "127.0.0.1:1", "--ticket", "AQID", "--book", "/proc/none/book")
                .status == 74
        )
        try Data(repeating: 0x41, count: 5000).write(to: URL(fileURLWithPath: bare.home.file("spoilt")))
        #expect(try await bare.run("contacts", "--book", bare.home.file("spoilt")).status == 74)
    }

    @Test("help teaches: every command has an example, and the exit codes are listed")
    func help() async throws {
        let program = try Program()
        for command in [
            ["login"], ["sync"], ["contacts"], ["profile", "set"], ["contact", "add"], ["contact", "approve"],
            ["contact", "refuse"], ["contact", "block"], ["contact", "unblock"], ["presence", "set"], ["watch"],
            ["password"],
            ["sign-out"],
        ] {
            let outcome = try await program.run(list: command + ["--help"])
            #expect(outcome.status == 0 && outcome.output.contains("EXAMPLE"), "\(command)")
        }
        let help = try await program.run("--help").output
        for code in ["64", "65", "66", "69", "74", "75", "77", "78"] { #expect(help.contains("\n  \(code)  ")) }
    }
}
