/// Terminal colours, which vanish where they are not wanted.
struct Paint: Sendable {
    enum Style: String, Sendable {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
    }

    var isColoured: Bool

    func callAsFunction(_ text: String, _ style: Style) -> String {
        isColoured && style != .plain && !text.isEmpty ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }
}

/// Rows of cells that stand below each other; the first column to the left, the others to the right.
struct TextTable {
    struct Cell {
        var text: String
        var style = Paint.Style.plain
        var isLeft = false
    }

    var rows: [[Cell]] = []
    /// Least widths of the columns.
    var widths: [Int] = []
    var gap = 2

    mutating func add(_ cells: [Cell]) { rows.append(cells) }

    mutating func add(_ texts: [String], _ style: Paint.Style = .plain) {
        rows.append(texts.map { Cell(text: $0, style: style) })
    }

    func lines(_ paint: Paint) -> [String] {
        var widths = widths
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.text.count)
            }
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.text.count)
                if column > 0 { line += String(repeating: " ", count: gap) }
                let isLast = column == row.count - 1
                line +=
                    column == 0 || cell.isLeft
                    ? paint(cell.text, cell.style) + (isLast ? "" : padding) : padding + paint(cell.text, cell.style)
            }
            return line
        }
    }
}
