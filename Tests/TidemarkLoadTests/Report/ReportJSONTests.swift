import Foundation
import Testing

@testable import TidemarkLoad

@Suite("Reports as JSON")
struct ReportJSONTests {
    @Test("a report comes back as it was", arguments: [ReportFixture.full(), ReportFixture.empty()])
    func roundTrip(report: LoadReport) throws {
        for isLaidOut in [false, true] {
            let json = try report.json(isLaidOut: isLaidOut)
            #expect(try ReportFile(name: "a", json: Data(json.utf8)).runs == [report])
            #expect(json.contains("\n") == isLaidOut)
        }
    }

    @Test("keys are sorted")
    func sorted() throws {
        let json = try ReportFixture.full().json()
        let keys = ["bytesReceived", "bytesSent", "configuration", "errors", "intervals", "kinds", "machine"]
        let places = try keys.map { try #require(json.range(of: "\"\($0)\":")).lowerBound }
        #expect(places == places.sorted())
        #expect(json.hasPrefix("{\"bytesReceived\""))
    }

    @Test("a file holds one report, an array, or one a line; blank lines and CRLF do not matter")
    func files() throws {
        let (a, b) = (ReportFixture.full(seed: 1), ReportFixture.full(seed: 2))
        let (first, second) = (try a.json(), try b.json())
        func runs(_ text: String) throws -> [LoadReport] { try ReportFile(name: "x", json: Data(text.utf8)).runs }
        #expect(try runs(first) == [a])
        #expect(try runs("\n[\(first),\n\(second)]\n") == [a, b])
        #expect(try runs("\(first)\n\(second)") == [a, b])
        #expect(try runs("\(first)\r\n\r\n  \n\(second)\r\n") == [a, b])
        #expect(try runs(a.json(isLaidOut: true) + "\n") == [a])
    }

    @Test("an unusable file is refused with what is wrong and where")
    func refusals() throws {
        let good = try ReportFixture.full().json()
        let other = good.replacingOccurrences(of: LoadReport.schemaName, with: "tidemark-load-report/2")
        let missing = good.replacingOccurrences(of: "\"bytesSent\"", with: "\"bytesSend\"")
        let wrong = good.replacingOccurrences(of: "\"cores\":8", with: "\"cores\":\"8\"")
        let cases: [(String, [String])] = [
            ("", ["a.json", "no report"]), ("[]", ["no report"]), (" \n ", ["no report"]),
            (String(good.prefix(good.count / 2)), ["a.json", "not JSON", "cut off"]),
            ("\(good)\n\(good.prefix(99))", ["a.json, line 2", "not JSON"]),
            (other, ["tidemark-load-report/2", LoadReport.schemaName]), ("[\(good),\(other)]", ["report/2"]),
            (missing, ["bytesSent", "missing"]), (wrong, ["machine.cores", "no number"]),
            ("{}", ["schema", "missing"]), ("7", ["not a whole report"]), ("hello", ["not JSON"]),
        ]
        for (text, words) in cases {
            let error = #expect(throws: ReportError.self) { try ReportFile(name: "a.json", json: Data(text.utf8)) }
            let said = error?.description ?? ""
            for word in words { #expect(said.contains(word), "\(text.prefix(40)): \(said)") }
            #expect(said.count < 300)
            #expect(!said.contains("\n"))
        }
    }

    @Test("a file that is not there is named")
    func unreadable() {
        let error = #expect(throws: ReportError.self) { try ReportFile(path: "/nowhere/a.json") }
        #expect(error?.description == "/nowhere/a.json cannot be read: No such file or directory")
    }

    @Test("a number that JSON cannot say names its key")
    func notFinite() {
        var report = ReportFixture.full()
        report.intervals[3].p99 = .nan
        #expect(throws: ReportError.notFinite(key: "intervals[3].p99")) { try report.json() }
        #expect(throws: ReportError.self) { try report.html() }
    }
}
