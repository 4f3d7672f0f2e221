//  The program itself: its sources, its exit codes, and what it says when something is wrong.

import Foundation
import Testing
import TidemarkTesting

@testable import TidemarkDump

@Suite struct DumpProgramTests {
    struct Outcome {
        var status: Int32
        var output: String
        var error: String
    }

    private func run(_ arguments: [String], input: [UInt8] = []) throws -> Outcome {
        let input = try TemporaryFile(input)
        let output = try TemporaryFile([])
        let error = try TemporaryFile([])
        let process = Process()
        // SwiftPM puts programs beside the bundle of the tests.
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("tidemark-dump")
        process.arguments = arguments
        process.environment = ["TZ": "UTC"].merging(sanitizerOptions) { $1 }
        process.standardInput = FileHandle(forReadingAtPath: input.path)
        process.standardOutput = FileHandle(forWritingAtPath: output.path)
        process.standardError = FileHandle(forWritingAtPath: error.path)
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus,
            output: try String(contentsOfFile: output.path, encoding: .utf8),
            error: try String(contentsOfFile: error.path, encoding: .utf8)
        )
    }

    private static let capture = CaptureFile.pcap(
        [
            TestSegment(toServer: true, sequence: 10, flags: Segment.syn).ipv4,
            TestSegment(toServer: true, sequence: 11, payload: TestFrames.sync(1)).ipv4,
            TestSegment(toServer: true, sequence: 36, payload: TestFrames.ping(2)).ipv4,
            TestSegment(toServer: false, sequence: 50, payload: TestFrames.pong(2)).ipv4,
        ],
        link: 101
    )

    @Test func aCaptureFromFileAndStandardInput() throws {
        let file = try TemporaryFile(Self.capture)
        let fromFile = try run(["-r", file.path, "--utc"])
        #expect(fromFile.status == 0, "\(fromFile.error)")
        #expect(fromFile.output.contains("10.0.0.1:40000 > 10.0.0.2:8433"))
        #expect(fromFile.output.contains("> sync #1"))
        #expect(fromFile.output.contains("< pong #2"))
        #expect(try run(["-r", "-", "--utc"], input: Self.capture).output == fromFile.output)
        #expect(try run(["--utc"], input: Self.capture).output == fromFile.output)
    }

    @Test func countStopsAfterSoManyMessages() throws {
        let all = try run(["-r", "-"], input: Self.capture).output
        let two = try run(["-r", "-", "--count", "2"], input: Self.capture)
        #expect(two.status == 0)
        #expect(!two.output.isEmpty && all.hasPrefix(two.output))
        #expect(two.output.contains("> ping #2") && !two.output.contains("pong") && !two.output.contains("ended"))
        let shown = try run(["-r", "-", "--type", "pong,ping", "--count", "1"], input: Self.capture).output
        #expect(shown.contains("> ping #2") && !shown.contains("sync") && !shown.contains("pong"))
    }

    @Test func aCutOffCaptureIsToldAfterWhatItHas() throws {
        let outcome = try run(["-r", "-"], input: Array(Self.capture.dropLast(3)))
        #expect(outcome.status == 1)
        #expect(outcome.output.contains("> ping #2"))
        #expect(outcome.error.contains("unreadable after 3 packets"))
    }

    @Test func bytesAndDigits() throws {
        let digits = "# a sync\n" + TestFrames.sync(9).map { String($0, radix: 16).leftPadded }.joined(separator: " ")
        let hex = try run(["--hex"], input: Array(digits.utf8))
        #expect(hex.status == 0 && hex.output.contains("> sync #9"))
        let raw = try run(["--raw", "--from", "server", "--json"], input: TestFrames.pong(3))
        #expect(raw.status == 0 && raw.output.contains("\"pong\""))
        let wrong = try run(["--hex"], input: Array("00 11\n22 zz".utf8))
        #expect(wrong.status == 1)
        #expect(wrong.error.contains("line 2, column 4") && wrong.error.contains("\"z\""))
    }

    @Test func connectionsOfOtherPortsAreFoundOrNamed() throws {
        var segment = TestSegment(toServer: true, sequence: 11, payload: TestFrames.sync(1))
        segment.server = 9000
        let packets = [segment.ipv4]
        let found = try run(["-r", "-"], input: CaptureFile.pcap(packets, link: 101))
        #expect(found.output.contains("> sync #1"))
        let other = try run(["-r", "-", "--port", "8433"], input: CaptureFile.pcap(packets, link: 101))
        #expect(other.status == 0 && other.output.isEmpty)
        #expect(other.error.contains("1 are TCP of other ports"))
    }

    @Test(arguments: [
        ["-r", "x", "-i", "lo"], ["--raw", "--hex"], ["-r", "x", "--from", "client"], ["--raw", "-f", "tcp"],
        ["-r", "x", "--port", "0"], ["-r", "x", "--port", "70000"], ["--proxy", "127.0.0.1:9000"],
        ["-r", "x", "--user", "0"],
        ["-r", "x", "--type", "nothing"], ["-r", "x", "--type", ","], ["-r", "x", "--type", "sync", "--type", ""],
        ["-r", "x", "--follow", "c0"], ["-r", "x", "--count", "0"],
        ["-r", "x", "--color", "blue"], ["-r", "x", "--json", "-v"], ["--what"],
    ])
    func wrongCommandLines(arguments: [String]) throws {
        let outcome = try run(arguments)
        #expect(outcome.status == 64)
        #expect(outcome.output.isEmpty && outcome.error.contains("Error:"))
    }

    /// Runs under a shell that closes descriptors.
    private func runClosing(_ redirections: String, _ path: String) throws -> (status: Int32, error: String) {
        let error = try TemporaryFile([])
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("tidemark-dump")
        process.arguments = ["-c", "exec \"$0\" -r \"$1\" \(redirections)", program.path, path]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle(forWritingAtPath: error.path)
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try String(contentsOfFile: error.path, encoding: .utf8))
    }

    @Test func closedDescriptors() throws {
        let file = try TemporaryFile(Self.capture)
        let noOutput = try runClosing(">&-", file.path)
        #expect(noOutput.status == 74 && noOutput.error.contains("standard output is closed"))
        #expect(try runClosing("<&- >&- 2>&-", file.path).status == 74)
        #expect(try runClosing("<&- 2>&-", file.path).status == 0)
        // The capture is as it was: nothing was written to it in a descriptor's stead.
        #expect(try Array(Data(contentsOf: URL(filePath: file.path))) == Self.capture)
    }

    /// A full pipe that is still open: a terminal multiplexer that rests, a pager that shows its first page.
    @Test func aStopEndsItThoughNobodyReads() throws {
        var packets = [TestSegment(toServer: true, sequence: 10, flags: Segment.syn).ipv4]
        for index in 0..<4000 as Range<UInt32> {
            packets.append(TestSegment(toServer: true, sequence: 11 + index * 25, payload: TestFrames.sync(1)).ipv4)
        }
        let file = try TemporaryFile(CaptureFile.pcap(packets, link: 101))
        let error = try TemporaryFile([])
        let output = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("tidemark-dump")
        process.arguments = ["-r", file.path, "-v"]
        process.standardOutput = output
        process.standardError = FileHandle(forWritingAtPath: error.path)
        try process.run()
        var waiting: Int32 = 0
        let descriptor = output.fileHandleForReading.fileDescriptor
        while process.isRunning, waiting < 60_000 {
            try #require(ioctl(descriptor, UInt(FIONREAD), &waiting) == 0)
        }
        process.terminate()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 74)
        let said = try String(contentsOfFile: error.path, encoding: .utf8)
        #expect(said.contains("was not read when the stop was requested"))
    }

    @Test func timesOutOfRange() throws {
        for seconds in [1 << 40, 9_223_372_036, UInt64.max, 0] {
            let file = CaptureFile.pcapng(
                inSeconds: seconds,
                TestSegment(toServer: true, sequence: 1, payload: TestFrames.ping(2)).ipv4
            )
            for options in [["--utc"], ["--json"], ["--stats"], ["--stats", "--json"]] {
                let outcome = try run(["-r", "-"] + options, input: file)
                #expect(outcome.status == 0, "\(seconds) s, \(options): \(outcome.error)")
                #expect(outcome.output.contains("ping"), "\(seconds) s, \(options)")
            }
        }
    }

    @Test func whoIsNotThereIsSaid() throws {
        let byName = try run(["-r", "-", "--user", "alice"], input: Self.capture)
        #expect(byName.status == 0 && byName.output.isEmpty && byName.error.contains("try the number"))
        #expect(try run(["-r", "-", "--user", "42"], input: Self.capture).error.contains("nothing is of user 42"))
        #expect(try run(["-r", "-", "--follow", "c9"], input: Self.capture).error.contains("no connection c9"))
        #expect(try run(["-r", "-", "--follow", "c1"], input: Self.capture).error.isEmpty)
    }

    @Test func sourcesThatCannotBeRead() throws {
        let missing = try run(["-r", "/nonexistent/capture.pcap"])
        #expect(missing.status == 1 && missing.error.contains("/nonexistent/capture.pcap"))
        let text = try run(["-r", "-"], input: Array("hello, this is text".utf8))
        #expect(text.status == 1 && text.error.contains("not a readable capture file"))
        let filter = try run(["-r", "-", "-f", "tcp prot 1"], input: Self.capture)
        #expect(filter.status == 1 && filter.error.contains("the filter \"tcp prot 1\" is wrong"))
    }

    @Test func helpTeaches() throws {
        let help = try run(["--help"])
        #expect(help.status == 0)
        for word in ["EXAMPLES", "EXIT CODES", "SOURCES:", "OUTPUT:", "FILTERS:", "--proxy"] {
            #expect(help.output.contains(word), "\(word)")
        }
    }
}

extension CaptureFile {
    /// A pcapng whose times are whole seconds, as `if_tsresol` says: two copies of a packet, the first at 1 s.
    fileprivate static func pcapng(inSeconds seconds: UInt64, _ packet: [UInt8]) -> [UInt8] {
        func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
            let padded = body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
            let length = littleEndian(UInt32(padded.count + 12))
            return littleEndian(type) + length + padded + length
        }
        let order = littleEndian(0x1A2B_3C4D as UInt32) + littleEndian(1 as UInt32) + littleEndian(UInt64.max)
        let resolution: [UInt8] = [9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        var file = block(0x0A0D_0D0A, order)
        file += block(1, littleEndian(101 as UInt16) + [0, 0] + littleEndian(65535 as UInt32) + resolution)
        let size = littleEndian(UInt32(packet.count))
        for time in [1, seconds] {
            let halves = littleEndian(UInt32(time >> 32)) + littleEndian(UInt32(truncatingIfNeeded: time))
            file += block(6, littleEndian(0 as UInt32) + halves + size + size + packet)
        }
        return file
    }
}

extension String {
    fileprivate var leftPadded: String { count == 1 ? "0" + self : self }
}
