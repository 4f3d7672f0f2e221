import Foundation
import Glibc
import Testing

/// `tidemark-server serve --record`.
@Suite struct RecordingTests {
    private let directory: TemporaryDirectory
    private var data: String { directory.path + "/data" }
    private var socket: String { directory.path + "/s" }

    init() throws { directory = try TemporaryDirectory() }

    /// Connects, says something, and leaves.
    private func visit() {
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socket.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(result == 0 && send(descriptor, "nonsense", 8, Int32(MSG_NOSIGNAL)) == 8)
        var answer: UInt8 = 0
        #expect(recv(descriptor, &answer, 1, 0) == 1)
    }

    @Test func `it says what it does, and what it did`() throws {
        let file = directory.path + "/r.pcap"
        let service = try Service(
            "--unix",
            socket,
            "--data",
            data,
            "--record",
            file,
            "--loops",
            "1",
            "--log-level",
            "debug"
        )
        #expect(service.waits(for: "loaded in"))
        #expect(service.log.contains("recording into \(file), tickets included"))
        visit()
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
        #expect(service.log.contains("recorded 1 connection, "))
        #expect(service.log.contains("connection=0.0.1 reason="))
        let bytes = try directory.bytes(of: "r.pcap")
        #expect(bytes.prefix(4) == [0x4D, 0x3C, 0xB2, 0xA1])
        #expect(String(decoding: bytes, as: UTF8.self).contains("nonsense"))
        let again = try Program.run("serve", "--unix", socket, "--data", data, "--record", file)
        #expect(again.status == 73)
        #expect(again.errors.contains("error: --record: \(file) is not empty, and a recording replaces nothing: name"))
        #expect(try directory.bytes(of: "r.pcap") == bytes)
    }

    @Test func `a start that fails is not in the way of the next`() throws {
        let file = directory.path + "/r.pcap"
        let first = try Service("--unix", socket, "--data", data)
        #expect(first.waits(for: "loaded in"))
        let second = try Program.run("serve", "--unix", socket, "--data", data + "2", "--record", file)
        #expect(second.status == 69)
        first.signal(SIGTERM)
        #expect(first.ended() == 0)
        let third = try Service("--unix", socket, "--data", data, "--record", file)
        #expect(third.waits(for: "loaded in"))
        third.signal(SIGTERM)
        #expect(third.ended() == 0)
    }

    /// A pipe whose reader leaves stands for a full disk.
    @Test func `a recording that fails does not end the server`() throws {
        let pipe = directory.path + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        let reader = open(pipe, O_RDONLY | O_NONBLOCK)
        let service = try Service("--unix", socket, "--data", data, "--record", pipe)
        #expect(service.waits(for: "loaded in"))
        close(reader)
        visit()
        #expect(service.waits(for: "the recording has stopped: Broken pipe; the server goes on"))
        visit()
        service.signal(SIGTERM)
        #expect(service.ended() == 0)
        #expect(service.log.components(separatedBy: "the recording has stopped").count == 2)
    }
}
