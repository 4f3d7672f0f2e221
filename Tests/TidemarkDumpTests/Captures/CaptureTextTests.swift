//  Real sessions and what becomes of them on worse networks: the text of each is the expected one, line for line.
//
//      Protocol/captures/NAME.pcap ──▶ dump ──▶ NAME.txt, in some also NAME.FORM.txt
//
//  TIDEMARK_UPDATE=1 tools/test --filter CaptureTextTests writes them anew; read the difference before you commit it.

import Foundation
import Glibc
import Testing
import TidemarkWire

@testable import TidemarkDump

@Suite struct CaptureTextTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var capture: String
        var form = ""
        var output = OutputConfiguration.test()

        /// `login.pcap` has `login.txt`, `login.pcapng` has `login.pcapng.txt`.
        var textName: String {
            let name = capture.hasSuffix(".pcap") ? String(capture.dropLast(5)) : capture
            return form.isEmpty ? "\(name).txt" : "\(name).\(form).txt"
        }
        var testDescription: String { textName }
    }

    static let folder = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Protocol/captures")

    static let cases: [Case] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        let captures = files.filter { $0.hasSuffix(".pcap") || $0.hasSuffix(".pcapng") }.sorted()
        return captures.map { Case(capture: $0) } + [
            Case(capture: "login.pcap", form: "verbose", output: .test(verbose: true)),
            Case(capture: "login.pcap", form: "bytes", output: .test(hex: true)),
            Case(capture: "login.pcap", form: "json", output: .test(.json)),
            Case(capture: "errors.pcap", form: "json", output: .test(.json)),
            Case(capture: "errors.pcap", form: "errors", output: .test(filter: MessageFilter(errorsOnly: true))),
            Case(capture: "writes.pcap", form: "statistics", output: .test(.statistics)),
            Case(capture: "writes.pcap", form: "user2", output: .test(filter: MessageFilter(user: .id(2)))),
        ]
    }()

    @Test("there are captures") func thereAreCaptures() {
        #expect(Self.cases.count >= 20)
    }

    @Test("the text of a capture is the expected one", arguments: cases)
    func expectedText(_ each: Case) throws {
        let text = try dumpedFile(Self.folder.appending(path: each.capture).path, each.output)
        let expectedPath = Self.folder.appending(path: each.textName)
        if ProcessInfo.processInfo.environment["TIDEMARK_UPDATE"] == "1" {
            try Data(text.utf8).write(to: expectedPath)
            return
        }
        let expected = try String(contentsOf: expectedPath, encoding: .utf8)
        let lines = zip(text.split(separator: "\n"), expected.split(separator: "\n")).enumerated()
        if let (number, pair) = lines.first(where: { $1.0 != $1.1 }) {
            Issue.record("\(each.textName), line \(number + 1):\n  got      \(pair.0)\n  expected \(pair.1)")
        }
        #expect(text.count == expected.count)
    }

    /// What is derived from a recording only by its layers says what the recording says.
    @Test(arguments: ["vlan.pcap", "sll.pcap", "sll2.pcap", "login.pcapng"])
    func otherLayersChangeNothing(_ name: String) throws {
        let plain = try dumpedFile(Self.folder.appending(path: "login.pcap").path, .test())
        #expect(try dumpedFile(Self.folder.appending(path: name).path, .test()) == plain)
    }

    /// Messages without times, which segments move.
    @Test(arguments: ["split.pcap", "reordered.pcap", "duplicated.pcap"])
    func worseNetworksLoseNothing(_ name: String) throws {
        #expect(try messages("writes.pcap") == messages(name))
    }

    /// By connection and direction, for between directions segments may change places.
    private func messages(_ name: String) throws -> [String: [String]] {
        var found: [String: [String]] = [:]
        for line in try dumpedFile(Self.folder.appending(path: name).path, .test()).split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3)
            guard words.count == 4, words[2] == ">" || words[2] == "<" else { continue }
            let text = words[3].replacing(/\ \[[^\]]*\]$/, with: "")
            found["\(words[1]) \(words[2])", default: []].append(String(text))
        }
        return found
    }

    private func dumpedFile(_ path: String, _ output: OutputConfiguration) throws -> String {
        var name = Array("/tmp/tidemark-dump-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&name)
        try #require(descriptor >= 0)
        unlink(name)
        defer { close(descriptor) }
        var dump = Dump(output, descriptor: descriptor)
        try dump.read(.file(path, filter: nil), ReassemblyOptions(), report: { _ in })
        try dump.finish()
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
        try handle.seek(toOffset: 0)
        return String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
    }
}
