extension LoadReport {
    /// The run as one page that needs nothing else: no network, no script, no font. Its plots are drawn in SVG, follow
    /// the reader's choice of light or dark, and print.
    ///
    /// Throws `ReportError.notFinite`, as the page carries the report's JSON.
    public func html() throws(ReportError) -> String {
        let json = try json(isLaidOut: true)
        let title = ForeignText.html("\(configuration.workload) on \(configuration.server) – tidemark-load")
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title)</title>
            <style>
            \(PageColours.css)
            \(PageStyle.css)
            </style>
            </head>
            <body>
            <main>
            \(pageParts.joined(separator: "\n"))
            <section><details><summary>The report as JSON</summary>
            <pre id="report">\(ForeignText.escaped(json))</pre>
            </details></section>
            <footer>Schema \(ForeignText.html(schema)). Hold the pointer over a plot for its figures.</footer>
            </main>
            </body>
            </html>

            """
    }

    private var pageParts: [String] {
        var parts = [pageHeader, pageTiles, latencyCard, rateCard]
        if let card = serverCard { parts.append(card) }
        parts.append(operationsCard)
        if let card = errorsCard { parts.append(card) }
        parts.append(configurationCard)
        return parts
    }

    private var pageHeader: String {
        """
        <header><p class="tool">tidemark-load</p><h1>\(ForeignText.html(configuration.workload))</h1>
        <p>\(ForeignText.html(configuration.server)) · \(ForeignText.html(loopText)) · \
        \(Units.threeDigits(seconds)) s · \(ForeignText.html(started))</p></header>
        """
    }

    // MARK: plots

    private var latencyCard: String {
        let shown = shownOperations.filter(\.latency.hasValues)
        let legend = shown.count < 2 ? [] : shown.map { (colour(of: $0), isDashed($0), $0.kind) }
        let failures = failureMeaning.map { "; \($0)" } ?? ""
        return Self.card(
            "Latency by percentile",
            "What so many percent of the operations did not exceed, \(latencyMeaning)\(failures).",
            [latencyPlot],
            legend: legend
        )
    }

    private var rateCard: String {
        let legend =
            [("s1", false, "completed")] + (intervals.contains { $0.failed > 0 } ? [("bad", false, "failed")] : [])
        return Self.card("Rate over time", nil, [ratePlot], legend: legend)
            + "\n"
            + Self.card(
                "Latency over time",
                nil,
                [intervalLatencyPlot],
                legend: [("s2", false, "p99"), ("s1", true, "p50")]
            )
    }

    private var serverCard: String? {
        let plots = [processorPlot, memoryPlot].compactMap { $0 }
        return plots.isEmpty ? nil : Self.card("The server's process", nil, plots, legend: [])
    }

    private static func card(
        _ title: String,
        _ meaning: String?,
        _ plots: [Plot],
        legend: [(colour: String, isDashed: Bool, name: String)]
    ) -> String {
        let entries = (plots.allSatisfy(\.isEmpty) ? [] : legend).map { entry in
            """
            <li><svg viewBox="0 0 26 10" aria-hidden="true"><path class="line \(entry.colour)\
            \(entry.isDashed ? " dashed" : "")" d="M2 5L24 5"/></svg>\(ForeignText.html(entry.name))</li>
            """
        }
        let list = entries.isEmpty ? "" : "<ul class=\"legend\">\(entries.joined())</ul>\n"
        let drawn = plots.map { "<div class=\"scroll\">\($0.svg())</div>" }.joined(separator: "\n")
        return "<section><h2>\(title)</h2>\n<p>\(meaning ?? "")</p>\n\(list)\(drawn)</section>"
    }
}
