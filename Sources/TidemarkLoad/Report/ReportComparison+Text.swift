extension ReportComparison {
    /// The comparison for people: at most 80 columns wide but for longer names, in lines that all end with a line end.
    public func text(isColoured: Bool) -> String {
        let paint = Paint(isColoured: isColoured)
        var lines = [side("A", a, paint), side("B", b, paint), ""]
        lines += table(paint)
        lines += [""] + explanation.map { paint($0, .dim) }
        if !warnings.isEmpty { lines.append("") }
        for warning in warnings {
            let heading = "warning: "
            let parts = Self.wrapped(warning, to: 80 - heading.count)
            lines.append(paint(heading, .yellow) + parts[0])
            lines += parts.dropFirst().map { String(repeating: " ", count: heading.count) + $0 }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    /// At least one line; a word that is longer stays whole.
    private static func wrapped(_ text: String, to width: Int) -> [String] {
        text.split(separator: " ").reduce(into: [""]) { lines, word in
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(String(word))
            }
        }
    }

    private func side(_ name: String, _ side: Side, _ paint: Paint) -> String {
        "\(paint(name, .bold))  \(ForeignText.visible(side.file)), \(side.runs == 1 ? "1 run" : "\(side.runs) runs")"
    }

    private func table(_ paint: Paint) -> [String] {
        var table = TextTable(widths: [17, 11, 11, 10, 9])
        table.add(
            ["", "A", "B", "difference", "noise"].map { TextTable.Cell(text: $0, style: .dim) }
                + [TextTable.Cell(text: "verdict", style: .dim, isLeft: true)]
        )
        let figures = ComparedFigure.all
        for row in rows {
            guard let figure = figures.first(where: { $0.name == row.name }) else { continue }
            let (verdict, style) = Self.words(row.verdict, figure)
            table.add([
                TextTable.Cell(text: row.name), TextTable.Cell(text: row.a.map(figure.text) ?? "–"),
                TextTable.Cell(text: row.b.map(figure.text) ?? "–"),
                TextTable.Cell(text: row.differencePercent.map { Units.percent($0, isSigned: true) } ?? "–"),
                TextTable.Cell(text: row.noisePercent.map { "±" + Units.percent($0) } ?? "–"),
                TextTable.Cell(text: verdict, style: style, isLeft: true),
            ])
        }
        return table.lines(paint)
    }

    private static func words(_ verdict: Verdict, _ figure: ComparedFigure) -> (String, Paint.Style) {
        switch verdict {
        case .faster: (figure.name.hasPrefix("CPU") ? "less" : "faster", .green)
        case .slower: (figure.name.hasPrefix("CPU") ? "more" : "slower", .red)
        case .more: ("more", .red)
        case .fewer: (figure.unit == .bytes ? "less" : "fewer", .green)
        case .unproven: ("unproven", .yellow)
        case .withinNoise: ("within noise", .dim)
        case .noiseUnknown: ("noise unknown", .yellow)
        case .missing: ("not in both", .dim)
        }
    }

    private var explanation: [String] {
        switch method {
        case .runs:
            [
                "Noise: half of the 95 % interval of the difference, from the spread between the",
                "runs of each file (Welch's t). One line in 20 is beyond it by chance.",
            ]
        case .intervals:
            [
                "Noise: half of the 95 % interval of the difference, from the spread between the",
                "intervals within a run, allowing for how alike neighbours are (lag-1). It leaves",
                "out what differs from run to run, so the true noise is larger, and a difference",
                "beyond this one is unproven.",
            ]
        }
    }
}
