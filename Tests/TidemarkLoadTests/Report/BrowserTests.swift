import Foundation
import Testing

@testable import TidemarkLoad

@Suite(
    "The page in a browser",
    .enabled(
        if: Browser.isThere,
        "needs chromium-headless-shell (or chromium, google-chrome), python3 and timeout on PATH"
    ),
    .serialized
)
struct BrowserTests {
    /// Every line of every plot: the plot's name, the colour's name, and how many pixels it has at least.
    private static let lines = [
        ("latency", "ink", 300), ("latency", "s1", 300), ("latency", "s2", 200), ("latency", "s3", 300),
        ("rate", "s1", 300), ("rate", "bad", 300), ("p99", "s2", 300), ("p99", "s1", 200), ("cpu", "s4", 300),
        ("memory", "s3", 300),
    ]

    @Test("every line is drawn in its plot, in light and in dark", arguments: [false, true])
    func linesAreDrawn(isDark: Bool) throws {
        let page = try Page(ReportFixture.full())
        defer { page.remove() }
        let counts = try page.pixels(Self.lines.map { ($0.0, $0.1) }, isDark: isDark)
        for ((plot, colour, least), count) in zip(Self.lines, counts) {
            #expect(count >= least, "\(plot) has \(count) pixels of \(colour)")
        }
    }

    @Test("without data the plots are there and no line is", arguments: [false, true])
    func noDataNoLines(isDark: Bool) throws {
        let page = try Page(ReportFixture.empty())
        defer { page.remove() }
        let plots = ["latency", "rate", "p99"]
        let asked = plots.flatMap { plot in PageColours.kinds.map { (plot, $0.name) } + [(plot, "bad")] }
        let counts = try page.pixels(asked, isDark: isDark)
        for ((plot, colour), count) in zip(asked, counts) {
            #expect(count == 0, "\(plot) has \(count) pixels of \(colour)")
        }
    }

    @Test("one kind is one line, and nothing failed is no red")
    func oneKind() throws {
        let page = try Page(ReportFixture.closedLoop())
        defer { page.remove() }
        let counts = try page.pixels(
            [("latency", "s1"), ("latency", "s2"), ("rate", "s1"), ("rate", "bad")],
            isDark: false
        )
        #expect(counts[0] > 400)
        #expect(counts[1] == 0)
        #expect(counts[2] > 400)
        #expect(counts[3] == 0)
    }

    @Test("hostile texts run nothing and make no elements")
    func hostileTexts() throws {
        let page = try Page(ReportFixture.withHostileTexts())
        defer { page.remove() }
        #expect(try page.layout.foreignElements == 0)
        #expect(try page.layout.title.hasPrefix("</pre><script>alert('x')"))
    }

    @Test("the page is as wide as its window, also on a telephone", arguments: [390, 1100])
    func fits(width: Int) throws {
        let page = try Page(ReportFixture.full())
        defer { page.remove() }
        #expect(try page.measured(width: width).contentWidth <= width)
    }
}

/// A report's page in a file, and what a browser makes of it.
private struct Page {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-page-\(UUID())")
    private var page: URL { folder.appendingPathComponent("report.html") }
    private let html: String

    init(_ report: LoadReport) throws {
        html = try report.html()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try html.write(to: page, atomically: true, encoding: .utf8)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    struct Layout: Decodable {
        var fields: [String: PixelBox]
        var contentWidth: Int
        var contentHeight: Int
        var foreignElements: Int
        var title: String
    }

    /// Narrow, as Python takes its time for each pixel.
    private static let width = 760

    var layout: Layout { get throws { try measured(width: Self.width) } }

    /// Lays the page out with a script at its end, which the page's own policy would forbid, that tells where things are.
    func measured(width: Int) throws -> Layout {
        let script = """
            <script>
            const fields = {};
            for (const field of document.querySelectorAll(".field")) {
                const box = field.getBoundingClientRect();
                fields[field.id.slice(6)] = {x: box.x, y: box.y, width: box.width, height: box.height};
            }
            const root = document.documentElement;
            document.body.textContent = "<<" + btoa(unescape(encodeURIComponent(JSON.stringify({
                fields, contentWidth: root.scrollWidth, contentHeight: root.scrollHeight, title: document.title,
                foreignElements: document.querySelectorAll("script,img,iframe,link,object,embed,[onerror]").length - 1,
            })))) + ">>";
            </script>
            """
        let policy = html.range(of: "<meta http-equiv=\"Content-Security-Policy\"[^\n]*\n", options: .regularExpression)
        let free = html.replacingCharacters(in: try #require(policy), with: "")
            .replacingOccurrences(of: "</body>", with: script + "</body>")
        let copy = folder.appendingPathComponent("measured.html")
        try free.write(to: copy, atomically: true, encoding: .utf8)
        let dom = try Browser.dom(of: copy, width: width)
        let from = try #require(dom.range(of: "&lt;&lt;")).upperBound
        let to = try #require(dom.range(of: "&gt;&gt;")).lowerBound
        return try JSONDecoder().decode(Layout.self, from: try #require(Data(base64Encoded: String(dom[from..<to]))))
    }

    /// How many pixels of each colour each plot's field has.
    func pixels(_ asked: [(plot: String, colour: String)], isDark: Bool) throws -> [Int] {
        let layout = try layout
        let picture = folder.appendingPathComponent("page.png")
        try Browser.screenshot(of: page, to: picture, width: Self.width, height: layout.contentHeight, isDark: isDark)
        let queries = try asked.map { plot, colour in
            let box = try #require(layout.fields[plot], "the page has no plot \(plot)")
            let pair = try #require(PageColours.all.first { $0.name == colour })
            return PixelCount.Query(box: box, colour: isDark ? pair.dark : pair.light)
        }
        return try PixelCount.count(in: picture, queries)
    }
}
