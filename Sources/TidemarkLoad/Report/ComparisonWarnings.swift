import Foundation

/// What a reader should know before believing a comparison.
enum ComparisonWarnings {
    static func all(_ a: ReportFile, _ b: ReportFile, _ method: ReportComparison.Method) -> [String] {
        tooFewRuns(method) + differences(a, b) + failures("A", a) + failures("B", b) + openLoop(a, b)
    }

    /// Runs of the same program often differ by several percent while each of them is steady in itself.
    private static func tooFewRuns(_ method: ReportComparison.Method) -> [String] {
        guard method == .intervals else { return [] }
        return [
            "fewer than three runs a side cannot prove a difference, as nothing tells how much runs differ by "
                + "themselves; collect three runs a side (`--json >> a.json`, three times)"
        ]
    }

    /// Keys of the configuration and the machine that are not the same in all runs. A seed may differ: runs that only
    /// differ in it are what a spread is best taken from. So may a server's address: one that is started for each run
    /// has any port. What is measured stands first.
    private static func differences(_ a: ReportFile, _ b: ReportFile) -> [String] {
        let sides = [a.runs.map(settings), b.runs.map(settings)]
        let keys = Set(sides.joined().flatMap(\.keys)).subtracting(["configuration.seed", "configuration.server"])
        let first = "configuration.workload"
        return keys.sorted { ($0 != first ? 1 : 0, $0) < ($1 != first ? 1 : 0, $1) }.compactMap { key in
            let values = sides.map { runs in distinct(runs.map { $0[key] ?? "none" }) }
            guard values[0] != values[1] || values[0].count > 1 else { return nil }
            let texts = values.map { ForeignText.visible($0.joined(separator: " or ")) }
            return "\(key) differs: \(texts[0]) in A, \(texts[1]) in B"
        }
    }

    private static func failures(_ side: String, _ file: ReportFile) -> [String] {
        let worst = file.runs.map(\.total.failedPercent).max() ?? 0
        guard worst > 1 else { return [] }
        return ["\(side) failed \(Units.percent(worst)) of its operations; its latencies count how long those waited"]
    }

    private static func openLoop(_ a: ReportFile, _ b: ReportFile) -> [String] {
        let runs = a.runs + b.runs
        var warnings: [String] = []
        if runs.contains(where: \.isOpenLoop) {
            warnings.append("an open loop's rate is what was asked for; compare the latencies")
        }
        let worst = runs.compactMap(\.schedule?.errorPercent).map(abs).max() ?? 0
        if worst > 1 {
            warnings.append("a schedule was missed by \(Units.percent(worst)); such a run was overloaded")
        }
        return warnings
    }

    /// "configuration.pipeline" and its like, with the values as JSON.
    private static func settings(_ run: LoadReport) -> [String: String] {
        members(run.configuration, "configuration").merging(members(run.machine, "machine")) { first, _ in first }
    }

    private static func members(_ value: some Encodable, _ name: String) -> [String: String] {
        guard let json = try? JSONEncoder().encode(value),
            let object = try? JSONSerialization.jsonObject(with: json) as? [String: Any]
        else { return [:] }
        var members: [String: String] = [:]
        for (key, value) in object {
            let text = try? JSONSerialization.data(
                withJSONObject: value,
                options: [.fragmentsAllowed, .sortedKeys, .withoutEscapingSlashes]
            )
            members["\(name).\(key)"] = text.map { String(decoding: $0, as: UTF8.self) } ?? "\(value)"
        }
        return members
    }

    private static func distinct(_ values: [String]) -> [String] { Array(Set(values)).sorted() }
}
