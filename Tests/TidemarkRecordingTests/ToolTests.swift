import Foundation
import Testing
import TidemarkTesting

@testable import TidemarkRecording

/// What the tools of the trade make of a recording. Skipped where they are not installed.
@Suite struct ToolTests {
    static let tcpdump = path("tcpdump")
    static let tshark = path("tshark")

    private static func path(_ tool: String) -> String? {
        ["/usr/bin/", "/usr/sbin/", "/sbin/", "/usr/local/bin/", "/opt/homebrew/bin/"].map { $0 + tool }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Five connections of each family, with wide data, half-closes, and a gap in none.
    private func makeRecording() throws -> TemporaryFile {
        let file = try TemporaryFile()
        let recorder = try Recorder(path: file.path) { _ in }
        for number in 0..<10 {
            let host = number % 2 == 0 ? "192.0.2.1" : "2001:db8::1"
            var connection = recorder.opened(
                client: IPEndpoint(host, port: UInt16(40_000 + number)),
                server: IPEndpoint(number % 2 == 0 ? "192.0.2.2" : "2001:db8::2", port: 8433)
            )
            for count in [1, 2, 3, 1460, 200_000] {
                let bytes = [UInt8](repeating: UInt8(number), count: count)
                bytes.withUnsafeBytes {
                    recorder.record($0, from: .client, on: &connection)
                    recorder.record($0, from: .server, on: &connection)
                    recorder.record($0, from: .server, on: &connection)
                }
            }
            if number % 3 == 0 { recorder.ended(&connection, by: .client) }
            recorder.closed(&connection, by: number % 2 == 0 ? .server : .client, isReset: false)
        }
        recorder.finish()
        return file
    }

    private func run(_ tool: String, _ arguments: String...) throws -> ChildProcess.Outcome {
        try ChildProcess.run([tool] + arguments)
    }

    @Test(.enabled(if: tcpdump != nil)) func `tcpdump reads it without complaint`() throws {
        let file = try makeRecording()
        let found = try run(Self.tcpdump!, "-nvtr", file.path)
        #expect(found.status == 0)
        #expect(
            found.errors.split(separator: "\n").count == 1 && found.errors.contains("link-type RAW"),
            "\(found.errors)"
        )
        let packets = try RecordedFile(file.bytes).packets
        #expect(found.output.split(separator: "\n").filter { $0.contains("Flags [") }.count == packets.count)
        for complaint in ["incorrect", "bad", "truncated", "invalid", "[|"] {
            #expect(!found.output.contains(complaint), "\(complaint)")
        }
        #expect(found.output.contains("(correct)"))
    }

    @Test(.enabled(if: tshark != nil)) func `Wireshark's analysis finds nothing wrong`() throws {
        let file = try makeRecording()
        let found = try run(
            Self.tshark!,
            "-nr",
            file.path,
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "ip.check_checksum:TRUE",
            "-Y",
            "tcp.analysis.flags || _ws.expert.severity >= \"Warning\" || _ws.malformed"
        )
        #expect(found.status == 0, "\(found.errors)")
        #expect(found.output.isEmpty, "\(found.output)")
    }
}
