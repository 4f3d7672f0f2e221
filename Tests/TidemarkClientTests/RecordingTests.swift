import Foundation
import Testing
import TidemarkRecording
import TidemarkWire

@testable import TidemarkClient

/// `tidemark --record FILE`.
@Suite(.timeLimit(.minutes(2))) struct RecordingTests {
    private func contents(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

    @Test("what is sent and received is in the file, for each command that connects")
    func recorded() async throws {
        let program = try Program()
        var table = TableModel()
        table.add(1, user: 100, fields: [1: "Ada L."])
        let filled = table
        try await FakeServer.run { peer in
            try await peer.welcome()
            while let (request, message) = try? await peer.next() {
                switch message {
                case .sync(let sync): try await peer.send(.syncPage(filled.answer(sync)), request)
                case .presenceSet: try await peer.send(.presenceSetOK, request)
                default: try await peer.send(.profileSetOK(WriteOK(stamp: 11)), request)
                }
            }
        } _: { (address) async throws in
            let file = program.home.file("login.pcap")
            let login = try await program.run(
                "login",
                "--server",
                "\(address)",
                "--trusted-user",
                "owner",
                "--record",
                file
            )
            #expect(login.status == 0 && login.error.isEmpty, "\(login)")
            let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let bytes = try contents(file)
            #expect(bytes.prefix(4) == Data([0x4D, 0x3C, 0xB2, 0xA1]))
            // Behind it stands how each command wants to be seen.
            let credentials = Message.authenticate(.trusted(.name("owner"))).frame(request: 2)
                .dropFirst(Limits.headerBytes)
            #expect(bytes.contains(Data(credentials)))
            #expect(bytes.contains(Data(Message.syncPage(filled.answer(Sync())).frame(request: 3))))

            for arguments in [
                ["sync"], ["profile", "set", "FN=Ada"], ["presence", "set", "away"],
                ["watch", "--count", "1"],
            ] {
                let file = program.home.file(arguments[0] + ".pcap")
                let outcome = try await program.run(list: arguments + ["--record", file])
                #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome)")
                #expect(try contents(file).contains(Data(credentials)))
            }

            let again = try await program.run("sync", "--record", file)
            #expect(again.status == 74)
            #expect(again.error.contains("--record: \(file) is not empty, and a recording replaces nothing"))
            #expect(try contents(file) == bytes)
            #expect(
                try await program.run("sync", "--record", "/nonexistent/r.pcap", "--json").json["exit_code"] as? Int
                    == 74
            )
        }
        // The server is gone: there is nothing to record, and the file is no obstacle to the next attempt.
        let file = program.home.file("nothing.pcap")
        for _ in 0..<2 { #expect(try await program.run("sync", "--record", file).status == 69) }
    }

    @Test("a server that breaks the connection, and one that ends it, are told apart")
    func ends() async throws {
        let file = FileManager.default.temporaryDirectory.path + "/tidemark-recording-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let recorder = try Recorder(path: file) { _ in }
        var configuration = ClientConfiguration()
        configuration.recorder = recorder
        try await FakeServer.run { peer in
            try await peer.welcome()
        } _: { address in
            let connection = try await TidemarkConnection.open(
                address,
                as: .ticket([1, 2, 3]),
                configuration: configuration
            )
            await #expect(throws: ClientError.self) { try await connection.ping() }
            await connection.close()
        }
        let summary = recorder.finish()
        #expect(summary.connections == 1 && summary.droppedBytes == 0)
        // Of the server's FIN, its acknowledgement, the client's FIN and its own: 20 bytes of TCP end each.
        let bytes = Array(try contents(file))
        let flags = (0..<4).map { bytes[bytes.count - 56 * (4 - $0) + 16 + 20 + 13] }
        #expect(flags == [0x11, 0x10, 0x11, 0x10])
        let port = bytes.count - 56 * 4 + 16 + 20
        #expect(bytes[port..<port + 2] == bytes[(24 + 16 + 20 + 2)..<(24 + 16 + 20 + 4)])
    }
}
