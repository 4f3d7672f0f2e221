// The page's figures in words and numbers.

extension LoadReport {
    var pageTiles: String {
        let latency = total.latency
        func duration(_ value: Double?) -> String { value.map { Units.duration(microseconds: $0) } ?? "–" }
        var tiles = [
            Self.tile("Completed a second", Units.rate(total.perSecond)),
            Self.tile("Latency p50", duration(latency.at(50))),
            Self.tile("Latency p99", duration(latency.at(99))),
            Self.tile("Latency p99.9", duration(latency.at(99.9))),
            Self.tile("Latency max", duration(latency.hasValues ? latency.maximum : nil)),
            Self.tile(
                "Failed",
                Units.count(total.failed),
                detail: total.failed > 0 ? Units.percent(total.failedPercent) : "",
                isFailing: total.failed > 0
            ),
        ]
        if let server {
            tiles.append(
                Self.tile("Server CPU per operation", Units.duration(microseconds: server.cpuMicrosecondsPerOperation))
            )
            tiles.append(Self.tile("Server memory at most", Units.bytes(Double(server.residentBytesMax))))
        }
        return "<dl class=\"tiles \(server == nil ? "threes" : "fours")\">\(tiles.joined())</dl>"
    }

    private static func tile(_ name: String, _ value: String, detail: String = "", isFailing: Bool = false) -> String {
        // "1.24 ms": the unit smaller than the number.
        let parts = value.split(separator: " ", maxSplits: 1)
        let unit = ([parts.count > 1 ? String(parts[1]) : "", detail].filter { !$0.isEmpty }).joined(separator: " ")
        let small = unit.isEmpty ? "" : " <small>\(ForeignText.html(unit))</small>"
        let style = isFailing ? " class=\"failing\"" : ""
        return "<div\(style)><dt>\(name)</dt><dd>\(ForeignText.html(String(parts.first ?? "–")))\(small)</dd></div>"
    }

    var operationsCard: String {
        let hasItems = shownOperations.contains { $0.itemsMean != nil }
        let hasLate = shownOperations.contains { $0.completedLate ?? 0 > 0 }
        let counts = Self.table(
            ["completed", "a second", "failed", "share"] + (hasLate ? ["answered after the end"] : [])
                + (hasItems ? ["items in an answer"] : []),
            shownOperations.map { kind in
                let style = kind.failed > 0 ? "failing" : ""
                return (
                    kind.kind,
                    [
                        (Units.count(kind.completed), ""), (Units.rate(kind.perSecond), ""),
                        (Units.count(kind.failed), style), (Units.percent(kind.failedPercent), style),
                    ] + (hasLate ? [(Units.count(kind.completedLate ?? 0), "")] : [])
                        + (hasItems ? [(kind.itemsMean.map(Units.rate) ?? "–", "")] : [])
                )
            }
        )
        let latencies = Self.table(
            ["mean", "deviation", "min"] + Self.shownPercentiles.map { "p\(Units.plain($0))" } + ["max"],
            shownOperations.map { kind in
                let latency = kind.latency
                let times =
                    [latency.mean, latency.standardDeviation, latency.minimum]
                    + Self.shownPercentiles.map { latency.at($0) ?? 0 } + [latency.maximum]
                return (
                    kind.kind,
                    times.map { (latency.hasValues ? Units.duration(microseconds: $0) : "–", "") }
                )
            }
        )
        let lateness =
            hasLate ? "<p>What was answered after the end counts in the latencies and not in the rate.</p>\n" : ""
        return
            "<section><h2>Operations</h2>\n\(lateness)\(counts)</section>\n<section><h2>Latency</h2>\n\(latencies)</section>"
    }

    private static func table(
        _ columns: [String],
        _ rows: [(name: String, cells: [(text: String, style: String)])]
    ) -> String {
        let head = columns.map { "<th scope=\"col\">\($0)</th>" }.joined()
        let body = rows.map { row in
            let cells = row.cells.map { cell in
                let style = cell.style.isEmpty ? "" : " class=\"\(cell.style)\""
                return "<td\(style)>\(ForeignText.html(cell.text))</td>"
            }
            return "<tr><th scope=\"row\">\(ForeignText.html(row.name))</th>\(cells.joined())</tr>"
        }
        return """
            <div class="scroll"><table><thead><tr><td></td>\(head)</tr></thead>
            <tbody>\(body.joined(separator: "\n"))</tbody></table></div>
            """
    }

    var errorsCard: String? {
        guard !errors.isEmpty else { return nil }
        let rows = errors.map { error in
            """
            <tr><th scope="row">\(ForeignText.html(error.code))</th><td class="failing">\(Units.count(error.count))</td>\
            <td class="words">\(ForeignText.html(error.example))</td></tr>
            """
        }
        return """
            <section><h2>Errors</h2>
            <div class="scroll"><table><thead><tr><th scope="col">code</th><th scope="col">count</th>\
            <th scope="col" class="words">the first one</th></tr></thead>
            <tbody>\(rows.joined(separator: "\n"))</tbody></table></div></section>
            """
    }

    var configurationCard: String {
        let items = pageFacts.map {
            "<div><dt>\($0.name)</dt><dd>\(ForeignText.html($0.value))</dd></div>"
        }
        return "<section><h2>What was run</h2><dl class=\"facts\">\(items.joined(separator: "\n"))</dl></section>"
    }

    private var pageFacts: [(name: String, value: String)] {
        let run = configuration
        var facts = [
            ("Workload", run.workload), ("Mix", mixText), ("Server", run.server), ("Load", loopText),
            ("Connections", Units.count(run.connections)), ("In flight on each", Units.count(run.pipeline)),
            ("Threads", Units.count(run.threads)), ("Users", Units.count(run.users)),
            ("Contacts changed since a sync's token", Units.count(run.changed)),
            ("Content verified", run.verify ? "yes" : "no"),
            ("Duration", "\(Units.plain(run.durationSeconds)) s after \(Units.plain(run.warmUpSeconds)) s of warm-up"),
            ("Seed", String(run.seed)),
        ]
        if let schedule {
            let error = Units.percent(schedule.errorPercent, isSigned: true)
            facts.append(("Sent of what was asked", "\(Units.rate(schedule.achieved))/s, error \(error)"))
            facts.append(("Due and never sent", Units.count(schedule.unsent)))
        }
        if seconds > 0 {
            facts.append(("Sent", "\(Units.bytes(Double(bytesSent) / seconds))/s"))
            facts.append(("Received", "\(Units.bytes(Double(bytesReceived) / seconds))/s"))
        }
        if let server {
            let before = Units.bytes(Double(server.residentBytesBefore))
            let after = Units.bytes(Double(server.residentBytesAfter))
            facts.append(("Server process", "\(server.pid), \(Units.plain(server.cpuSeconds)) s of CPU"))
            facts.append(("Server memory", "\(before) before, \(after) after"))
        }
        facts += [
            ("Processor", machine.processor), ("Cores", Units.count(machine.cores)), ("Kernel", machine.kernel),
            ("Started", started),
        ]
        return facts.filter { !$0.1.isEmpty }
    }
}
