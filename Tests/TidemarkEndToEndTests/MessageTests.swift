// Messages between users: they wait, arrive once, and are told as they come.

import Foundation
import Testing
import TidemarkClient
import TidemarkDirectory
import TidemarkServer
import TidemarkTesting
import TidemarkWire

private struct Unexpected: Error {
    var message: String
}

@Suite("Messages") struct MessageTests {
    /// Users 1 to 6, of whom each has the five others.
    private static func server(
        loops: Int = 1,
        _ adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> TestServer {
        try TestServer(
            World.accounts(6) + (1...6).flatMap { owner in World.roster(owner, (1...6).filter { $0 != owner }) }
        ) {
            $0.loops = loops
            adjust(&$0)
        }
    }

    private func texts(_ messages: [ReceivedMessage]) -> [String] { messages.map { $0.text ?? "?" } }

    @Test(
        "what is sent to somebody who is away waits, also for a server that goes; other devices get it too",
        arguments: [1, 2, 4]
    )
    func away(loops: Int) async throws {
        let server = try Self.server(loops: loops)
        let (phone, tablet) = (try AddressBook.inMemory(), try AddressBook.inMemory())
        for sender in UserID(2)...6 {
            try await server.session(sender) { connection in
                let first = try await connection.send("one of \(sender)", to: 1)
                #expect(try await connection.send("two of \(sender)", to: 1) > first)
            }
        }
        try server.restart()
        let report = try await server.visit(1, phone)
        #expect(report.waitingMessages == 10)
        let fetched = try await server.session(1) { try await $0.fetchMessages(into: phone) }
        #expect(texts(fetched) == (2...6).flatMap { ["one of \($0)", "two of \($0)"] })
        #expect(fetched.allSatisfy { $0.contact?.user == $0.sender })
        #expect(try await phone.messages() == fetched)
        #expect(try await server.visit(1, phone).waitingMessages == 0)
        #expect(try await server.session(1) { try await $0.fetchMessages(into: phone) } == [])
        // It waits for nobody any more, and the tablet has not had it.
        try server.restart()
        _ = try await server.visit(1, tablet)
        #expect(texts(try await server.session(1) { try await $0.fetchMessages(into: tablet) }) == texts(fetched))
        #expect(try await server.session(1) { try await $0.fetchMessages(into: tablet) } == [])
    }

    @Test("whoever follows is told as it happens, once each, in the order of each sender", arguments: [1, 2, 4])
    func followed(loops: Int) async throws {
        let server = try Self.server(loops: loops)
        let book = try AddressBook.inMemory()
        try await server.session(2) { _ = try await $0.send("before", to: 1) }
        let (heard, said) = AsyncStream.makeStream(of: ReceivedMessage.self)
        try await server.session(1) { reader in
            let following = Task {
                for try await update in reader.updates(to: book) {
                    if case .messages(let messages) = update { messages.forEach { said.yield($0) } }
                }
            }
            var iterator = heard.makeAsyncIterator()
            #expect(await iterator.next()?.text == "before")
            for sender in UserID(2)...6 {
                try await server.session(sender) { connection in
                    let id = MessageID.random()
                    // As one does who has not heard whether it arrived.
                    for _ in 0..<2 { _ = try await connection.send("first of \(sender)", to: 1, id: id) }
                    _ = try await connection.send("second of \(sender)", to: 1)
                }
            }
            for sender in UserID(2)...6 {
                #expect(await iterator.next()?.text == "first of \(sender)")
                #expect(await iterator.next()?.text == "second of \(sender)")
            }
            // They have been acknowledged, each push in its turn.
            while try await reader.page(Sync()).summary?.waitingMessages != 0 {}
            following.cancel()
            _ = await following.result
        }
        #expect(try await book.messages().count == 11)
    }

    @Test("several devices hear of each message", arguments: [1, 2])
    func devices(loops: Int) async throws {
        let server = try Self.server(loops: loops)
        let raws = try (0..<3).map { _ in try RawClient.login(server, 1) }
        var tokens: [[UInt8]] = []
        for raw in raws {
            raw.send(Message.messageFetch(MessageFetch(options: .subscribe)).frame(request: 10))
            guard case (10, .messagePage(let page)) = try raw.message() else { throw Unexpected(message: "no page") }
            #expect(page.messages.isEmpty && page.waiting == 0 && page.left == 0)
            tokens.append(page.token)
        }
        for number in 0..<5 {
            try await server.session(3) { _ = try await $0.send("number \(number)", to: 1) }
            for (device, raw) in raws.enumerated() {
                guard case (0, .pushMessages(let push)) = try raw.message() else {
                    throw Unexpected(message: "no push")
                }
                #expect(push.from == tokens[device])
                #expect(push.page.messages.map(\.content) == [Array("number \(number)".utf8)])
                #expect(push.page.messages.map(\.sender) == [3] && push.page.left == 0)
                tokens[device] = push.page.token
            }
        }
        // One has them for all, and ends to be told.
        raws[0].send(Message.messageAcknowledge(MessageAcknowledge(token: tokens[0])).frame(request: 11))
        guard case (11, .messageAcknowledgeOK(let ok)) = try raws[0].message() else {
            throw Unexpected(message: "no OK")
        }
        #expect(ok.waiting == 0)
        raws[0].send(Message.messageFetch(MessageFetch(token: Sync.TokenBytes(tokens[0]))).frame(request: 12))
        guard case (12, .messagePage) = try raws[0].message() else { throw Unexpected(message: "no page") }
        try await server.session(3) { _ = try await $0.send("last", to: 1) }
        guard case (0, .pushMessages) = try raws[1].message() else { throw Unexpected(message: "no push") }
        raws[0].send(Message.ping(Ping()).frame(request: 13))
        guard case (13, .pong) = try raws[0].message() else { throw Unexpected(message: "it was told") }
    }

    @Test("a blocked sender is answered like one whose reader is away, and heard by nobody", arguments: [1, 2, 4])
    func blocked(loops: Int) async throws {
        let server = try Self.server(loops: loops) { $0.messageBounds = MessageBounds(count: 12, bytes: 4_096) }
        let book = try AddressBook.inMemory()
        try await server.session(1) { _ = try await $0.block(2) }
        var transcripts: [[String]] = []
        for sender in [UserID(2), 3] {
            var said: [String] = []
            try await server.session(sender) { connection in
                for text in ["a", "bb", "", String(repeating: "x", count: 700), "d", "e", "f"] {
                    do {
                        let stamp = try await connection.send(text, to: 1)
                        said.append(stamp > 0 ? "taken" : "unchanged")
                    } catch {
                        said.append("\(error)")
                    }
                }
            }
            transcripts.append(said)
        }
        #expect(transcripts[0] == transcripts[1])
        #expect(Set(transcripts[0]).count == 2, "taken, and then too many")
        try server.restart()
        #expect(try await server.visit(1, book).waitingMessages == 3)
        let fetched = try await server.session(1) { try await $0.fetchMessages(into: book) }
        #expect(Set(fetched.map(\.sender)) == [3])
        // Unblocked, it is heard; what it said before is not.
        try await server.session(1) { _ = try await $0.unblock(2) }
        try await server.session(2) { _ = try await $0.send("hello", to: 1) }
        #expect(texts(try await server.session(1) { try await $0.fetchMessages(into: book) }) == ["hello"])
    }

    @Test("only contacts that have agreed are written to", arguments: [1, 2])
    func strangers(loops: Int) async throws {
        let server = try TestServer(World.accounts(4)) {
            $0.loops = loops
            $0.rosterPolicy = .approval
        }
        func code(_ body: () async throws -> Void) async -> UInt8? {
            do {
                try await body()
            } catch let error as ClientError {
                if case .server(let message) = error { return message.code }
            } catch {}
            return nil
        }
        for reader in UserID(2)...4 {
            try await server.session(1) { connection in
                #expect(await code { try await connection.send("x", to: reader) } == ErrorCode.noSuchContact.rawValue)
                let added = try await connection.addContact(.name("user\(reader)"))
                #expect(
                    await code { try await connection.send("x", to: added.contact) } == ErrorCode.notAllowed.rawValue
                )
                // By its own number it is nobody that is known here.
                #expect(await code { try await connection.send("x", to: reader) } == ErrorCode.noSuchContact.rawValue)
                try await server.session(reader) { _ = try await $0.answer(1, .approve) }
                #expect(try await connection.send("x", to: reader) > 0)
                #expect(await code { try await connection.send("x", to: 1) } == ErrorCode.noSuchContact.rawValue)
            }
        }
    }
}
