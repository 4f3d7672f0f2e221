import Synchronization
import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkClient

/// Messages against a scripted server, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct MessageTests {
    private static func token(_ number: UInt8) -> [UInt8] { [UInt8](repeating: number, count: 16) }

    private static func item(_ stamp: Stamp, from sender: UserID = 100, id: UInt64) -> MessagePage.Item {
        MessagePage.Item(
            stamp: stamp,
            sender: sender,
            id: MessageID(low: id, high: 0),
            kind: .text,
            content: Array("number \(id)".utf8)
        )
    }

    private static func run(
        _ answer: @escaping @Sendable (Message) -> Message,
        _ body: (TidemarkConnection, AddressBook) async throws -> Void
    ) async throws {
        try await FakeServer.run { peer in
            try await peer.welcome()
            while let (request, message) = try? await peer.next() { try await peer.send(answer(message), request) }
        } _: { address in
            let connection = try await TidemarkConnection.open(
                address,
                as: .ticket([1, 2, 3]),
                configuration: .patient
            )
            try await body(connection, try .inMemory())
            await connection.close()
        }
    }

    @Test("messages that are stored are told, also where saying so fails; and it is said again")
    func lostAcknowledgement() async throws {
        let said = Mutex<[Message]>([])
        try await Self.run { message in
            let acknowledged = said.withLock { said in
                said.append(message)
                return said.count { if case .messageAcknowledge = $0 { true } else { false } }
            }
            switch message {
            case .messageFetch(let fetch):
                let isFirst = fetch.token.isEmpty
                return .messagePage(
                    MessagePage(
                        token: Self.token(1),
                        waiting: acknowledged > 1 ? 0 : 2,
                        left: 0,
                        messages: isFirst ? [Self.item(10, id: 1), Self.item(11, id: 2)] : []
                    )
                )
            case .messageAcknowledge where acknowledged == 1:
                return .error(ErrorMessage(.retryLater, detail: "the disk is behind", retryAfterMS: 1))
            default: return .messageAcknowledgeOK(MessageAcknowledgeOK(waiting: 0))
            }
        } _: { (connection, book) async throws in
            #expect(try await connection.fetchMessages(into: book).map(\.text) == ["number 1", "number 2"])
            #expect(try await connection.fetchMessages(into: book) == [])
            #expect(try await connection.fetchMessages(into: book) == [])
            #expect(try await book.messages().count == 2)
        }
        let acknowledgements = said.withLock { $0 }.filter { if case .messageAcknowledge = $0 { true } else { false } }
        #expect(
            acknowledgements
                == [Message](repeating: .messageAcknowledge(MessageAcknowledge(token: Self.token(1))), count: 2)
        )
    }

    @Test("a message that comes twice is shown once, and two of the same time are two")
    func repeated() async throws {
        let fetches = Mutex(0)
        try await Self.run { message in
            guard case .messageFetch = message else { return .messageAcknowledgeOK(MessageAcknowledgeOK(waiting: 0)) }
            let number = fetches.withLock { count in
                count += 1
                return count
            }
            // A server that was set back, and repeats itself, with another message at a time that was.
            let messages =
                number == 1
                ? [Self.item(10, id: 1), Self.item(11, id: 2), Self.item(12, id: 1)]
                : [Self.item(10, id: 1), Self.item(11, from: 101, id: 3)]
            return .messagePage(
                MessagePage(token: Self.token(UInt8(number)), waiting: 0, left: 0, messages: messages)
            )
        } _: { (connection, book) async throws in
            #expect(try await connection.fetchMessages(into: book).map(\.messageID.low) == [1, 2])
            #expect(try await connection.fetchMessages(into: book).map(\.messageID.low) == [3])
            #expect(try await book.messages().map(\.messageID.low) == [1, 2, 3])
            #expect(try await book.messages(newest: 1).map(\.messageID.low) == [3])
            try await book.removeMessages(through: 10)
            #expect(try await book.messages().map(\.messageID.low) == [2, 3])
        }
    }

    @Test("pages are fetched to the end, and each is acknowledged once it is stored")
    func pages() async throws {
        let said = Mutex<[Message]>([])
        try await Self.run { message in
            said.withLock { $0.append(message) }
            switch message {
            case .messageFetch(let fetch):
                let number = (fetch.token.array.first ?? 0) + 1
                return .messagePage(
                    MessagePage(
                        token: Self.token(number),
                        waiting: UInt32(4 - number),
                        left: UInt32(3 - number),
                        messages: [Self.item(UInt64(number), id: UInt64(number))]
                    )
                )
            default: return .messageAcknowledgeOK(MessageAcknowledgeOK(waiting: 0))
            }
        } _: { (connection, book) async throws in
            #expect(try await connection.fetchMessages(into: book).map(\.stamp) == [1, 2, 3])
        }
        let tokens = said.withLock { $0 }.compactMap { message -> [UInt8]? in
            if case .messageAcknowledge(let acknowledgement) = message { acknowledgement.token } else { nil }
        }
        #expect(tokens == [Self.token(1), Self.token(2), Self.token(3)])
    }
}
