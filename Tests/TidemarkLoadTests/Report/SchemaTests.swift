import Foundation
import Testing
import TidemarkTesting

@testable import TidemarkLoad

@Suite("The report's schema")
struct SchemaTests {
    private let schema: SchemaCheck

    init() throws {
        let here = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        let root = (0..<4).reduce(here) { folder, _ in folder.deletingLastPathComponent() }
        let text = try String(contentsOf: root.appendingPathComponent("docs/load-report.schema.json"), encoding: .utf8)
        schema = SchemaCheck(root: try JSONValue(text))
    }

    @Test(
        "reports satisfy it, the extreme ones too",
        arguments: [
            ReportFixture.full(), ReportFixture.closedLoop(), ReportFixture.empty(), ReportFixture.withHostileTexts(),
            ReportFixture.largest(),
        ]
    )
    func reportsSatisfy(report: LoadReport) throws {
        for json in [try report.json(), try report.json(isLaidOut: true)] {
            #expect(schema.findings(try JSONValue(json)) == [])
        }
    }

    @Test("the keys of a full report and of the schema are the same")
    func sameKeys() throws {
        let written = SchemaCheck.keys(of: try JSONValue(ReportFixture.full().json()))
        let described = Set(schema.described.keys)
        #expect(written.subtracting(described) == [], "not described")
        #expect(described.subtracting(written) == [], "never written")
    }

    @Test("every key is described, a number with its unit")
    func descriptions() {
        #expect(schema.described.count > 60)
        for (key, text) in schema.described { #expect(text.hasSuffix("."), "\(key): \(text)") }
        let units = ["microseconds", "seconds", "bytes", "percent", "Number of", "a second", "Bytes", "number"]
        for (key, text) in schema.described where isNumber(key) {
            #expect(units.contains { text.contains($0) }, "\(key): \(text)")
        }
    }

    private func isNumber(_ key: String) -> Bool {
        guard let json = try? JSONValue(ReportFixture.full().json()) else { return false }
        var value: JSONValue? = json
        for part in key.split(separator: ".") {
            value = value?[part.replacingOccurrences(of: "[]", with: "")]
            if part.hasSuffix("[]"), case .array(let all)? = value { value = all.first }
        }
        if value?.double != nil { return true }
        return false
    }

    @Test("the check finds what is wrong")
    func findings() throws {
        let good = try JSONValue(ReportFixture.full().json())
        let changes: [(String, JSONValue?)] = [
            ("schema", .string("tidemark-load-report/2")), ("seconds", .number(-1)), ("seconds", .string("60")),
            ("total", nil), ("bytesSent", .fraction(0.5)), ("intervals", .array([.object([:])])),
            ("machine", .object(["cores": .bool(true)])), ("kinds", .object([:])),
        ]
        for (key, value) in changes {
            var bad = good
            bad[key] = value
            #expect(!schema.findings(bad).isEmpty, "\(key)")
        }
        #expect(!SchemaCheck(root: try JSONValue(#"{"pattern": "^a"}"#)).findings(.string("b")).isEmpty)
    }
}

extension ReportFixture {
    /// Every number as large as it can be.
    static func largest() -> LoadReport {
        var report = full(intervals: 1)
        report.total.completed = .max
        report.total.failed = .max
        report.total.completedLate = .max
        report.total.latency.maximum = 1e300
        report.total.perSecond = .greatestFiniteMagnitude
        report.configuration.seed = .max
        report.configuration.connections = .max
        report.bytesSent = .max
        report.bytesReceived = .max
        report.schedule = .init(asked: 1e300, achieved: 0, errorPercent: -100, unsent: .max)
        report.intervals[0].completed = .max
        report.intervals[0].maximum = 1e300
        report.errors[0].count = .max
        return report
    }
}
