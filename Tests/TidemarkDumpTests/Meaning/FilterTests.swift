import Testing
import TidemarkWire

@testable import TidemarkDump

@Suite("Filters")
struct FilterTests {
    @Test("types go by name in any case, and by number")
    func types() throws {
        var set = MessageTypeSet()
        for text in ["sync", "SYNCpage", "type 0x7e", "0x7F", "200"] { try set.insert(text) }
        let contained = (UInt8.min...UInt8.max).filter { set.contains($0) }
        #expect(contained == [0x04, 0x7E, 0x7F, 0x84, 200])
    }

    @Test("an unknown name is refused with the known ones", arguments: ["synch", "", "0x100", "256", "type"])
    func unknownType(text: String) {
        var set = MessageTypeSet()
        let error = #expect(throws: UnknownMessageType.self) { try set.insert(text) }
        #expect(error?.description.contains("\"\(text)\"") == true)
        #expect(error?.description.contains("hello, authenticate") == true)
        #expect(set == MessageTypeSet())
    }

    @Test("by type, by request, by connection, and all at once")
    func messages() throws {
        var types = MessageTypeSet()
        try types.insert("sync")
        try types.insert("syncPage")
        #expect(try shown(MessageFilter(types: types)).count == 6)
        #expect(try shown(MessageFilter(request: 4)).map(\.first) == ["c1 > sync #4", "c1 < syncPage #4"])
        let second = try shown(MessageFilter(connection: 2))
        #expect(second.map(\.first).first == "c2 opened 127.0.0.1:51234")
        #expect(second.count == 8)
        #expect(
            try shown(MessageFilter(types: types, request: 3, connection: 2)).map(\.first) == [
                "c2 > sync #3", "c2 < syncPage #3",
            ]
        )
    }

    @Test("of errors: errors, go-aways, invalid frames and anomalies")
    func errors() throws {
        let text = try dumped(.test(filter: MessageFilter(errorsOnly: true))) { interpreter in
            interpreter.open()
            interpreter.play(try ProtocolVector.exchange("exchange-relogin"))
            interpreter.play(try ProtocolVector.exchange("error-retry-later"))
            interpreter.play(try ProtocolVector.exchange("go-away-replaced"))
            interpreter.play(makeFrame(0x04, request: 3, []), .toServer)
            interpreter.anomaly(
                .lost(count: 9),
                of: ConnectionName(slot: 0, number: 1),
                .toClient,
                at: CaptureTime(nanoseconds: 0)
            )
            interpreter.end()
        }
        let lines = text.split(separator: "\n").dropFirst()
        #expect(lines.count == 4, "\(text)")
        #expect(lines.last == "c1 < 9 bytes were not captured")
    }

    @Test("by user: what came before the user was known is shown then, in its order, and other users are not")
    func user() throws {
        let all = try shown(MessageFilter())
        #expect(try shown(MessageFilter(user: .id(1002))) == all)
        #expect(try shown(MessageFilter(user: .id(1003))) == [])
        // The server tells the user of a connection whose ticket cannot be read.
        let text = try dumped(.test(filter: MessageFilter(user: .id(1002)))) { interpreter in
            interpreter.open()
            interpreter.play(try ProtocolVector.exchange("hello"))
            interpreter.play(try ProtocolVector.exchange("authenticate-ticket-empty"))
            interpreter.play(try ProtocolVector.exchange("authenticate-ok"))
            interpreter.end()
        }
        let lines = text.split(separator: "\n").map { String($0.dropFirst(16)) }.dropFirst()
        #expect(
            Array(lines) == [
                "c1 opened 127.0.0.1:51234 > 127.0.0.1:8433",
                "c1 > hello #1 v1 phone device 0123456789abcdef",
                "c1 > authenticate #2 ticket …, unreadable, 0 bytes",
                "c1 < authenticateOK #2 user 1002 [0 µs]",
                "c1 closed",
            ]
        )
    }

    @Test("by a user's name: from a trusted login, the own item, or a page that names the number's user")
    func userName() throws {
        // The first connection's page has bob's own item, so what came before is shown; from then on bob is 1002.
        let both = try shown(MessageFilter(user: .name("bob")))
        #expect(both == (try shown(MessageFilter())))
        #expect(try shown(MessageFilter(user: .name("ann"))) == [])
        let trusted = try dumped(.test(filter: MessageFilter(user: .name("bob")))) { interpreter in
            interpreter.open()
            interpreter.play(try ProtocolVector.exchange("hello"))
            interpreter.play(try ProtocolVector.exchange("authenticate-trusted-name"))
            interpreter.play(makeFrame(0x82, request: 2, [0xEA, 0x07]), .toClient)
        }
        #expect(trusted.split(separator: "\n").count == 5, "\(trusted)")
        // Bob's page names ann as 1001; a session of hers is then known by its number.
        let ann = try dumped(.test(filter: MessageFilter(user: .name("ann")))) { interpreter in
            interpreter.open(1)
            interpreter.play(try ProtocolVector.exchange("exchange-first-login"), 1)
            interpreter.open(2)
            interpreter.play(makeFrame(0x82, request: 2, [0xE9, 0x07]), .toClient, 2)
        }
        #expect(ann.split(separator: "\n").count == 3, "\(ann)")
        #expect(ann.contains("c2 < authenticateOK #2 user 1001"))
    }

    @Test("a login is by a name once the server agrees, and who adds a name to a roster is somebody else")
    func userNameOfOthers() throws {
        let refused = try dumped(.test(filter: MessageFilter(user: .name("bob")))) { interpreter in
            interpreter.open(1)
            interpreter.play(try ProtocolVector.exchange("authenticate-trusted-name"), 1)
            interpreter.play(try ProtocolVector.exchange("error-bad-frame"), 1)
            // Erin then logs in by her number on the same connection.
            interpreter.play(makeFrame(0x02, request: 3, [2, 0xED, 0x07]), .toServer, 1)
            interpreter.play(makeFrame(0x82, request: 3, [0xED, 0x07]), .toClient, 1)
            // Her number is not taken for bob's.
            interpreter.open(2)
            interpreter.play(makeFrame(0x82, request: 2, [0xED, 0x07]), .toClient, 2)
        }
        #expect(refused.isEmpty, "\(refused)")
        let added = try dumped(.test(filter: MessageFilter(user: .name("erin")))) { interpreter in
            interpreter.open(1)
            interpreter.play(makeFrame(0x82, request: 2, [0xE9, 0x07]), .toClient, 1)
            interpreter.play(try ProtocolVector.exchange("roster-add"), 1)
            interpreter.play(try ProtocolVector.exchange("roster-add-ok"), 1)
            // The answer has told that erin is 1005.
            interpreter.open(2)
            interpreter.play(makeFrame(0x82, request: 2, [0xED, 0x07]), .toClient, 2)
        }
        #expect(!added.contains("c1 ") && added.contains("c2 < authenticateOK #2 user 1005"), "\(added)")
    }

    @Test("the answer to another addition with the same id tells nothing of the wanted name")
    func reusedRequest() throws {
        let text = try dumped(.test(filter: MessageFilter(user: .name("erin")))) { interpreter in
            interpreter.open(1)
            interpreter.play(try ProtocolVector.exchange("roster-add"), 1)
            // By number, with the id of the one that was not answered.
            interpreter.play(makeFrame(0x11, request: 6, [0xED, 0x07, 0, 0, 0]), .toServer, 1)
            interpreter.play(try ProtocolVector.exchange("roster-add-ok"), 1)
            interpreter.open(2)
            interpreter.play(makeFrame(0x82, request: 2, [0xED, 0x07]), .toClient, 2)
        }
        #expect(text.isEmpty, "\(text)")
    }

    @Test("a count is of messages that pass, also among those that were held back", arguments: [1, 2, 3, 4, 5])
    func counted(most: UInt64) throws {
        func messages(_ filter: MessageFilter) throws -> [Substring] {
            let text = try dumped(.test(filter: filter), messagesMax: most) { interpreter in
                interpreter.open()
                interpreter.play(try ProtocolVector.exchange("exchange-first-login"))
                interpreter.end()
                interpreter.open(2)
            }
            #expect(!text.contains("closed") && !text.contains("c2"))
            return text.split(separator: "\n").filter { $0.contains(" > ") && $0.contains("#") || $0.contains(" < ") }
        }
        #expect(try messages(MessageFilter()).count == Int(most))
        #expect(try messages(MessageFilter(user: .id(1002))).count == Int(most))
        let figures = try dumped(
            .test(.statisticsJSON, filter: MessageFilter(user: .id(1002), errorsOnly: false)),
            messagesMax: most
        ) {
            $0.play(try ProtocolVector.exchange("exchange-first-login"))
        }
        #expect(try jsonLines(figures).first?["messages"] == .number(Int(most)))
    }

    @Test("a count is exact where the output is written out in between")
    func countedAcrossFlushes() throws {
        var types = MessageTypeSet()
        try types.insert("ping")
        let text = try dumped(.test(filter: MessageFilter(types: types)), messagesMax: 5000) { interpreter in
            for request in 1...10_000 as ClosedRange<UInt16> {
                interpreter.play(makeFrame(0x05, request: request, []), .toServer)
                interpreter.play(makeFrame(0x85, request: request, []), .toClient)
            }
        }
        // And the line of the date.
        #expect(text.split(separator: "\n").count == 5001)
        #expect(text.utf8.count > LineBuffer.flushBytes)
    }

    @Test("what is held back is bounded, and what did not fit is told")
    func bounded() throws {
        let text = try dumped(.test(filter: MessageFilter(user: .id(1002)))) { interpreter in
            for _ in 0..<10_000 { interpreter.play(makeFrame(0x05, request: 1, [1, 2, 3]), .toServer) }
            interpreter.play(try ProtocolVector.exchange("authenticate-ok"))
        }
        let lines = text.split(separator: "\n")
        let kept = lines.filter { $0.contains("ping") }.count
        #expect(kept > 20 && kept < HeldFrames.bytesMax / 15)
        #expect(text.contains("\(Self.grouped(10_000 - kept)) messages before the user was known"))
    }

    private static func grouped(_ number: Int) -> String { written { $0.grouped(number) } }

    /// Each line's connection, type and request, of two connections of user 1002.
    private func shown(_ filter: MessageFilter) throws -> [Shown] {
        let text = try dumped(.test(filter: filter)) { interpreter in
            interpreter.open(1)
            interpreter.play(try ProtocolVector.exchange("exchange-first-login"), 1)
            interpreter.end(1)
            interpreter.open(2)
            interpreter.play(try ProtocolVector.exchange("exchange-relogin"), 2)
            interpreter.end(2)
        }
        return text.split(separator: "\n").dropFirst().map { line in
            Shown(first: line.split(separator: " ").dropFirst().prefix(4).joined(separator: " "), line: String(line))
        }
        .map { shown in
            let words = shown.first.split(separator: " ")
            let count = words.count > 1 && (words[1] == ">" || words[1] == "<") ? 4 : 3
            return Shown(first: words.prefix(count).joined(separator: " "), line: shown.line)
        }
    }

    private struct Shown: Equatable {
        var first: String
        var line: String
    }
}
