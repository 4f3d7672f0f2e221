import Foundation

/// A figure of a benchmark and what it is held against: both sides of every ratio.
struct Goal: Codable {
    var figure: String
    var value: Double
    var unit: String
    var measured: Double
    var against: Double
    /// What `value` is compared with: it may be at most this, or has to be at least this.
    var limit: Double
    var isAtLeast = false
    var holds: Bool

    /// `measured` by itself, in `unit`.
    static func atMost(_ limit: Double, _ figure: String, _ value: Double, unit: String) -> Goal {
        Goal(
            figure: figure,
            value: value,
            unit: unit,
            measured: value,
            against: limit,
            limit: limit,
            holds: value <= limit
        )
    }

    /// `measured / against`, both in `unit`.
    static func ratioAtLeast(_ limit: Double, _ figure: String, measured: Double, against: Double, unit: String) -> Goal
    {
        var goal = ratioAtMost(limit, figure, measured: measured, against: against, unit: unit)
        goal.isAtLeast = true
        goal.holds = measured / against >= limit
        return goal
    }

    /// `measured / against`, both in `unit`.
    static func ratioAtMost(_ limit: Double, _ figure: String, measured: Double, against: Double, unit: String) -> Goal
    {
        let ratio = measured / against
        return Goal(
            figure: figure + " (" + unit + ")",
            value: (ratio * 1000).rounded() / 1000,
            unit: "ratio",
            measured: measured,
            against: against,
            limit: limit,
            holds: ratio <= limit
        )
    }
}

/// The last line of a benchmark.
struct Report<Series: Encodable>: Encodable {
    var bench: String
    var machine: Machine
    var goals: [Goal]
    /// What the goals were made from.
    var series: Series

    func print() {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let line = try? encoder.encode(self) else { fatalError("a report is encodable") }
        Swift.print(String(decoding: line, as: UTF8.self))
    }
}

/// Reports read back, as a table for people.
enum Table {
    private struct Row: Decodable {
        var bench: String
        var goals: [Goal]
    }

    /// A report a line.
    static func markdown(_ lines: [String]) throws -> String {
        var table =
            "| benchmark | figure | value | goal | measured | against | holds |\n|---|---|---|---|---|---|---|\n"
        for line in lines where !line.isEmpty {
            let row = try JSONDecoder().decode(Row.self, from: Data(line.utf8))
            for goal in row.goals {
                table +=
                    "| \(row.bench) | \(goal.figure) | \(goal.value) \(goal.unit) | "
                    + "at \(goal.isAtLeast ? "least" : "most") \(goal.limit) | "
                    + "\(goal.measured) | \(goal.against) | \(goal.holds ? "yes" : "**no**") |\n"
            }
        }
        return table
    }
}

struct Machine: Encodable {
    var processor: String
    var cores: Int
    var kernel: String

    static func this() -> Machine {
        let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
        let model = lines.first { $0.hasPrefix("model name") }?.split(separator: ":").last ?? "unknown"
        let kernel = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? "unknown"
        return Machine(
            processor: model.trimmingCharacters(in: .whitespaces),
            cores: ProcessInfo.processInfo.activeProcessorCount,
            kernel: kernel.trimmingCharacters(in: .whitespacesAndNewlines)
        )
    }
}

/// For people, beside the JSON for machines.
func say(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
}
