import Foundation
import Testing

@testable import TidemarkLoad

/// The program as a process: its exit status, what goes where, and the live line.
@Suite(.serialized) struct ProgramTests {
    private struct Ended {
        var status: Int32
        var output: String
        var errors: String
    }

    private static let program: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let tests = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        let places = [tests, own].map { ($0 as NSString).deletingLastPathComponent + "/tidemark-load" }
        return places.first { FileManager.default.isExecutableFile(atPath: $0) } ?? places[0]
    }()

    private func process(_ arguments: [String], _ environment: [String: String] = [:]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.program)
        process.arguments = arguments
        process.environment = ["PATH": "/usr/bin:/bin", "TERM": "xterm"].merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        return process
    }

    /// With a sink, a file, its output goes there, and nothing of it is returned.
    private func run(_ arguments: [String], into sink: String? = nil) throws -> Ended {
        let process = process(arguments)
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        if let sink { process.standardOutput = FileHandle(forWritingAtPath: sink) }
        try process.run()
        // What both say fits the pipes.
        process.waitUntilExit()
        if sink != nil { try output.fileHandleForWriting.close() }
        return Ended(
            status: process.terminationStatus,
            output: String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self),
            errors: String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        )
    }

    private func load(_ server: ScriptedServer, _ more: String...) -> [String] {
        ["sync", "--unix", server.path, "--duration", "300ms", "--warm-up", "0s", "--connections", "2"] + more
    }

    @Test func aGoodRunIsZeroAndItsReportIsJSON() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        let ended = try run(load(server, "--json"))
        #expect(ended.status == 0, "\(ended)")
        let report = try JSONDecoder().decode(LoadReport.self, from: Data(ended.output.utf8))
        #expect(report.total.completed == UInt64(server.operationCount))
        #expect(ended.errors.isEmpty)
    }

    @Test func failuresAreOneWithCountsByCode() throws {
        let server = try ScriptedServer { $0.number == 5 ? .message(.presenceSetOK) : .right }
        defer { server.stop() }
        let ended = try run(load(server))
        #expect(ended.status == 1)
        #expect(ended.errors.contains("wrongType 1"))
        #expect(ended.output.contains("wrongType"))
    }

    @Test func usageIs64AndNobodyThereIs69() throws {
        #expect(try run(["walk"]).status == 64)
        #expect(try run(["sync"]).status == 64)
        let ended = try run(["sync", "--unix", "/nowhere/tidemark.sock"])
        #expect(ended.status == 69)
        #expect(ended.errors.contains("/nowhere/tidemark.sock") && ended.errors.contains("--own-server"))
    }

    @Test func filesAreWritten() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        let base = NSTemporaryDirectory() + "/load-\(UUID().uuidString)"
        defer { for end in [".json", ".html"] { try? FileManager.default.removeItem(atPath: base + end) } }
        let ended = try run(load(server, "--json-file", base + ".json", "--html", base + ".html"))
        #expect(ended.status == 0)
        #expect(try ReportFile(path: base + ".json").runs.count == 1)
        #expect(try String(contentsOfFile: base + ".html", encoding: .utf8).contains("<svg"))
        #expect(try run(["--compare", base + ".json", base + ".json"]).status == 0)
    }

    @Test func aFileThatCannotBeWrittenIsSaidBeforeTheRun() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        let page = NSTemporaryDirectory() + "/load-\(UUID().uuidString).html"
        let ended = try run(load(server, "--html", page, "--json-file", "/nowhere/x.json"))
        #expect(ended.status == 74 && ended.errors.contains("/nowhere/x.json: No such file or directory"))
        let other = try run(load(server, "--json-file", page, "--html", "/nowhere/x.html"))
        #expect(other.status == 74 && other.output.isEmpty)
        #expect(server.connectionCount == 0)
        #expect(!FileManager.default.fileExists(atPath: page))
    }

    @Test func aFileThatIsFullAtTheEndCostsOnlyTheFile() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        let ended = try run(load(server, "--html", "/dev/full"))
        #expect(ended.status == 74 && ended.errors.contains("/dev/full: No space left on device"))
        #expect(ended.output.contains("p99"))
    }

    @Test func anOutputThatIsFullIs74() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        for form in [[], ["--json"]] {
            let ended = try run(load(server) + form, into: "/dev/full")
            #expect(ended.status == 74 && ended.errors.contains("standard output: No space left on device"))
        }
    }

    @Test func whoOnlyHoldsConnectionsHasNoOperations() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        let ended = try run([
            "idle", "--unix", server.path, "--duration", "200ms", "--warm-up", "0s", "--connections", "2",
        ])
        #expect(ended.status == 0 && ended.output.contains("2 of 1,000 users"))
        #expect(ended.output.contains("load CPU") && !ended.output.contains("operations"))
    }

    @Test func aRunThatFailsLeavesWhatAFileHeld() throws {
        let path = NSTemporaryDirectory() + "/load-\(UUID().uuidString).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try "yesterday's".write(toFile: path, atomically: true, encoding: .utf8)
        let ended = try run(["sync", "--unix", "/nowhere/tidemark.sock", "--timeout", "100ms", "--json-file", path])
        #expect(ended.status == 69)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "yesterday's")
    }

    @Test func filesThatAreMissingAre66AndWrongOnes65() throws {
        let path = NSTemporaryDirectory() + "/load-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try run(["--compare", path, path]).status == 66)
        #expect(try run(["sync", "--key-file", path]).status == 66)
        try "no key".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try run(["--compare", path, path]).status == 65)
        #expect(try run(["sync", "--key-file", path]).status == 65)
    }

    @Test func aTerminalHasALiveLineAndAPipeHasNone() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        let shown = try onTerminal(load(server))
        #expect(shown.contains("\r") && shown.contains("\u{1B}[K"))
        #expect(shown.contains("/0 s") || shown.contains("logging in"))
        // Taken away at the end.
        #expect(shown.hasSuffix("\r\u{1B}[K"))
        #expect(try onTerminal(load(server, "--quiet")).isEmpty)
        #expect(try run(load(server)).errors.isEmpty)
    }

    /// What a run writes on a terminal that is its standard error.
    private func onTerminal(_ arguments: [String]) throws -> String {
        var (master, slave) = (Int32(0), Int32(0))
        try #require(openpty(&master, &slave, nil, nil, nil) == 0)
        defer { close(master) }
        let process = process(arguments)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle(fileDescriptor: slave, closeOnDealloc: false)
        try process.run()
        close(slave)
        var shown: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        // Until the other end is closed, which a terminal tells as an error.
        while case let count = read(master, &buffer, buffer.count), count > 0 { shown += buffer[..<count] }
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: shown, as: UTF8.self)
    }

    @Test func anInterruptEndsItEarlyWithAReport() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        let process = process(load(server, "--duration", "60s", "--json"))
        let output = Pipe()
        (process.standardOutput, process.standardError) = (output, FileHandle.nullDevice)
        try process.run()
        // It is measuring as soon as operations come.
        while server.operationCount < 1000 { usleep(1000) }
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let report = try JSONDecoder().decode(LoadReport.self, from: text)
        #expect(report.seconds < 60 && report.total.completed > 0)
    }

    /// The measurement is over, and answers are missing.
    @Test(.timeLimit(.minutes(1)))
    func anInterruptEndsTheWaitForLateAnswers() throws {
        let server = try ScriptedServer { $0.number >= 5 ? .nothing : .right }
        defer { server.stop() }
        let process = process(load(server, "--timeout", "1h", "--json"))
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        while server.operationCount < 6 { usleep(1000) }
        // Whether it still measures by then changes what is said, and nothing else.
        usleep(1_000_000)
        kill(process.processIdentifier, SIGHUP)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(said.contains("interrupted"))
        let report = try JSONDecoder().decode(LoadReport.self, from: output.fileHandleForReading.readDataToEndOfFile())
        #expect(report.total.completed == 4 && report.total.failed == 2)
    }
}
