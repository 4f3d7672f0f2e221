import Foundation
import Testing

@testable import TidemarkLoad

@Suite("The page")
struct PageTests {
    private static let reports = [
        ReportFixture.full(), ReportFixture.closedLoop(), ReportFixture.empty(), ReportFixture.withHostileTexts(),
        ReportFixture.largest(),
    ]

    @Test("it asks nothing of anyone and runs nothing", arguments: reports)
    func selfContained(report: LoadReport) throws {
        let page = try report.html()
        let tags = page.matches(of: /<[^>]*>/).map { $0.output.replacing(/"[^"]*"/, with: "") }
        #expect(tags.count > 50)
        for tag in tags {
            for outside in ["<script", "<link", "<img", "<iframe", "<object", "src=", "href"] {
                #expect(!tag.contains(outside))
            }
            #expect(!tag.contains(/[\s]on[a-z]+=/))
        }
        for outside in ["url(", "@import"] { #expect(!page.contains(outside)) }
        #expect(page.contains("default-src 'none'"))
    }

    @Test("its elements are closed in the order in which they were opened", arguments: reports)
    func balanced(report: LoadReport) throws {
        var open: [Substring] = []
        for match in try report.html().matches(of: /<(\/?)([a-z0-9]+)[^>]*?(\/?)>/) {
            let (_, closes, name, isSingle) = match.output
            if ["meta"].contains(name) || !isSingle.isEmpty { continue }
            if closes.isEmpty {
                open.append(name)
            } else {
                #expect(open.popLast() == name)
            }
        }
        #expect(open.isEmpty)
    }

    @Test("it carries the whole report", arguments: reports)
    func carriesReport(report: LoadReport) throws {
        let page = try report.html()
        let from = try #require(page.range(of: "<pre id=\"report\">")).upperBound
        let to = try #require(page.range(of: "</pre>", range: from..<page.endIndex)).lowerBound
        var json = String(page[from..<to])
        for (entity, text) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
            json = json.replacingOccurrences(of: entity, with: text)
        }
        #expect(try ReportFile(name: "page", json: Data(json.utf8)).runs == [report])
    }

    @Test("what came from outside is shown and cannot act")
    func hostile() throws {
        let page = try ReportFixture.withHostileTexts().html()
        #expect(page.contains("&lt;/pre&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"))
        #expect(page.contains("\\u{1B}[31mred\\u{D}\\u{A}\\u{202E}txt\\u{0}"))
        #expect(!page.unicodeScalars.contains { $0.value < 32 && $0 != "\n" })
    }

    @Test("figures, configuration and errors are there")
    func figures() throws {
        let page = try ReportFixture.full().html()
        for text in [
            "<dt>Latency p99</dt><dd>2.97 <small>ms</small></dd>", "<dd>1,200 <small>0.02 %</small></dd>",
            "sync 70 %, login 20 %, edit 10 %", "99,980/s, error -0.02 %", "Example 9000 at 3.4 GHz",
            "no answer to request 8123 within 5 s", "<title>sync, p99.9: 2.30 ms; ", "dashed: 100,000 asked for",
        ] { #expect(page.contains(text), "\(text)") }
        #expect(
            page.contains("the last byte of its answer; failed operations count with the time they had waited.</p>")
        )
        #expect(page.contains("answered after the end</th>") && page.contains("<td>1,480</td>"))
        let clean = try ReportFixture.closedLoop().html()
        #expect(!clean.contains("had waited") && !clean.contains("after the end"))
        for plot in ["latency", "rate", "p99", "cpu", "memory"] { #expect(page.contains("id=\"plot-\(plot)\"")) }
        #expect(!(try ReportFixture.closedLoop().html()).contains("id=\"plot-cpu\""))
    }

    @Test("lines stand out from their card, in light and in dark, by at least 3 to 1 as WCAG asks of graphics")
    func contrast() throws {
        let card = try #require(PageColours.all.first { $0.name == "card" })
        for colour in PageColours.kinds + [PageColours.bad, PageColours.ink] {
            #expect(try Self.contrast(colour.light, card.light) >= 3, "\(colour.name) in light")
            #expect(try Self.contrast(colour.dark, card.dark) >= 3, "\(colour.name) in dark")
        }
    }

    private static func contrast(_ a: String, _ b: String) throws -> Double {
        let (a, b) = (try luminance(a), try luminance(b))
        return (max(a, b) + 0.05) / (min(a, b) + 0.05)
    }

    private static func luminance(_ colour: String) throws -> Double {
        let value = try #require(Int(colour.dropFirst(), radix: 16))
        let parts = [value >> 16, value >> 8 & 255, value & 255].map { part -> Double in
            let share = Double(part) / 255
            return share <= 0.04045 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4)
        }
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    }
}
