import Foundation

/// A line plot as one SVG element, which says by itself what it shows: axes, grid, lines, and a native tooltip wherever
/// the pointer rests on a point.
struct Plot {
    struct Point: Equatable {
        var x: Double
        var y: Double
    }

    struct Line {
        /// The CSS class of its colour: "s1" and so on, "ink" or "bad".
        var colour: String
        /// Parts between which there is no data.
        var runs: [[Point]]
        var isFilled = false
        /// Told apart by more than the colour.
        var isDashed = false
    }

    /// A point with something to say, seen or only found by the pointer.
    struct Mark {
        var point: Point
        var colour: String
        var text: String
        var isSeen: Bool
    }

    /// A stretch of the x axis with something to say.
    struct Band {
        var from: Double
        var to: Double
        var dots: [(point: Point, colour: String)]
        var text: String
    }

    var name: String
    /// What someone hears who does not see it.
    var summary: String
    var x: Axis
    var y: Axis
    var lines: [Line] = []
    var marks: [Mark] = []
    var bands: [Band] = []
    /// A level to compare with.
    var level: (value: Double, text: String)?
    var height = 300.0

    static let width = 960.0
    private static let left = 76.0
    private static let right = 22.0
    private static let top = 26.0
    private static let bottom = 48.0

    var isEmpty: Bool { lines.allSatisfy { $0.runs.allSatisfy(\.isEmpty) } }

    func svg() -> String {
        var parts = [
            """
            <svg id="plot-\(name)" class="plot" viewBox="0 0 \(Self.number(Self.width)) \(Self.number(height))" \
            role="img" aria-label="\(ForeignText.html(summary))">
            """
        ]
        parts += grid()
        if isEmpty {
            parts.append(Self.text("no data", x: middleX, y: (Self.top + floor) / 2, anchor: "middle", style: "none"))
        } else {
            parts += levelLine()
            parts += lines.filter(\.isFilled).flatMap(areas)
            parts += lines.flatMap(strokes)
            parts += bands.map(hover)
            parts += marks.map(dot)
        }
        parts.append("</svg>")
        return parts.joined(separator: "\n")
    }
}

// MARK: the frame

extension Plot {
    private var floor: Double { height - Self.bottom }
    private var middleX: Double { (Self.left + Self.width - Self.right) / 2 }
    private func px(_ x: Double) -> Double { Self.left + self.x.fraction(x) * (Self.width - Self.right - Self.left) }
    private func py(_ y: Double) -> Double { floor - self.y.fraction(y) * (floor - Self.top) }

    private func grid() -> [String] {
        let end = Self.width - Self.right
        var parts = [
            """
            <rect class="field" id="field-\(name)" x="\(Self.number(Self.left))" y="\(Self.number(Self.top))" \
            width="\(Self.number(end - Self.left))" height="\(Self.number(floor - Self.top))"/>
            """
        ]
        for tick in y.ticks {
            let at = py(tick.value)
            parts.append(Self.stroke("grid", from: (Self.left, at), to: (end, at)))
            parts.append(Self.text(tick.label, x: Self.left - 8, y: at + 4, anchor: "end", style: "tick"))
        }
        for tick in x.ticks {
            let at = px(tick.value)
            parts.append(Self.stroke("grid", from: (at, Self.top), to: (at, floor)))
            let anchor = at > end - 12 ? "end" : "middle"
            parts.append(
                Self.text(tick.label, x: anchor == "end" ? end : at, y: floor + 18, anchor: anchor, style: "tick")
            )
        }
        parts.append(Self.stroke("axis", from: (Self.left, floor), to: (end, floor)))
        parts.append(Self.text(y.title, x: Self.left, y: Self.top - 11, anchor: "start", style: "name"))
        parts.append(Self.text(x.title, x: end, y: floor + 37, anchor: "end", style: "name"))
        return parts
    }

    private func levelLine() -> [String] {
        guard let level else { return [] }
        let end = Self.width - Self.right
        let at = py(level.value)
        return [
            Self.stroke("level", from: (Self.left, at), to: (end, at)),
            Self.text(level.text, x: end, y: Self.top - 11, anchor: "end", style: "tick"),
        ]
    }
}

// MARK: the data

extension Plot {
    private func strokes(_ line: Line) -> [String] {
        line.runs.map(placed).filter { !$0.isEmpty }.map { points in
            guard points.count > 1 else {
                // A line of one point has no length; a dot is seen.
                return """
                    <circle class="dot \(line.colour)" cx="\(Self.number(points[0].x))" \
                    cy="\(Self.number(points[0].y))" r="3.5"/>
                    """
            }
            let dashes = line.isDashed ? " dashed" : ""
            return "<path class=\"line \(line.colour)\(dashes)\" d=\"\(Self.path(points))\"/>"
        }
    }

    private func areas(_ line: Line) -> [String] {
        line.runs.map(placed).filter { $0.count > 1 }.map { points in
            let ends = "L\(Self.number(points[points.count - 1].x)) \(Self.number(floor))L\(Self.number(points[0].x)) "
            return "<path class=\"area \(line.colour)\" d=\"\(Self.path(points))\(ends)\(Self.number(floor))Z\"/>"
        }
    }

    private func dot(_ mark: Mark) -> String {
        let at = "cx=\"\(Self.number(px(mark.point.x)))\" cy=\"\(Self.number(py(mark.point.y)))\""
        let title = "<title>\(ForeignText.html(mark.text))</title>"
        let seen = mark.isSeen ? "<circle class=\"dot \(mark.colour)\" \(at) r=\"3\"/>" : ""
        return "<g class=\"hit\">\(title)\(seen)<circle class=\"found\" \(at) r=\"7\"/></g>"
    }

    private func hover(_ band: Band) -> String {
        let from = px(band.from)
        let to = max(px(band.to), from + 1)
        let middle = (from + to) / 2
        let dots = band.dots.map { dot in
            """
            <circle class="dot \(dot.colour)" cx="\(Self.number(px(dot.point.x)))" \
            cy="\(Self.number(py(dot.point.y)))" r="3.5"/>
            """
        }
        return """
            <g class="hit"><title>\(ForeignText.html(band.text))</title>\
            <rect x="\(Self.number(from))" y="\(Self.number(Self.top))" width="\(Self.number(to - from))" \
            height="\(Self.number(floor - Self.top))"/>\
            <g class="cross">\(Self.stroke("axis", from: (middle, Self.top), to: (middle, floor)))\(dots.joined())</g></g>
            """
    }

    /// In the picture's coordinates; of thousands of points, the extremes of each half pixel.
    private func placed(_ run: [Point]) -> [Point] {
        let points = run.map { Point(x: px($0.x), y: py($0.y)) }
        return points.count <= Int(Self.width) * 2 ? points : Self.thinned(points)
    }

    /// The first, lowest, highest and last point of every half pixel, in their order.
    static func thinned(_ points: [Point]) -> [Point] {
        var kept: [Point] = []
        var start = 0
        while start < points.count {
            let column = Int(points[start].x * 2)
            let end = points[start...].firstIndex { Int($0.x * 2) != column } ?? points.count
            let indices = start..<end
            let low = indices.min { points[$0].y < points[$1].y } ?? start
            let high = indices.max { points[$0].y < points[$1].y } ?? start
            kept += Set([start, low, high, end - 1]).sorted().map { points[$0] }
            start = end
        }
        return kept
    }
}

// MARK: SVG

extension Plot {
    private static func path(_ points: [Point]) -> String {
        points.enumerated().map { "\($0.offset == 0 ? "M" : "L")\(number($0.element.x)) \(number($0.element.y))" }
            .joined()
    }

    private static func stroke(_ style: String, from: (Double, Double), to: (Double, Double)) -> String {
        "<path class=\"\(style)\" d=\"\(path([Point(x: from.0, y: from.1), Point(x: to.0, y: to.1)]))\"/>"
    }

    private static func text(_ text: String, x: Double, y: Double, anchor: String, style: String) -> String {
        """
        <text class="\(style)" x="\(number(x))" y="\(number(y))" text-anchor="\(anchor)">\
        \(ForeignText.html(text))</text>
        """
    }

    /// A tenth of a unit is less than anyone sees.
    static func number(_ value: Double) -> String { Units.plain((value * 10).rounded() / 10) }
}
