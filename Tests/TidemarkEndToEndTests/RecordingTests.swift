// A recording holds what crossed the wire: the same bytes in the server's and the clients', and all of them frames.

import Foundation
import Testing
import TidemarkClient
import TidemarkRecording
import TidemarkWire

@Suite("Recordings") struct RecordingTests {
    private let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "tidemark-recording-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    private func recorder(_ name: String) throws -> Recorder {
        try Recorder(path: directory.appending(path: name).path) { notice in
            if case .finished(let summary) = notice, summary.droppedBytes == 0 { return }
            Issue.record("\(notice)")
        }
    }

    private func read(_ name: String) throws -> RecordedFile {
        try RecordedFile(Array(Data(contentsOf: directory.appending(path: name))))
    }

    /// The messages of a stream that is nothing but frames.
    private func messages(_ bytes: [UInt8]?) throws -> [Message] {
        let bytes = try #require(bytes)
        return try bytes.withUnsafeBytes { bytes in
            var messages: [Message] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let left = UnsafeRawBufferPointer(rebasing: rest)
                guard case .frame(let header, let body) = FrameParse.first(in: left, bodyBytesMax: Limits.bodyBytesMax)
                else { throw RecordedFile.Mistake(what: "frame", offset: rest.startIndex) }
                let type = try #require(MessageType(rawValue: header.type))
                messages.append(try #require(try Message(type, decoding: body)))
                rest = rest.dropFirst(Limits.headerBytes + body.count)
            }
            return messages
        }
    }

    private func types(_ bytes: [UInt8]?) throws -> [MessageType] { try messages(bytes).map(\.type) }

    @Test("login and sync over TCP and a Unix socket: server's and client's recordings tell the same")
    func bothEnds() async throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let recorders = (server: try recorder("server"), client: try recorder("client"))
        let server = try TestServer(World.accounts(40) + World.roster(1, 2...40), recorder: recorders.server)
        var configuration = TestServer.client
        configuration.recorder = recorders.client
        for (address, credentials) in [
            (server.tcp, Credentials.ticket(server.ticket(1))), (server.unix, .trusted(.id(1))),
        ] {
            let (connection, report) = try await TidemarkConnection.login(
                address,
                as: credentials,
                book: .inMemory(),
                configuration: configuration
            )
            #expect(report.answer == .full && report.contacts == 39)
            try await connection.setProfile([FieldChange(.note, text: "\(address)")])
            await connection.close()
        }
        let port = server.port
        // It has seen that the client has gone; else it would say goodbye itself.
        while server.counters.closed < 2 { try await Task.sleep(for: .milliseconds(2)) }
        try server.stop()
        recorders.server.finish()
        recorders.client.finish()

        let atServer = try read("server").connections
        let atClient = try read("client").connections
        #expect(atServer.map(\.server) == ["127.0.0.1:\(port)", "127.0.0.1:8433"])
        #expect(atClient.map(\.server) == ["127.0.0.1:\(port)", "127.0.0.1:8433"])
        for (seen, sent) in zip(atServer, atClient) {
            #expect(seen.isOpened && seen.isFinished && sent.isOpened && sent.isFinished)
            #expect(seen.clientBytes == sent.clientBytes && seen.serverBytes == sent.serverBytes)
            #expect(try types(seen.clientBytes) == [.hello, .authenticate, .sync, .profileSet])
            #expect(try types(seen.serverBytes) == [.helloOK, .authenticateOK, .syncPage, .profileSetOK])
            // The client says goodbye first.
            #expect(seen.packets.first(where: \.isFIN)?.source == seen.client)
            #expect(sent.packets.first(where: \.isFIN)?.source == sent.client)
        }
        guard case .syncPage(let page) = try messages(atServer[0].serverBytes)[2] else { throw RawClient.Closed() }
        #expect(page.items.count == 40)
        #expect(try messages(atServer[0].clientBytes)[1] == .authenticate(.ticket(server.ticket(1))))
    }

    @Test("frames that come in pieces, and many at once, are recorded once each")
    func pieces() async throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let recorder = try recorder("server")
        // Rosters so large that the server stops reading until the client has read some of its answers.
        let server = try TestServer(World.accounts(200) + World.roster(1, 2...200), recorder: recorder)
        let raw = RawClient(port: server.port)
        var sent: [UInt8] = []
        var received: [UInt8] = []
        func send(_ bytes: [UInt8]) {
            sent += bytes
            raw.send(bytes)
        }
        // Waits for an answer after each piece, or half of a frame would not come alone.
        for byte in Message.hello(Hello()).frame(request: 1) { send([byte]) }
        received += try raw.frame().bytes
        let login = Message.authenticate(.ticket(server.ticket(1))).frame(request: 2)
        let sync = Message.sync(Sync()).frame(request: 3)
        send(login + sync.prefix(5))
        received += try raw.frame().bytes
        send(Array(sync.dropFirst(5)) + sync + sync.prefix(1))
        for _ in 0..<2 { received += try raw.frame().bytes }
        send(Array(sync.dropFirst(1)))
        received += try raw.frame().bytes
        let many = 500
        send(Array(repeatElement(sync, count: many).joined()) + sync.prefix(7))
        for _ in 0..<many { received += try raw.frame().bytes }
        send(Array(sync.dropFirst(7)))
        received += try raw.frame().bytes
        raw.finish()
        #expect(raw.isClosed())
        try server.stop()
        recorder.finish()

        let recorded = try #require(try read("server").connections.first)
        #expect(recorded.clientBytes == sent && recorded.serverBytes == received)
        #expect(recorded.isFinished && received.count > 4 << 20)
        #expect(recorded.packets.first(where: \.isFIN)?.source == recorded.client)
    }

    @Test("what is no protocol is recorded too, with who ended it")
    func refused() async throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let recorder = try recorder("server")
        let server = try TestServer(recorder: recorder)
        let raw = RawClient(port: server.port)
        let nonsense = Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        raw.send(nonsense)
        let answer = try raw.frame().bytes
        #expect(raw.isClosed())
        try server.stop()
        recorder.finish()
        let recorded = try #require(try read("server").connections.first)
        #expect(recorded.clientBytes == nonsense && recorded.serverBytes == answer)
        #expect(try types(recorded.serverBytes) == [.error])
        // The client never said that it is done, so the server let go of it.
        #expect(recorded.packets.filter { $0.isFIN || $0.isReset }.map(\.source) == [recorded.server, recorded.server])
        #expect(recorded.packets.last?.isReset == true)
    }
}
